"""Where the numbers come from, and how to have them again."""

import json
from collections.abc import Sequence

import yaml

from flows.pages.parts import Cell, Code, Column, Facts, Part, Section, Table
from flows.pages.run_data import RunData
from storage import keys


def provenance(run: RunData) -> Section:
    """Return the section."""
    when = f"{run.created_at:%Y-%m-%d %H:%M:%S} UTC" if run.created_at else ""
    software = sorted(set(run.rows["software"])) if "software" in run.rows.columns else []
    pairs = [
        ("Experiment", run.experiment),
        ("Run", run.run_id),
        ("Written", when),
        ("Versions", "; ".join(software)),
        ("Precision", str(run.settings.get("precision", ""))),
        ("Store", run.store.url),
        ("Results", run.store.address(keys.results(run.experiment, run.run_id))),
    ]
    settings = yaml.safe_dump(json.loads(json.dumps(dict(run.settings))), sort_keys=False, allow_unicode=True)
    parts: list[Part] = [Facts(pairs=tuple((name, text) for name, text in pairs if text))]
    parts += [table for table in (_checkpoints(run), _datasets(run)) if table]
    parts += [
        Code(title="The same run again, and its numbers for programs", text=_commands(run)),
        Code(title="Settings that the numbers depend on", text=settings, is_folded=True),
    ]
    return Section(
        id="provenance",
        title="Provenance",
        words=("The same checkpoints, images and settings give the same numbers.",),
        parts=tuple(parts),
    )


def _commands(run: RunData) -> str:
    store = f" --store {run.store.url.removeprefix('file://')}"
    return "\n".join(
        (
            f"dawin run {run.experiment}.yaml{store}",
            f"dawin results {run.experiment} --run {run.run_id}{store} --json",
            f"dawin report {run.experiment} --run {run.run_id}{store} -o report.html",
        )
    )


def _checkpoints(run: RunData) -> Table | None:
    """Return the models with their addresses and digests; by the rows where the plan is gone."""
    found: dict[str, tuple[str, str, float | None]] = {}
    for dataset in run.datasets:
        for outputs in run.plan.outputs(dataset):
            found.setdefault(outputs.model.name, (outputs.model.url, outputs.model.digest, outputs.model.temperature))
    if not found and len(run.rows):
        names, weights, urls = run.rows.select("models", "weights", "checkpoints").row(
            max(range(len(run.rows)), key=lambda i: len(run.rows["models"][i]))
        )
        if len(names) == len(weights) == len(urls):
            found = {name: (url, digest, None) for name, digest, url in zip(names, weights, urls, strict=True)}
    rows = [
        [name, url, digest, "" if temperature is None else f"{temperature:g}"]
        for name, (url, digest, temperature) in found.items()
    ]
    return _table("Checkpoints", ["model", "address", "SHA-256", "temperature"], rows)


def _datasets(run: RunData) -> Table | None:
    rows = [
        [d.name, d.group, f"{d.samples:,}", "none" if d.classes is None else str(d.classes), d.url, d.digest]
        for d in run.plan.datasets
    ]
    return _table("Data sets", ["data set", "group", "images", "classes", "address", "digest"], rows)


def _table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table | None:
    if not rows:
        return None
    return Table(
        caption=caption,
        columns=tuple(Column(name=name) for name in names),
        rows=tuple(tuple(Cell(text=text) for text in row) for row in rows),
        is_sortable=False,
    )
