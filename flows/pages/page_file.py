"""The file that a command writes a page to."""

from pathlib import Path

from flows.errors import ExperimentError


def check_page_file(path: Path) -> None:
    """Check the name of a file before anything is computed for it.

    Args:
        path: the file that `-o` names.

    Raises:
        ExperimentError: its folder does not exist, or it is a folder, or no file can have its name.
    """
    try:
        if not path.absolute().parent.is_dir():
            raise ExperimentError(f"-o {path}: no such folder {path.absolute().parent}")
        if path.is_dir():
            raise ExperimentError(f"-o {path}: a folder; wanted the name of a file such as page.html")
    except OSError as error:
        raise _unwritable(path, error) from error


def write_page_file(path: Path, content: bytes) -> None:
    """Write a page to a file: an existing one is replaced when the new one is complete.

    Args:
        path: the file.
        content: of the file.

    Raises:
        ExperimentError: it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ExperimentError:
    return ExperimentError(f"-o {path}: cannot be written ({error.strerror})")
