"""`CITATION.cff` is a file that citation tools accept, and it describes this version."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONTENT = yaml.safe_load((ROOT / "CITATION.cff").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = {"cff-version", "message", "title", "authors"}
KNOWN = REQUIRED | {"abstract", "type", "version", "license", "keywords", "references"}
"""Keys of the format 1.2.0 that the file uses; the format allows no others than its own."""


def test_the_file_has_the_keys_that_the_format_requires():
    """The version of the format is 1.2.0, no required key is missing, and no key is outside the format."""
    assert CONTENT["cff-version"] == "1.2.0"
    assert CONTENT.keys() >= REQUIRED
    assert CONTENT.keys() <= KNOWN
    assert CONTENT["type"] == "software"
    assert CONTENT["authors"] == [{"name": "The DaWin pipeline contributors"}]


@pytest.mark.parametrize("key", ["version", "license"])
def test_the_file_agrees_with_the_package(key):
    """Version and licence are those of `pyproject.toml`, the version as text and not as a number."""
    assert CONTENT[key] == PROJECT[key]


def test_the_paper_is_a_reference():
    """The reference has the keys that the format requires of one, and the address that README gives for the paper."""
    (paper,) = CONTENT["references"]
    assert paper.keys() >= {"type", "title", "authors"}
    assert paper["type"] == "conference-paper"
    assert all(author.keys() == {"given-names", "family-names"} for author in paper["authors"])
    assert paper["url"] in (ROOT / "README.md").read_text()
    assert re.fullmatch(r"arXiv:\d{4}\.\d{5}", paper["identifiers"][0]["value"])
