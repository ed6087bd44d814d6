"""The queries of the documentation run on a real store and return the columns that the page shows."""

import ast
import contextlib
import re
from pathlib import Path

import polars as pl
import pytest
import tiny
from pages import DOCS, blocks

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, prefect_api):
    """A folder with a store, made by the program on the page about running from Python."""
    folder = tmp_path_factory.mktemp("documented")
    made = tiny.experiment(
        folder,
        name="digits",
        models=[{"name": "zeroshot", "checkpoint": "base.pt"}, {"name": "finetuned", "checkpoint": "tuned.pt"}],
        datasets=[{"name": "clean", "images": "one", "group": "id"}, {"name": "inverted", "images": "two"}],
        merge={"granularity": ["clusters", "samples"], "clusters": 3},
        baselines=["individual"],
    )
    Path(made).rename(folder / "my.yaml")
    tiny.image_folder(folder / "images" / "sketch", 6, 9)
    with contextlib.chdir(folder):
        names = {}
        for block in blocks("reference/python.md", "python"):
            exec(compile(block, "reference/python.md", "exec"), names)
    return folder


def last_value(block, names):
    """Run a block; return the value of its last line, None where that is a statement."""
    *body, last = ast.parse(block).body
    if not isinstance(last, ast.Expr):
        exec(compile(block, "results.md", "exec"), names)
        return None
    exec(compile(ast.Module(body, []), "results.md", "exec"), names)
    return eval(compile(ast.Expression(last.value), "results.md", "eval"), names)


def shown_columns(text):
    """Return the column names of the printed tables on a page, top to bottom."""
    return [[name.strip() for name in head.strip("│").split("┆")] for head in re.findall(r"^┌.*\n(│.*│)$", text, re.M)]


def test_queries_return_the_columns_that_the_page_shows(folder):
    """Every query of the page runs, in order, and its table has the columns of the one below it."""
    names = {}
    with contextlib.chdir(folder):
        values = [last_value(block, names) for block in blocks("results.md", "python")]
        without_us = names["plain"].collect()
    frames = [value for value in values if value is not None]
    assert [frame.columns for frame in frames] == shown_columns((DOCS / "results.md").read_text())
    assert all(frame.height > 0 for frame in frames[:3])
    assert without_us.filter(pl.col("metric") == "top1").height > 0
