"""Settings of the inputs: models, data sets, and classification heads."""

from typing import Literal

from pydantic import Field, field_validator

from flows.experiment.setting_types import MOST_ITEMS, Address, Name, Settings, Words
from tasks.datasets.catalogue import CATALOGUE, Record
from tasks.errors import did_you_mean
from tasks.references.results import ALL

ZERO_SHOT = "zero-shot"
"""A head made of the catalogue's class names and prompt templates."""


class ModelSettings(Settings):
    """One model of the merge."""

    name: Name
    """Name in results."""
    checkpoint: Address
    """Address of the checkpoint: a path, `file://`, `s3://` or `hf://`. A pattern such as `s3://bucket/finetuned/*`
    stands for all checkpoints that `dawin watch` finds there."""
    temperature: float = Field(default=1.0, ge=0.01, le=100, strict=True)
    """Divides the logits before the entropy; `dawin calibrate` fits it to labelled in-distribution data."""
    source: Words | None = None
    """Where the file can be had, in words; shown when it is missing."""


class DatasetSettings(Settings):
    """One data set to evaluate on."""

    name: Name
    """Name in results."""
    images: Address
    """Address of an image folder, Parquet files, tar shards, or a download of torchvision's; `test-*.parquet` too."""
    catalogue: str | None = None
    """Public data set that it is: sets the group and the label space, and checks the number of samples."""
    group: Name | None = None
    """Group whose data sets are averaged in results, any name but `all`; null: the catalogue's, else `ood`."""
    label_space: Literal["imagenet-1k", "imagenet-r", "imagenet-a", "objectnet", "own"] | None = None
    """How the head's classes map to the data set's; `own`: they are the same; null: the catalogue's, else `own`."""
    tuned_model: Name | None = None
    """Model that was fine-tuned on it, by whose accuracy `normalised_top1` divides; null: the model of the same name,
    where one exists."""
    limit: int | None = Field(default=None, ge=1)
    """Largest number of samples, spread evenly over the data set."""
    source: Words | None = None
    """Where the images can be had, in words; shown when they are missing; null: the catalogue's."""

    @field_validator("catalogue")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in CATALOGUE:
            near = did_you_mean(value, CATALOGUE) or f"; known: {', '.join(CATALOGUE)}"
            raise ValueError(f"no data set {value!r} in the catalogue{near}")
        return value

    @field_validator("group")
    @classmethod
    def _free(cls, value: str | None) -> str | None:
        if value == ALL:
            raise ValueError(f"wanted another name than {ALL!r}, under which results average all data sets")
        return value

    @property
    def record(self) -> Record | None:
        """The catalogue's record of it."""
        return CATALOGUE[self.catalogue] if self.catalogue else None

    @property
    def scored_group(self) -> str:
        """The group that its accuracies are averaged in."""
        return self.group or (self.record.group if self.record else "ood")

    @property
    def scored_space(self) -> str | None:
        """The label space that it is scored in; None: its own classes."""
        space = self.label_space or (self.record.label_space if self.record else None)
        return None if space == "own" else space

    @property
    def source_in_words(self) -> str | None:
        """Where the images can be had."""
        return self.source or (self.record.source if self.record else None)


class TextHeadSettings(Settings):
    """A head that a CLIP's text tower makes of class names and prompt templates."""

    text: Address | None = None
    """Address of a checkpoint with a text tower; null: the first model's."""
    classes: tuple[Words, ...] | None = Field(default=None, min_length=1, max_length=100_000)
    """Class names, in the order of the labels; null: those of the catalogue's data set."""
    templates: tuple[Words, ...] | None = Field(default=None, min_length=1, max_length=MOST_ITEMS)
    """Prompts with `{}` in the place of the name; null: those of the catalogue's data set."""

    @field_validator("templates")
    @classmethod
    def _with_a_place(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for template in value or ():
            if template.count("{}") != 1 or template.count("{") != 1 or template.count("}") != 1:
                raise ValueError(f"wanted one {{}} where the name goes, got {template!r}")
        return value
