"""Checkpoints read tensor by tensor hold the same numbers as checkpoints read whole."""

import io
import json
import os

import pytest
import safetensors.torch
import tiny
import torch
from checkpoints import clip, read, write

from tasks.errors import CheckpointError
from tasks.models.lazy_state import LazyState, open_state


def test_a_checkpoint_read_lazily_is_the_same(tmp_path):
    """A prefix of the names does not matter: each tensor equals that of the whole file."""
    state = {f"module.{name}": tensor for name, tensor in clip().state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    with open(tmp_path / "x.safetensors", "rb") as file:
        opened = open_state(file, "x")
        whole = read(tmp_path / "x.safetensors")
        assert isinstance(opened, LazyState)
        assert set(opened) == set(whole) == set(opened.outline())
        assert all(torch.equal(opened[name], whole[name]) for name in whole)


def test_a_file_that_is_cut_off_while_it_is_read_is_refused(tmp_path):
    """A look at its pages would kill the process; the error names the file."""
    state = clip().state_dict()
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    with open(tmp_path / "x.safetensors", "rb") as file:
        opened = open_state(file, "x.safetensors")
        last = opened._file.in_order()[-1]
        (name,) = [ours for ours, theirs in opened._names.items() if theirs == last] or [list(opened)[-1]]
        assert torch.equal(opened.views[name], opened[name])
        os.truncate(tmp_path / "x.safetensors", 5000)
        for read in (lambda: opened.views[name], lambda: opened[name]):
            with pytest.raises(CheckpointError, match=r"x\.safetensors: damaged safetensors file \(.* end"):
                read()


@pytest.mark.parametrize("example", ["hugging face", "open_clip"])
def test_a_file_that_cannot_be_read_lazily_is_read_whole(tmp_path, example):
    """Projections that have to be packed, and PyTorch's own files, come as a plain state of equal tensors."""
    write(example, tmp_path / "x")
    with open(tmp_path / "x", "rb") as file:
        opened = open_state(file, "x")
    whole = read(tmp_path / "x")
    assert not isinstance(opened, LazyState)
    assert opened.keys() == whole.keys()
    assert all(torch.equal(opened[name], whole[name]) for name in whole)


def test_a_damaged_file_is_refused():
    """A header that is not JSON, tensors that overlap and a file without a tower are one clear error each."""
    with pytest.raises(CheckpointError, match="damaged safetensors file"):
        open_state(io.BytesIO(bytes([9, 0, 0, 0, 0, 0, 0, 0]) + b"{notjson}"), "x")
    header = {n: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for n in ("visual.a", "visual.b")}
    text = json.dumps(header).encode()
    with pytest.raises(CheckpointError, match="a tensor begins at 0, wanted 8"):
        open_state(io.BytesIO(len(text).to_bytes(8, "little") + text + bytes(8)), "x")
    head = {n: t for n, t in tiny.soup_state(1).items() if n.startswith("classification_head.")}
    with pytest.raises(CheckpointError, match="x: no vision tower"):
        open_state(io.BytesIO(safetensors.torch.save(head)), "x")
