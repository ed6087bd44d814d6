"""Parts of sentences about names, counts and differences."""

from flows.pages.figures import PERCENT, figure, points, signed
from flows.pages.run_data import Difference


def code(names: list[str]) -> list[str]:
    """Return names as code."""
    return [f"`{name}`" for name in names]


def with_interval(difference: Difference) -> str:
    """Return a difference of accuracies with its interval, as a part of a sentence.

    Example:
        >>> with_interval(Difference(0.0123, 0.004, 0.0206, 0.01)).replace(PERCENT, " %")
        '+1.23 points, 95 % interval +0.400 to +2.06'
    """
    ends = _ends(difference)
    return f"{points(difference.value)}, {ends}" if ends else points(difference.value)


def change(difference: Difference, other: str) -> str:
    """Return a difference of accuracies as a verb with its object.

    Args:
        difference: the method's accuracy minus the other's.
        other: the words for the other method.

    Example:
        >>> change(Difference(0.0123, 0.004, 0.0206, 0.01), "the base").replace(PERCENT, " %")
        'gains 1.23 points over the base (95 % interval +0.400 to +2.06)'
        >>> change(Difference(-0.02, None, None, None), "it")
        'loses 2.00 points against it'
    """
    ends = f" ({found})" if (found := _ends(difference)) else ""
    if difference.value == 0:
        return f"equals {other}{ends}"
    amount = f"{figure(100 * abs(difference.value))} points"
    return f"gains {amount} over {other}{ends}" if difference.value > 0 else f"loses {amount} against {other}{ends}"


def _ends(difference: Difference) -> str:
    if difference.low is None or difference.high is None:
        return ""
    return f"95{PERCENT} interval {signed(100 * difference.low)} to {signed(100 * difference.high)}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    Example:
        >>> counted(1, "method"), counted(1200, "method")
        ('1 method', '1,200 methods')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
