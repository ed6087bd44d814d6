"""Accuracy by data set."""

from flows.pages.charts.by_dataset import Panel, Value, by_dataset
from flows.pages.figures import percent
from flows.pages.parts import Chart, Section
from flows.pages.run_data import RunData
from flows.pages.shown_methods import short_methods


def dataset_accuracies(run: RunData) -> Section | None:
    """Return the section; None without labels."""
    methods = short_methods(run)
    if not run.labelled or not methods:
        return None
    panels = [_panel(run, dataset, methods) for dataset in run.labelled]
    models = [run.individual(model) for model in run.models]
    words = (
        "Top-1 accuracy with its 95 % interval. "
        + ("The dashed line is the best of the individual models. " if any(m in run.methods for m in models) else "")
        + "Each panel has a scale of its own. A family of many methods is shown by its best member; the table above "
        "has all of them.",
    )
    described = "; ".join(_described(run, dataset) for dataset in run.labelled)
    chart = Chart(
        title="Accuracy by data set",
        description=(
            f"One panel for each of {len(panels)} data sets, one row for each of {len(methods)} methods. {described}."
        ),
        spec=by_dataset(panels, methods),
    )
    return Section(id="datasets", title="Accuracy by data set", words=words, parts=(chart,))


def _panel(run: RunData, dataset: str, methods: list[str]) -> Panel:
    values = [Value(m, found.value, found.low, found.high) for m in methods if (found := run.estimate(m, dataset))]
    models = [found.value for model in run.models if (found := run.estimate(run.individual(model), dataset))]
    return Panel(dataset, run.samples[dataset], tuple(values), max(models, default=None))


def _described(run: RunData, dataset: str) -> str:
    found = {m: one.value for m in run.methods if m not in run.with_labels and (one := run.estimate(m, dataset))}
    best = max(found, key=found.__getitem__)
    return f"{dataset}: best {best}, {percent(found[best])}"
