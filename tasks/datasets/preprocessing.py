"""How images are brought to what a tower takes: the settings. Apart from the transform, which is slow to import."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Resize to a square, scale to [0, 1], normalise each channel; open_clip's settings."""

    size: int
    """Pixels, of the square."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    """`bicubic` or `bilinear`."""
    resize_mode: str = "shortest"
    """`shortest`: the shorter side becomes `size`, the centre is cut out; `longest`: the longer side does, the rest is
    filled; `squash`: both sides do."""
    fill: int = 0
    """Level, 0 to 255, of what `longest` fills."""
    border: int = 0
    """Pixels cut off on every side before all else."""
