"""The page about the authors' release names settings, methods and measures that this project has."""

import re

import pytest
import yaml
from pages import DOCS

from flows.experiment.file import parse_experiment
from tasks.methods.registry import fault
from tasks.numerics.measures import MEASURES

WHOLE = {
    "name": "whole",
    "models": [{"name": name, "checkpoint": f"{name}.pt"} for name in ("base", "one", "two")],
    "datasets": [{"name": "one", "images": "one"}],
    "baselines": ["individual", "adamerging"],
}
PAIR = {**WHOLE, "models": WHOLE["models"][:2]}
TEXT = re.sub(r"^```.*?^```$", "", (DOCS / "from-the-authors-release.md").read_text(), flags=re.MULTILINE | re.DOTALL)
"""The page without its blocks."""
ROWS = [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in re.findall(r"^\| `.*$", TEXT, re.MULTILINE)]
CELLS = [row[1] for row in ROWS if len(row) == 2]
SETTINGS = [
    code for code in re.findall(r"`([^`]+)`", TEXT.partition("## By how much")[0]) if re.match(r"[a-z_.]+: ", code)
]


def codes(cell):
    """Return the pieces of code of a cell."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_is_read():
    """The page has tables with settings and baselines to check: a changed form does not empty the tests below."""
    assert len(SETTINGS) > 5
    assert len(CELLS) > 30


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_the_page_are_valid(setting):
    """Each piece of a YAML file on the page becomes an experiment when it is put over a whole one."""
    content = yaml.safe_load(setting)
    key, value = next(iter(content.items()))
    section, _, name = key.partition(".")
    assert parse_experiment({**WHOLE, section: {name: value} if name else value}, "page").name == "whole"


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.startswith("the baseline")])
def test_baselines_of_the_page_exist(cell):
    """Each baseline that a cell names is one that an experiment of two models, or of a base and two, may ask for."""
    setups = [parse_experiment(content, "page").setup for content in (WHOLE, PAIR)]
    assert codes(cell)
    assert all(any(fault(name, setup) is None for setup in setups) for name in codes(cell))


def test_measures_of_the_page_exist():
    """The cells of `--expertise` name measures, and together all of them."""
    cells = [cell for cell in CELLS if cell.startswith("`merge.expertise")]
    named = {code.removeprefix("merge.expertise: ") for cell in cells for code in codes(cell)}
    assert named == set(MEASURES)
