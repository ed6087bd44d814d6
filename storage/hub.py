"""Addresses on the Hugging Face Hub: models and data sets, fetched into the Hub's cache on this machine.

An address is `hf://org/repo/file`, `hf://org/repo` or `hf://datasets/org/repo[/folder]`; its last part may be a pattern
such as `test-*.parquet`. The Hub's own switch `HF_HUB_OFFLINE=1` restricts the search to the cache.
"""

from functools import lru_cache

from storage.errors import ObjectMissing, StoreUnreachable, first_line


@lru_cache(maxsize=256)
def fetch(url: str) -> str:
    """Return the local path of a file or a folder on the Hub, after fetching it whole.

    Args:
        url: of a file, of a model repository, or of a data set's repository or folder.

    Returns:
        The path in the Hub's cache; a pattern stays the last part of the path.

    Raises:
        ObjectMissing: the Hub has no such repository or file, or is switched off and the cache does not hold it.
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
        raise ObjectMissing(
            f"{url}: not in the Hub's cache, and the Hub cannot be asked ({first_line(error)})"
        ) from error
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, errors.HFValidationError) as error:
        raise ObjectMissing(f"{url}: the Hub has no such file ({first_line(error)})") from error
    except (errors.HfHubHTTPError, OSError) as error:
        raise StoreUnreachable(f"{url}: the Hub does not answer ({first_line(error)})") from error
    return f"{folder}/{inside}" if inside else str(folder)
