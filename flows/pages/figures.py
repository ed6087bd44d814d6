"""Numbers as a page shows them: three significant digits, with their unit and interval."""

from flows.reports.summary import significant

PERCENT = "\u00a0%"
"""The sign with a space at which no line ends."""


def percent(share: float) -> str:
    """Return a share as a percentage.

    Example:
        >>> percent(0.97345).split(), percent(1.0).split(), percent(0.0).split()
        (['97.3', '%'], ['100', '%'], ['0', '%'])
    """
    return f"{figure(100 * share)}{PERCENT}"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign.

    Example:
        >>> points(0.01234), points(-0.4), points(0.0)
        ('+1.23 points', '−40.0 points', '±0 points')
    """
    return f"{signed(100 * difference)} points"


def signed(value: float) -> str:
    """Return a number in three significant digits with its sign.

    Example:
        >>> signed(1.234), signed(-0.5), signed(0.0)
        ('+1.23', '−0.500', '±0')
    """
    return "±0" if value == 0 else f"{'+' if value > 0 else '−'}{significant(abs(value))}"


def figure(value: float) -> str:
    """Return a number in three significant digits.

    Example:
        >>> figure(0.0), figure(-12.345), figure(0.012345), figure(50_000)
        ('0', '−12.3', '0.0123', '50,000')
    """
    if value == 0:
        return "0"
    text = f"{float(f'{abs(value):.3g}'):,.0f}" if abs(value) >= 999.5 else significant(abs(value))
    return f"−{text}" if value < 0 else text


def interval(low: float | None, high: float | None, scale: float = 1.0) -> str:
    """Return the ends of an interval; empty where it has none.

    Args:
        low: lower end.
        high: upper end.
        scale: factor of both, such as 100 for percentages.

    Example:
        >>> interval(0.9512, 0.968, 100)
        '95.1 to 96.8'
    """
    return "" if low is None or high is None else f"{figure(scale * low)} to {figure(scale * high)}"


def percent_with_interval(share: float, low: float | None, high: float | None) -> str:
    """Return a share as a percentage with its interval.

    Example:
        >>> percent_with_interval(0.96, 0.9512, 0.968).replace(PERCENT, " %")
        '96.0 % (95.1 to 96.8)'
    """
    ends = interval(low, high, 100)
    return f"{percent(share)} ({ends})" if ends else percent(share)


def listed(names: list[str], most: int = 4) -> str:
    """Return names as a part of a sentence.

    Args:
        names: at least one.
        most: names that it holds; a number stands for the others.

    Example:
        >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdefg"), 3)
        ('a', 'a, b and c', 'a, b, c and 4 more')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
