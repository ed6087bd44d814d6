"""What a run shows in the Prefect UI: the results table, and a report that says where everything lies."""

import re

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.report import render, results_of, wide
from storage.store import Store
from tasks.derived import RunRecord


async def publish(record: RunRecord, store: Store) -> None:
    """Publish a run's results table and report, each under one key per experiment: the UI shows its history.

    A run on images without labels has no results to show.
    """
    rows = results_of(store, record.experiment, record.run_id)
    if rows.is_empty():
        return
    slug = re.sub(r"[^a-z0-9-]", "-", record.experiment)
    table = [
        {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in row.items()}
        for row in wide(rows).to_dicts()
    ]
    await acreate_table_artifact(
        key=f"results-{slug}", table=table, description=f"Top-1 accuracy (%), {record.experiment}, run {record.run_id}"
    )
    prefixes = rows.select("method", "dataset", "samples_table", "dataset_digest", "samples_id").unique(
        maintain_order=True
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
            "| method | data set | per-sample table below | id |",
            "|---|---|---|---|",
            *lines,
        ]
    )
    await acreate_markdown_artifact(key=f"report-{slug}", markdown=markdown, description=f"Run {record.run_id}")
