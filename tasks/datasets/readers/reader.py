"""The description of a data-set format by which the registry finds its reader."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from storage.text import shown
from tasks.datasets.files.folder import Folder
from tasks.datasets.samples import Samples
from tasks.errors import DatasetError


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A format of data sets.

    Attributes:
        name: the format's name in messages, such as `Parquet`.
        marks: the files that show the format, for messages, such as `*.parquet`.
        recognises: returns the paths of those files in a folder; none if the folder has another format. It looks at
            names only, and raises nothing.
        read: returns the samples, given the folder and the paths that `recognises` returned. Raises `DatasetError` if
            files are damaged or missing, or form several data sets.
        is_exclusive: whether a folder that also holds another exclusive format is refused as ambiguous. True for
            formats that are recognised by a suffix, false for those that are recognised by a file of a fixed name.
        read_unlabelled: as `read`, where labels do not matter; None: `read` does it.
    """

    name: str
    marks: str
    recognises: Callable[[Folder], Sequence[str]]
    read: Callable[[Folder, Sequence[str]], Samples]
    is_exclusive: bool = False
    read_unlabelled: Callable[[Folder, Sequence[str]], Samples] | None = None


def reader_of_file(name: str, file: str, read: Callable[[Folder, str], Samples]) -> Reader:
    """Return the reader of a format that is recognised by one file of a fixed name.

    Args:
        name: the format's name in messages.
        file: the file's name, or the end of its path such as `labels/test1.txt`. It may lie anywhere in the folder.
        read: returns the samples, given the folder and the file's path.
    """

    def read_only(folder: Folder, paths: Sequence[str]) -> Samples:
        if len(paths) > 1:
            raise DatasetError(f"{folder.url}: several data sets, {shown(', '.join(paths))}; name one's folder")
        return read(folder, paths[0])

    return Reader(name=name, marks=file, recognises=lambda folder: folder.named(file), read=read_only)
