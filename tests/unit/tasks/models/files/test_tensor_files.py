"""Every file belongs to at most one format, and its content decides to which."""

import io

import pytest
import safetensors.torch
import torch
from hostile_files import OTHERS

from tasks.errors import CheckpointError
from tasks.models.files.foreign_files import START
from tasks.models.files.safetensors_file import SAFETENSORS
from tasks.models.files.tensor_files import FORMATS, read_tensors
from tasks.models.files.torch_legacy import TORCH_LEGACY
from tasks.models.files.torch_zip import TORCH_ZIP

STATE = {"visual.a": torch.arange(6.0).reshape(2, 3)}


def saved(*, zipped):
    buffer = io.BytesIO()
    torch.save(STATE, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


EXAMPLES = {
    "safetensors": (lambda: safetensors.torch.save(STATE), SAFETENSORS),
    "torch zip": (lambda: saved(zipped=True), TORCH_ZIP),
    "torch before 1.6": (lambda: saved(zipped=False), TORCH_LEGACY),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_file_begins_as_its_own_format_alone(example):
    """No other format claims the file, so that the order of the list decides nothing among these examples."""
    make, wanted = EXAMPLES[example]
    content = make()
    assert [one for one in FORMATS if one.begins(content[:START])] == [wanted]
    found = read_tensors(io.BytesIO(content), "there")
    assert found.keys() == STATE.keys()
    assert torch.equal(found["visual.a"], STATE["visual.a"])


def test_every_format_has_an_example():
    """A format that is added to the list has to come with an example here."""
    assert {one.when_damaged for one in FORMATS} == {one.when_damaged for _, one in EXAMPLES.values()}
    assert len(FORMATS) == len(EXAMPLES)


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_kind_begins_as_none(name):
    """A file that is no checkpoint is refused by its first bytes, and no format's reader sees it."""
    content = OTHERS[name][0]()
    assert not [one for one in FORMATS if one.begins(content[:START])]
    with pytest.raises(CheckpointError, match=r"^there: not a checkpoint but "):
        read_tensors(io.BytesIO(content), "there")
