"""Requests that `dawin predict` refuses, each in one line that names the argument and what exists."""

import pytest
import tiny
from runs import run

from flows.cli import main

pytestmark = pytest.mark.xdist_group("prefect")

CLUSTERED, BINNED, OWN = "dawin/clusters-2", "dawin/bins-4", "dawin/samples"


@pytest.fixture(scope="module")
def place(tmp_path_factory, prefect_api):
    """A run, and other images."""
    folder = tmp_path_factory.mktemp("refused")
    merge = {"granularity": ["clusters", "bins", "samples"], "clusters": 2, "bins": 4}
    methods = {"greedy-soup": {"held_out": "one"}}
    asked = ["wise-ft/0.50", "greedy-soup", "oracle"]
    file = tiny.experiment(folder, samples=12, merge=merge, baselines=asked, methods=methods)
    tiny.image_folder(folder / "new", 4, 7)
    run(file, folder / "store")
    return folder, file, str(folder / "store")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "oracle/samples"], "--method oracle/samples: needs the labels of the images that it predicts"),
        (
            ["--method", "dawin/clusters-7"],
            "--method dawin/clusters-7: no method of experiment tiny; did you mean dawin/clusters-2",
        ),
        (["--method", "wise-ft"], "--method wise-ft: wanted one method, got a family"),
        (["--method", "nonsense"], "--method no method 'nonsense'; known: individual, wise-ft"),
        (["--dataset", "won"], "--dataset won: no data set of experiment tiny; did you mean one"),
        (["--images", "/gone"], "images file:///gone: no such file or folder"),
        (["-o", "out.csv"], "-o out.csv: wanted a file that ends in .parquet"),
        (["--limit", "0"], "--limit: wanted a whole number of at least 1, got '0'"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(place, capsys, words, message):
    """The line names the argument and what exists; nothing is written."""
    folder, file, store = place
    asked = {
        "--method": CLUSTERED,
        "--dataset": "one",
        "--images": str(folder / "new"),
        "-o": str(folder / "no.parquet"),
    }
    asked |= dict(zip(words[::2], words[1::2], strict=True))
    try:
        status = main(["predict", file, "--store", store, *[word for pair in asked.items() for word in pair]])
    except SystemExit as ended:
        status = ended.code
    shown = capsys.readouterr().err
    assert status == 2
    assert message in shown
    assert "Traceback" not in shown
    assert not (folder / "no.parquet").exists()


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        (CLUSTERED, "fitted mixture"),
        (BINNED, "bins"),
        (OWN, "outputs, from which the offset is computed,"),
    ],
)
def test_a_data_set_without_a_fit_is_refused(place, tmp_path, capsys, method, missing):
    """The message names what the store does not hold, and the command that fits it; --adapt is the way without."""
    words = ["predict", place[1], "--method", method, "--dataset", "one", "--images", str(place[0] / "new")]
    words += ["-o", str(tmp_path / "out.parquet"), "--store", str(tmp_path / "store"), "-q"]
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert f"holds no {missing} of {method} for the checkpoints and images as they are now; `dawin run EXP" in shown


def test_an_existing_file_is_not_overwritten(place, capsys):
    """The refusal names the file, and its content stays."""
    (place[0] / "kept.parquet").write_text("mine")
    words = ["predict", place[1], "--method", OWN, "--dataset", "one", "--images", str(place[0] / "new")]
    assert main([*words, "-o", str(place[0] / "kept.parquet"), "--store", place[2]]) == 2
    assert "kept.parquet: exists already; name another file" in capsys.readouterr().err
    assert (place[0] / "kept.parquet").read_text() == "mine"


@pytest.mark.parametrize("adapt", [[], ["--adapt"]])
def test_a_model_that_was_never_made_is_refused(place, tmp_path, capsys, adapt):
    """Its method looks at labelled images, which no fit to other images replaces."""
    words = ["predict", place[1], "--method", "greedy-soup", "--dataset", "one", "--images", str(place[0] / "new")]
    words += ["-o", str(tmp_path / "out.parquet"), "--store", str(tmp_path / "store"), "-q", *adapt]
    assert main(words) == 2
    assert "--method greedy-soup: the store" in (shown := capsys.readouterr().err)
    assert "`dawin run EXPERIMENT` makes it" in shown


@pytest.mark.parametrize(
    ("method", "message"),
    [(CLUSTERED, "1 samples, wanted at least 2 for merge.clusters"), (OWN, "--adapt: 1 image, wanted at least 2")],
)
def test_too_few_images_to_be_fitted_to_are_refused(place, tmp_path, capsys, method, message):
    """One image has no spread; without --adapt it is predicted by the fitted rule."""
    tiny.image_folder(tmp_path / "single", 1, 5)
    words = ["predict", place[1], "--method", method, "--dataset", "one", "--images", str(tmp_path / "single")]
    words += ["-o", str(tmp_path / "out.parquet"), "--store", place[2], "-q"]
    assert main([*words, "--adapt"]) == 2
    assert message in capsys.readouterr().err
    assert main(words) == 0
