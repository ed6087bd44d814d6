"""Classifiers bring features to unit length before the head, and refuse a head or an architecture that does not fit."""

import pytest
import tiny
import torch

from tasks.errors import CheckpointError
from tasks.models.classifier import build_classifier
from tasks.models.summary import summarize
from tasks.models.tower import build_named_tower


def logits(classifier):
    return classifier(torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)))


def test_features_have_unit_length_before_the_head():
    """A scaled projection of the tower changes no logit."""
    made, scaled = tiny.classifier(1), tiny.classifier(1)
    scaled.visual.proj.data.mul_(3.0)
    torch.testing.assert_close(logits(made), logits(scaled))


def test_the_summary_of_a_checkpoint():
    """The summary holds the numbers of classes and pixels, and each tensor's shape and type."""
    summary = summarize(tiny.classifier(1).state_dict(), "a")
    assert (summary.classes, summary.image_size) == (3, 16)
    assert summary.layout["head.weight"] == "[3, 16] float32"


def test_a_head_for_another_tower_is_refused():
    """A head whose number of features is not the tower's is refused with both numbers."""
    state = {n: t for n, t in tiny.classifier(1).state_dict().items() if n.startswith("visual.")}
    with pytest.raises(CheckpointError, match="head for 5 features, but the tower gives 16"):
        build_classifier({**state, "head.weight": torch.zeros(3, 5), "head.bias": torch.zeros(3)}, "x")


def test_an_architecture_that_does_not_fit_is_refused():
    """A wrong architecture is refused with the first missing tensor, an unknown one with some known names."""
    state = {n.replace("model.", "").replace("classification_", ""): t for n, t in tiny.soup_state(1).items()}
    state = {n: t for n, t in state.items() if n.startswith(("visual.", "head."))}
    with pytest.raises(CheckpointError, match=r"does not fit ViT-B-32: visual\.transformer"):
        build_classifier(state, "x", "ViT-B-32")
    with pytest.raises(CheckpointError, match="architecture 'ViT-B-33': not an open_clip model; some are ViT-B"):
        build_named_tower("ViT-B-33")
