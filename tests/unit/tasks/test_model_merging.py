"""A made model's file: the same bytes each time, described by its manifest, and none of checkpoints that change."""

import hashlib
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from checkpoints import clip

from storage.file_marks import mark_of
from storage.identity import digest_of_file
from storage.manifests import read_manifest
from storage.store import Store
from tasks import model_merging
from tasks.errors import CheckpointError
from tasks.merging.combination import combine
from tasks.methods.registry import METHODS
from tasks.model_merging import make_model
from tasks.opening.load_models import load_state
from tasks.references.models import ModelReference
from tasks.streaming.reading import Reading

METHODS_OF_TENSORS = ("weight-average", "ties", "tsv-merge", "iso-c", "model-stock")


@pytest.fixture
def models(tmp_path):
    """References of a base and three tuned checkpoints."""
    references = []
    for i in range(4):
        state = {n: t.clone() for n, t in clip().state_dict().items() if n.startswith("visual.")}
        random = torch.Generator().manual_seed(i)
        if i:
            state = {n: t + 0.01 * torch.randn(t.shape, generator=random) for n, t in state.items()}
        safetensors.torch.save_file(state, tmp_path / f"{i}.safetensors")
        with open(tmp_path / f"{i}.safetensors", "rb") as file:
            mark, digest = mark_of(file), digest_of_file(file)
        url = str(tmp_path / f"{i}.safetensors")
        references.append(
            ModelReference(name=str(i), url=url, digest=digest, temperature=1.0, architecture=None, mark=mark)
        )
    return tuple(references)


def make(method, models, store):
    """Make a method's model and return its key."""
    made = METHODS[method].made_model(models, options=METHODS[method].options().model_dump())
    make_model.fn(made, store, reading=Reading(batch_size=1))
    return made.key


@pytest.mark.parametrize("method", METHODS_OF_TENSORS)
def test_a_model_is_made_to_the_same_bytes_each_time(models, tmp_path, method):
    """The file is a function of the checkpoints, and its manifest holds the size and SHA-256 of its bytes."""
    stores = [Store(str(tmp_path / name)) for name in ("one", "other")]
    first, again = [(store, make(method, models, store)) for store in stores]
    content = first[0].read(first[1])
    assert again[0].read(again[1]) == content
    manifest = read_manifest(*first)
    assert (manifest.sha256, manifest.bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_the_average_of_files_is_that_of_states(models, tmp_path):
    """To the last bit, so that a model made of files predicts as one merged in memory."""
    store = Store(str(tmp_path / "store"))
    found = safetensors.torch.load(store.read(make("weight-average", models, store)))
    wanted = combine([safetensors.torch.load_file(model.url) for model in models], [0.25] * 4)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_made_model_is_loaded_as_it_was_written(models, tmp_path):
    """An evaluation gets the tensors of the committed object, also after its file has lost its name."""
    store, made = Store(str(tmp_path / "store")), METHODS["weight-average"].made_model(models)
    key = make("weight-average", models, store)
    written = safetensors.torch.load(store.read(key))
    outputs = SimpleNamespace(model=made.model, scored=SimpleNamespace(head=None))
    loaded = load_state(outputs, store)
    store.delete(key)
    assert loaded.keys() == written.keys()
    assert all(torch.equal(loaded[name], written[name]) for name in written)


def test_a_model_of_a_checkpoint_that_changes_meanwhile_is_not_kept(models, tmp_path, monkeypatch):
    """Its numbers may be of two files, so that the merge fails and its key stays free."""
    store, write = Store(str(tmp_path / "store")), model_merging.write_safetensors

    def overtaken(*given):
        digest = write(*given)
        with open(models[2].url, "r+b") as other:
            other.seek(-4, 2)
            other.write(b"\0\0\0\0")
        return digest

    monkeypatch.setattr(model_merging, "write_safetensors", overtaken)
    with pytest.raises(CheckpointError, match=r"2\.safetensors: changed since the run began"):
        make("weight-average", models, store)
    assert list(store.keys()) == []


def test_the_manifest_fits_a_model_that_another_run_has_replaced(models, tmp_path, monkeypatch):
    """The manifest fits the bytes under the key if these are no longer the ones that this process wrote."""
    store, upload = Store(str(tmp_path / "store")), Store.upload

    def overtaken(self, key, path):
        mark = upload(self, key, path)
        self.replace(key, b"those of another run")
        return mark

    monkeypatch.setattr(Store, "upload", overtaken)
    key = make("weight-average", models, store)
    assert read_manifest(store, key).sha256 == hashlib.sha256(b"those of another run").hexdigest()
