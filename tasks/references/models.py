"""Models by reference: checkpoints, and models that a method makes of other models' weights."""

from dataclasses import dataclass, field
from functools import cached_property

from storage import keys
from storage.identity import digest_of
from tasks.references.datasets import ScoredDataset
from tasks.references.heads import FileReference


@dataclass(frozen=True, kw_only=True)
class ModelReference:
    """A model under the name that an experiment gives it."""

    name: str
    url: str
    digest: str
    """SHA-256 of the checkpoint's file; of a made model the digest of everything that it depends on."""
    temperature: float
    architecture: str | None
    """An open_clip model, or a configuration as text; None: identified by the tensors' shapes."""
    tower: str | None = None
    """All settings of the vision tower, as text: equal for equal towers, whatever name `architecture` gives them."""
    projection: FileReference | None = None
    """The base's checkpoint, which lends its last projection to a checkpoint without one."""
    parameters: int | None = None
    """Number of parameters and statistics of the vision tower, for costs; None: not known. No part of an identity."""
    head_parameters: int = 0
    """The same of the checkpoint's own head; 0: it has none."""
    made: "MadeModel | None" = None
    """The method and the weights that the model is made of; None: it is a checkpoint."""
    mark: str = field(default="", compare=False)
    """The file's mark when its digest was computed, as that of a `FileReference`."""

    @property
    def identified_tower(self) -> str | None:
        """The part of the architecture that belongs to an identity: the tower's settings, not its name."""
        return self.tower or self.architecture

    @property
    def weights(self) -> str:
        """The short form of the digest, for keys."""
        return self.digest[:16]


@dataclass(frozen=True, kw_only=True)
class MadeModel:
    """A model that a method makes once of other models' weights, kept in the store."""

    method: str
    """The method's name in results, without a scale: `ties`, `adamerging/layer-wise++`."""
    version: int
    """Of the method's arithmetic."""
    models: tuple[ModelReference, ...]
    """The base first."""
    options: tuple[tuple[str, float | int | str], ...] = ()
    """The method's options that the weights depend on, by name, sorted."""
    looks_at: tuple[ScoredDataset, ...] = ()
    """The data sets whose images, and perhaps labels, the method uses."""

    @cached_property
    def digest(self) -> str:
        """Digest of everything that the model depends on."""
        return digest_of(
            {
                "computation": f"{self.method}/{self.version}",
                "weights": [[m.digest, m.projection.digest if m.projection else None] for m in self.models],
                "tower": self.models[0].identified_tower,
                "options": [list(option) for option in self.options],
                "looks_at": [dict(scored.content) for scored in self.looks_at],
            }
        )

    @property
    def model(self) -> ModelReference:
        """The made model as a model."""
        base = self.models[0]
        return ModelReference(
            name=self.method,
            url=f"made:{self.method}",
            digest=self.digest,
            temperature=1.0,
            architecture=base.architecture,
            tower=base.tower,
            parameters=base.parameters,
            head_parameters=base.head_parameters,
            made=self,
        )

    @property
    def key(self) -> str:
        """Key of the model's tensors in a store."""
        return keys.made_model(self.digest)
