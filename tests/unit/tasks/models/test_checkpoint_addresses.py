"""Addresses of checkpoints: files and repositories on the Hub, read from its cache, and folders."""

import pytest
import torch
from checkpoints import IMAGES, clip, features, read

from flows.planning.checkpoint_records import checkpoint_file
from tasks.errors import CheckpointError


@pytest.mark.parametrize("url", ["hf://org/tuned", "hf://org/tuned/pytorch_model.bin"])
@pytest.mark.usefixtures("hub")
def test_the_hub_is_read_from_its_cache(url):
    """A repository, or a file in it, is read without a request when the Hub is switched off."""
    with torch.no_grad():
        expected = clip().encode_image(IMAGES)
    torch.testing.assert_close(features(read(checkpoint_file(url, "model x").url)), expected)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("hf://org/missing", "not in the Hub's cache"),
        ("hf://org/tuned/other.bin", "not in the Hub's cache"),
        ("hf://org", "wanted hf://org/repo"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_an_address_that_the_hub_does_not_have_is_named(url, message):
    """The error is one line that holds the model's name and the address."""
    with pytest.raises(CheckpointError, match=rf"model x: checkpoint {url}: .*{message}"):
        checkpoint_file(url, "model x")


def test_a_folder_without_a_checkpoint_is_refused_with_its_content(tmp_path):
    """The message names the file names that are wanted and the files that the folder holds."""
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises(CheckpointError, match=r"a folder without model.safetensors or .*; it holds readme.md"):
        checkpoint_file(str(tmp_path), "model x")
