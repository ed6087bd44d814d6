"""Models as ONNX graphs: one merged classifier, the per-sample merge, and the whole of DaWin from images to logits.

All graphs take images float32 (n, 3, h, w), resized and normalised as the models expect, any number n at a time, and
compute in float32. This module and its neighbours import onnx only while they write a graph.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.errors import ModelMismatch
from tasks.exporting.onnx_files import (
    LARGEST,
    OPSET,
    OnnxFacts,
    Recording,
    example_coefficients,
    example_images,
    require_packages,
    write_graph,
)
from tasks.exporting.onnx_modules import Groups, PlainGraph, SamplesGraph, State, WholeGraph, check_groups
from tasks.merging.per_sample import PerSample, merge_per_sample
from tasks.numerics.offset import Offset

__all__ = ["LARGEST", "OPSET", "OnnxFacts", "write_plain_graph", "write_samples_graph", "write_whole_graph"]

_OUTPUTS = ("logits", "coefficients", "entropies")
_PLAIN = "the safetensors files can be exported without ONNX"
_MERGED = "a merge of clusters or bins can be exported to ONNX as plain models, and the weights as safetensors"


def write_plain_graph(
    path: Path | str,
    classifier: nn.Module,
    *,
    size: int,
    groups: Groups | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> OnnxFacts:
    """Write one classifier as an ONNX graph: `images` float32 (n, 3, size, size) to `logits` (n, classes).

    Args:
        path: the file to write, in a folder that exists.
        classifier: with its weights, from `build_classifier`.
        size: height and width of the images, pixels.
        groups: for each class of the data set the head's classes that it stands for, whose highest logit is the
            output; None: logits of the head's classes.
        metadata: kept in the file, values other than texts as JSON; beside it the file says its opset and its size.

    Raises:
        PackageMissing: onnx or onnxscript is not installed.
        ModelMismatch: the classifier has no weights, or the groups are not of its head's classes.
        UncoveredLayer: a layer cannot be exported; the message names it and says what can be exported instead.
    """
    require_packages()
    if any(tensor.is_meta for tensor in classifier.state_dict().values()):
        raise ModelMismatch("ONNX: wanted a classifier with weights, got one on the meta device")
    check_groups(groups, _classes(classifier.state_dict()))
    module = PlainGraph(classifier, groups)
    recording = Recording(module, {"images": example_images(size)}, ["logits"], classifier, _PLAIN)
    return write_graph(path, recording, {"graph": "plain", "size": size, **(metadata or {})})


def write_samples_graph(
    path: Path | str,
    skeleton: nn.Module,
    states: Sequence[State],
    *,
    size: int,
    groups: Groups | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> OnnxFacts:
    """Write the per-sample merge of M models as an ONNX graph that takes each image's coefficients.

    The graph's inputs are `images` float32 (n, 3, size, size) and `coefficients` float32 (n, M), the base's first, each
    row summing to one; its output is `logits` (n, classes). It computes as `tasks.merging.per_sample.merge_per_sample`
    does, from the base's weights and M − 1 differences; it does not check the rows' sums.

    Args:
        path: the file to write, in a folder that exists.
        skeleton: the models' classifier, which may lie on the meta device; it stays unchanged.
        states: M states, the base's first.
        size: height and width of the images, pixels.
        groups: as for `write_plain_graph`.
        metadata: as for `write_plain_graph`.

    Raises:
        PackageMissing: onnx or onnxscript is not installed.
        ModelMismatch: the states do not fit together, or there are fewer than two, or the groups are not of the head's
            classes.
        UncoveredLayer: per-sample merging has no rule for a layer, or it cannot be exported; the message names it and
            says what can be exported instead.
    """
    require_packages()
    merged = _merged(skeleton, states, size, groups)
    examples = {"images": example_images(size), "coefficients": example_coefficients(len(states))}
    recording = Recording(SamplesGraph(merged, groups), examples, ["logits"], merged.hollow, _MERGED)
    return write_graph(path, recording, {"graph": "samples", "size": size, **(metadata or {})})


def write_whole_graph(
    path: Path | str,
    skeleton: nn.Module,
    states: Sequence[State],
    *,
    size: int,
    temperatures: Sequence[float],
    offset: Offset | None = None,
    groups: Groups | None = None,
    scale: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> OnnxFacts:
    """Write the whole of DaWin as one ONNX graph: each model's entropy, the coefficients, and the per-sample merge.

    The graph's input is `images` float32 (n, 3, size, size). Its outputs are `logits` (n, classes) of each image's
    merged model, `coefficients` (n, M), the base's first, and `entropies` (n, models asked), nats (Oh et al., arXiv
    2410.03782, section 3). Two models are interpolated with or without the offset, more by the simplex.

    Args:
        path: the file to write, in a folder that exists.
        skeleton: the models' classifier, which may lie on the meta device; it stays unchanged.
        states: M states, the base's first.
        size: height and width of the images, pixels.
        temperatures: T of each model that is asked for its entropy: all M, or with a scale those after the base.
        offset: b and w of the data set that the method was fitted on; None: without the offset.
        groups: as for `write_plain_graph`; entropies are those of the projected logits.
        scale: s of the task vectors, c_t = s·(M − 1)·π_t and the rest the base's; None: models are interpolated.
        metadata: as for `write_plain_graph`.

    Raises:
        PackageMissing: onnx or onnxscript is not installed.
        ModelMismatch: as `write_samples_graph`, or temperatures or the offset do not fit the models.
        UncoveredLayer: as `write_samples_graph`.
    """
    require_packages()
    _check_rule(temperatures, offset, len(states) - (scale is not None))
    own = [dict(state) for state in states]  # read once, where a state reads a file at each access
    merged = _merged(skeleton, own, size, groups)
    module = WholeGraph(merged, own, temperatures=temperatures, offset=offset, groups=groups, scale=scale)
    recording = Recording(module, {"images": example_images(size)}, _OUTPUTS, merged.hollow, _MERGED)
    constants = {"b": offset.b, "b/w": offset.b / offset.w} if offset else None
    rule = {"temperatures": [*temperatures], "offset": constants, "scale": scale}
    return write_graph(path, recording, {"graph": "whole", "size": size, **rule, **(metadata or {})})


def _merged(skeleton: nn.Module, states: Sequence[State], size: int, groups: Groups | None) -> PerSample:
    """Return a prepared per-sample merge, whose every layer has a rule, after a check of the groups of its classes."""
    if len(states) < 2:
        raise ModelMismatch(f"ONNX: wanted at least two models to merge, got {len(states)}")
    merged = merge_per_sample(skeleton, states)
    check_groups(groups, _classes(merged.tensors))
    merged.prepare((3, size, size))
    return merged


def _classes(tensors: Mapping[str, torch.Tensor]) -> int:
    """Return the number of classes of a classifier's head."""
    return int(tensors["head.weight"].shape[0])


def _check_rule(temperatures: Sequence[float], offset: Offset | None, asked: int) -> None:
    """Raise `ModelMismatch` unless temperatures and offset fit the number of models that are asked."""
    if len(temperatures) != asked or not all(isfinite(t) and t > 0 for t in temperatures):
        raise ModelMismatch(f"temperatures: wanted {asked} numbers above 0, one a model, got {list(temperatures)}")
    if offset is not None and asked != 2:
        raise ModelMismatch(f"offset: wanted two models, got {asked}")
