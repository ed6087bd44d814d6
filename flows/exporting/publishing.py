"""Publication of an exported folder on the Hugging Face Hub: everything that can be wrong is found before a request."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from flows.errors import ExperimentError
from flows.exporting.card_metadata import UNFILLED_LICENCE
from flows.exporting.model_card import CARD
from storage.hub_upload import Commit, hub_token, upload_folder
from storage.text import shown
from tasks.progress import work

RECORD = "dawin.json"
"""The name of the record in an exported folder."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_LICENCES = ("LICENSE", "LICENCE", "NOTICE", "COPYING")
_LOCAL = re.compile(r"file:/{2,}[^\s\"'<>`|]+|(?<![\w:/.])/(?:[^\s\"'<>`|,/]+/)+[^\s\"'<>`|,]+")


class Folder(NamedTuple):
    """An exported folder whose files are those of its record."""

    path: Path
    record: Mapping[str, Any]
    names: tuple[str, ...]
    """The files to publish: those of the record, the record itself, the card, and files with a licence."""
    left_out: tuple[str, ...]
    """Other files in the folder, which are not published."""
    warnings: tuple[str, ...]
    """Sentences about things that the owner may want to change first."""

    @property
    def bytes(self) -> int:
        """The size of the files to publish."""
        return sum((self.path / name).stat().st_size for name in self.names)


def check_request(path: Path, repository: str) -> Folder:
    """Return an exported folder that can be published, without any request.

    Args:
        path: the exported folder.
        repository: `owner/name`.

    Raises:
        ExperimentError: the folder, one of its files or the name of the repository is wrong, or no token is set.
    """
    check_repository(repository)
    if not hub_token():
        raise ExperimentError(
            f"publish {repository}: no token for the Hub; set HF_TOKEN to one that can write, or run `hf auth login`"
        )
    return exported_folder(path)


def publish(
    folder: Folder, repository: str, *, private: bool = False, revision: str | None = None, progress: bool = False
) -> Commit:
    """Publish an exported folder on the Hub, and return its commit.

    Args:
        folder: from `check_request`.
        repository: `owner/name`, created if it does not exist.
        private: create a private repository, and refuse a public one that exists.
        revision: the branch to commit to; None: `main`.
        progress: whether bars are drawn on standard error.

    Raises:
        StorageError: the Hub does not answer, or refuses the upload.
    """
    made = shown(f"{folder.record['experiment']}: {folder.record['method']}", 100)
    return upload_folder(
        folder.path,
        folder.names,
        repository,
        private=private,
        revision=revision,
        message=f"Upload {made} with dawin publish",
        progress=progress,
    )


def check_repository(repository: str) -> None:
    """Refuse a name that no repository on the Hub can have.

    Raises:
        ExperimentError: it is not of the form `owner/name`.
    """
    parts = repository.split("/")
    is_odd = any(part.endswith((".", "-", ".git")) or "--" in part or ".." in part for part in parts)
    if is_odd or not _REPOSITORY.fullmatch(repository):
        raise ExperimentError(
            f"publish: repository {shown(repository)!r}: wanted owner/name, of letters, digits and single . _ -"
        )


def exported_folder(path: Path) -> Folder:
    """Return an exported folder after comparing the SHA-256 of its files with its record.

    The card may differ from the exported one, since its owner fills in the licence; its metadata must be readable.

    Args:
        path: the folder.

    Raises:
        ExperimentError: no such folder, none that `dawin export` wrote, or a file that is missing or was changed.
    """
    record = _record(path)
    files: Mapping[str, str] = record["files"]
    with work("check files", len(files), unit="files") as progress:
        for name, digest in files.items():
            if name not in (CARD, RECORD):
                _check_file(path, name, digest)
            progress.advance(1)
    licence = _licence_of(path)
    found = list(_files(path))
    own = {*files, RECORD, CARD}
    names = [name for name in found if name in own or _is_licence(name)]
    warnings = [*licence, *_local_addresses(path, names)]
    return Folder(path, record, tuple(names), tuple(name for name in found if name not in names), tuple(warnings))


def _record(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise ExperimentError(f"publish {path}: no such folder")
    try:
        record = json.loads((path / RECORD).read_bytes())
        is_ours = isinstance(record, dict) and record["format"] == 1 and isinstance(record["files"], dict)
        names = [*record["files"], *record["files"].values(), record["experiment"], record["method"]]
    except FileNotFoundError:
        raise ExperimentError(f"publish {path}: no {RECORD} in it; wanted a folder that `dawin export` wrote") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_ours, names = False, []
    if not is_ours or not all(isinstance(name, str) for name in names):
        raise ExperimentError(f"publish {path / RECORD}: wanted the record of `dawin export`, format 1")
    return dict(record)


def _check_file(folder: Path, name: str, wanted: str) -> None:
    """Refuse a file that is missing, not a plain file in the folder, or not the exported one."""
    file, parts = folder / name, PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ExperimentError(f"publish {folder / RECORD}: names {shown(name)!r}, wanted names of files in the folder")
    if any((folder / Path(*parts[: n + 1])).is_symlink() for n in range(len(parts))):
        raise ExperimentError(f"publish {file}: is a link; wanted the file that `dawin export` wrote")
    if not file.is_file():
        raise ExperimentError(f"publish {file}: no such file, but {RECORD} lists it; export the folder again")
    with file.open("rb") as content:
        got = hashlib.file_digest(content, "sha256").hexdigest()
    if got != wanted:
        raise ExperimentError(
            f"publish {file}: changed since the export: wanted SHA-256 {shown(wanted, 16)}, got {got[:15]}…; export "
            "the folder again"
        )


def _licence_of(path: Path) -> list[str]:
    """Return a warning if nobody has filled in the card's licence.

    Raises:
        ExperimentError: the card is missing, or its metadata cannot be read.
    """
    import yaml  # noqa: PLC0415  with the Hub's library, slow to import
    from huggingface_hub import ModelCard  # noqa: PLC0415

    card = path / CARD
    try:
        text = card.read_text(encoding="utf-8")
        data = ModelCard(text).data
    except FileNotFoundError:
        raise ExperimentError(f"publish {card}: no such file; `dawin export` writes it") from None
    except (ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        reason = shown(" ".join(str(error).split()))
        raise ExperimentError(f"publish {card}: its metadata cannot be read ({reason})") from error
    if data.get("license_name") == UNFILLED_LICENCE or not data.get("license"):
        return [f"{CARD}: the licence is not filled in (license_name: {UNFILLED_LICENCE})"]
    return []


def _local_addresses(path: Path, names: list[str]) -> Iterator[str]:
    """Yield a warning for each text file that names a folder of this machine."""
    for name in names:
        if name.endswith((".json", ".md", ".py")):
            text = (path / name).read_text(encoding="utf-8", errors="replace")
            if found := _LOCAL.search(text):
                yield f"{name}: names a local file, {shown(found.group())}, which readers will see"


def _files(path: Path) -> Iterator[str]:
    """Yield the names of all files in a folder, in order."""
    yield from sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file() and not p.is_symlink())


def _is_licence(name: str) -> bool:
    return "/" not in name and name.partition(".")[0].upper() in _LICENCES
