"""Settings of the merge: how DaWin interpolates weights."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StrictInt, field_validator

from flows.experiment.setting_types import MOST_ITEMS, Scale, Settings
from tasks.numerics.measures import NAMES

if TYPE_CHECKING:
    Expertise = str
else:
    Expertise = Literal[NAMES]


class MergeSettings(Settings):
    """How DaWin interpolates weights."""

    kind: Literal["interpolation", "task-vectors"] = "interpolation"
    """`interpolation`: θ = Σ c_m θ_m with c on the simplex; `task-vectors`: θ = θ_0 + s·M·Σ π_t (θ_t − θ_0)."""
    expertise: Expertise = "entropy"
    """Measure of a model's expertise on a sample."""
    offset: bool = True
    """Offset adjustment of the coefficients; defined for two models, without effect for more."""
    granularity: tuple[Literal["clusters", "bins", "samples"], ...] = ("clusters",)
    """One merged model per cluster, per bin of similar coefficients, or per sample; one or several of them."""
    clusters: Annotated[StrictInt, Field(ge=1)] | Literal["auto"] = 3
    """Number of clusters per data set; `auto` takes the number of lowest BIC."""
    m_step: Literal["moments", "mle"] | None = None
    """How clusters are fitted; null: by moments for two models, as published, by maximum likelihood for more."""
    scale: tuple[Scale, ...] = Field(default=(0.3,), max_length=MOST_ITEMS)
    """s of the task vectors: one number, or several to compare; without effect on interpolation."""
    bins: StrictInt = Field(default=64, ge=1)
    """Largest number of bins per data set; bins without samples cost nothing."""

    @field_validator("scale", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:  # noqa: ANN401  whatever the file holds
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("scale")
    @classmethod
    def _distinct(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value or len({f"{scale:.2f}" for scale in value}) < len(value):
            raise ValueError(f"wanted one scale or several that differ in two decimals, got {list(value)}")
        return value
