"""The leaderboard as a page: every checkpoint over time, each method, and the base as the reference."""

from collections.abc import Iterator, Sequence

from flows.pages.charts.over_time import MOST_LINES, Point, over_time
from flows.pages.figures import figure, interval, signed
from flows.pages.leaderboard_tables import checkpoints_table, experiments_table, methods_table
from flows.pages.parts import Chart, Choice, Note, Option, Page, Part, Section
from flows.reports.boards import NEW_FOR, Accuracy, Board, Place


def leaderboard_page(boards: Sequence[Board], store: str, content: str = "") -> Page:
    """Return the page of the leaderboard.

    Args:
        boards: the leaderboard of each experiment.
        store: the store's address, as the page shows it.
        content: a digest of the results that the page is made of, which it shows; empty: it shows none.
    """
    sections = [_overview(boards), *([_checkpoints(boards)] if boards else []), _reading()]
    runs = sum(board.total for board in boards)
    counted = f"{runs:,} {'run' if runs == 1 else 'runs'}"
    made = f"Made of {counted}" + (f", content {content}" if content else "")
    return Page(
        title="Leaderboard",
        subtitle=f"{counted} in {store}",
        sections=tuple(sections),
        footer=f"{made}. `dawin leaderboard -o leaderboard.html` writes this page.",
    )


def _overview(boards: Sequence[Board]) -> Section:
    if not boards:
        note = Note(text="No run has an accuracy: its data sets have no labels. Predictions are in the store.")
        return Section(id="overview", title="Overview", parts=(note,))
    words = tuple(_sentence(board) for board in boards) if len(boards) <= 3 else ()
    return Section(id="overview", title="Overview", words=words, parts=(experiments_table(boards),))


def _sentence(board: Board) -> str:
    """Return what the newest run of an experiment came to, in a sentence."""
    place, run = board.places[0], board.newest
    best = board.best(run, place)
    found = run.of(best, place) if best else None
    if not best or not found:
        return f"**{board.experiment}**: no method without labels has an accuracy in the newest run."
    gain, leader = run.gain(best, place), _leader(board, place)
    against = f", {signed(gain)} points against the base" if gain is not None and best != run.base else ""
    history = ""
    if leader and figure(leader[1]) != figure(found.value):
        history = f" The highest of all comparable runs is {figure(leader[1])} %, by `{leader[0]}`."
    return (
        f"**{board.experiment}**: at the newest checkpoint, `{run.checkpoint or run.base}`, the most accurate method "
        f"without labels is `{best}` with {figure(found.value)} %{against} ({place.title}).{history}"
    )


def _leader(board: Board, place: Place) -> tuple[str, float] | None:
    """Return the checkpoint and the value of the highest accuracy of all comparable runs."""
    found = []
    for run in board.comparable(place):
        best = board.best(run, place)
        accuracy = run.of(best, place) if best else None
        if accuracy:
            found.append((run.checkpoint or run.base, accuracy.value))
    return max(found, key=lambda one: one[1], default=None)


def _checkpoints(boards: Sequence[Board]) -> Section:
    options = tuple(Option(title=board.experiment, parts=_views(board)) for board in boards)
    parts = options[0].parts if len(options) == 1 else (Choice(label="Experiment", options=options),)
    return Section(id="checkpoints", title="Checkpoints over time", parts=parts)


def _views(board: Board) -> tuple[Part, ...]:
    """Return the views of an experiment: one for each place."""
    options = tuple(Option(title=place.title, parts=_view(board, place)) for place in board.places)
    return options[0].parts if len(options) == 1 else (Choice(label="Accuracy on", options=options),)


def _view(board: Board, place: Place) -> tuple[Part, ...]:
    notes: list[Part] = [Note(text=text) for text in _remarks(board, place)]
    chart = _chart(board, place)
    tables = (checkpoints_table(board, place, _lines(board, place)), methods_table(board, place))
    return (*notes, *([chart] if chart else []), *tables)


def _remarks(board: Board, place: Place) -> Iterator[str]:
    """Yield sentences about runs that are left out, or do not compare."""
    if board.total > len(board.runs):
        yield (
            f"The newest {len(board.runs):,} of {board.total:,} runs, so that a browser opens the page. `dawin "
            f"leaderboard {board.experiment} --format csv` prints all of them."
        )
    if left_out := len(board.runs) - len(board.comparable(place)):
        verb = "run was" if left_out == 1 else "runs were"
        yield f"{left_out} {verb} made on other data sets or other images, and shown without accuracies."
    if other := sum(map(board.has_other_base, board.runs)):
        runs = "1 run has" if other == 1 else f"{other:,} runs have"
        yield f"{runs} another base model than the newest run, and the mark † beside the base's accuracy."


def _lines(board: Board, place: Place) -> list[str]:
    """Return the methods with a line: the best member of each family in the newest run, the most accurate first."""
    run = board.newest
    families: dict[str, list[str]] = {}
    for method in board.methods:
        if method not in (*board.with_labels, run.base) and run.of(method, place):
            families.setdefault(method.partition("/")[0], []).append(method)
    best = [found for members in families.values() if (found := board.best(run, place, members))]
    ranked = sorted(best, key=lambda method: _value(run.of(method, place)), reverse=True)
    return ranked[:MOST_LINES]


def _value(accuracy: Accuracy | None) -> float:
    return accuracy.value if accuracy else float("-inf")


def _chart(board: Board, place: Place) -> Chart | None:
    methods, base, runs = _lines(board, place), board.newest.base, board.comparable(place)
    points = [
        Point(run.at, method, found.value, run.checkpoint, _shown(found), run.is_new)
        for run in runs
        for method in (*methods, base)
        if (found := run.of(method, place))
    ]
    if not points:
        return None
    few = "" if len(methods) == 1 else f" of the {len(methods)} families of methods that are most accurate now"
    return Chart(
        title="Accuracy over time",
        description=(
            f"Top-1 accuracy of {len(runs)} {'run' if len(runs) == 1 else 'runs'} by time: the best members{few}, and "
            "the base as the dashed reference. Larger marks: new checkpoints. The tables below have the numbers."
        ),
        spec=over_time(points, methods, base),
    )


def _shown(accuracy: Accuracy) -> str:
    ends = interval(accuracy.low, accuracy.high)
    return f"{figure(accuracy.value)} %" + (f" ({ends})" if ends else "")


def _reading() -> Section:
    return Section(
        id="reading",
        title="How to read it",
        words=(
            f"**New** marks a checkpoint whose first run lies within the {NEW_FOR.days} days before the newest run of "
            "its experiment. The first checkpoint of an experiment is never new.",
            "**Against the base**: accuracy minus that of the base model in the same run, in percentage points. The "
            "best method of each run was chosen by these accuracies, so its gain is an optimistic figure; `dawin "
            "compare` tests differences between methods, and corrects for their number.",
            "**†**: the base of this run is another model than that of the newest run. Gains against different bases "
            "do not compare.",
            "The table of checkpoints has the methods of the chart. `dawin leaderboard --all` prints every method of "
            "every checkpoint, and `--format csv` each data set too.",
            "**Labels**: a method that uses the true labels of the images is a bound on what the others can reach. It "
            "is never marked as the best.",
            "Means give each data set the same weight. Runs on other data sets, or on other images under the same "
            "names, have no accuracies here, because they do not compare.",
        ),
    )
