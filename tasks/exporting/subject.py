"""Merged weights with everything that describes them: the form that each format of an export is written from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import torch

from tasks.datasets.preprocessing import Preprocessing
from tasks.exporting.clip_configuration import ClipConfiguration
from tasks.exporting.written_file import Target
from tasks.merging.views import outline, view


class Subject(NamedTuple):
    """Merged weights to write."""

    merged: Mapping[str, torch.Tensor]
    """The tower and its head, by open_clip's names; an item may read a file."""
    clip: ClipConfiguration
    preprocessing: Preprocessing


class Format(Protocol):
    """A form in which merged weights are written."""

    def refusal(self, clip: ClipConfiguration, preprocessing: Preprocessing) -> str | None:
        """Return the reason why the form cannot hold a tower and its preprocessing; None if it can."""

    def holds_text(self, clip: ClipConfiguration) -> bool:
        """Return whether the form can hold the text tower; False without one."""

    def write(self, subject: Subject, target: Target) -> None:
        """Write the files of the form."""


def vision_tensors(subject: Subject) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tower's tensors by name, each to be used before the next one."""
    return ((name, view(subject.merged, name)) for name in subject.merged if name.startswith("visual."))


def text_tensors(subject: Subject) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of the text tower and the logit scale by name, in float32."""
    return ((name, t.float() if t.is_floating_point() else t) for name, t in subject.clip.text.items())


def vision_outline(subject: Subject) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors of the shapes and types of `vision_tensors`, without numbers."""
    return ((name, tensor) for name, tensor in outline(subject.merged).items() if name.startswith("visual."))


def text_outline(subject: Subject) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield tensors of the shapes and types of `text_tensors`, without numbers."""
    return (
        (name, torch.empty(t.shape, dtype=torch.float32 if t.is_floating_point() else t.dtype, device="meta"))
        for name, t in subject.clip.text.items()
    )


def chained(*parts: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the outlines of several parts as one."""
    return {name: tensor for part in parts for name, tensor in part}
