"""Classification heads by reference: a file, or class names that a text tower turns into one."""

from dataclasses import dataclass, field
from functools import cached_property

from storage import keys
from storage.identity import digest_of
from tasks.references.versions import computation


@dataclass(frozen=True, kw_only=True)
class FileReference:
    """A file: a classification head, or a checkpoint that lends a tensor to another."""

    url: str
    digest: str
    """SHA-256 of the file."""
    mark: str = field(default="", compare=False)
    """The file's mark when its digest was computed (`storage.file_marks`), by which others know the file; empty: they
    compute its digest again. No part of an identity."""


@dataclass(frozen=True, kw_only=True)
class TextHeadReference:
    """A classification head that a text tower makes of class names and prompt templates, kept in the store."""

    text: FileReference
    """The checkpoint with the text tower."""
    architecture: str | None
    classes: tuple[str, ...]
    templates: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """Digest of everything that the head depends on."""
        return digest_of(
            {
                "computation": computation("head"),
                "text": self.text.digest,
                "architecture": self.architecture,
                "classes": list(self.classes),
                "templates": list(self.templates),
            }
        )

    @property
    def key(self) -> str:
        """Key of the head's tensors in a store."""
        return keys.head(self.digest)


Head = FileReference | TextHeadReference
