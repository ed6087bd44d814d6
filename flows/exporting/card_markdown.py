"""Markdown of a model card: names from outside cannot end a table, a code span or the YAML block, and leak no place."""

import re
import shlex
from collections.abc import Iterable, Sequence

from storage.credentials import without_credentials
from storage.text import shown

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$!^=])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_KEY = re.compile(r"-{0,2}[\w.-]+=")
_BETWEEN = re.compile(r"([\s,'\"{}\[\]]+)")
_LOCAL = re.compile(r"file:|[/~\\]|[A-Za-z]:[/\\]|(.*[/\\])?\.\.[/\\]")


def plain(text: object) -> str:
    """Return a text on one line, with every character printable, for YAML and code blocks.

    Args:
        text: a name or number from outside.
    """
    return shown(str(text))


def prose(text: object) -> str:
    r"""Return a text that Markdown shows as it is.

    Args:
        text: a name or a sentence from outside.

    Example:
        >>> prose("a|b\n<c>")
        'a\\|b\\\\n&lt;c&gt;'
    """
    escaped = "".join(_ENTITIES.get(character, character) for character in plain(text))
    return _SPECIAL.sub(r"\\\1", escaped)


def code(text: object) -> str:
    r"""Return a text as a code span, which may stand in a table; one with a backtick or a bar is escaped prose.

    Args:
        text: a name from outside.

    Example:
        >>> code("wise-ft/0.50"), code("a`b")
        ('`wise-ft/0.50`', 'a\\`b')
    """
    found = plain(text)
    return f"`{found}`" if found.strip() and not set(found) & {"`", "|"} else prose(found)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Return a Markdown table.

    Args:
        head: titles of the columns.
        rows: cells, which are Markdown already.
        right: numbers of the columns that are aligned to the right.

    Example:
        >>> print(table(["name", "n"], [["one", "30"]], right=[1]))
        | name | n |
        | --- | ---: |
        | one | 30 |
    """
    lines = [head, ["---:" if i in {*right} else "---" for i in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def public_address(url: str) -> str:
    """Return an address without anything private: no local folders, credentials, queries or fragments.

    A local file keeps its name alone, since its digest identifies it. An address in a bucket, on the Hub or on the web
    keeps its place.

    Args:
        url: as records hold it.

    Example:
        >>> public_address("file:///home/somebody/run7/tuned.pt"), public_address("https://a.b/t.pt?X-Amz-Signature=1")
        ('tuned.pt', 'https://a.b/t.pt')
    """
    if _SCHEME.match(url) and not url.lower().startswith("file:"):
        return without_credentials(re.split(r"[?#]", url, maxsplit=1)[0])
    return re.split(r"[/\\]", url.rstrip("/\\"))[-1]


def public_command(command: str) -> str:
    """Return a command line in which local addresses are names alone, and others hold no credentials.

    Args:
        command: as records hold it.

    Example:
        >>> public_command("dawin export /home/me/my.yaml --method ties --store s3://bucket/store")
        'dawin export my.yaml --method ties --store s3://bucket/store'
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation that does not end
        words = command.split()
    return plain_words([_public_word(word) for word in words])


def plain_words(words: Sequence[str]) -> str:
    """Return the words of a command line, quoted where a shell needs it, on one line."""
    return " ".join(shlex.quote(plain(word)) for word in words)


def _public_word(word: str) -> str:
    """Return a word of a command line without private places: an address, `key=address`, or a list of addresses."""
    if key := _KEY.match(word):
        return f"{key.group()}{_public_word(word[key.end() :])}"
    if _SCHEME.match(word) or _LOCAL.match(word):
        return public_address(word)
    parts = _BETWEEN.split(word)
    if len(parts) == 1:
        return word
    return "".join(part if i % 2 else _public_word(part) for i, part in enumerate(parts))  # odd ones are between
