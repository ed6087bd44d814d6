"""Published numbers: what others reported for a method of the experiment, with the source of each."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from flows.experiment.setting_types import PERCENTAGE_PATTERN, Settings, Words
from tasks.errors import did_you_mean
from tasks.numerics.metrics.metric import Metric
from tasks.numerics.metrics.registry import METRICS
from tasks.references.results import PublishedNumber

_Percentage = Annotated[str, Field(pattern=PERCENTAGE_PATTERN)]
_Number = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]

_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}


class PublishedSettings(Settings):
    """A published number, which results show beside the measured one. No prediction depends on it."""

    method: Annotated[str, Field(min_length=1, max_length=1000)]
    """One of this experiment's methods, as results name it."""
    dataset: Annotated[str, Field(min_length=1, max_length=1000)]
    """One of its data sets; or `mean/<group>`, the mean over the data sets of a group; or `mean/all`."""
    metric: str = "top1"
    """The metric, as results name it."""
    value: _Number | _Percentage
    """The number as it was published: `79.97 %`, or a fraction such as 0.7997; a plain number where the metric is no
    share."""
    source: Annotated[Words, Field(min_length=1)]
    """Where it was published, in words."""

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _BY_NAME:
            near = did_you_mean(value, _BY_NAME) or f"; known: {', '.join(_BY_NAME)}"
            raise ValueError(f"no such metric {value!r}{near}")
        return value

    @field_validator("value")
    @classmethod
    def _in_range(cls, value: float | str, info: ValidationInfo) -> float | str:
        metric = _BY_NAME.get(info.data.get("metric", ""))  # an unknown one is a fault of its own
        if metric and (reason := _fault_of(value, metric)):
            raise ValueError(reason)
        return value

    @property
    def number(self) -> PublishedNumber:
        """The number as results store it: shares of samples as fractions."""
        return PublishedNumber(
            method=self.method, dataset=self.dataset, metric=self.metric, value=_stored(self.value), source=self.source
        )


def _stored(value: float | str) -> float:
    return float(Decimal(value.rstrip("% ")) / 100) if isinstance(value, str) else value


def _fault_of(value: float | str, metric: Metric) -> str | None:
    """Return why a metric cannot have a value; None if it can."""
    is_share = metric.unit == "%"
    if isinstance(value, str) and not is_share:
        return f"{metric.name} is no share, wanted a plain number, got '{value}'"
    if is_share and _stored(value) > 1:
        near = f"; did you mean {value:g} %?" if isinstance(value, float | int) and value <= 100 else ""
        got = value if isinstance(value, str) else f"{value:g}"
        return f"wanted a percentage up to 100 %, such as 79.97 %, or a fraction from 0 to 1, got {got}{near}"
    return None
