"""The package as a whole: it loads no orchestration, no store and no torch, and its examples hold."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

from tasks import numerics

MODULES = sorted(module.name for module in pkgutil.walk_packages(numerics.__path__, "tasks.numerics."))


def test_the_mathematics_loads_neither_prefect_nor_torch_nor_tables():
    """A process that imports every module of the package has imported none of the heavy libraries."""
    heavy = ("prefect", "torch", "polars", "pyarrow", "storage", "fsspec", "s3fs")
    code = f"import sys, {', '.join(MODULES)}\nprint([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_docstrings_hold(module):
    """Each `>>>` line of a docstring prints what the docstring says."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0
