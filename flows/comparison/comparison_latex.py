"""Comparisons as LaTeX for a paper: a matrix of results with ties marked, or of differences between two runs."""

from collections.abc import Sequence

from flows.comparison.comparison import LEVEL, Against, ComparedDataset, Comparison, Member, against
from flows.comparison.comparison_lines import unit_text, value_text
from tasks.numerics.metrics.metric import Metric
from tasks.references.results import is_mean

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}
_LABELS = r"$^{\dagger}$"
_NONE = "--"


def latex_of(found: Comparison) -> str:
    r"""Return a comparison as LaTeX: for each metric a table of its own, with booktabs' rules and a footnote.

    Rows are methods and columns data sets. Within a run, the best value of each column is bold, and those that the
    samples do not tell from it are underlined. Between two runs, cells are differences, and those that the samples do
    tell from zero are bold. The document needs `\usepackage{booktabs}`.
    """
    return "\n\n".join(_table(metric, found) for metric in found.metrics)


def escaped(text: str) -> str:
    r"""Return a text with the characters that LaTeX gives a meaning to escaped.

    Example:
        >>> print(escaped("my_model & 50 %"))
        my\_model \& 50 \%
    """
    return "".join(_ESCAPED.get(character, character) for character in text)


def _table(metric: Metric, found: Comparison) -> str:
    columns = [column for column in found.columns() if column.metric == metric]
    rows = _differences(columns) if found.other else _values(columns)
    heads = [
        escaped(column.dataset.replace("/", " ") if is_mean(column.dataset) else column.dataset) for column in columns
    ]
    unit = f" ({escaped(metric.unit)})" if metric.unit else ""
    lower = "; lower is better" if metric.better == "lower" else ""
    what = f"{escaped(metric.title)}{unit}{lower}"
    if found.other:
        points = f" ({unit_text(metric)})" if metric.unit else ""
        what = f"{escaped(metric.title)}: {escaped(found.run)} minus {escaped(found.other)}{points}{lower}"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{what[:1].upper()}{what[1:]}.}}",
            rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
            r"\toprule",
            rf"method & {' & '.join(heads)} \\",
            r"\midrule",
            *(rf"{' & '.join(cells)} \\" for cells in rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
            r"\smallskip",
            r"\begin{minipage}{\linewidth}\footnotesize",
            _footnote(columns, found),
            r"\end{minipage}",
            r"\end{table}",
        ]
    )


def _values(columns: Sequence[ComparedDataset]) -> list[list[str]]:
    """Return the rows of a run: each method's value in each column."""
    members = list(dict.fromkeys(member for column in columns for member in column.values))
    return [[_name(member.method, columns), *(_value(member, column) for column in columns)] for member in members]


def _value(member: Member, column: ComparedDataset) -> str:
    if member not in column.values:
        return _NONE
    text = value_text(column.values[member], column.metric)
    if member == column.best:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if member.method in column.tied else text


def _differences(columns: Sequence[ComparedDataset]) -> list[list[str]]:
    """Return the rows of two runs: each pair's difference in each column."""
    found = [{(one.method, one.reference): one for one in map(against, column.rows)} for column in columns]
    rows = []
    for pair in dict.fromkeys(pair for one in found for pair in one):
        mine, theirs = pair
        name = _name(mine.method, columns)
        if mine.method != theirs.method:
            name = f"{name} minus {_name(theirs.method, columns)}"
        cells = (_difference(one.get(pair), column) for one, column in zip(found, columns, strict=True))
        rows.append([name, *cells])
    return rows


def _difference(one: Against | None, column: ComparedDataset) -> str:
    if one is None:
        return _NONE
    size = value_text(abs(one.difference), column.metric)
    sign = "-" if one.difference < 0 else "+" if one.difference > 0 else ""
    text = rf"{sign}{size}"
    return f"${text}$" if one.is_tied else rf"$\mathbf{{{text}}}$"


def _name(method: str, columns: Sequence[ComparedDataset]) -> str:
    return escaped(method) + (_LABELS if any(method in column.labelled for column in columns) else "")


def _footnote(columns: Sequence[ComparedDataset], found: Comparison) -> str:
    sizes = _sizes([column for column in columns if not is_mean(column.dataset)] or columns)
    tests = {column.test for column in columns}
    exact = "McNemar's exact test on each data set" if "mcnemar" in tests else ""
    drawn = f"a paired bootstrap{' of means over data sets' if exact else ''}" if "bootstrap" in tests else ""
    test = ", and ".join(filter(None, [exact, drawn]))
    mark = (
        rf"Bold: the difference is not zero ($p < {LEVEL}$)"
        if found.other
        else rf"Bold: the best of each column. Underlined: not distinguishable from it ($p \ge {LEVEL}$)"
    )
    labels = any(c.labelled & {member.method for member in c.values} for c in columns)
    parts = [
        f"{mark} by {test}, on the same samples, with Holm's correction over {len(found.rows):,} comparisons.",
        f"Samples: {sizes}.",
        f"{_LABELS} uses labels, and is never the best." if labels else "",
    ]
    return " ".join(filter(None, parts))


def _sizes(columns: Sequence[ComparedDataset]) -> str:
    """Return the numbers of samples, once if they are all the same."""
    sizes = {column.dataset: f"${column.samples:,}$".replace(",", "{,}") for column in columns}
    if len(sizes) > 1 and len(set(sizes.values())) == 1:
        return f"{next(iter(sizes.values()))} in each data set"
    return ", ".join(f"{escaped(dataset)} {size}" for dataset, size in sizes.items())
