"""References: small frozen records that say what an object is computed from, and so where it lies.

Tasks and flows pass these, never tensors. An identity holds what changes the content and nothing else: no batch
size, no device, no date, no name and no address.
"""

from dataclasses import dataclass
from typing import Any, Literal

from storage import keys
from storage.identity import digest_of
from storage.spans import Span, cut
from tasks.datasets.preprocessing import Preprocessing

SHARD = 8192  # samples an object: a cut by sample range, so that any number of workers reuses what another wrote
VERSION = 2  # of the computations below; raised whenever the same inputs come to give other numbers

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class ModelReference:
    """A checkpoint under the name that an experiment gives it."""

    name: str
    url: str
    digest: str
    """SHA-256 of the file."""
    temperature: float
    architecture: str | None
    """An open_clip model, or a configuration as text; None: identified by the tensors' shapes."""
    tower: str | None = None
    """All settings of the vision tower, as text: the same for the same tower, however `architecture` names it."""
    projection: "FileReference | None" = None
    """The checkpoint whose last projection it takes, having none of its own; the base's."""
    recipe: "WeightMerge | None" = None
    """What it is made by, of other models' weights; None: it is a checkpoint. Its tensors are then in the store."""

    @property
    def identified_tower(self) -> str | None:
        """What of the architecture is part of an identity: the tower's settings, not the name that somebody gave it."""
        return self.tower or self.architecture

    @property
    def weights(self) -> str:
        """The short form of the digest, for keys."""
        return self.digest[:16]


@dataclass(frozen=True, kw_only=True)
class WeightMerge:
    """A model to be made of others' weights."""

    method: str
    models: tuple[ModelReference, ...]
    """The base first."""
    options: tuple[tuple[str, float | int | str], ...] = ()
    """The method's settings, by name, sorted."""
    looks_at: tuple["OutputsReference", ...] = ()
    """What it looks at beside the weights: data sets with the heads that score them, or outputs on a held-out one."""

    @property
    def digest(self) -> str:
        """Of all that the model depends on."""
        return digest_of(
            {
                "computation": f"merged/{VERSION}",
                "method": self.method,
                "weights": [[m.digest, m.projection.digest if m.projection else None] for m in self.models],
                "tower": self.models[0].identified_tower,
                "options": [list(option) for option in self.options],
                # the data and the heads; how a pass over them computes is among the options, where it counts
                "looks_at": [[o.dataset.digest, o.head.digest if o.head else None] for o in self.looks_at],
            }
        )

    @property
    def model(self) -> ModelReference:
        """The model."""
        first = self.models[0]
        return ModelReference(
            name=self.method,
            url=f"merge:{self.method}",
            digest=self.digest,
            temperature=1.0,
            architecture=first.architecture,
            tower=first.tower,
            recipe=self,
        )

    @property
    def key(self) -> str:
        """Where its tensors lie in a store."""
        return keys.made_model(self.digest)


@dataclass(frozen=True, kw_only=True)
class FileReference:
    """A file: a classification head of its own, or a checkpoint that another one takes a tensor from."""

    url: str
    digest: str
    """SHA-256 of the file."""


@dataclass(frozen=True, kw_only=True)
class TextHeadReference:
    """A classification head that a text tower makes of class names and prompt templates, kept in the store."""

    text: FileReference
    """The checkpoint with the text tower."""
    architecture: str | None
    classes: tuple[str, ...]
    templates: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of all that the head depends on."""
        return digest_of(
            {
                "computation": f"head/{VERSION}",
                "text": self.text.digest,
                "architecture": self.architecture,
                "classes": list(self.classes),
                "templates": list(self.templates),
            }
        )

    @property
    def key(self) -> str:
        """Where it lies in a store."""
        return keys.head(self.digest)


Head = FileReference | TextHeadReference


@dataclass(frozen=True, kw_only=True)
class DatasetReference:
    """A data set under the name that an experiment gives it."""

    name: str
    url: str
    group: str
    digest: str
    """Of the list of files, the limit, and the preprocessing."""
    samples: int
    classes: int | None
    """None: images without labels."""
    limit: int | None
    preprocessing: Preprocessing
    label_space: str | None = None
    """Name of the label space; None: the data set's own classes."""
    groups: tuple[tuple[int, ...], ...] | None = None
    """For each class, the head's classes that it stands for; None: the head's classes are the data set's."""
    head_classes: int | None = None
    """How many classes a head has to have; None: at least those of the data set."""
    expected: tuple[int, ...] = ()
    """How many samples the catalogue says there should be; several where several cuts are in use; empty: unknown."""

    @property
    def note(self) -> str | None:
        """What a reader of its results should know: that it is not the data set the catalogue means."""
        if not self.expected or self.samples in self.expected:
            return None
        return f"{self.samples:,} samples, where there should be {' or '.join(f'{n:,}' for n in self.expected)}"

    @property
    def spans(self) -> list[Span]:
        """The sample ranges of the objects that hold a per-sample table of this data set."""
        return spans(self.samples)


def spans_within(dataset: DatasetReference, samples: Span | None) -> list[Span]:
    """Return those of a data set's spans that lie in a range of samples, `stop` excluded; None: all."""
    start, stop = samples or (0, dataset.samples)
    return [span for span in dataset.spans if start <= span[0] and span[1] <= stop]


def spans(samples: int) -> list[Span]:
    """Cut `samples` into ranges of at most `SHARD`, `stop` excluded."""
    return cut(samples, SHARD)


@dataclass(frozen=True, kw_only=True)
class OutputsReference:
    """One model's outputs on one data set."""

    model: ModelReference
    dataset: DatasetReference
    head: Head | None
    precision: Precision
    logits: Literal["fp32", "fp16"] = "fp32"
    """How the logits are stored; what is computed from them is computed before."""

    table = "outputs"

    @property
    def identity(self) -> dict[str, Any]:
        """What the outputs depend on."""
        return {
            "computation": f"outputs/{VERSION}",
            "weights": self.model.digest,
            "tower": self.model.identified_tower,
            "projection": self.model.projection.digest if self.model.projection else None,
            "temperature": self.model.temperature,
            "head": self.head.digest if self.head else None,
            "dataset": self.dataset.digest,
            "precision": self.precision,
            "logits": self.logits,
        }

    @property
    def id(self) -> str:
        """Digest of the identity."""
        return digest_of(self.identity)

    @property
    def prefix(self) -> str:
        """Where the objects lie in a store."""
        return keys.outputs(self.dataset.digest, self.model.weights, self.id)
