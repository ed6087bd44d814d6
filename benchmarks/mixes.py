"""Mixes of data sets and checkpoints, as graphs of the works that a run of DaWin has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from flows.scheduling.works import Graph, Work
from storage.cuts import samples_per_object
from storage.spans import cut


class Images(NamedTuple):
    """A data set's size."""

    samples: int
    classes: int = 1000
    """Numbers in a row of logits; they decide how many samples an object of the store holds."""


IMAGENET = {
    "imagenet": Images(50_000),
    "imagenet-v2": Images(10_000),
    "imagenet-r": Images(30_000),
    "imagenet-a": Images(7_500),
    "imagenet-sketch": Images(50_889),
    "objectnet": Images(50_273),
}
"""ImageNet and its five shifts: one head of 1,000 classes."""
EIGHT_TASKS = {
    "sun397": Images(19_850, 397),
    "cars": Images(8_041, 196),
    "resisc45": Images(6_300, 45),
    "eurosat": Images(2_700, 10),
    "svhn": Images(26_032, 10),
    "gtsrb": Images(12_630, 43),
    "mnist": Images(10_000, 10),
    "dtd": Images(1_880, 47),
}
"""The eight test sets of model merging: most of them are one object."""
SKEWED = {"train": Images(1_281_167), **{f"small-{i:02}": Images(2_000) for i in range(40)}}
"""ImageNet's training set beside forty small sets."""
MIXES: Mapping[str, Mapping[str, Images]] = {"imagenet": IMAGENET, "eight tasks": EIGHT_TASKS, "skewed": SKEWED}

PASSES = {"clusters": 1.0, "bins": 1.01, "samples": 1.84}
"""Passes of the merges of two models by granularity, as `benchmarks.per_sample` and `benchmarks.bins` measured them."""
_FIT_SECONDS = 1.0


@dataclass(frozen=True)
class Runs:
    """The works of runs that share a pool."""

    graphs: tuple[Graph, ...]
    models: Mapping[str, frozenset[str]]
    """The models that each work loads."""

    @property
    def barred(self) -> "Runs":
        """The same works with a barrier after each stage: all extractions, then all fits, then all evaluations."""
        return replace(self, graphs=tuple(map(_with_barriers, self.graphs)))


def runs_of(datasets: Mapping[str, Images], checkpoints: int, granularity: str) -> Runs:
    """Return one run for each checkpoint. A single one extracts the base's outputs too; several find them in the store.

    Args:
        datasets: sizes by name.
        checkpoints: number of fine-tuned models, each merged with the base.
        granularity: `clusters`, `bins` or `samples`.
    """
    graphs, models, is_first = list[Graph](), dict[str, frozenset[str]](), checkpoints == 1
    for i in range(checkpoints):
        tuned = f"checkpoint-{i:03}"
        works = list(_works(datasets, tuned, granularity, extracted=2 if is_first else 1))
        graphs.append(Graph(works))
        loaded = {"extract-outputs": {"base", tuned} if is_first else {tuned}, "evaluate-merges": {"base", tuned}}
        models |= {work.name: frozenset(loaded[work.kind]) for work in works if not work.is_local}
    return Runs(tuple(graphs), models)


def _works(datasets: Mapping[str, Images], tuned: str, granularity: str, extracted: int) -> Iterator[Work]:
    for name, images in datasets.items():
        spans = tuple(cut(images.samples, samples_per_object(images.classes)))
        extract, fit = f"extract {tuned} {name}", f"fit {tuned} {name}"
        yield Work(name=extract, kind="extract-outputs", dataset=name, spans=spans, passes=extracted)
        yield Work(name=fit, kind="fit", dataset=name, seconds=_FIT_SECONDS, after=(extract,), is_local=True)
        yield Work(
            name=f"evaluate {tuned} {name}",
            kind="evaluate-merges",
            dataset=name,
            spans=spans,
            passes=PASSES[granularity],
            after=(fit,),
        )


def _with_barriers(graph: Graph) -> Graph:
    stages = ("extract-outputs", "fit", "evaluate-merges")
    of_stage = {stage: tuple(work.name for work in graph if work.kind == stage) for stage in stages}
    before = {"extract-outputs": (), "fit": of_stage["extract-outputs"], "evaluate-merges": of_stage["fit"]}
    return Graph(replace(work, after=before[work.kind]) for work in graph)
