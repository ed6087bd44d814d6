"""Accuracy in distribution against accuracy under shift."""

from flows.pages.charts.against_shift import Pair, Share, against_shift
from flows.pages.figures import percent_with_interval
from flows.pages.parts import Cell, Chart, Column, Section, Table
from flows.pages.run_data import Group, RunData
from flows.pages.shown_methods import curve_of, short_methods
from flows.reports.summary import ID


def shift_tradeoff(run: RunData) -> Section | None:
    """Return the section; None unless data sets of the group `id` and of another one have labels."""
    within = next((group for group in run.groups if group.name == ID), None)
    others = [group for group in run.groups if group.name != ID]
    if within is None or not others:
        return None
    charts = tuple(chart for group in others if (chart := _chart(run, within, group)))
    if not charts:
        return None
    words = [
        "Each point is a method; up and to the right is better. Both axes are logit-scaled, as is usual for the "
        "robustness to shifts: equal distances are equal changes of the odds to be right."
    ]
    if curve_of(run):
        words[0] += (
            " The grey line joins the interpolations of the two models' weights with one coefficient for all samples, "
            "from the base to the fine-tuned model. A method above that line gains more than any choice of that "
            "coefficient can."
        )
    return Section(id="shift", title="In distribution and under shift", words=tuple(words), parts=charts)


def _chart(run: RunData, within: Group, shifted: Group) -> Chart | None:
    labelled = short_methods(run)
    pairs = [
        Pair(method, *both, method in labelled)
        for method in run.methods
        if (both := _shares(run, method, within, shifted))
    ]
    if len(pairs) < 2:
        return None
    curve = [both for method in curve_of(run) if (both := _shares(run, method, within, shifted))]
    titles = _title(within), _title(shifted)
    best = run.best([pair.method for pair in pairs])
    found = next((pair for pair in pairs if pair.method == best), pairs[0])
    return Chart(
        title=f"{titles[1][:1].upper()}{titles[1][1:]} against {titles[0]}",
        description=(
            f"Scatter of {len(pairs)} methods. The most accurate one over all data sets, {found.method}, has "
            f"{_shown(found.within)} on {within.words} and {_shown(found.shifted)} on {shifted.words}."
        ),
        spec=against_shift(pairs, curve, titles),
        table=Table(
            caption="The points of the chart",
            columns=(
                Column(name="method"),
                *(Column(name=title, kind="number", unit="%", better="higher") for title in titles),
            ),
            rows=tuple((Cell(text=pair.method), _cell(pair.within), _cell(pair.shifted)) for pair in pairs),
        ),
    )


def _shares(run: RunData, method: str, within: Group, shifted: Group) -> tuple[Share, Share] | None:
    found = [run.estimate(method, group.row) for group in (within, shifted)]
    if found[0] is None or found[1] is None:
        return None
    return Share(*found[0]), Share(*found[1])


def _title(group: Group) -> str:
    return f"accuracy on {group.words}" if len(group.datasets) == 1 else f"mean accuracy on {group.words}"


def _shown(share: Share) -> str:
    return percent_with_interval(share.value, share.low, share.high)


def _cell(share: Share) -> Cell:
    return Cell(text=f"{100 * share.value:.3g}", value=100 * share.value)
