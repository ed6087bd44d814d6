"""Faults of YAML in our own words: the place, the fault, and how to mend it, without a line that may hold a secret."""

import re

import yaml
from yaml.reader import ReaderError

from storage.credentials import without_credentials
from storage.text import shown

_WORDS = {  # a part of the parser's problem: the fault in our words, and whether the place is where it began
    "'\\t' that cannot start": ("a tab, wanted spaces for the indentation", False),
    "expected ',' or ']'": ("a [ that no ] closes, or a comma is missing after it", True),
    "expected ',' or '}'": ("a { that no } closes, or a comma is missing after it", True),
    "unexpected end of stream": ("a quoted text that no quote ends", True),
    "undefined alias": ("a text that begins with * needs quotes", False),
    "expected alphabetic or numeric": ("a text that begins with * or & needs quotes", True),
    "expected <block end>": ("the indentation is that of no line above", False),
    "another document": ("a second document (---), wanted one", False),
    "unknown escape": ("a \\ in a text in double quotes; single quotes take it as it is", False),
    "expected the node content": ("a value is missing", False),
    "document start": ("text that belongs to no setting", False),
}


class Refused(yaml.MarkedYAMLError):
    """YAML that an experiment file may not hold, in our own words already."""


def problem_of(error: yaml.YAMLError, text: str) -> str:
    """Return the problem and its place, without the lines around it, which may hold a secret.

    Args:
        error: of the parser.
        text: the document that it read.
    """
    if isinstance(error, ReaderError):
        line, column = text.count("\n", 0, error.position), error.position - text.rfind("\n", 0, error.position)
        character = error.character if isinstance(error.character, int) else ord(str(error.character))
        return f"line {line + 1}, column {column}: the character U+{character:04X} cannot be in YAML"
    if not isinstance(error, yaml.MarkedYAMLError):
        return shown(without_credentials(" ".join(str(error).split())))
    if isinstance(error, Refused):
        return f"{_place(error.problem_mark)}{shown(without_credentials(str(error.problem)))}"
    return _of_the_parser(error, text)


def _of_the_parser(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return a problem of the parser, for which it has words of its own."""
    problem = str(error.problem)
    if "mapping values are not allowed" in problem or "expected ':'" in problem:
        return _of_a_colon(error, text.splitlines())
    for part, (words, is_begin) in _WORDS.items():
        if part in problem:
            return f"{_place((is_begin and error.context_mark) or error.problem_mark)}{words}"
    if found := re.search(r"found character '(.)' that cannot start", problem):
        return f"{_place(error.problem_mark)}a text that begins with {shown(found[1])} needs quotes"
    return f"{_place(error.problem_mark or error.context_mark)}cannot be read as YAML from here on"


def _place(mark: yaml.Mark | None) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _of_a_colon(error: yaml.MarkedYAMLError, lines: list[str]) -> str:
    """Return the problem of a line in which a colon is missing, too many, or without a space."""
    mark = error.problem_mark
    own = mark.line if mark else 0
    began = error.context_mark.line if error.context_mark else _before(own, lines)
    line = lines[own] if own < len(lines) else ""
    column = mark.column if mark else 0
    if error.context_mark is None and ": " in line[:column]:
        return f"{_place(mark)}a second colon in one line; a value with a colon and a space needs quotes"
    above = lines[began] if began < len(lines) else ""
    if ": " in above or above.rstrip().endswith(":") or began == own:
        return f"{_place(mark)}indented deeper than line {began + 1}, which has a value already"
    colon = above.find(":")
    if colon >= 0:
        return f"line {began + 1}, column {colon + 2}: wanted a space after the colon"
    return f"line {began + 1}, column {len(above.rstrip()) + 1}: wanted a colon after the setting's name"


def _before(line: int, lines: list[str]) -> int:
    """Return the number of the last line before a line that holds more than a comment."""
    held = [n for n in range(min(line, len(lines))) if lines[n].strip() and not lines[n].lstrip().startswith("#")]
    return held[-1] if held else line
