"""Files of both of PyTorch's formats give the tensors that PyTorch reads, by a reader that can call nothing."""

import io

import pytest
import tiny
import torch
from torch import nn

from tasks.errors import CheckpointError
from tasks.models.files.tensor_files import read_tensors

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"),
    *("complex64", "complex128"),
)
NEWER = (
    "float8_e4m3fn",
    "float8_e5m2",
    "uint16",
    "uint32",
    "uint64",
)  # than the older format, whose reader in torch does not know them


def saved(content, *, legacy=True, protocol=2):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return buffer.getvalue()


def same(found, wanted):
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert found[name].stride() == tensor.stride()
        assert torch.equal(_bytes(found[name]), _bytes(tensor.detach())), name


def _bytes(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def check(content, **options):
    """Compare the tensors that our reader and PyTorch read from a file of either format."""
    data = saved(content, **options)
    wanted = torch.load(io.BytesIO(data), weights_only=False)  # a file of our own
    same(read_tensors(io.BytesIO(data), "there"), wanted)


@pytest.mark.parametrize(
    ("name", "legacy"), [*((name, True) for name in DTYPES), *((name, False) for name in (*DTYPES, *NEWER))]
)
def test_every_type(name, legacy):
    """Numbers of each type are read bit for bit, with one dimension, with three and with none."""
    numbers = torch.arange(1, 25).to(torch.float32).to(getattr(torch, name))
    check({"a": numbers, "b": numbers.reshape(2, 3, 4), "c": numbers[3].clone()}, legacy=legacy)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [True, False])
def test_shared_transposed_sliced_and_empty_tensors(legacy, protocol):
    """Views of one storage keep their strides and offsets; parameters and empty tensors are read too."""
    base = torch.randn(6, 8)
    content = {
        "base": base,
        "same": base,
        "transposed": base.t(),
        "slice": base[1:3, ::2],
        "row": base[5],
        "empty": torch.empty(0, 3),
        "number": torch.tensor(4.6),
        "parameter": nn.Parameter(torch.randn(3)),
    }
    check(content, legacy=legacy, protocol=protocol)


def test_the_state_of_a_training_checkpoint():
    """The optimizer's state, the settings and the history of a training checkpoint are left out."""
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    content = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "loss": [0.5, 0.25]}
    same(read_tensors(io.BytesIO(saved(content)), "there"), model.state_dict())


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.filterwarnings("ignore:.*source")  # torch's, about classes whose source it cannot keep
def test_a_whole_module(legacy):
    """A pickled module gives the tensors of its `state_dict()`, and none of its classes is imported."""
    module = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 2, bias=False)))
    module.register_buffer("mask", torch.ones(3), persistent=False)
    module.register_buffer("scale", torch.ones(2))
    module.add_module("again", module[0])
    same(read_tensors(io.BytesIO(saved(module, legacy=legacy)), "there"), module.state_dict())


def test_truncated_at_every_part():
    """A truncated file is refused in one line wherever it ends, and the whole file is read."""
    whole = saved(tiny.soup_state(1))
    same(read_tensors(io.BytesIO(whole), "there"), tiny.soup_state(1))
    for length in [*range(1, 400, 7), *range(400, len(whole), 2048), len(whole) - 1]:
        with pytest.raises(CheckpointError, match=r"^there: not a checkpoint") as caught:
            read_tensors(io.BytesIO(whole[:length]), "there")
        assert str(caught.value).isprintable()
