"""The comparisons of a run's methods that its store holds."""

import polars as pl

from storage.errors import StorageError
from storage.parquet_files import collected
from storage.scan import scan_objects, sound_keys
from storage.schemas import COMPARISONS
from storage.store import Store


def comparisons_of(store: Store, experiment: str, run_id: str) -> pl.DataFrame | None:
    """Return the comparisons of a run's methods with one another; None if the store holds none.

    A store may hold several tables of one run: each corrects for the comparisons that were asked for with it. Of each
    metric, the rows come from the table with most of them: that of all pairs, which every run writes for `top1`.

    Args:
        store: the store.
        experiment: the experiment's name.
        run_id: the run.
    """
    try:
        found = sound_keys(store, f"{COMPARISONS.name}/experiment={experiment}/run_id={run_id}")
    except StorageError:
        return None
    name = f"{experiment}/{run_id}"
    tables = [collected(store, scan_objects(store, COMPARISONS, [key])) for key in found]
    own = [table for table in tables if set(table["run_a"]) | set(table["run_b"]) <= {name}]
    metrics = dict.fromkeys(metric for table in own for metric in table["metric"].unique(maintain_order=True))
    largest = [max((table.filter(metric=metric) for table in own), key=len) for metric in metrics]
    return pl.concat(largest) if largest else None
