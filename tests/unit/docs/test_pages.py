"""Pages name only commands, files, columns and settings that exist."""

import re

import pyarrow as pa
import pytest
from code_blocks import PAGES
from pages import DOCS, ROOT, pages

from storage.schemas import TABLES

FILES = re.compile(r"`((?:flows|tasks|storage|infra|benchmarks|tests|examples)/[\w./@-]+\.\w+)`")
TYPES = {
    pa.string(): "string",
    pa.float64(): "float64",
    pa.float32(): "float32",
    pa.int64(): "int64",
    pa.int32(): "int32",
    pa.bool_(): "bool",
    pa.list_(pa.string()): "list of string",
    pa.timestamp("us", tz="UTC"): "timestamp, UTC",
}
"""Columns' types as `tables.md` calls them."""


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    """A page that says `make X` names a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", (ROOT / page).read_text())) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_benchmarks_exist(page):
    """A page that says `python -m benchmarks.X` names a program of that folder."""
    programs = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert set(re.findall(r"python -m benchmarks\.(\w+)", (ROOT / page).read_text())) <= programs


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/extending.md"])
def test_files_exist(page):
    """A page that names a file of the project names one that exists; `extending.md` names files to be written."""
    named = FILES.findall((ROOT / page).read_text())
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("docs/")])
def test_links_of_pages_outside_of_the_site_lead_somewhere(page):
    """Links and pictures of README and its like are files here, with the named heading; MkDocs checks `docs/`."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path
        slugs = _slugs(target) if anchor and target.is_file() else set()
        if not target.exists() or (anchor and anchor not in slugs):
            broken.append(link)
    assert broken == []


def _slugs(page):
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_fits_two_screens():
    """README has at most 120 lines; everything else is in `docs/`."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_tables_list_every_column(table):
    """`tables.md` lists the columns of each table in order, with their types, and which may be null."""
    section = re.search(rf"^## `{table.name}`\n(.*?)(?=^## |\Z)", (DOCS / "tables.md").read_text(), re.M | re.S)
    assert section is not None
    listed = [tuple(cell.strip() for cell in row.split("|")[1:4]) for row in re.findall(r"^\| `.*$", section[1], re.M)]
    plain = [(f"`{c.name}`", TYPES[c.type], "null" if c.nullable else "") for c in table.columns]
    assert listed == plain + [(f"`{name}`", f"vector of {TYPES[kind]}", "") for name, kind in table.vectors.items()]


def test_tables_lists_every_table():
    """`tables.md` has a section for each table of the store, and no other."""
    sections = re.findall(r"^## `(\w+)`$", (DOCS / "tables.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(TABLES)


def test_settings_and_commands_are_generated():
    """The pages of settings and commands carry the marks that the hooks replace, each once."""
    assert pages()["experiment.md"].splitlines().count("::settings") == 1
    assert pages()["commands.md"].splitlines().count("::commands") == 1
