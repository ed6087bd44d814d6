"""Exports that are refused, and exports that fail: one line says why, and no folder is left."""

import json
import re

import exports
import pytest
import safetensors.torch
import tiny

from flows.cli import main

pytestmark = [pytest.mark.xdist_group("export")]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("output-ensemble/uniform", "the outputs of several models are combined, so that no merged model exists"),
        ("classifier-selection", "the outputs of several models are combined, so that no merged model exists"),
        ("random/uniform", "coefficients are drawn at random for each sample"),
        ("oracle/samples", "coefficients come from the true labels, which new images do not have"),
    ],
)
def test_a_method_without_a_model_is_refused_with_what_could_be_exported(
    whole_clips, tmp_path, capsys, method, message
):
    """One line names the reason and the experiment's methods that have models; no folder is left."""
    _, file, store, _ = whole_clips
    assert main(["export", file, "--method", method, "--store", store, "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dawin: --method {method}: {message}; methods that can be exported: individual/base, ")
    assert {"wise-ft/0.50,", "ties/0.30,", "dawin/clusters-2,", "dawin/samples"} <= set(line.split())
    assert "output-ensemble" not in line.partition("exported:")[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("dawin/clusters-2", (), "holds no fit of it on data set one; run it first: dawin run "),
        ("dawin/bins-5", (), "holds no fit of it on data set one; run it first: dawin run "),
        ("dawin/samples", (), "holds no fit of it on data set one; run it first: dawin run "),
        ("ties/0.30", (), "does not hold the model of ties; run it first: dawin run "),
        ("dawin/samples", ("merge.expertise=margin",), "router.py routes by entropy, the experiment measures "),
    ],
)
def test_a_method_that_no_run_has_fitted_is_refused(  # noqa: PLR0917  fixtures
    whole_clips, tmp_path, capsys, method, settings, message
):
    """The message names the data set, or the model, and the command that computes it."""
    _, file, _, _ = whole_clips
    words = [word for one in settings for word in ("--set", one)]
    empty = ["--store", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]
    assert main(["export", file, "--method", method, *words, *empty]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_per_sample_merge_without_an_offset_needs_no_run(whole_clips, tmp_path):
    """Nothing is fitted where each sample's own entropies decide, so that an empty store is enough."""
    _, file, _, _ = whole_clips
    out = exports.exported(file, tmp_path / "empty", "dawin/samples", tmp_path / "out", "--set", "merge.offset=false")
    assert json.loads((out / "dawin.json").read_text())["run_id"] is None
    assert json.loads((out / "router.json").read_text())["offset"] == [0.0, 0.0]


def test_a_folder_that_holds_files_is_refused_before_anything_is_read(tmp_path, capsys):
    """The experiment's inputs are not even looked at for it."""
    file = tiny.experiment(tmp_path)
    (tmp_path / "base.pt").unlink()
    assert main(["export", file, "--method", "wise-ft/0.50", "-o", str(tmp_path)]) == 2
    assert "wanted an empty or a new folder, it holds one" in capsys.readouterr().err


def test_a_disk_that_is_full_leaves_no_folder(whole_clips, tmp_path, monkeypatch, capsys):
    """An error of the third form removes the first two, and the message is one line with the system's reason."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tasks.exporting.hugging_face_format.HuggingFaceFormat.write", full)
    _, file, store, _ = whole_clips
    assert main(["export", file, "--method", "wise-ft/0.50", "--store", store, "-o", str(tmp_path / "out")]) == 2
    assert f"dawin: -o {tmp_path}/out: cannot be written (No space left on device)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_changes_while_it_is_read_is_refused(whole_clips, tmp_path, monkeypatch, capsys):
    """A folder with the numbers of two files would be nobody's; none is left."""
    from tasks.exporting.weight_sets import MergedWeights

    folder = tmp_path / "changing"
    file = exports.build(folder)
    safetensors.torch.save_file(exports.states(2)[1], folder / "tuned.safetensors")
    tensors = MergedWeights.tensors

    def changed(self, weights):
        yield from tensors(self, weights)
        with (folder / "tuned.safetensors").open("r+b") as content:
            content.seek(-4, 2)
            content.write(b"\0\0\0\1")

    monkeypatch.setattr(MergedWeights, "tensors", changed)
    models = exports.models_at(base=folder / "base.pt", tuned=folder / "tuned.safetensors")
    words = ["--set", models, "--store", str(tmp_path / "store"), "-o", str(tmp_path / "out")]
    assert main(["export", file, "--method", "wise-ft/0.50", *words]) == 2
    assert "changed since the run began" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
