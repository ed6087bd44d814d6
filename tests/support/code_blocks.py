"""The fenced code blocks of every page that people read, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from pages import DOCS, ROOT

PAGES = [
    *(str(path.relative_to(ROOT)) for path in sorted(DOCS.rglob("*.md"))),
    *("README.md", "CONTRIBUTING.md", "examples/README.md", "infra/README.md"),
]
"""Every page, by its path from the root."""
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>.*)$")

_TARGET = re.compile(r" > ([\w./-]+)$")


class Block(NamedTuple):
    """A fenced code block."""

    page: str
    line: int
    """Number of the line of its opening fence."""
    info: str
    """Everything after the opening fence."""
    text: str

    @property
    def language(self):
        """The first word after the fence; empty where nothing marks the block."""
        return self.info.split()[0] if self.info else ""

    @property
    def is_file(self):
        """Whether the block is a file that the page shows, whose title is its path."""
        return "title=" in self.info

    def __str__(self):
        return f"{self.page}:{self.line}"


class Command(NamedTuple):
    """A command line of a console block, and the output that the page shows below it."""

    text: str
    """Without the prompt and the comment at its end; lines that continue it are joined."""
    output: str

    @property
    def target(self):
        """The file that the output is written to, after `>`; None: it is shown."""
        return _TARGET.search(self.text)[1] if _TARGET.search(self.text) else None

    @property
    def words(self):
        """The words of the command line, without a path before `dawin` and without the file after `>`."""
        words = shlex.split(_TARGET.sub("", self.text))
        return ["dawin", *words[1:]] if words[0] in ("dawin", ".venv/bin/dawin") else words

    @property
    def is_dawin(self):
        """Whether the command is `dawin`."""
        return self.words[0] == "dawin"


def blocks_of(page):
    """Return the fenced blocks of a page, top to bottom; a fence that never ends raises `ValueError`."""
    return list(_blocks(page, (ROOT / page).read_text().splitlines()))


def _blocks(page, lines) -> Iterator[Block]:
    numbered = iter(enumerate(lines, 1))
    for number, line in numbered:
        if not (opening := _FENCE.match(line)):
            continue
        held = []
        for _, inner in numbered:
            if inner.strip() == opening["fence"]:
                break
            held.append(inner.removeprefix(opening["indent"]))
        else:
            raise ValueError(f"{page}:{number}: the block has no end")
        yield Block(page, number, opening["info"].strip(), "\n".join(held) + "\n")


def all_blocks(*languages):
    """Return the blocks of every page; of some languages only, where any are named."""
    found = [block for page in PAGES for block in blocks_of(page)]
    return [block for block in found if not languages or block.language in languages]


def commands_of(block):
    """Return the commands of a console block, in order.

    A command begins with `$ `. It continues on lines that begin with `> `, and as long as a quotation mark is open. The
    lines up to the next command are its output.
    """
    commands, text, output = [], None, []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if text is not None:
                commands.append(_command(text, output))
            text, output = line[2:], []
        elif text is None:
            raise ValueError(f"{block}: wanted a command ('$ …') first, got {line!r}")
        elif not output and (line.startswith("> ") or _is_open(text)):
            text += "\n" + line.removeprefix("> ")
        else:
            output.append(line)
    if text is None:
        raise ValueError(f"{block}: no command")
    return [*commands, _command(text, output)]


def _is_open(text):
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


def _command(text, output):
    """Return a command without the comment at its end."""
    plain = re.sub(r"\s+# .*$", "", text, flags=re.MULTILINE)
    return Command(plain.strip(), "\n".join(output))
