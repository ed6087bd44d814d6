"""Top-1 and top-5 accuracy, with Wilson's interval."""

from functools import partial

from tasks.numerics.checks import Floats
from tasks.numerics.metrics.metric import Metric, SampleColumns, mean_of


def _right(columns: SampleColumns, classes: int | None, *, k: int) -> Floats | None:
    """Return whether the label is among the k highest classes; None where k classes are all, so that none can fail."""
    return None if classes is None or k >= classes else (columns["label_rank"] < k).astype(float)


def _accuracy(k: int) -> Metric:
    """Return top-k accuracy: the share of samples whose label is among the k classes of highest score."""
    terms = partial(_right, k=k)
    return Metric(
        name=f"top{k}",
        title=f"top-{k} accuracy",
        better="higher",
        unit="%",
        columns=("label_rank",),
        statistic=mean_of(terms),
        interval="wilson",
        terms=terms,
    )


TOP1 = _accuracy(1)
TOP5 = _accuracy(5)

METRICS = (TOP1, TOP5)
