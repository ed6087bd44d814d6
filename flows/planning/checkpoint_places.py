"""Checkpoints on S3 as listings of their folders show them: many at a time, where each would take several requests."""

from collections.abc import Iterable, Mapping, Sequence

from storage.files import FileEntry
from storage.filesystem import scheme_of
from storage.locations import Location
from storage.s3_listing import files_within
from tasks.models.descriptions import HUGGING_FACE, OPEN_CLIP, PROCESSOR

DESCRIPTIONS = (OPEN_CLIP, HUGGING_FACE, PROCESSOR)
"""The names of files beside a checkpoint that describe it."""
_CHECKPOINTS_A_PAGE = 100  # a listing of a thousand keys is worth its time if a tenth of them are of use


class CheckpointPlaces:
    """The folders of checkpoints on S3 that were listed whole, assumed not to change while this object lives."""

    def __init__(self) -> None:
        self._folders: dict[str, Mapping[str, FileEntry]] = {}
        self._large: set[str] = set()

    def add(self, folder: str, files: Iterable[FileEntry]) -> None:
        """Note the files below a folder, from a listing that exists already; on other places than S3 do nothing.

        Args:
            folder: its full URL.
            files: all files below it.
        """
        if scheme_of(folder) == "s3":
            self._folders[folder] = {file.path: file for file in files}

    def look_at(self, checkpoints: Sequence[str]) -> None:
        """List the folders that hold checkpoints, unless a folder holds far more than these.

        Args:
            checkpoints: their addresses; only those on S3 count.
        """
        urls = [Location(url).url for url in checkpoints if scheme_of(url) == "s3"]
        above = {url: url.rpartition("/")[0] for url in urls if self._listed(url) is None}
        for folder in sorted({_common(list(above.values())), *above.values()} - {""}):
            inside = sum(self._listed(url) is None and f"{url}/".startswith(f"{folder}/") for url in above)
            if inside and folder not in self._large:
                files = files_within(folder, 1 + inside // _CHECKPOINTS_A_PAGE)
                if files is None:
                    self._large.add(folder)
                else:
                    self._folders[folder] = files

    def file(self, url: str, names: Sequence[str]) -> Location | None:
        """Return the file of a checkpoint, None where no listing shows it.

        Args:
            url: address of the file, or of a folder that holds one of the names.
            names: in order of preference.
        """
        listed = self._listed(url)
        if listed is None:
            return None
        files, path = listed
        found = [name for name in names if f"{path}/{name}" in files]
        is_folder = bool(found) or path not in files
        return Location(f"{url}/{found[0]}") if found else None if is_folder else Location(url)

    def fingerprint(self, location: Location) -> str | None:
        """Return the fingerprint of a file as `Location.fingerprint` does, None where no listing shows it."""
        listed = self._listed(location.url)
        file = listed[0].get(listed[1]) if listed else None
        return f"{file.etag}-" if file else None

    def is_described(self, folder: str) -> bool:
        """Return whether a folder may hold a description of its checkpoints.

        Args:
            folder: its full URL.
        """
        listed = self._listed(f"{folder}/")
        return listed is None or any(f"{listed[1]}{name}" in listed[0] for name in DESCRIPTIONS)

    def _listed(self, url: str) -> tuple[Mapping[str, FileEntry], str] | None:
        """Return the files of a listed folder above an address, and the address relative to that folder."""
        folder = url
        while "/" in folder.removeprefix("s3://"):
            folder = folder.rpartition("/")[0]
            if folder in self._folders:
                return self._folders[folder], url[len(folder) + 1 :]
        return None


def _common(folders: Sequence[str]) -> str:
    """Return the deepest folder above all folders, empty for those of several buckets."""
    if not folders:
        return ""
    parts = [folder.split("/") for folder in folders]
    count = next((i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1), min(map(len, parts)))
    return "/".join(parts[0][:count]) if count > 2 else ""
