"""Making models of others' weights and keeping them in the store. Joins storage, models, data sets and merging."""

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from storage import keys
from storage.blobs import commit_file
from storage.schemas import OUTPUTS
from storage.soundness import is_committed
from storage.spans import Span
from storage.store import Store
from storage.tables import read_samples
from tasks.datasets.transform import normalized
from tasks.errors import DatasetError
from tasks.merging.adamerging import AdaMerging, learn
from tasks.merging.combination import combine
from tasks.merging.tensorwise import merged_tensors
from tasks.merging.ties import outline
from tasks.models.checkpoint import HEAD, PROJECTION, read_checkpoint
from tasks.models.classifier import build_classifier, empty_tower
from tasks.models.files.safetensors_file import write_safetensors
from tasks.models.lazy_state import open_state
from tasks.opening.verified_files import load_file, verified
from tasks.progress import work
from tasks.references.base import ModelReference, OutputsReference, WeightMerge
from tasks.streaming.images import OpenedDataset, default_device, load_head, load_state
from tasks.streaming.inference import Inference
from tasks.streaming.reading import Reading

log = logging.getLogger("dawin.merging")

Tensors = Iterable[tuple[str, torch.Tensor]]


def make_model(merge: WeightMerge, store: Store, *, reading: Reading) -> None:
    """Merge models' weights and store the result, unless the store has it.

    Args:
        merge: what is made, of what.
        store: gets the model, and what was learnt on the way.
        reading: how images are read, where a method looks at some.

    Raises:
        InputError: a checkpoint changed, models do not fit together, or a data set has no labels that a method needs.
    """
    if is_committed(store, merge.key):
        return
    log.info("merge: %s of %d models", merge.method, len(merge.models))
    family = merge.method.partition("/")[0]
    with ExitStack() as opened:
        if family == "adamerging":
            state, learnt = _adapted(merge, store)
        elif family == "greedy-soup":
            state, learnt = _greedy(merge, store, reading)
        else:
            state, learnt = None, None
        if state is not None:
            store.replace(keys.learnt(merge.digest), json.dumps(learnt).encode())  # before the model, which says: done
            _write(store, merge, state, state.items())
            return
        base, *tuned = [_opened(model, opened) for model in merge.models]
        keep = float(dict(merge.options).get("keep", 1.0))
        tensors = merged_tensors(family, base, tuned, keep=keep, device=default_device())
        _write(store, merge, outline(base), tensors)


def _opened(model: ModelReference, opened: ExitStack) -> Mapping[str, torch.Tensor]:
    if model.projection:
        state = load_file(model, read_checkpoint)
        return {**state, PROJECTION: load_file(model.projection, read_checkpoint)[PROJECTION]}
    file, path = opened.enter_context(verified(model))
    return open_state(file, model.url, path)


def _write(store: Store, merge: WeightMerge, like: Mapping[str, torch.Tensor], tensors: Tensors) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        with path.open("wb") as file:
            write_safetensors(file, like, tensors)
        identity = {"method": merge.method, "digest": merge.digest}
        commit_file(store, merge.key, path, entries=len(like), identity=identity)


def _greedy(merge: WeightMerge, store: Store, reading: Reading) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Add models to an average, the best first, as long as its accuracy on the held-out data set does not fall.

    A model stays out only if it lowers the accuracy, as in Recipe 1 of the paper (Wortsman et al., ICML 2022: ≥). The
    authors' release wants it higher (>): there a model that changes no prediction stays out.
    """
    outputs = merge.looks_at
    scores = {o.model.name: _accuracy(_ranks(store, o)) for o in outputs}
    order = sorted(outputs, key=lambda o: -scores[o.model.name])
    device, first = default_device(), order[0]
    dataset = first.dataset
    opened = OpenedDataset(dataset, reading, device)
    inference = Inference(dataset.preprocessing, first.precision, reading.batch_size, dataset.groups)
    chosen, best = [first], scores[first.model.name]
    soup = load_state(first, store)
    for candidate in order[1:]:
        share = 1.0 / (len(chosen) + 1)
        tried = combine([soup, load_state(candidate, store)], [1.0 - share, share])
        module = build_classifier(tried, candidate.model.url, candidate.model.architecture, device)
        right = [
            inference.logits(module, batch.images).argmax(1) == batch.labels for batch in opened.batches(dataset.spans)
        ]
        accuracy = float(np.concatenate(right).mean())
        if accuracy >= best:
            chosen, best, soup = [*chosen, candidate], accuracy, tried
    with ExitStack() as files:  # of the checkpoints' own tensors: a head of the held-out data set was for scoring
        states = [_opened(o.model, files) for o in chosen]
        kept = {
            name: torch.stack([state[name] for state in states]).mean(0)
            if like.is_floating_point()
            else states[0][name]
            for name, like in outline(states[0]).items()
        }
    return kept, {"chosen": [o.model.name for o in chosen], "held_out": dataset.name, "top1": best, "each": scores}


def _ranks(store: Store, outputs: OutputsReference) -> np.ndarray[Any, Any]:
    table = read_samples(store, outputs.prefix, OUTPUTS[outputs.logits], ["label_rank"])["label_rank"]
    if table.null_count:
        raise DatasetError(f"data set {outputs.dataset.name}: images without labels cannot be what a soup chooses by")
    ranks: np.ndarray[Any, Any] = table.to_numpy()
    return ranks


def _accuracy(ranks: np.ndarray[Any, Any]) -> float:
    return float((ranks == 0).mean())


def _adapted(merge: WeightMerge, store: Store) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Learn coefficients on unlabelled images of all data sets."""
    device, settings = default_device(), dict(merge.options)
    looked_at = merge.looks_at
    with ExitStack() as opened:
        first, *tuned = [_opened(model, opened) for model in merge.models]
        base = {name: first[name].to(device) for name in first}
        merging = AdaMerging(
            base,
            tuned,
            layer_wise=merge.method.startswith("adamerging/layer"),
            start=float(settings["start"]),
            keep=float(settings["keep"]) if merge.method.endswith("++") else None,
            parameters=_parameters(base, merge.models[0]),
        )
        del first, tuned
    modules, heads, batches, projections = {}, {}, {}, {}
    for outputs in looked_at:
        name = outputs.dataset.name
        heads[name] = {n: tensor.to(device) for n, tensor in load_head(outputs, store).items()}
        # the base's own tensors, not copies of them: the merged ones take their place
        modules[name] = build_classifier({**base, **heads[name]}, name, outputs.model.architecture, device)
        batches[name] = _endless(outputs, int(settings["batch_size"]), int(settings["seed"]), device)
        projections[name] = outputs.dataset.groups
    steps = int(settings["steps"])
    with work(f"learn {merge.method}", steps) as progress:
        rate = float(settings["rate"])
        losses = learn(
            merging, modules, heads, batches, steps=steps, rate=rate, groups=projections, advanced=progress.advance
        )
    state = {name: tensor.cpu() for name, tensor in merging.merged().items()}
    learnt = {
        "loss": losses,
        "tensors": merging.names if merge.method.startswith("adamerging/layer") else None,
        "models": [model.name for model in merge.models[1:]],
        "coefficients": merging.coefficients.detach().clamp(0, 1).cpu().tolist(),
    }
    return state, learnt


def _endless(outputs: OutputsReference, size: int, seed: int, device: str) -> Iterator[torch.Tensor]:
    """Yield batches of images, drawn from the whole data set, time and again."""
    dataset = outputs.dataset
    opened = OpenedDataset(dataset, Reading(batch_size=size, workers=0), device)
    random = np.random.default_rng(seed)
    while True:
        for batch in opened.batches([Span(0, dataset.samples)], lambda _span: random.permutation(dataset.samples)):
            yield normalized(batch.images, dataset.preprocessing)


def _parameters(base: Mapping[str, torch.Tensor], model: ModelReference) -> set[str]:
    """Return the names of a model's tensors that are parameters, and no statistics."""
    with torch.device("meta"):
        tower = empty_tower(base, model.url, model.architecture)
    return {f"visual.{name}" for name, _ in tower.named_parameters()} | set(HEAD)
