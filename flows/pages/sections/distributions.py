"""The distribution of coefficients on each data set, with the mixture that was fitted to it."""

from collections.abc import Sequence

import numpy as np

from flows.pages.charts.coefficient_map import Field, coefficient_map
from flows.pages.charts.coefficient_panels import Marginal, coefficient_panels
from flows.pages.figures import figure
from flows.pages.parts import Cell, Chart, Choice, Column, Option, Part, Section, Table
from flows.pages.sample_facts import Fit, SampleFacts

_COLUMNS, _SIZE = 3, (262, 120)
_ALL_AT_ONCE = 9  # distributions of several models; of more, one data set is shown at a time


def distributions(facts: Sequence[SampleFacts]) -> Section | None:
    """Return the section; None if no data set has coefficients.

    Args:
        facts: the data sets.
    """
    fits = [(one, one.fit) for one in facts if one.fit is not None]
    if not fits:
        return None
    models = fits[0][1].models
    clusters = any(len(fit.weights) for _, fit in fits)
    words = [
        "The coefficients are the weights with which each image's own models are merged; they come from the expertise "
        "of each model on that image."
    ]
    if clusters:
        words[0] += (
            " The lines are the components of the mixture that was fitted to them, from the cluster of least weight "
            "(blue) to that of most (red); the dashed line is their sum. A triangle marks the coefficient with which "
            "the images of a cluster are merged."
        )
    if len(models) == 2:
        return Section(id="coefficients", title="Coefficients", words=tuple(words), parts=(_of_two(fits),))
    return Section(id="coefficients", title="Coefficients", words=tuple(words), parts=(_means(fits), *_of_many(fits)))


def _of_two(fits: Sequence[tuple[SampleFacts, Fit]]) -> Chart:
    """Return the chart of the second model's coefficients: those of the first are one minus them."""
    panels = [_marginal(fit, 1, one.dataset, _subtitle(one, fit)) for one, fit in fits]
    tuned = fits[0][1].models[1]
    means = "; ".join(f"{one.dataset}: mean {figure(float(fit.mean[1]))}" for one, fit in fits)
    return Chart(
        title=f"Weight of {tuned}, by data set",
        description=f"Histograms of the weight of {tuned}, from 0 (only {fits[0][1].models[0]}) to 1. {means}.",
        spec=coefficient_panels(panels, columns=_COLUMNS, size=_SIZE, axis_title=f"weight of {tuned}"),
        table=_clusters(fits),
    )


def _of_many(fits: Sequence[tuple[SampleFacts, Fit]]) -> tuple[Part, ...]:
    options = []
    for one, fit in fits:
        panels = [_marginal(fit, m, model, f"mean {figure(float(fit.mean[m]))}") for m, model in enumerate(fit.models)]
        chart = Chart(
            title=f"Weights on {one.dataset}",
            description=f"Histograms of the weight of each of {len(panels)} models on {one.dataset}: "
            + ", ".join(f"{m} mean {figure(float(mean))}" for m, mean in zip(fit.models, fit.mean, strict=True))
            + ".",
            spec=coefficient_panels(panels, columns=_COLUMNS, size=_SIZE, axis_title="weight"),
            table=_clusters([(one, fit)]),
        )
        options.append(Option(title=one.dataset, parts=(chart,)))
    if len(options) == 1:
        return options[0].parts
    return (Choice(label="Data set", options=tuple(options)),)


def _means(fits: Sequence[tuple[SampleFacts, Fit]]) -> Chart:
    fields = [
        Field(one.dataset, model, float(mean), f"{mean:.2f}", bool(mean == fit.mean.max()))
        for one, fit in fits
        for model, mean in zip(fit.models, fit.mean, strict=True)
    ]
    strongest = "; ".join(f"{one.dataset}: {fit.models[int(np.argmax(fit.mean))]}" for one, fit in fits)
    return Chart(
        title="Mean weight of each model",
        description=f"Heat map, one row for each data set and one column for each model. Most weight on {strongest}.",
        spec=coefficient_map(fields, titles=("data set", "weight of", "mean")),
        table=Table(
            caption="Mean weight of each model",
            columns=(Column(name="data set"), *(Column(name=model, kind="number") for model in fits[0][1].models)),
            rows=tuple(
                (Cell(text=one.dataset), *(Cell(text=f"{mean:.2f}", value=float(mean)) for mean in fit.mean))
                for one, fit in fits
            ),
        ),
    )


def _marginal(fit: Fit, model: int, title: str, subtitle: str) -> Marginal:
    """Return one model's coefficients: the marginals of a Dirichlet distribution are Beta distributions."""
    first = fit.concentration[:, model]
    return Marginal(
        title=title,
        subtitle=subtitle,
        counts=fit.counts[model],
        weights=fit.weights,
        first=first,
        second=fit.concentration.sum(axis=1) - first,
        coefficients=fit.coefficients[:, model],
        samples=fit.samples,
    )


def _subtitle(one: SampleFacts, fit: Fit) -> str:
    count = len(fit.weights)
    clusters = f", {count} cluster{'s' * (count > 1)}" if count else ""
    return f"{one.samples:,} samples{clusters}"


def _clusters(fits: Sequence[tuple[SampleFacts, Fit]]) -> Table | None:
    """Return the clusters as a table; None if nothing was clustered."""
    models = fits[0][1].models
    rows = []
    for one, fit in fits:
        for place, k in enumerate(np.argsort(fit.coefficients[:, -1], kind="stable")):
            weights = [Cell(text=figure(float(c)), value=float(c)) for c in fit.coefficients[k]]
            samples = Cell(text=f"{int(fit.samples[k]):,}", value=float(fit.samples[k]))
            rows.append((Cell(text=one.dataset), Cell(text=str(place + 1), value=place + 1.0), *weights, samples))
    if not rows:
        return None
    columns = (
        Column(name="data set"),
        Column(name="cluster", kind="number"),
        *(Column(name=f"weight of {model}", kind="number") for model in models),
        Column(name="samples", kind="number"),
    )
    return Table(caption="Clusters", columns=columns, rows=tuple(rows))
