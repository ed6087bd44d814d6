"""The tables of the leaderboard: experiments, checkpoints, and methods."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from flows.pages.charts.palette import DAWIN, kind_of
from flows.pages.figures import figure, signed
from flows.pages.parts import Cell, Column, Table
from flows.reports.boards import Accuracy, Board, BoardRun, Place

_NONE = Cell(text="")


def experiments_table(boards: Sequence[Board]) -> Table:
    """Return the table of experiments, each with its newest run."""
    columns = (
        Column(name="experiment"),
        Column(name="newest checkpoint"),
        Column(name="time of the run", help="UTC."),
        Column(name="best method now", help="Of those that use no labels, by the mean over all data sets."),
        Column(name="top-1", kind="number", unit="%", better="higher"),
        Column(name="against the base", kind="number", unit="points", better="higher"),
        Column(name="runs", kind="number", better="higher"),
        Column(name="new", kind="number", better="higher", help="New checkpoints."),
    )
    return Table(caption="The newest run of each experiment", columns=columns, rows=tuple(map(_experiment, boards)))


def _experiment(board: Board) -> tuple[Cell, ...]:
    place, run = board.places[0], board.newest
    best = board.best(run, place)
    new = len({one.checkpoint for one in board.runs if one.is_new})
    return (
        Cell(text=board.experiment),
        _checkpoint(run),
        _time(run),
        Cell(text=best or ""),
        _accuracy(run.of(best, place)) if best else _NONE,
        _gain(run, best, place),
        Cell(text=f"{board.total:,}", value=board.total),
        Cell(text=f"{new:,}", value=new),
    )


def checkpoints_table(board: Board, place: Place, methods: Sequence[str]) -> Table:
    """Return the table of checkpoints, the newest one first.

    Args:
        board: the runs.
        place: the data sets of the accuracies.
        methods: methods with a line in the chart, which have a column.
    """
    base = board.newest.base
    columns = (
        Column(name="checkpoint"),
        Column(name="time of the run", help="UTC."),
        Column(name="best method", help="Of those of this run that use no labels."),
        Column(name="best", kind="number", unit="%", better="higher", help="Top-1 accuracy of that method."),
        Column(name="against the base", kind="number", unit="points", better="higher"),
        Column(name=base, kind="number", unit="%", better="higher", help="The base model by itself: the reference."),
        *(Column(name=name, kind="number", unit="%", better="higher") for name in methods),
    )
    comparable = {run.run_id for run in board.comparable(place)}
    runs = list(reversed(board.runs))
    rows = [_run(board, run, place, [base, *methods], is_comparable=run.run_id in comparable) for run in runs]
    return Table(
        caption=f"Every checkpoint of {board.experiment}: {place.title}",
        columns=columns,
        rows=_marked(rows, [i for i, column in enumerate(columns) if column.kind == "number"]),
        highlighted=frozenset(i for i, run in enumerate(runs) if run.is_new),
    )


def _run(board: Board, run: BoardRun, place: Place, shown: Sequence[str], *, is_comparable: bool) -> list[Cell]:
    head = [_checkpoint(run), _time(run)]
    if not is_comparable:
        other = Cell(text="", title="Other data sets, or other images under the same names.")
        return [*head, other, *[_NONE] * (len(shown) + 2)]
    best = board.best(run, place)
    return [
        *head,
        Cell(text=best or ""),
        _accuracy(run.of(best, place), interval=True) if best else _NONE,
        _gain(run, best, place),
        *(_marked_base(board, run, method, _accuracy(run.of(method, place))) for method in shown),
    ]


def _marked_base(board: Board, run: BoardRun, method: str, cell: Cell) -> Cell:
    """Return the cell of a method, with a mark if it is the base and not the model that the newest run has."""
    if method != run.base or not board.has_other_base(run):
        return cell
    return replace(cell, detail="†", title="Another base model than that of the newest run.")


def methods_table(board: Board, place: Place) -> Table:
    """Return the table of methods: in the newest run, and the highest value of all comparable runs."""
    columns = (
        Column(name="method"),
        Column(name="newest", kind="number", unit="%", better="higher", help="Top-1 accuracy in the newest run."),
        Column(name="against the base", kind="number", unit="points", better="higher"),
        Column(name="highest", kind="number", unit="%", better="higher", help="Of all runs that compare."),
        Column(name="its checkpoint"),
        Column(name="gains", kind="number", better="higher", help="Runs in which the method is above the base."),
    )
    run, runs = board.newest, board.comparable(place)
    methods = sorted(board.methods, key=lambda name: -_sortable(run.of(name, place)))
    rows = []
    for method in methods:
        found = [(accuracy.value, one) for one in runs if (accuracy := one.of(method, place))]
        highest = max(found, key=lambda pair: pair[0], default=None)
        gains = [gain for one in runs if (gain := one.gain(method, place)) is not None]
        above = sum(gain > 0 for gain in gains)
        rows.append(
            [
                Cell(text=method, detail="uses labels" if method in board.with_labels else ""),
                _accuracy(run.of(method, place), interval=True),
                _gain(run, method, place),
                _accuracy(highest[1].of(method, place)) if highest else _NONE,
                _checkpoint(highest[1]) if highest else _NONE,
                Cell(text=f"{above} of {len(gains)}", value=above) if gains and method != run.base else _NONE,
            ]
        )
    return Table(
        caption=f"Every method of {board.experiment}: {place.title}",
        columns=columns,
        rows=_marked(rows, [1, 2, 3], {i for i, name in enumerate(methods) if name in board.with_labels}),
        highlighted=frozenset(i for i, name in enumerate(methods) if kind_of(name) == DAWIN),
    )


def _checkpoint(run: BoardRun) -> Cell:
    return Cell(text=run.checkpoint or run.base, detail="new" if run.is_new else "")


def _time(run: BoardRun) -> Cell:
    return Cell(text=f"{run.at:%Y-%m-%d %H:%M}", value=run.at.isoformat())


def _accuracy(accuracy: Accuracy | None, *, interval: bool = False) -> Cell:
    if accuracy is None:
        return _NONE
    low, high = accuracy[1:] if interval else (None, None)
    return Cell(text=figure(accuracy.value), value=round(accuracy.value, 6), low=low, high=high)


def _gain(run: BoardRun, method: str | None, place: Place) -> Cell:
    gain = run.gain(method, place) if method and method != run.base else None
    return _NONE if gain is None else Cell(text=signed(gain), value=round(gain, 6))


def _sortable(accuracy: Accuracy | None) -> float:
    return accuracy.value if accuracy else float("-inf")


def _marked(
    rows: Sequence[Sequence[Cell]], columns: Collection[int], skipped: Collection[int] = ()
) -> tuple[tuple[Cell, ...], ...]:
    """Return the rows with the best cells of some columns marked: all that show the highest number.

    Args:
        rows: the cells.
        columns: positions of the columns, in which higher is better.
        skipped: positions of rows that are never the best.
    """
    changed = [list(row) for row in rows]
    for column in columns:
        compared = [row[column] for i, row in enumerate(rows) if i not in skipped and row[column].text]
        if len({cell.text for cell in compared}) < 2:
            continue
        highest = max(compared, key=lambda cell: float(cell.value or 0)).text
        for i, row in enumerate(changed):
            if i not in skipped and row[column].text == highest:
                row[column] = replace(row[column], mark="best")
    return tuple(map(tuple, changed))
