"""Safetensors files give the tensors that the format's own library reads, or one clear error."""

import io
import json
import struct

import hypothesis.strategies as st
import pytest
import safetensors.torch
import torch
from hostile_files import UNTIMED
from hypothesis import given, settings
from safetensors import SafetensorError

from tasks.errors import CheckpointError
from tasks.models.files.tensor_files import read_tensors
from tasks.models.lazy_state import open_state

GOOD = {
    "visual.a": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "visual.b": torch.tensor(7, dtype=torch.float16),
    "visual.c": torch.zeros(0, 4),
    "visual.d": torch.tensor([True, False, True]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of this module alone, for all examples of a test."""
    return tmp_path_factory.mktemp("safetensors")


def written(tensors, metadata=None):
    return safetensors.torch.save(tensors, metadata)


def with_header(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def check(content, folder):
    """Read a file mapped and copied, and compare: both are refused alike, or both equal the library's tensors."""
    path = folder / "model.safetensors"
    path.write_bytes(content)
    outcomes = []
    for place in (None, str(path)):
        try:
            with path.open("rb") as file:
                outcomes.append(read_tensors(file, "there", place))
        except CheckpointError as error:
            outcomes.append(str(error))
    copied, mapped = outcomes
    if isinstance(copied, str):
        assert copied == mapped
        assert copied.startswith("there: ")
        assert copied.isprintable()
        assert len(copied) < 400
        return
    wanted = safetensors.torch.load(content)
    for found in (copied, mapped):
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
            assert torch.equal(_bytes(found[name]), _bytes(tensor))


def _bytes(tensor):
    return tensor.reshape(-1).view(torch.uint8)


@pytest.mark.parametrize(
    "name",
    [
        *("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"),
        *("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "complex64"),
    ],
)
def test_every_type_mapped_and_copied(name, tmp_path):
    """Numbers of each type are read bit for bit, also at offsets that are not multiples of their width."""
    numbers = torch.arange(1, 25).float().to(getattr(torch, name)).reshape(2, 3, 4)
    content = written({"a": torch.ones(3, dtype=torch.uint8), "b": numbers}, {"format": "pt"})
    assert read_tensors(io.BytesIO(content), "there")["b"].shape == (2, 3, 4)
    check(content, tmp_path)
    width = numbers.element_size()
    header = {"a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}
    header["b"] = {"dtype": json.loads(content[8 : 8 + content[0] + 256 * content[1]])["b"]["dtype"], "shape": [24]}
    header["b"]["data_offsets"] = [3, 3 + 24 * width]
    unaligned = with_header(header, b"abc" + bytes(numbers.reshape(-1).view(torch.uint8).tolist()))
    assert torch.equal(_bytes(read_tensors(io.BytesIO(unaligned), "there")["b"]), _bytes(numbers))
    check(unaligned, tmp_path)


@settings(UNTIMED, max_examples=300)
@given(data=st.data())
def test_bytes_changed(data, folder):
    """A good file with up to four bytes changed gives the library's tensors, or one clear error."""
    content = bytearray(written(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(content), folder)


_NUMBERS = st.one_of(st.integers(-1, 9), st.sampled_from([2**31, 2**48, 2**63, 2**200, 1.0, None, True, "3", []]))
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "U8", "BOOL", "F4", "f32", "", None, 3, ["F32"]]),
        "shape": st.one_of(st.lists(_NUMBERS, max_size=4), st.sampled_from([None, "3", 3, {"a": 1}, [1] * 17])),
        "data_offsets": st.one_of(st.tuples(_NUMBERS, _NUMBERS).map(list), st.lists(_NUMBERS, max_size=3)),
    },
)
_PLAIN = st.builds(
    lambda start, count: {"dtype": "U8", "shape": [count], "data_offsets": [start, start + count]},
    st.sampled_from([0, 4]),
    st.sampled_from([4, 0, 8]),
)
_HEADER = st.dictionaries(
    st.one_of(st.sampled_from(["a", "b", "__metadata__"]), st.text(max_size=5)),
    st.one_of(_PLAIN, _ENTRY, st.none(), st.dictionaries(st.text(max_size=3), st.text(max_size=3))),
    max_size=4,
)


@settings(UNTIMED, max_examples=400)
@given(header=_HEADER, size=st.sampled_from([0, 4, 8, 12]))
def test_headers_of_a_grammar(header, size, folder):
    """Types, shapes and offsets of any kind, or missing ones, give the library's tensors, or one clear error."""
    check(with_header(header, bytes(range(size))), folder)


_TEXT = st.text(max_size=3)
_JSON = st.recursive(st.none() | _TEXT, lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner))


@settings(UNTIMED, max_examples=200)
@given(_JSON)
def test_any_json_as_a_header(value):
    """A header of any other JSON is one clear error, for the reader of whole files and for the lazy one."""
    content = with_header({"visual.a": value})
    for read in (read_tensors, open_state):
        with pytest.raises(CheckpointError, match=r"^there: damaged safetensors file"):
            read(io.BytesIO(content), "there")


def test_every_truncation_is_refused():
    """A file that ends at any byte of the header or the numbers is refused, as the library refuses it."""
    content = written(GOOD)
    for length in range(9, len(content)):
        with pytest.raises(CheckpointError, match=r"^there: damaged safetensors file"):
            read_tensors(io.BytesIO(content[:length]), "there")
        with pytest.raises(SafetensorError):
            safetensors.torch.load(content[:length])


def test_bytes_after_the_last_tensor_are_refused():
    """A file with a byte that its header does not cover is refused."""
    with pytest.raises(CheckpointError, match=r"tensors of 29 bytes, the file has 30 for them"):
        read_tensors(io.BytesIO(written(GOOD) + b"x"), "there")
