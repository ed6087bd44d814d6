"""Faults of YAML: the place, the fault in our words, and no line of the file."""

import pytest
import yaml

from flows.experiment.strict_yaml import parse_yaml
from flows.experiment.yaml_wording import problem_of

NO_KIND = "line 1, column 4: a value that is not of its kind"
CASES = {
    "name: a\nmerge:\n\tclusters: 5\n": "line 3, column 1: a tab, wanted spaces for the indentation",
    "name a\nmodels: 5\n": "line 1, column 7: wanted a colon after the setting's name",
    "name: a\nmodels\n  - x: 1\n": "line 2, column 7: wanted a colon after the setting's name",
    "name:a\nseed: 1\n": "line 1, column 6: wanted a space after the colon",
    "# first\nseed: 1\nname:a\n": "line 3, column 6: wanted a space after the colon",
    "a: [a, b\nname: x\n": "line 1, column 4: a [ that no ] closes, or a comma is missing after it",
    "a: {b: 1\nc: 2\n": "line 1, column 4: a { that no } closes, or a comma is missing after it",
    "a: 'x\nb: 1\n": "line 1, column 4: a quoted text that no quote ends",
    "m:\n  a: x\n   b: 3\n": "line 3, column 5: indented deeper than line 2, which has a value already",
    "m:\n    a: x\n  b: 3\n": "line 3, column 3: the indentation is that of no line above",
    "a: b: c\n": "line 1, column 5: a second colon in one line; a value with a colon and a space needs quotes",
    "a: *b\n": "line 1, column 4: a text that begins with * needs quotes",
    "a: *.parquet\n": "line 1, column 4: a text that begins with * or & needs quotes",
    "a: @x\n": "line 1, column 4: a text that begins with @ needs quotes",
    "seed: 1\nname: a\nseed: 2\n": "line 3, column 1: seed is set twice",
    "a: 1\nb: \x07": "line 2, column 4: the character U+0007 cannot be in YAML",
    "a: 1\n---\nb: 1\n": "line 2, column 1: a second document (---), wanted one",
    'a: "\\q"': "line 1, column 6: a \\ in a text in double quotes; single quotes take it as it is",
    "a: [1,,2]\n": "line 1, column 7: a value is missing",
    "a: 2020-99-99": f"{NO_KIND}: wanted a date, got '2020-99-99'; a text needs quotes",
    "a: !!int x": f"{NO_KIND}: wanted a whole number, got 'x'; a text needs quotes",
    "%x\n": "line 2, column 1: text that belongs to no setting",
}


@pytest.mark.parametrize("text", CASES)
def test_a_fault_of_yaml_has_its_place_and_our_words(text):
    """The common mistakes are named, each with how to mend it."""
    with pytest.raises(yaml.YAMLError) as caught:
        parse_yaml(text)
    assert problem_of(caught.value, text) == CASES[text]


def test_a_problem_that_nobody_foresaw_has_its_place_and_no_words_of_the_parser():
    """The parser's own text may change, and speaks of tokens and streams."""
    mark = yaml.Mark("<unicode string>", 0, 2, 4, None, None)
    error = yaml.MarkedYAMLError("while scanning", None, "expected a token", mark)
    assert problem_of(error, "") == "line 3, column 5: cannot be read as YAML from here on"
