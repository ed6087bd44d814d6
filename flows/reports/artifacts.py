"""Artifacts of a run in the Prefect UI: plan, coefficients, results, and a report with the addresses of all tables."""

import re

import numpy as np
from prefect.artifacts import acreate_link_artifact, acreate_markdown_artifact, acreate_table_artifact

from flows.planning.plan import Plan
from flows.reports.histogram import as_image, histogram
from flows.reports.tables import IS_MEAN, render, results_of, wide
from storage.schemas import COMPONENTS
from storage.store import Store
from storage.tables import read_table, vectors
from tasks.opening.read_coefficients import StoredCoefficients
from tasks.references.datasets import DatasetReference
from tasks.references.results import RunRecord


async def publish_plan(plan: Plan) -> None:
    """Publish the steps of a run, with the samples that it computes and those that it reuses."""
    passes = plan.forward_passes
    lines = [
        f"| {step.stage} | {step.dataset} | {step.label} | {step.samples - step.missing:,} | {step.missing:,} |"
        for step in plan.steps()
    ]
    head = "| stage | data set | item | reused | to run |\n|---|---|---|---:|---:|"
    markdown = "\n".join(
        [
            f"# {plan.record.experiment}, run {plan.record.run_id}",
            "",
            f"Forward passes: {passes.needed:,} to run, {passes.reused:,} reused. Store: `{plan.store.url}`",
            "",
            head,
            *lines,
        ]
    )
    key = f"plan-{_slug(plan.record.experiment)}"
    await acreate_markdown_artifact(key=key, markdown=markdown, description="Samples to compute and samples reused")


async def publish_coefficients(plan: Plan, dataset: DatasetReference) -> None:
    """Publish the histogram of the coefficients on a data set, with the mixtures that were fitted to them.

    Args:
        plan: the plan of the run, whose mixtures are in the store.
        dataset: one of its data sets; without a mixture nothing is published.
    """
    parts = []
    for mixture in plan.mixtures(dataset):
        own = StoredCoefficients(plan.store, mixture.coefficients)
        table = read_table(plan.store, mixture.components_key, COMPONENTS, ["weight", "samples", "concentration"])
        weights, concentration = table["weight"].to_numpy(), vectors(table["concentration"])
        clusters = ", ".join(
            f"{w:.2f} ({n:,} samples)" for w, n in zip(weights, table["samples"].to_pylist(), strict=True)
        )
        names = [outputs.model.name for outputs in mixture.coefficients.outputs]
        title = f"share of {names[1]}" if len(names) == 2 else f"shares of {', '.join(names)}"
        svg = histogram(own, weights, concentration.astype(np.float64), names)
        parts += [f"{dataset.name}, {dataset.samples:,} samples: {title}, 0 to 1", "", as_image(svg, title), ""]
        parts += [f"{len(weights)} clusters, weights {clusters}", ""]
    if parts:
        key = f"coefficients-{_slug(plan.record.experiment)}-{_slug(dataset.name)}"
        await acreate_markdown_artifact(key=key, markdown="\n".join(parts), description="Coefficients and clusters")


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", name)


async def publish(record: RunRecord, store: Store, *, page: str | None = None) -> None:
    """Publish the results table, the addresses of all tables, and links to the results and the page of a run.

    Each has one key for each experiment, so that the UI shows its history. A run on images without labels has no
    results to show.

    Args:
        record: the run.
        store: holds its results.
        page: address of the page that reports it; None: no page could be written.
    """
    rows = results_of(store, record.experiment, record.run_id)
    if rows.is_empty():
        return
    slug = _slug(record.experiment)
    table = [
        {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in row.items()}
        for row in wide(rows).to_dicts()
    ]
    await acreate_table_artifact(
        key=f"results-{slug}", table=table, description=f"Top-1 accuracy (%), {record.experiment}, run {record.run_id}"
    )
    await acreate_link_artifact(
        key=f"parquet-{slug}", link=store.address(record.key), description="The results, as Parquet"
    )
    if page:
        await acreate_link_artifact(key=f"page-{slug}", link=page, description="The report, as one page")
    prefixes = (
        rows.filter(~IS_MEAN)
        .select("method", "dataset", "samples_table", "dataset_digest", "samples_id")
        .unique(maintain_order=True)
    )
    lines = [
        f"| {method} | {dataset} | `{store.address(f'{table_name}/dataset={digest}')}` | `{identifier}` |"
        for method, dataset, table_name, digest, identifier in prefixes.iter_rows()
    ]
    markdown = "\n".join(
        [
            f"# {record.experiment}, run {record.run_id}",
            "",
            render(rows, "markdown"),
            "",
            f"Results: `{store.address(record.key)}`",
            "",
            "| method | data set | folder of the per-sample table | id |",
            "|---|---|---|---|",
            *lines,
        ]
    )
    await acreate_markdown_artifact(key=f"report-{slug}", markdown=markdown, description=f"Run {record.run_id}")
