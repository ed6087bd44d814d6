"""Models that methods make of others' weights: made once, again only when an input changes, from the right parts."""

import gc
import json
import weakref

import pytest
import safetensors.torch
import tiny
import torch
from runs import run

from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from storage.blobs import read_blob
from storage.store import Store
from tasks.errors import DatasetError
from tasks.opening import opened_models
from tasks.streaming.images import Images
from tasks.streaming.looked_at import OpenedDataset
from tasks.streaming.reading import Reading

pytestmark = [pytest.mark.xdist_group("methods"), pytest.mark.usefixtures("prefect_api")]


def test_scaled_merges_are_made_once(table):
    """Ten scales of TIES on three data sets need one model; learnt coefficients and losses lie beside the models."""
    _, url = table
    store = Store(url)
    made = [key for key in store.keys("made-models") if key.endswith("model.safetensors")]
    assert len(made) == 9  # ties, tsv-merge, iso-c, greedy-soup, model-stock, four of adamerging
    learnt = [json.loads(store.read(key)) for key in store.keys("made-models") if key.endswith("learnt.json")]
    assert sorted(len(record["loss"]) for record in learnt if "loss" in record) == [3] * 4
    assert [record["held_out"] for record in learnt if "chosen" in record] == ["a"]


def test_only_models_that_a_missing_table_needs_are_made(table, multi_task):
    """A made model that was deleted to save space is not made again for tables that the store holds."""
    _, url = table
    store = Store(url)
    kept = {key: store.read(key) for key in store.keys("made-models")}
    for key in kept:
        store.delete(key)
    try:
        settings = ("baselines=[ties, iso-c/0.50]", "methods={}")
        plan = checked_plan(load_experiment(str(multi_task / "multi.yaml"), settings), store)
        assert [made.method for made in plan.missing_models] == ["iso-c"]
    finally:
        for key, content in kept.items():
            store.replace(key, content)


def test_a_made_model_depends_on_its_inputs_and_nothing_else(multi_task):
    """Another type of stored logits, or another temperature, needs no new model; another option or precision may."""
    store = Store(str(multi_task / "other"))

    def digests(*overrides):
        plan = checked_plan(load_experiment(str(multi_task / "multi.yaml"), overrides), store)
        return {made.method: made.digest for made in plan.made_models}

    first, other = digests(), digests("logits=fp16", "models.0.temperature=2.0")
    assert first == other
    assert digests("methods.adamerging.steps=4")["adamerging/task-wise"] != first["adamerging/task-wise"]
    assert digests("methods.ties.keep=0.3")["ties"] != first["ties"]
    plus = digests("methods.adamerging.keep=0.3")
    assert plus["adamerging/task-wise++"] != first["adamerging/task-wise++"]
    assert plus["adamerging/task-wise"] == first["adamerging/task-wise"]
    assert digests("precision=bf16")["adamerging/task-wise"] == first["adamerging/task-wise"]
    assert digests("precision=bf16")["greedy-soup"] != first["greedy-soup"]


def test_a_method_that_learns_sees_the_whole_data_set(multi_task, monkeypatch):
    """Three batches of four hold twelve different samples of all 24, though objects of eight would end earlier."""
    store = Store(str(multi_task / "other"))
    plan = checked_plan(load_experiment(str(multi_task / "multi.yaml")), store, shard=8)
    scored = plan.outputs[0][0].scored
    assert len(scored.dataset.spans) == 3
    seen, read = set(), Images.batches

    def watched(self, spans, order=None):
        for batch in read(self, spans, order):
            seen.update(batch.sample_index.tolist())
            yield batch

    monkeypatch.setattr(Images, "batches", watched)
    models = [outputs.model for outputs in plan.outputs[0]]
    batches = OpenedDataset(scored, models, store, Reading(batch_size=16), "cpu").batches(4, 1)
    for _ in range(3):
        next(batches)
    assert max(seen) >= 16
    assert len(seen) == 12


def test_a_soup_keeps_the_heads_that_checkpoints_hold(tmp_path):
    """The held-out data set's own head chooses the models; the soup's head is the mean of the checkpoints' heads."""
    torch.manual_seed(0)
    safetensors.torch.save_file({"weight": torch.randn(3, 16), "bias": torch.zeros(3)}, tmp_path / "head.safetensors")
    models = [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned")]
    file, store = tiny.experiment(tmp_path, samples=12, models=models), Store(str(tmp_path / "store"))
    settings = ("baselines=[greedy-soup]", "methods.greedy-soup.held_out=one", "merge.granularity=[]")
    heads = f"heads={{one: {tmp_path}/head.safetensors}}"
    run(file, store.url, *settings, heads)
    (made,) = checked_plan(load_experiment(file, (*settings, heads)), store).made_models
    soup = safetensors.torch.load(read_blob(store, made.key))
    own = torch.load(tmp_path / "tuned.pt", weights_only=True)
    weight = next(tensor for name, tensor in own.items() if name.endswith("head.weight"))
    assert torch.equal(soup["head.weight"], weight)  # one tuned model: the mean is its own
    assert not torch.equal(soup["head.weight"], safetensors.torch.load_file(tmp_path / "head.safetensors")["weight"])


def test_a_soup_without_labels_is_refused_at_once(tmp_path):
    """The check refuses it before anything is extracted."""
    file = tiny.experiment(tmp_path, samples=12)
    (tmp_path / "loose").mkdir()
    for path in (tmp_path / "one").rglob("*.png"):
        path.rename(tmp_path / "loose" / path.name)
    settings = (f"datasets=[{{name: loose, images: {tmp_path}/loose}}]", "baselines=[greedy-soup]")
    experiment = load_experiment(file, (*settings, "methods.greedy-soup.held_out=loose"))
    with pytest.raises(DatasetError, match="loose: images without labels, but baseline greedy-soup chooses by them"):
        checked_plan(experiment, Store(str(tmp_path / "store")))


def test_models_that_are_read_whole_are_in_memory_one_at_a_time(tmp_path, monkeypatch):
    """A greedy soup of pickled checkpoints, which cannot be read lazily, never holds two candidates beside its soup."""
    models = [{"name": n, "checkpoint": f"{n}.pt"} for n in ("base", "tuned", "third", "fourth")]
    file = tiny.experiment(tmp_path, samples=12, models=models)
    for seed, name in ((3, "third"), (4, "fourth")):
        tiny.checkpoint(tmp_path / f"{name}.pt", seed)
    alive, most, opened = weakref.WeakSet(), [], opened_models.open_state

    class Counted(dict):
        __hash__ = object.__hash__

    def counting(*arguments):
        state = Counted(opened(*arguments))
        alive.add(state)
        gc.collect()
        most.append(len(alive))
        return state

    monkeypatch.setattr(opened_models, "open_state", counting)
    settings = ("baselines=[greedy-soup]", "methods.greedy-soup.held_out=one", "merge.granularity=[]")
    run(file, str(tmp_path / "store"), *settings)
    assert len(most) >= 4
    assert max(most[:4]) <= 2  # the base and one candidate, while the soup grows
