"""Addresses on the Hugging Face Hub: `hf://org/repo/file`, `hf://org/repo`, `hf://datasets/org/repo[/folder]`,
the last part of which may be a pattern such as `test-*.parquet`.

What is asked for is fetched whole into the Hub's own cache on this machine and read from there; with
`HF_HUB_OFFLINE=1`, the Hub's own switch, only what the cache holds is found.
"""

from functools import lru_cache

from storage.errors import ObjectMissing, StoreUnreachable


@lru_cache(maxsize=256)
def fetch(url: str) -> str:
    """Return the local path of a file, of a model repository's folder or of a data set's folder on the Hub.

    Raises:
        ObjectMissing: there is no such repository or file, or it is not in the cache and the Hub is switched off.
        StoreUnreachable: the Hub does not answer.
    """
    import huggingface_hub  # noqa: PLC0415  slow to import, and seldom needed
    from huggingface_hub import errors  # noqa: PLC0415

    parts = url.removeprefix("hf://").split("/")
    kind, parts = ("dataset", parts[1:]) if parts[0] == "datasets" else ("model", parts)
    if len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise ObjectMissing(f"{url}: wanted hf://org/repo[/file] or hf://datasets/org/repo[/folder]")
    repository, inside = "/".join(parts[:2]), "/".join(parts[2:])
    try:
        if kind == "model" and inside:
            return str(huggingface_hub.hf_hub_download(repository, inside))
        patterns = [inside, f"{inside}/*"] if inside else None
        folder = huggingface_hub.snapshot_download(repository, repo_type=kind, allow_patterns=patterns)
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise ObjectMissing(f"{url}: not in the Hub's cache, and the Hub cannot be asked ({_first(error)})") from error
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.HFValidationError) as error:
        raise ObjectMissing(f"{url}: the Hub has no such file ({_first(error)})") from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise StoreUnreachable(f"{url}: the Hub does not answer ({_first(error)})") from error
    return f"{folder}/{inside}" if inside else str(folder)


def _first(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
