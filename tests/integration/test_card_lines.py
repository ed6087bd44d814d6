"""The lines of Python in a model card run as they stand, in the exported folder."""

import re
import sys

import pytest
import runs
import tiny
import torch

from flows.cli import main

exports = pytest.importorskip("exports", reason="a support file of the export's own tests")
pytestmark = [pytest.mark.xdist_group("export")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, prefect_api):
    """Two whole CLIPs that were run: the experiment's file and store."""
    folder = tmp_path_factory.mktemp("whole")
    file, store = exports.build(folder), str(folder / "store")
    runs.run(file, store)
    return file, store


@pytest.fixture(scope="module")
def towers(tmp_path_factory, prefect_api):
    """Two vision towers without text that were run: the experiment's file and store."""
    folder = tmp_path_factory.mktemp("towers")
    file, store = tiny.experiment(folder), str(folder / "store")
    runs.run(file, store)
    return file, store


@pytest.mark.parametrize(
    ("example", "case"),
    [
        ("whole", ("wise-ft/0.40", ("dawin", "open-clip", "hugging-face", "onnx"), 4)),
        ("whole", ("dawin/clusters-2", (), 4)),
        ("towers", ("dawin/clusters-2", (), 4)),
        ("towers", ("dawin/samples", ("dawin", "onnx"), 4)),
        ("towers", ("individual/tuned", ("hugging-face",), 1)),
    ],
)
def test_the_lines_that_load_a_folder_run(request, tmp_path, monkeypatch, example, case):
    """Each block of Python ends with a model, a state, names of inputs or classes; no form is without a block.

    A case is a method, the forms that are asked for, and the number of blocks.
    """
    (file, store), (method, forms, loaded) = request.getfixturevalue(example), case
    words = [word for form in forms for word in ("--format", form)]
    assert main(["export", file, "--method", method, "--store", store, "-o", str(tmp_path / "out"), *words]) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)
    assert len(blocks) == loaded
    monkeypatch.chdir(tmp_path / "out")
    monkeypatch.syspath_prepend(str(tmp_path / "out"))
    monkeypatch.delitem(sys.modules, "router", raising=False)
    for block in blocks:
        names = {"images": torch.zeros(2, 3, 16, 16)}
        exec(block, names)
        assert {"model", "state", "names", "classes"} & names.keys()
        if "classes" in names:
            assert names["classes"].shape == (2,)
    monkeypatch.delitem(sys.modules, "router", raising=False)
