"""Upload of a folder to a model repository on the Hugging Face Hub, as one commit that a second call continues.

The token is the Hub's own: the environment variable HF_TOKEN, else the one that `hf auth login` saved.
"""

import glob
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from storage.errors import ObjectMissing, StorageError, StoreDenied, StoreUnreachable, first_line
from storage.text import shown

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError


class Commit(NamedTuple):
    """The state of a repository after an upload."""

    url: str
    """The address of the commit."""
    oid: str
    """Its identifier."""
    is_new: bool
    """Whether this upload made it; the files were there already otherwise."""
    remarks: tuple[str, ...] = ()
    """Warnings of the Hub and of its library, each on one line."""


def hub_token() -> str | None:
    """Return the Hub's token of this user, without a request; None if none is set or saved."""
    import huggingface_hub  # noqa: PLC0415  slow to import, and seldom needed

    return huggingface_hub.get_token()


def upload_folder(
    folder: Path,
    names: Sequence[str],
    repository: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str = "Upload with dawin publish",
    progress: bool = False,
) -> Commit:
    """Upload files of a folder to a model repository, which is created if the Hub has none of that name.

    Files that the repository holds with the same content are not sent again, so that an upload which was cut off
    continues when it is called again.

    Args:
        folder: the local folder.
        names: of the files in it, with slashes between folders.
        repository: `owner/name`.
        private: create a private repository, and refuse a public one that exists.
        revision: the branch to commit to, created if it does not exist; None: `main`.
        message: first line of the commit's message.
        progress: whether the Hub's library draws bars on standard error.

    Returns:
        The commit with these files: a new one, or the latest one if nothing has changed.

    Raises:
        StoreDenied: the token is refused or may not write there, or the repository is public and shall be private.
        ObjectMissing: the Hub has no such repository or revision.
        StoreUnreachable: the Hub does not answer, limits the rate, or reports an error of its own.
        StorageError: the Hub refuses the files, such as metadata that are not valid.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415  slow to import, and seldom needed

    api = HfApi(token=hub_token())
    with _one_error(repository), _display(progress), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _validate_card(folder, names)
        _prepare(api, repository, private, revision)
        before = api.repo_info(repository, revision=revision).sha
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            allow_patterns=[glob.escape(name) for name in names],
            revision=revision,
            commit_message=message,
        )
    remarks = dict.fromkeys(_words(one.message) for one in said if issubclass(one.category, UserWarning))
    return Commit(str(done.commit_url), done.oid, done.oid != before, tuple(remarks))


def _prepare(api: "HfApi", repository: str, private: bool, revision: str | None) -> None:
    """Create the repository and the branch where they do not exist; refuse a public one that shall be private."""
    api.create_repo(repository, private=private or None, exist_ok=True)
    if private and not api.repo_info(repository).private:
        raise StoreDenied(f"{repository}: is public on the Hub, wanted a private repository; name another one")
    if revision and not revision.startswith("refs/"):
        api.create_branch(repository, branch=revision, exist_ok=True)


def _validate_card(folder: Path, names: Sequence[str]) -> None:
    """Let the Hub check the card's metadata before anything is created or sent."""
    from huggingface_hub import ModelCard  # noqa: PLC0415  slow to import, and seldom needed

    if "README.md" in names:
        ModelCard.load(folder / "README.md").validate()


@contextmanager
def _display(progress: bool) -> Iterator[None]:
    """Draw the library's bars or none, and keep its log lines, such as those about empty commits, from the terminal."""
    from huggingface_hub.utils import logging  # noqa: PLC0415  slow to import, and seldom needed
    from huggingface_hub.utils.tqdm import (  # noqa: PLC0415  the same
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    before, hide = logging.get_verbosity(), not (progress or are_progress_bars_disabled())
    logging.set_verbosity(ERROR)
    if hide:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if hide:
            enable_progress_bars()


@contextmanager
def _one_error(repository: str) -> Iterator[None]:
    """Turn every error of the Hub's library into one of storage, in one line."""
    from huggingface_hub import errors  # noqa: PLC0415  slow to import, and seldom needed

    # the base class of the HTTP client that the library uses
    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    try:
        yield
    except StorageError:
        raise
    except errors.HfHubHTTPError as error:
        raise _refused(repository, error) from error
    except (errors.OfflineModeIsEnabled, transport, OSError) as error:
        raise StoreUnreachable(f"{repository}: the Hub does not answer ({_line(error)})") from error
    except RuntimeError as error:  # the upload of one file failed
        cause = error.__cause__
        if isinstance(cause, errors.HfHubHTTPError):
            raise _refused(repository, cause) from error
        raise StoreUnreachable(f"{repository}: {_line(error)} ({_line(cause or error)})") from error
    except ValueError as error:
        raise StorageError(f"{repository}: the Hub refuses the files: {_words(error)}") from error


def _refused(repository: str, error: "HfHubHTTPError") -> StorageError:
    """Return the error of an answer of the Hub that is no success."""
    status = error.response.status_code
    said = f" ({shown(' '.join(error.server_message.split()))})" if error.server_message else ""
    if status == 401:
        return StoreDenied(
            f"{repository}: the Hub refuses the token{said}; set HF_TOKEN to one that can write, or run `hf auth login`"
        )
    if status == 403:
        return StoreDenied(f"{repository}: the token may not write there{said}; wanted one with write access")
    if status == 404:
        return ObjectMissing(f"{repository}: the Hub has no such repository or revision{said}")
    if status == 429:
        return StoreUnreachable(f"{repository}: the Hub limits the number of requests{said}; publish again later")
    if status >= 500:
        return StoreUnreachable(f"{repository}: the Hub reports an error of its own, {status}{said}; publish again")
    return StorageError(f"{repository}: the Hub refuses the request, {status}{said or f' ({_line(error)})'}")


def _line(error: BaseException) -> str:
    return shown(first_line(error))


def _words(error: BaseException | str) -> str:
    """Return the whole message of an error or a warning on one line of bounded length."""
    return shown(" ".join(str(error).split()), 1000)
