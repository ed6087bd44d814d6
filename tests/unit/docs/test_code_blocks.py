"""Every code block of every page is of a kind that a test runs, or is marked as output."""

import re

import pytest
from code_blocks import PAGES, all_blocks, blocks_of, commands_of
from pages import ROOT

RUN_BY = {
    "console": "tests/integration/test_documented_commands.py",
    "python": "tests/unit/docs/test_examples.py",
    "pycon": "tests/unit/docs/test_examples.py",
    "yaml": "tests/unit/docs/test_examples.py",
}
"""The test that runs the blocks of each language. `text` marks output, and runs nowhere."""


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_marked_with_a_language_that_a_test_runs(page):
    """A block without a mark, or in a language that nothing runs, is named by its page and line."""
    unknown = [f"{block}: {block.info or 'no mark'}" for block in blocks_of(page)]
    known = {*RUN_BY, "text"}
    assert [name for name, block in zip(unknown, blocks_of(page), strict=True) if block.language not in known] == []
    assert all((ROOT / test).is_file() for test in RUN_BY.values())


@pytest.mark.parametrize("block", all_blocks("text"), ids=str)
def test_output_holds_no_command(block):
    """A block of output has no line with a prompt, so that no command escapes the tests in one."""
    assert not re.search(r"^(?:\$|>>>) ", block.text, re.MULTILINE)


@pytest.mark.parametrize("block", all_blocks("console"), ids=str)
def test_a_console_block_begins_with_a_command(block):
    """Each console block has a command in its first line, and each command has words."""
    assert all(command.words for command in commands_of(block))


def test_files_that_a_page_shows_are_on_the_page_that_its_tests_follow():
    """Blocks with a title are files; `tests/integration/test_walkthroughs.py` writes and runs those of one page."""
    assert {block.page for block in all_blocks() if block.is_file} == {"docs/extending.md"}
    assert {block.language for block in all_blocks() if block.is_file} == {"python"}
