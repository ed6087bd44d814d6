"""Settings of the preprocessing: from image to tensor."""

from typing import Literal

from pydantic import Field

from flows.experiment.setting_types import Channel, Positive, Settings


class PreprocessSettings(Settings):
    """From image to tensor.

    A null setting takes its value from the files beside the checkpoints, else from open_clip's record of the named
    architecture, else from OpenAI's preprocessing.
    """

    size: int | None = Field(default=None, ge=1)
    """Side of the square, pixels; a tower with learnt positions takes its own size only."""
    mean: tuple[Channel, Channel, Channel] | None = None
    """Mean of each channel, on a scale of 0 to 1."""
    std: tuple[Positive, Positive, Positive] | None = None
    """Standard deviation of each channel, on a scale of 0 to 1."""
    interpolation: Literal["bicubic", "bilinear"] | None = None
    """Interpolation of the resizing."""
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    """`shortest`: the shorter side to `size`, centre cut out; `longest`: the longer side to `size`, rest filled;
    `squash`: both sides to `size`."""
    fill: int | None = Field(default=None, ge=0, le=255)
    """Grey level that `longest` fills with."""
    tag: str | None = None
    """Pretrained tag of the named `architecture`: takes the preprocessing that open_clip records for it."""
