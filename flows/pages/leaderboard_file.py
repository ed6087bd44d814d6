"""The leaderboard as a file: where somebody asks for it, and beside the results of a store."""

from importlib.metadata import version
from pathlib import Path

import polars as pl

from flows.pages.frame.render import render
from flows.pages.leaderboard_page import leaderboard_page
from flows.pages.page_file import check_page_file, write_page_file
from flows.reports.boards import boards_seen
from flows.reports.leaderboard import runs_of
from storage import keys
from storage.catalogue.layout import NEWEST
from storage.catalogue.reading import Look, Rows, look
from storage.errors import ObjectMissing
from storage.identity import digest_of
from storage.store import Store

_SHOWN = 1_000  # runs on a page, of all experiments


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
    seen = runs_of(store, experiment, Rows.ALL)
    content = render(leaderboard_page(boards_seen(seen, _most(seen)), store.url)).encode()
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
    seen = look(store, rows=Rows.ALL)
    if seen.every.is_empty():
        return None
    content = _content(seen)
    if content not in _present(store):
        page = leaderboard_page(boards_seen(seen, _most(seen)), store.url, content)
        store.replace(keys.LEADERBOARD, render(page).encode())
    return store.address(keys.LEADERBOARD)


def _most(seen: Look) -> int:
    """Return the most runs of each experiment that a page shows."""
    return max(NEWEST, _SHOWN // max(1, seen.runs["experiment"].n_unique()))


def _content(seen: Look) -> str:
    """Return a digest that differs where the results of a store differ."""
    runs = [list(row) for row in seen.runs.select("experiment", "run_id", "sha256").sort(pl.all()).iter_rows()]
    return digest_of({"results": runs, "version": version("dawin-pipeline")})


def _present(store: Store) -> str:
    try:
        return store.read(keys.LEADERBOARD).decode(errors="replace")
    except ObjectMissing:
        return ""
