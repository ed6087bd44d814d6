"""The plan of a finished run, found in its store: where each method's tables are, and the addresses of the images."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from storage.errors import StorageError
from storage.store import Store
from tasks.references.coefficients import CoefficientsReference, MixtureReference
from tasks.references.datasets import DatasetReference
from tasks.references.json_form import from_json
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import EnsembleReference, MergeReference, PredictionsReference
from tasks.references.results import Cell, RunRecord

log = logging.getLogger("dawin.report")

_AT_ONCE = 16  # plans read at the same time; each is one request to S3


@dataclass(frozen=True)
class RunPlan:
    """The cells of a run: each method on each data set, with the references of its tables."""

    cells: tuple[Cell, ...] = ()
    """Empty for a run whose plan is no longer in the store, or was written by another version of this program."""

    @property
    def datasets(self) -> list[DatasetReference]:
        """The data sets in the order of the experiment."""
        found = {cell.predictions.dataset.name: cell.predictions.dataset for cell in self.cells}
        return list(found.values())

    def predictions(self, method: str, dataset: str) -> PredictionsReference | None:
        """Return the predictions of a method on a data set; None if the plan has none."""
        return next(
            (c.predictions for c in self.cells if c.method == method and c.predictions.dataset.name == dataset), None
        )

    def outputs(self, dataset: str) -> tuple[OutputsReference, ...]:
        """Return the outputs of every checkpoint on a data set, the base first."""
        cells = [outputs_of(c.predictions) for c in self.cells if c.predictions.dataset.name == dataset]
        longest = max(cells, key=len, default=())  # its order is that of the experiment
        found = {outputs.model.name: outputs for some in (longest, *cells) for outputs in some}
        return tuple(found.values())

    def mixture(self, method: str, dataset: str) -> MixtureReference | None:
        """Return the mixture whose clusters a method merges by; None if it merges otherwise."""
        predictions = self.predictions(method, dataset)
        source = predictions.source if isinstance(predictions, MergeReference) else None
        return source if isinstance(source, MixtureReference) else None

    def coefficients(self, method: str, dataset: str) -> CoefficientsReference | None:
        """Return every sample's own coefficients, on which a method's merges are based; None if it has none."""
        predictions = self.predictions(method, dataset)
        source = predictions.source if isinstance(predictions, MergeReference) else None
        if source is None or isinstance(source, tuple):
            return None
        own = source if isinstance(source, CoefficientsReference) else source.coefficients
        return own if own.seed is None else None


def outputs_of(predictions: PredictionsReference) -> tuple[OutputsReference, ...]:
    """Return the outputs of the checkpoints that predictions are made from; of made models none."""
    found = predictions.outputs if isinstance(predictions, MergeReference | EnsembleReference) else (predictions,)
    return tuple(outputs for outputs in found if outputs.model.made is None)


def plan_of(store: Store, experiment: str, run_id: str, key: str | None = None) -> RunPlan:
    """Return the plan of a run; one without cells if the store holds none that this version can read.

    Plans are kept under the digests of their content. Without a key, all of them are looked through.

    Args:
        store: the store.
        experiment: the experiment's name.
        run_id: the run.
        key: of the plan, if it is known.
    """
    keys = [key] if key else list(store.keys("plans"))
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="plans") as pool:
        for batch in batched(keys, _AT_ONCE):
            for found in pool.map(lambda one: _read(store, one, experiment, run_id), batch):
                if found is not None:
                    return found
    return RunPlan()


def _read(store: Store, key: str, experiment: str, run_id: str) -> RunPlan | None:
    """Return the plan of a key if it is that of the run."""
    try:
        content = store.read(key)
        if f'"{experiment}"'.encode() not in content or f'"{run_id}"'.encode() not in content:
            return None
        found = from_json(content)
        record, cells = found["record"], found["cells"]
    except (StorageError, ValueError, KeyError) as error:
        log.debug("%s: left out: %s", store.address(key), error)
        return None
    is_asked = isinstance(record, RunRecord) and (record.experiment, record.run_id) == (experiment, run_id)
    return RunPlan(tuple(cells)) if is_asked else None


def batched(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield items in groups of a size; the last one may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
