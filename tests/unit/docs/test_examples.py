"""Examples in the documentation run as they stand."""

import doctest

import pytest
import yaml
from code_blocks import all_blocks
from pages import blocks, with_blocks

from flows.experiment.file import load_experiment

RUN_ELSEWHERE = {"results.md", "reference/python.md", "serving.md", "export.md", "predict.md"}
"""Pages whose examples read a store or a file that a command wrote: `test_documented_queries.py` runs the former,
`test_documented_commands.py` those of README, `test_serving_page.py` those that serve a graph, `test_export_page.py`
those that load an exported folder, and `test_predict.py` those that read a file of predictions."""

WHOLE = {
    "name": "whole",
    "models": [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "tuned.pt"}],
    "datasets": [{"name": "one", "images": "one"}],
}
"""An experiment that a block with a few settings is put over."""


@pytest.mark.parametrize("page", with_blocks("pycon"))
def test_sessions_print_what_the_page_shows(page):
    """Every `>>>` example of a page gives the output below it; a page is one session."""
    session = "".join(blocks(page, "pycon"))
    found = doctest.DocTestRunner(verbose=False).run(doctest.DocTestParser().get_doctest(session, {}, page, page, 0))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("page", [page for page in with_blocks("python") if page not in RUN_ELSEWHERE])
def test_programs_run(page):
    """The Python blocks of a page run one after the other, and what they assert holds."""
    names = {}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)
    assert len(names) > 1


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_experiments_are_valid(block, tmp_path, monkeypatch):
    """Every YAML block of every page is an experiment, or becomes one when it is put over a whole one."""
    monkeypatch.setenv("DAWIN_MODELS", "/models")
    monkeypatch.setenv("DAWIN_DATA", "/data")
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump({**WHOLE, **yaml.safe_load(block.text)}))
    assert len(load_experiment(str(file)).models) >= 2
