"""How images are brought to what a tower takes: the settings. Apart from the transform, which is slow to import."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resize the shorter side, cut out the centre, scale to [0, 1], normalise each channel."""

    size: int
    """Pixels, of the square."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    """`bicubic` or `bilinear`."""
    border: int = 0
    """Pixels cut off on every side before all else."""
