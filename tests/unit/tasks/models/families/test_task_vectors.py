"""Pickled modules of the task-vectors code: an encoder around a CLIP, and a head that normalises its input."""

import pickled
import torch
from checkpoints import IMAGES, clip, features, read

from storage.locations import Location
from tasks.models.checkpoint import read_head
from tasks.opening.inspect_checkpoint import inspect_checkpoint


def test_pickled_modules_are_read_without_their_code(tmp_path):
    """The encoder's tower and the head's weights are read although their classes do not exist any more."""
    encoder = clip(3)
    weights = torch.randn(5, 24, generator=torch.Generator().manual_seed(1))
    pickled.write_encoder(tmp_path / "finetuned.pt", encoder)
    pickled.write_head(tmp_path / "head_MNIST.pt", weights)
    with torch.no_grad():
        expected = encoder.encode_image(IMAGES)
    torch.testing.assert_close(features(read(tmp_path / "finetuned.pt")), expected, rtol=1e-5, atol=1e-5)
    with open(tmp_path / "head_MNIST.pt", "rb") as file:
        head = read_head(file, "head_MNIST.pt")
    assert torch.equal(head["head.weight"], weights)
    assert inspect_checkpoint(Location(str(tmp_path / "finetuned.pt")))["family"] == "task-vectors"
