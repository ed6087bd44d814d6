"""Checkpoints are read safely, whatever wraps their tensors, and a refusal names the tensor or file at fault."""

import os
import pickle

import pytest
import safetensors.torch
import tiny
import torch

from tasks.errors import CheckpointError
from tasks.models.checkpoint import read_checkpoint, read_head
from tasks.models.classifier import build_classifier


def read(path, local=True):
    with open(path, "rb") as file:
        return read_checkpoint(file, str(path), str(path) if local else None)


def logits(classifier, seed=0):
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    return classifier(images)


def without_encoder(state):
    return {name.replace("model.", "", 1): tensor for name, tensor in state.items()}


NAMINGS = {
    "model-soups": lambda state: state,
    "data-parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "plain state dict": without_encoder,
    "training checkpoint": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
}


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_gives_the_same_logits(tmp_path, naming, local):
    """Wrappers around the tower and the way of reading (mapped, or as a stream) change no logit."""
    path = tmp_path / "any.name"
    torch.save(NAMINGS[naming](tiny.soup_state(1)), path)
    torch.testing.assert_close(logits(build_classifier(read(path, local), "x")), logits(tiny.classifier(1)))


@pytest.mark.parametrize("local", [True, False])
def test_safetensors_are_recognised_by_their_content(tmp_path, local):
    """A safetensors file is read as one although its name ends in .pt."""
    path = tmp_path / "weights.pt"
    safetensors.torch.save_file(tiny.soup_state(2), path)
    torch.testing.assert_close(logits(build_classifier(read(path, local), "x")), logits(tiny.classifier(2)))


def test_legacy_torch_files_are_read(tmp_path):
    """A file in PyTorch's format before 1.6 gives the same logits as one in the newer format."""
    path = tmp_path / "old.pt"
    torch.save(tiny.soup_state(1), path, _use_new_zipfile_serialization=False)
    torch.testing.assert_close(logits(build_classifier(read(path), "x")), logits(tiny.classifier(1)))


def test_half_precision_files_are_held_in_float32(tmp_path):
    """All tensors of a half-precision file are float32 after reading, as those of every other model are."""
    path = tmp_path / "half.pt"
    torch.save({name: t.half() for name, t in tiny.soup_state(1).items()}, path)
    assert {t.dtype for t in read(path).values()} == {torch.float32}


def test_the_text_tower_is_left_out(tmp_path):
    """Only the vision tower and the head are read."""
    assert all(name.startswith(("visual.", "head.")) for name in read(tiny.checkpoint(tmp_path / "a.pt", 1)))


def test_a_head_of_its_own_file(tmp_path):
    """A head's own file may name its tensors `weight` and `bias`; a missing bias becomes zeros."""
    path = tmp_path / "head.pt"
    torch.save({"weight": torch.ones(4, 16)}, path)
    with open(path, "rb") as file:
        head = read_head(file, "head")
    assert head["head.weight"].shape == (4, 16)
    assert torch.count_nonzero(head["head.bias"]) == 0


class Bomb:
    """Pickles as a call that would create the marker file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_code_is_refused_and_not_run(tmp_path, zipped):
    """Code in a file of either format is refused, and the marker file is not created."""
    path, marker = tmp_path / "bomb.pt", tmp_path / "ran"
    torch.save({"visual.conv1.weight": Bomb(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=rf"{path}: holds pickled code or objects, .* none of it was run"):
        read(path)
    assert not marker.exists()


def test_a_bare_pickle_is_refused(tmp_path):
    """A pickle that torch did not write is refused, and its code does not run."""
    path, marker = tmp_path / "bomb.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(CheckpointError, match=str(path)):
        read(path)
    assert not marker.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_a_truncated_file_is_one_clear_error(tmp_path, kind, share):
    """A file that ends anywhere is refused in one line that names it."""
    path = tmp_path / "whole"
    if kind == "torch":
        torch.save(tiny.soup_state(1), path)
    else:
        safetensors.torch.save_file(tiny.soup_state(1), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=f"{path}: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def broken(change):
    state = tiny.soup_state(1)
    change(state)
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["model.visual.proj"].fill_(float("nan")), "visual.proj holds NaN or infinite weights"),
        (lambda s: s.pop("classification_head.weight"), "no classification head; wanted classification_head.weight"),
        (lambda s: s.pop("model.visual.proj"), "not a CLIP vision tower .*visual.proj.*name its `architecture`"),
        (lambda s: s.pop("model.visual.ln_post.bias"), "visual.ln_post.bias is missing"),
        (lambda s: s.update({"model.visual.more": torch.zeros(1)}), "visual.more is not expected"),
        (
            lambda s: s.update({"model.visual.ln_pre.bias": torch.zeros(3)}),
            r"ln_pre.bias: wanted \(64,\) numbers, got \(3,\) numbers",
        ),
        (lambda s: [s.pop(n) for n in list(s) if "visual" in n], "no vision tower; wanted tensors named visual"),
        (
            lambda s: s.update({"model.visual.positional_embedding": torch.zeros(6, 64)}),
            "6 positions and 1 layers of width 64",
        ),
        (lambda s: s.update({"classification_head.weight": torch.zeros(3)}), "head weight wanted as"),
        (lambda s: s.update({"model.visual.conv1.weight": torch.tensor(1.0)}), "tensors of other shapes"),
        (lambda s: s.update({"model.visual.ln_pre.bias": torch.zeros(64, dtype=torch.int8)}), "got .*counts"),
        (
            lambda s: s.update({"model.visual.proj": torch.zeros(64, 16).to_sparse()}),
            "wanted tensors only; .*_get_layout",
        ),
    ],
)
def test_a_fault_of_a_checkpoint_is_named(tmp_path, change, message):
    """The message names the tensor, the wanted value and the given one."""
    path = tmp_path / "a.pt"
    torch.save(broken(change), path)
    with pytest.raises(CheckpointError, match=message):
        build_classifier(read(path), str(path))


def test_a_file_without_tensors_is_refused(tmp_path):
    """A file that holds a list is refused, and the message names the type."""
    path = tmp_path / "a.pt"
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match=r"wanted a state dict .*, got a list"):
        read(path)
