"""The model card of an exported folder: README.md with metadata for the Hugging Face Hub and a text for people.

Every metric in it is a row of the store's results. Names from outside are escaped, and no local folder, credential or
signed query appears.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.exporting.card_loading import loading_section
from flows.exporting.card_metadata import card_data
from flows.exporting.card_results import measured
from flows.exporting.card_tables import datasets_section, results_section
from flows.exporting.card_text import (
    citation_section,
    limits_section,
    merged_section,
    opening,
    reproduction_section,
)
from storage.store import Store

CARD = "README.md"
"""The card's name in the folder, which the Hub shows as the page of a repository."""


def write_card(folder: Path, record: Mapping[str, Any], store: Store) -> None:
    """Write the model card of an exported folder.

    Args:
        folder: the exported folder, which exists.
        record: the content of its `dawin.json`.
        store: holds the results of the experiment's runs. Without a row of the recorded predictions, the card says that
            nothing was measured, and has no model-index.

    Raises:
        StorageError: the results are damaged.
    """
    target = folder / CARD
    unfinished = target.with_name(f".{CARD}.unfinished")
    unfinished.write_text(card_content(folder, record, store), encoding="utf-8", newline="\n")
    unfinished.replace(target)


def card_content(folder: Path, record: Mapping[str, Any], store: Store) -> str:
    """Return the content of a model card: the YAML block between lines of dashes, then Markdown.

    Args:
        folder: the exported folder, with its files.
        record: the content of its `dawin.json`.
        store: holds the results of the experiment's runs.

    Raises:
        StorageError: the results are damaged.
    """
    found = measured(record, store)
    sections = [
        opening(record),
        merged_section(record),
        results_section(record, found),
        datasets_section(record, found),
        loading_section(record, folder),
        reproduction_section(record),
        limits_section(record),
        citation_section(record),
    ]
    metadata = card_data(record, found).to_yaml()
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(sections) + "\n"
