"""Inputs that are damaged or do not fit end a run with one line, exit status 2, and no incomplete object."""

import os
import re
from pathlib import Path

import pytest
import tiny
import torch
import yaml

from flows.cli import main

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


class Bomb:
    """An object whose pickle runs a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def refused(capsys, *arguments):
    """Run a command that must be refused, and return its line on standard error."""
    status = main(list(arguments))
    shown = capsys.readouterr()
    complaints = [line for line in shown.err.splitlines() if line.startswith("dawin: ")]
    assert status == 2, shown
    assert len(complaints) == 1
    assert "Traceback" not in shown.err + shown.out
    return complaints[0]


def rewrite(file, **changes):
    """Change settings of an experiment file."""
    content = yaml.safe_load(Path(file).read_text())
    content.update(changes)
    Path(file).write_text(yaml.safe_dump(content))


def resave(path, change):
    """Change the tensors of a checkpoint."""
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


def truncate(folder):
    path = folder / "tuned.pt"
    path.write_bytes(path.read_bytes()[:5000])


def add_tensor(folder):
    resave(folder / "tuned.pt", lambda s: s.update({"model.visual.extra": torch.zeros(1)}))


def poison(folder):
    resave(folder / "tuned.pt", lambda s: s["model.visual.proj"].__setitem__((0, 0), float("nan")))


def empty(folder):
    (folder / "bare").mkdir()
    rewrite(folder / "tiny.yaml", datasets=[{"name": "one", "images": "bare"}])


CASES = {
    "a truncated checkpoint": (truncate, r"tuned.pt: not a checkpoint, or a (truncated|damaged) one"),
    "a pickle with code": (
        lambda f: torch.save({"visual.proj": Bomb(f / "ran")}, f / "tuned.pt"),
        r"tuned.pt: holds pickled code or objects, wanted tensors only; none of it was run",
    ),
    "a tensor that does not belong": (add_tensor, r"tuned.pt: does not fit .*: visual.extra is not expected"),
    "towers of other shapes": (
        lambda f: tiny.checkpoint(f / "tuned.pt", 2, shape=tiny.TowerShape(16, 8, 64, 2, 1, 2.0, 16)),
        r"model tuned does not fit base: visual.transformer.resblocks.1.\S+ is not expected; .* and \d+ more",
    ),
    "NaN in the weights": (poison, r"tuned.pt: visual.proj holds NaN or infinite weights"),
    "a head of another class count": (
        lambda f: [tiny.checkpoint(f / f"{n}.pt", 1, classes=4) for n in ("base", "tuned")],
        r"model base: head of 4 classes and model tuned: .* for data set one, which has 3 classes; .* data set two",
    ),
    "an empty folder": (empty, r"/bare: no images; wanted one directory per class"),
    "fewer samples than clusters": (
        lambda f: rewrite(f / "tiny.yaml", merge={"clusters": 40}),
        r"data set one: 30 samples, wanted at least 40 for merge.clusters",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_wrong_inputs_are_refused_before_anything_is_computed(tmp_path, capsys, case, command):
    """`run` and `plan` name the fault, write no table and run no code of a checkpoint."""
    change, message = CASES[case]
    file = tiny.experiment(tmp_path)
    change(tmp_path)
    complaint = refused(capsys, command, file, "--store", str(tmp_path / "store"))
    assert re.search(message, complaint), complaint
    assert not list((tmp_path / "store").rglob("*.parquet"))
    assert not (tmp_path / "ran").exists()


def test_all_faulty_inputs_are_in_one_message(tmp_path, capsys):
    """Two checkpoints and a data set are named together."""
    file = tiny.experiment(tmp_path)
    (tmp_path / "base.pt").unlink()
    truncate(tmp_path)
    (tmp_path / "two").rename(tmp_path / "gone")
    complaint = refused(capsys, "run", file, "--store", str(tmp_path / "store"), "--set", "preprocess.size=16")
    for part in ("base.pt: no such file", "tuned.pt: not a checkpoint", "two: no such folder"):
        assert part in complaint


def test_a_broken_image_is_named_and_complete_tables_stay(tmp_path, capfd):
    """The run fails in one line; the other data set is complete, and with a sound image the whole run is."""
    file = tiny.experiment(tmp_path)
    (tmp_path / "two" / "class1" / "00004.png").write_bytes(b"no picture")
    status = main(["run", file, "--store", str(tmp_path / "store")])
    shown = capfd.readouterr()
    assert status == 1
    reports = [line for line in shown.err.splitlines() if "broken image" in line]
    assert [line.startswith("dawin: ") for line in reports] == [True], reports
    assert "two/class1/00004.png: broken image (not an image of a known format)" in reports[0]
    assert "Traceback" not in shown.err
    tables = list((tmp_path / "store").rglob("*.parquet"))
    names = {path.relative_to(tmp_path / "store").parts[0] for path in tables}
    assert names == {"outputs", "samples", "coefficients", "mixtures", "components", "predictions"}
    assert len([path for path in tables if "outputs" in path.parts]) == 2
    assert all(path.with_name(path.name + ".manifest.json").exists() for path in tables)
    tiny.image_folder(tmp_path / "two", 30, 4)
    assert main(["run", file, "--store", str(tmp_path / "store")]) == 0
