"""Tables of text and sizes in words, for commands about a store."""


def text_table(head: list[str], rows: list[list[str]], *, right: set[int], width: int) -> list[str]:
    r"""Return the lines of a table; the last column is cut to the width.

    Args:
        head: names of the columns.
        rows: cells, as text.
        right: numbers of the columns that are aligned to the right.
        width: columns of the terminal.

    Example:
        >>> print("\n".join(text_table(["table", "objects"], [["bins", "12"]], right={1}, width=80)))
        table  objects
        ──────────────
        bins        12
    """
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        lines.append(line if len(line) <= width else f"{line[: width - 1]}…")
    return [lines[0], "─" * min(width, max(map(len, lines))), *lines[1:]]


def human_bytes(size: int) -> str:
    """Return a number of bytes in three significant digits, with its unit.

    Example:
        >>> [human_bytes(size) for size in (12, 2_048, 1_500_000, 123_456_789, 5 * 2**40)]
        ['12 B', '2.00 KiB', '1.43 MiB', '118 MiB', '5.00 TiB']
    """
    value, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            return f"{size} B" if unit == "B" else f"{value:#.3g}".rstrip(".") + f" {unit}"
        value /= 1024
    raise AssertionError("unreachable")  # the last unit takes everything
