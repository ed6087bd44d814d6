"""Model merging: a method makes a model of other models' weights, and the store keeps it for all data sets."""

import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import torch
from prefect import task
from prefect.cache_policies import NO_CACHE

from storage import keys
from storage.blobs import commit_file
from storage.soundness import is_committed
from storage.store import Store
from tasks.merging.views import outline
from tasks.methods.making import Making
from tasks.methods.registry import method_of
from tasks.models.checkpoint import HEAD
from tasks.models.classifier import empty_tower
from tasks.models.files.safetensors_file import write_safetensors
from tasks.opening.opened_models import OpenedModels
from tasks.references.models import MadeModel, ModelReference
from tasks.streaming.devices import default_device
from tasks.streaming.fill import Tally
from tasks.streaming.looked_at import OpenedDataset
from tasks.streaming.reading import Reading

log = logging.getLogger("dawin.merging")


@task(name="make model", cache_policy=NO_CACHE)
def make_model(made: MadeModel, store: Store, *, reading: Reading) -> Tally:
    """Make a model of other models' weights and keep it, unless the store has it.

    Args:
        made: the method and the models.
        store: receives the model, and facts that the method learnt on the way.
        reading: how images are read, if the method looks at some.

    Raises:
        InputError: a checkpoint changed, models do not fit together, or a data set has no labels that a method needs.
    """
    if is_committed(store, made.key):
        return Tally(0, 1)
    log.info("merge: %s of %d models", made.method, len(made.models))
    with ExitStack() as files:
        models = OpenedModels(made.models, files)
        base, device = models[0], default_device()
        making = Making(
            member=made.method.partition("/")[2],
            options=dict(made.options),
            names=tuple(model.name for model in made.models),
            base=base,
            tuned=models.tuned,
            looks_at=[OpenedDataset(scored, made.models, store, reading, device) for scored in made.looks_at],
            parameters=lambda: _parameters(base, made.models[0]),
            device=device,
        )
        tensors = method_of(made.method).make(making)
        if making.learnt:  # before the model, whose manifest says that all is done
            store.replace(keys.learnt_coefficients(made.digest), json.dumps(making.learnt).encode())
        _write(store, made, outline(base), tensors, files)
    return Tally(1, 0)


def _write(
    store: Store,
    made: MadeModel,
    like: Mapping[str, torch.Tensor],
    tensors: Iterable[tuple[str, torch.Tensor]],
    files: ExitStack,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with path.open("wb") as file:
            digest = write_safetensors(file, like, tensors)
        files.close()  # refuses checkpoints that have changed while they were read
        identity = {"method": made.method, "digest": made.digest}
        commit_file(store, made.key, path, entries=len(like), identity=identity, digest=digest)


def _parameters(base: Mapping[str, torch.Tensor], model: ModelReference) -> frozenset[str]:
    """Return the names of a model's tensors that are parameters, and no statistics."""
    with torch.device("meta"):
        tower = empty_tower(outline(base), model.url, model.architecture)
    return frozenset({f"visual.{name}" for name, _ in tower.named_parameters()} | set(HEAD))
