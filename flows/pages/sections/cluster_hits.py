"""Accuracy of every model inside each cluster."""

from collections.abc import Sequence

from flows.pages.charts.cluster_accuracy import Cluster, Panel, cluster_accuracy
from flows.pages.charts.cluster_accuracy import Hits as Dot
from flows.pages.charts.coefficient_map import Field, coefficient_map
from flows.pages.figures import PERCENT, figure, percent
from flows.pages.parts import Cell, Chart, Choice, Column, Option, Part, Section, Table
from flows.pages.run_data import RunData
from flows.pages.sample_facts import Hits, SampleFacts
from tasks.numerics.evidence.intervals import wilson_interval


def cluster_hits(run: RunData, facts: Sequence[SampleFacts]) -> Section | None:
    """Return the section; None if no data set with labels has clusters.

    Args:
        run: the run.
        facts: the data sets.
    """
    clustered = [one for one in facts if one.clusters]
    if not clustered:
        return None
    merge = clustered[0].clustered_by or ""
    words = (
        "The clusters are made without labels. If they do their work, each model is at its best in the clusters that "
        "give it most weight, and the merge keeps up with the better model in each of them.",
    )
    is_two = len(run.models) == 2 and all(len(next(iter(one.clusters)).right) == 3 for one in clustered)
    parts = (_of_two(run, clustered, merge),) if is_two else _of_many(run, clustered, merge)
    return Section(id="clusters", title="Clusters", words=words, parts=parts)


def _of_two(run: RunData, facts: Sequence[SampleFacts], merge: str) -> Chart:
    base, tuned = (run.individual(model) for model in run.models)
    panels = []
    for one in facts:
        clusters = [
            Cluster(
                f"λ {figure(float(cluster.coefficients[-1]))} · {cluster.samples:,} samples",
                tuple(_dot(m, cluster.right[m], cluster.samples) for m in (base, tuned, merge)),
            )
            for cluster in one.clusters
        ]
        panels.append(Panel(one.dataset, f"λ: the weight of {run.models[1]}", tuple(clusters)))
    return Chart(
        title="Accuracy by cluster",
        description=f"One panel for each of {len(panels)} data sets, one row for each cluster: the accuracy of {base}, "
        f"{tuned} and {merge}. The table has the same numbers.",
        spec=cluster_accuracy(panels, (base, tuned, merge)),
        table=_table(facts),
    )


def _of_many(run: RunData, facts: Sequence[SampleFacts], merge: str) -> tuple[Part, ...]:
    names = {run.individual(model): model for model in run.models}
    options = []
    for one in facts:
        fields = []
        for place, cluster in enumerate(one.clusters):
            best = max(cluster.right.values())
            for method, right in cluster.right.items():
                share = right / cluster.samples
                row = f"cluster {place + 1} · {cluster.samples:,} samples"
                fields.append(Field(row, names.get(method, method), share, figure(100 * share), right == best))
        chart = Chart(
            title=f"Accuracy by cluster on {one.dataset}, %",
            description=f"Heat map of the accuracy of each model and of {merge} in {len(one.clusters)} clusters of "
            f"{one.dataset}. The table has the same numbers.",
            spec=coefficient_map(fields, titles=("cluster", "method", "accuracy, %"), is_zero_based=False),
            table=_table([one]),
        )
        options.append(Option(title=one.dataset, parts=(chart,)))
    return options[0].parts if len(options) == 1 else (Choice(label="Data set", options=tuple(options)),)


def _dot(method: str, right: int, samples: int) -> Dot:
    return Dot(method, right / samples, *wilson_interval(right, samples))


def _table(facts: Sequence[SampleFacts]) -> Table:
    methods = list(dict.fromkeys(m for one in facts for cluster in one.clusters for m in cluster.right))
    rows = [
        (
            Cell(text=one.dataset),
            Cell(text=str(place + 1), value=place + 1.0),
            Cell(text=f"{cluster.samples:,}", value=float(cluster.samples)),
            *(_share(cluster, method) for method in methods),
        )
        for one in facts
        for place, cluster in enumerate(one.clusters)
    ]
    columns = (
        Column(name="data set"),
        Column(name="cluster", kind="number"),
        Column(name="samples", kind="number"),
        *(Column(name=method, kind="number", unit="%", better="higher") for method in methods),
    )
    return Table(caption="Accuracy by cluster", columns=columns, rows=tuple(rows))


def _share(cluster: Hits, method: str) -> Cell:
    if method not in cluster.right:
        return Cell(text="")
    right = cluster.right[method]
    low, high = wilson_interval(right, cluster.samples)
    text = percent(right / cluster.samples).removesuffix(PERCENT)
    return Cell(text=text, value=100 * right / cluster.samples, low=100 * low, high=100 * high)
