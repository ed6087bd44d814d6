"""The leaderboard as a file: where somebody asks for it, and beside the results of a store."""

from importlib.metadata import version
from pathlib import Path

from flows.pages.frame.render import render
from flows.pages.leaderboard_page import leaderboard_page
from flows.pages.page_file import check_page_file, write_page_file
from flows.reports.boards import boards
from storage import keys
from storage.errors import ObjectMissing
from storage.identity import digest_of
from storage.pointers import experiments
from storage.store import Store


def save_leaderboard(store: Store, path: Path, experiment: str | None = None) -> int:
    """Write the leaderboard to a file, which it replaces; return the number of bytes.

    Args:
        store: the store.
        path: the file, in a folder that exists.
        experiment: name of the only experiment; None: all.

    Raises:
        ExperimentError: the store has no results of the experiment, or the file cannot be written.
        StorageError: all results are damaged.
    """
    check_page_file(path)
    content = render(leaderboard_page(boards(store, experiment), store.url)).encode()
    write_page_file(path, content)
    return len(content)


def write_leaderboard(store: Store) -> str | None:
    """Write the leaderboard of all experiments beside the results of a store, unless it is there already.

    Args:
        store: the store. Its key is `results/leaderboard.html`, which no scan, list or check of tables reads.

    Returns:
        The page's address; None where the store has no results, and no page is written.

    Raises:
        StorageError: all results are damaged, or the store cannot be written.
    """
    if not experiments(store):
        return None
    content = _content(store)
    if content not in _present(store):
        store.replace(keys.LEADERBOARD, render(leaderboard_page(boards(store), store.url, content)).encode())
    return store.address(keys.LEADERBOARD)


def _content(store: Store) -> str:
    """Return a digest that differs where the results of a store differ; this costs one listing."""
    listing = store.listing("results")
    results = {key: [found.size, found.mark] for key, found in listing.items() if keys.is_results(key)}
    return digest_of({"results": results, "version": version("dawin-pipeline")})


def _present(store: Store) -> str:
    try:
        return store.read(keys.LEADERBOARD).decode(errors="replace")
    except ObjectMissing:
        return ""
