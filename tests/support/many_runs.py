"""Cheap results of many runs: rows made by hand, which differ in their run, time, weights and values."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa

from storage import keys
from storage.catalogue import commit_results
from storage.catalogue.entries import entry_of
from storage.catalogue.folding import with_runs
from storage.catalogue.layout import Version
from storage.catalogue.parts import run_rows
from storage.catalogue.reading import COLUMNS
from storage.catalogue.versions import present, publish
from storage.manifests import Manifest
from storage.pointers import point_to_latest
from storage.schemas import RESULTS
from storage.tables import TableWriter

START = datetime(2026, 1, 1, tzinfo=UTC)
METHODS = ("individual/base", "individual/tuned", "wise-ft/0.50", "dawin/samples")


def run_columns(number, *, methods=METHODS, datasets=("clean", "noisy"), metrics=("top1", "nll"), base="w-base"):
    """Return the columns of one run's results: every method on each data set by each metric.

    Args:
        number: of the run, from 0; a run is an hour after the one before.
        methods: names of the methods.
        datasets: names of the data sets; all are of one group.
        metrics: names of the metrics.
        base: digest of the base model.
    """
    cells = [(method, dataset, metric) for method in methods for dataset in datasets for metric in metrics]
    count = len(cells)
    same = {
        "group": "id",
        "samples": 400,
        "uses_labels": False,
        "forward_passes": 1.0,
        "merged_models": 0,
        "extra_parameters": 0,
        "precision": "fp32",
        "settings": "{}",
        "software": "dawin, by hand",
        "created_at": START + timedelta(hours=number),
        "models": ["base", "tuned"],
        "weights": [base, f"w-{number}"],
        "checkpoints": ["models/base.pt", f"models/step-{number}.pt"],
        "samples_table": "predictions",
        "samples_id": f"{number:04x}",
    }
    values = [0.5 + 0.001 * (7 * number + 13 * i) % 0.4 for i in range(count)]
    own = {
        "method": [method for method, _, _ in cells],
        "dataset": [dataset for _, dataset, _ in cells],
        "datasets": [[dataset] for _, dataset, _ in cells],
        "metric": [metric for _, _, metric in cells],
        "value": values,
        "ci_low": [value - 0.02 for value in values],
        "ci_high": [value + 0.02 for value in values],
        "dataset_digest": [f"d-{dataset}" for _, dataset, _ in cells],
    }
    nothing = dict.fromkeys(("seconds", "images_per_second", "device", "published", "published_source", "note"))
    return own | {name: [value] * count for name, value in (same | nothing).items()}


def writer_of(store, number, *, experiment="digits", run_id=None, needs=(), **options):
    """Return a writer that holds the results of one run, which say what they were computed from: `needs`."""
    key = keys.results(experiment, run_id or f"r{number:06d}")
    writer = TableWriter(
        store, key, RESULTS, identity={"experiment": experiment, "number": number, "needs": list(needs)}
    )
    writer.append(run_columns(number, **options))
    return writer


def commit_run(store, number, **options):
    """Commit the results of one run, as aggregation does; return their key."""
    writer = writer_of(store, number, **options)
    commit_results(store, writer)
    return writer.key


def commit_bare(store, number, **options):
    """Commit the results of one run behind the catalogue's back; return their key."""
    writer = writer_of(store, number, **options)
    writer.commit()
    return writer.key


def fill(store, count, **options):
    """Put many runs into the catalogue of an empty store, without the runs' own objects, and commit one more."""
    new = {}
    for number in range(count):
        key = keys.results("digits", f"r{number:06d}")
        manifest = Manifest(
            key=key,
            table="results",
            version=RESULTS.version,
            rows=0,
            bytes=0,
            sha256=f"{number:064x}",
            identity={},
            created_at=START.isoformat(),
            run=None,
        )
        schema = RESULTS.arrow({})
        rows = pl.DataFrame(pl.from_arrow(pa.table(run_columns(number, **options), schema=schema)))
        rows = rows.with_columns(experiment=pl.lit("digits"), run_id=pl.lit(f"r{number:06d}"))
        new[key] = entry_of(manifest, rows), rows
    assert publish(store, present(store), with_runs(store, Version(number=0), new))
    commit_run(store, count, **options)
    point_to_latest(store, "digits", f"r{count:06d}")


def rows_below(store):
    """Return all rows of the results folder as any reader of Parquet sees them, sorted."""
    found = [key for key in store.keys("results") if keys.is_results(key) and store.exists(keys.manifest(key))]
    frames = [run_rows(store.read(key), key) for key in found]
    return in_order(pl.concat(frames))


def in_order(rows):
    """Return rows of results sorted by what they are about, their columns too."""
    return rows.select(COLUMNS).sort("experiment", "run_id", "method", "dataset", "metric")
