"""ONNX graphs of weights that were written in our own form: a plain one of each merged model, or those of samples."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from tasks.exporting.onnx_graphs import OnnxFacts, write_plain_graph, write_samples_graph, write_whole_graph
from tasks.exporting.weight_files import Described, opened_weights
from tasks.exporting.weight_sets import WeightSet
from tasks.exporting.written_file import Target
from tasks.merging.views import outline
from tasks.models.architecture import as_text
from tasks.models.classifier import build_classifier, skeleton
from tasks.numerics.offset import Offset

WHOLE, SAMPLES = "dawin.onnx", "samples.onnx"

Groups = Sequence[Sequence[int]]


def write_plain(weights: WeightSet, description: Described, groups: Groups | None) -> None:
    """Write `dawin.onnx` of one merged model to the folder of its weights.

    Args:
        weights: written already.
        description: of them, and the exported folder.
        groups: for each class of the data set the head's classes that it stands for; None: the head's classes.

    Raises:
        UncoveredLayer: the tower cannot be exported.
        PackageMissing: onnx or onnxscript is not installed.
    """
    own, architecture = description.target.below(weights.folder), as_text(description.clip.vision)
    with opened_weights(description.target, weights) as state:
        classifier = build_classifier(dict(state), description.source, architecture)
        size, metadata = description.preprocessing.size, _facts(description)
        facts = write_plain_graph(own.folder / WHOLE, classifier, size=size, groups=groups, metadata=metadata)
    _count(own, facts)


def write_of_samples(
    weights: Sequence[WeightSet],
    description: Described,
    groups: Groups | None,
    *,
    temperatures: Sequence[float],
    offset: Offset | None,
    scale: float | None,
) -> None:
    """Write `samples.onnx`, which takes coefficients, and `dawin.onnx`, which computes them, of M models.

    Args:
        weights: of the models, written already, the base first.
        description: of them, and the exported folder.
        groups: as for `write_plain`.
        temperatures: of the models whose entropies are compared.
        offset: of the data set that the method was fitted on; None: without one.
        scale: s of task vectors; None: models are interpolated.

    Raises:
        UncoveredLayer: the tower cannot be exported.
        PackageMissing: onnx or onnxscript is not installed.
    """
    target, size = description.target, description.preprocessing.size
    common: dict[str, Any] = {"size": size, "groups": groups, "metadata": _facts(description)}
    with ExitStack() as files:
        states = [files.enter_context(opened_weights(target, one)) for one in weights]
        hollow = skeleton(outline(states[0]), description.source, as_text(description.clip.vision))
        own = [dict(state) for state in states]
        _count(target, write_samples_graph(target.folder / SAMPLES, hollow, own, **common))
        rule: dict[str, Any] = {"temperatures": temperatures, "offset": offset, "scale": scale}
        _count(target, write_whole_graph(target.folder / WHOLE, hollow, own, **common, **rule))


def _facts(description: Described) -> Mapping[str, Any]:
    return {"source": description.source}


def _count(target: Target, facts: OnnxFacts) -> None:
    """Count the files of a graph among those that were written."""
    for name in facts.files:
        target.add(name)
