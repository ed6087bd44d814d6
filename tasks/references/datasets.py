"""Data sets by reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storage.spans import Span, cut
from tasks.datasets.preprocessing import Preprocessing
from tasks.references.heads import Head

Precision = Literal["fp32", "bf16", "fp16"]
Logits = Literal["fp32", "fp16", "none"]


@dataclass(frozen=True, kw_only=True)
class DatasetReference:
    """A data set under the name that an experiment gives it."""

    name: str
    url: str
    group: str
    digest: str
    """Of the list of files, the labels, the limit and the preprocessing."""
    samples: int
    classes: int | None
    """None: images without labels."""
    limit: int | None
    preprocessing: Preprocessing
    label_space: str | None = None
    """Name of the label space; None: the data set's own classes."""
    groups: tuple[tuple[int, ...], ...] | None = None
    """For each class the head's classes that it stands for; None: the head's classes are the data set's."""
    unlabelled: bool = False
    """Whether labels and classes of the images' own are ignored: they are scored by the classes of another data set."""
    head_classes: int | None = None
    """Number of classes that a head must have; None: at least those of the data set."""
    expected: tuple[int, ...] = ()
    """Numbers of samples that the catalogue accepts; empty: unknown."""
    shard: int = 0
    """Samples per object of the per-sample tables, as the store's record of the data set says (`storage.cuts`); 0: no
    store was asked yet, and the data set has no `spans`."""

    @property
    def note(self) -> str | None:
        """A warning for readers of its results: the number of samples differs from the catalogue's."""
        if not self.expected or self.samples in self.expected:
            return None
        return f"{self.samples:,} samples, the catalogue says {' or '.join(f'{n:,}' for n in self.expected)}"

    @property
    def whole(self) -> Span:
        """The span of all samples: tables that are fitted to a data set are one object."""
        return Span(0, self.samples)

    @property
    def spans(self) -> list[Span]:
        """The spans of the objects that hold a per-sample table of this data set, in order."""
        return cut(self.samples, self.shard)

    def spans_within(self, samples: Span | None) -> list[Span]:
        """Return the spans of objects that lie within a span; None: all of them."""
        start, stop = samples or self.whole
        return [span for span in self.spans if start <= span.start and span.stop <= stop]


@dataclass(frozen=True, kw_only=True)
class ScoredDataset:
    """A data set together with the head and the precision used to score it."""

    dataset: DatasetReference
    head: Head | None
    """None: the checkpoints hold it."""
    precision: Precision
    logits: Logits = "fp32"
    """The type that logits are stored in; entropies and losses are computed before the rounding to it."""

    @property
    def logits_type(self) -> str:
        """The type of stored logits in identities: outputs without logits are those of fp32 without one column."""
        return "fp32" if self.logits == "none" else self.logits

    @property
    def content(self) -> Mapping[str, Any]:
        """The images and the head, as the identity of a made model holds them."""
        return {"dataset": self.dataset.digest, "head": self.head.digest if self.head else None}
