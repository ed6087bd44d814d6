"""The settings by which images are prepared for a tower; apart from the transform, which is slow to import."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Settings of open_clip's evaluation transform: resize to a square, scale to [0, 1], normalise each channel."""

    size: int
    """Side of the square, in pixels."""
    mean: tuple[float, float, float]
    """Subtracted from the red, green and blue channels, scaled to [0, 1]."""
    std: tuple[float, float, float]
    """By which the channels are divided afterwards."""
    interpolation: str
    """`bicubic` or `bilinear`."""
    resize_mode: str = "shortest"
    """`shortest`: the shorter side becomes `size`, and the centre is cropped; `longest`: the longer side becomes
    `size`, and the rest is filled; `squash`: both sides become `size`."""
    fill: int = 0
    """Grey level, 0 to 255, with which `longest` fills."""
    border: int = 0
    """Pixels cropped from every side before all else."""
