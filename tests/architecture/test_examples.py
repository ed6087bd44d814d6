"""The examples in docstrings run, and give what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [path for package in ("flows", "tasks", "storage") for path in sorted((ROOT / package).rglob("*.py"))]
WITH_EXAMPLES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES if ">>> " in path.read_text()]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_a_module_run(name):
    """Every `>>>` line of the module's docstrings prints the line below it."""
    result = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def test_entry_points_have_examples():
    """The functions that users import each show their use."""
    wanted = {"tasks.numerics.entropy", "tasks.numerics.expertise", "tasks.numerics.beta_mixture", "storage.scan"}
    wanted |= {"tasks.numerics.dirichlet_mixture", "tasks.merging.combination", "tasks.merging.per_sample"}
    assert wanted <= set(WITH_EXAMPLES)
