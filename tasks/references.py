"""References: small frozen records that say what an object is computed from, and so where it lies.

Tasks and flows pass these, never tensors. An identity holds what changes the content and nothing else: no batch
size, no device, no date, no name and no address.
"""

from dataclasses import dataclass
from typing import Any, Literal

from storage import keys
from storage.identity import digest_of
from tasks.datasets.preprocessing import Preprocessing

SHARD = 8192  # samples an object: a cut by sample range, so that any number of workers reuses what another wrote
VERSION = 1  # of the computations below; raised whenever the same inputs come to give other numbers

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
    """An open_clip model, or None: read it off the tensors."""

    @property
    def weights(self) -> str:
        """The short form of the digest, for keys."""
        return self.digest[:16]


@dataclass(frozen=True, kw_only=True)
class HeadReference:
    """A classification head in a file of its own."""

    url: str
    digest: str


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
    """How many classes a head has to have; None: any number."""

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The sample ranges of the objects that hold a per-sample table of this data set."""
        return spans(self.samples)


def spans(samples: int) -> list[tuple[int, int]]:
    """Cut `samples` into ranges of at most `SHARD`, `stop` excluded."""
    return [(start, min(start + SHARD, samples)) for start in range(0, samples, SHARD)]


@dataclass(frozen=True, kw_only=True)
class OutputsReference:
    """One model's outputs on one data set."""

    model: ModelReference
    dataset: DatasetReference
    head: HeadReference | None
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
            "architecture": self.model.architecture,
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
