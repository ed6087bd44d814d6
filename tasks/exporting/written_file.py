"""Files of an exported folder, each with its size and digest."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from storage.identity import digest_of_file
from tasks.models.files.safetensors_file import write_safetensors


class WrittenFile(NamedTuple):
    """A file that was written."""

    name: str
    """Its path below the exported folder, with `/` between the parts."""
    bytes: int
    sha256: str


class Target:
    """A folder that files are written to.

    Args:
        root: the exported folder.
        below: the folder below it that names of files are relative to; empty: itself.
        whole: the exported folder as a target, whose files are counted with these; None: this is it.

    Attributes:
        written: the files so far, in order.
        on_bytes: called with the bytes of each tensor that is written.
    """

    def __init__(self, root: Path, below: str = "", whole: "Target | None" = None) -> None:
        self.root, self._below = root, below
        self.written: list[WrittenFile] = whole.written if whole else []
        self.on_bytes: Callable[[int], object] = whole.on_bytes if whole else lambda _: None
        self.folder.mkdir(exist_ok=True)

    @property
    def folder(self) -> Path:
        """The folder's path."""
        return self.root / self._below

    def below(self, name: str) -> "Target":
        """Return a folder of the root, whose files are counted with these; empty: the root."""
        return Target(self.root, name, self)

    def add(self, name: str) -> None:
        """Count a file that somebody else has written to the folder."""
        with (self.folder / name).open("rb") as file:
            digest = digest_of_file(file)
            self.written.append(WrittenFile(self.path(name), file.tell(), digest))

    def forget(self, name: str) -> None:
        """Leave a file out of those that were written."""
        self.written[:] = [file for file in self.written if file.name != self.path(name)]

    def path(self, name: str) -> str:
        """Return a file's path below the exported folder."""
        return f"{self._below}/{name}" if self._below else name

    def tensors(
        self,
        name: str,
        outline: Mapping[str, torch.Tensor],
        tensors: Iterable[tuple[str, torch.Tensor]],
        metadata: Mapping[str, str],
    ) -> None:
        """Write a safetensors file, one tensor at a time in memory: see `write_safetensors`."""
        with (self.folder / name).open("wb") as file:
            digest = write_safetensors(file, outline, self._counted(tensors), metadata)
            self.written.append(WrittenFile(self.path(name), file.tell(), digest))

    def _counted(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in tensors:
            yield name, tensor
            self.on_bytes(tensor.nbytes)

    def json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        self.content(name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def content(self, name: str, content: bytes) -> None:
        """Write a file of given bytes."""
        (self.folder / name).write_bytes(content)
        self.written.append(WrittenFile(self.path(name), len(content), hashlib.sha256(content).hexdigest()))
