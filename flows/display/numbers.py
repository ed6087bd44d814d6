"""Counts, times and rates for people."""

from flows.reports.summary import significant


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> [duration(s) for s in (0.4, 12.3, 75, 3700)]
        ['0.4 s', '12 s', '1 min 15 s', '1 h 1 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(count: float, seconds: float) -> str:
    """Return units per second, in two or more digits; empty if no time has passed.

    Example:
        >>> [rate(count, 10.0) for count in (13_240, 47, 3)]
        ['1,320/s', '4.70/s', '0.300/s']
    """
    if seconds <= 0 or count <= 0:
        return ""
    found = count / seconds
    return f"{float(f'{found:.3g}'):,.0f}/s" if found >= 100 else f"{significant(found)}/s"


def counted(count: int, unit: str) -> str:
    """Return a count with its unit, which is in the plural.

    Example:
        >>> counted(1, "data sets"), counted(15_940, "images × models")
        ('1 data set', '15,940 images × models')
    """
    return f"{count:,} {unit.removesuffix('s') if count == 1 and '×' not in unit else unit}"
