"""Every checkpoint family recognises its own checkpoints and no others, and gives the features of its own code."""

import shutil

import fsspec
import pytest
import torch
from checkpoints import EXAMPLES, IMAGES, clip, features, read, write

from flows.planning.checkpoint_records import checkpoint_file
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.models.families.family import Family
from tasks.models.families.registry import FAMILIES, recognise
from tasks.models.families.tensor_names import has_prefix
from tasks.models.files.tensor_files import read_tensors
from tasks.opening.inspect_checkpoint import inspect_checkpoint

pytestmark = pytest.mark.filterwarnings(  # of writing TorchScript
    "ignore::FutureWarning", "ignore::torch.jit.TracerWarning"
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_checkpoint_is_recognised_by_its_own_family_alone(tmp_path, example):
    """No other family's predicate holds, so that the order of the registry decides nothing among these examples."""
    write(example, tmp_path / "any.name")
    with open(tmp_path / "any.name", "rb") as file:
        tensors = read_tensors(file, "here")
    assert [family.name for family in FAMILIES if family.recognises(tensors)] == [EXAMPLES[example]]
    assert recognise(tensors, "here").family == EXAMPLES[example]


def test_every_family_has_an_example():
    """A family that is added to the registry has to come with an example in `checkpoints`."""
    assert {family.name for family in FAMILIES} == set(EXAMPLES.values())


@pytest.mark.parametrize("where", ["file", "s3", "hf"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_gives_its_own_features(tmp_path, request, example, where):
    """The file may lie at a path, on S3 or in the Hub's cache, and may have any name."""
    path = tmp_path / "any.name"
    expected = write(example, path)
    url = str(path)
    if where == "s3":
        url = f"{request.getfixturevalue('s3')}/deep/any.name"
        filesystem, target = fsspec.core.url_to_fs(url)
        filesystem.put_file(str(path), target)
    elif where == "hf":
        shutil.copy(path, request.getfixturevalue("hub") / "any.name")
        url = checkpoint_file("hf://org/tuned/any.name", "model x").url
    torch.testing.assert_close(features(read(url)), expected, rtol=1e-5, atol=1e-5)


def test_a_name_that_occurs_under_two_prefixes_is_refused(tmp_path):
    """Such a file may hold raw weights and their average; the message names the file, and neither is taken."""
    state = {f"visual.{name}": tensor for name, tensor in clip().visual.state_dict().items()}
    torch.save({**state, "model.visual.class_embedding": torch.zeros(128)}, tmp_path / "x.pt")
    with pytest.raises(
        CheckpointError, match=r"/x\.pt: visual\.class_embedding occurs more than once, under different"
    ):
        read(tmp_path / "x.pt")


def test_tensors_of_no_family_are_recognised_by_none():
    """A model that is no CLIP has tensors without a vision tower's names."""
    assert recognise({"encoder.weight": torch.zeros(2)}, "here") is None


def test_a_family_that_is_added_to_the_registry_is_read(tmp_path, monkeypatch):
    """A new family needs a name, a predicate on names and a renaming; features and `inspect` then follow."""
    state = clip().visual.state_dict()
    torch.save({f"image_encoder.{name}": tensor for name, tensor in state.items()}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="no vision tower"):
        read(tmp_path / "x.pt")
    added = Family(
        name="image-encoder",
        recognises=lambda tensors: has_prefix(tensors, "image_encoder."),
        read=lambda tensors: {name.replace("image_encoder.", "visual.", 1): t for name, t in tensors.items()},
    )
    monkeypatch.setattr("tasks.models.families.registry.FAMILIES", (*FAMILIES, added))
    with torch.no_grad():
        torch.testing.assert_close(features(read(tmp_path / "x.pt")), clip().visual(IMAGES))
    assert inspect_checkpoint(Location(str(tmp_path / "x.pt")))["family"] == "image-encoder"
