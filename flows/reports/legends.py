"""Sentences below tables of metrics that a reader could take for another one."""

from tasks.numerics.metrics.normalised_accuracy import NORMALISED_TOP1

_SENTENCES = {
    NORMALISED_TOP1.name: "100 %: as many samples right as by the model tuned on that data set; top1 is the accuracy",
}


def legend_of(metric: str) -> list[str]:
    """Return the sentence that belongs below every table of a metric; empty for most metrics.

    Args:
        metric: its name.

    Example:
        >>> legend_of("top1")
        []
    """
    return [_SENTENCES[metric]] if metric in _SENTENCES else []
