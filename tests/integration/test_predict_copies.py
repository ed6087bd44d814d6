"""A copy of the fitted data set's images, which counts as other images, gets the predictions of the run."""

import shutil

import numpy as np
import polars as pl
import pytest
import tiny
from runs import run

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.fitted_method import fitted_method
from storage.store import Store

pytestmark = pytest.mark.xdist_group("prefect")

TWO = {"models": [{"name": name, "checkpoint": f"{name}.pt"} for name in ("base", "tuned")]}
THREE = {"models": [*TWO["models"], {"name": "third", "checkpoint": "third.pt"}]}
CASES = {
    "two models": (TWO, {}, "dawin/clusters-2", "dawin/bins-4", "dawin/samples", "output-ensemble/dynamic"),
    "no offset": (TWO, {"offset": False}, "dawin/clusters-2", "dawin/samples"),
    "three models": (THREE, {}, "dawin/clusters-2", "dawin/bins-4", "dawin/samples"),
    "task vectors": (THREE, {"kind": "task-vectors"}, "dawin/clusters-2", "dawin/samples", "classifier-selection"),
    "a measure of logits": (TWO, {"expertise": "max-logit"}, "dawin/clusters-2", "dawin/samples"),
    "a measure with a judge": (TWO, {"expertise": "loss-merged"}, "dawin/clusters-2"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_copy_of_the_images_gets_the_predictions_of_the_run(tmp_path, prefect_api, case):
    """Offset, components and bins of the run, applied one image at a time, are those of the run itself."""
    models, changes, *methods = CASES[case]
    merge = {"granularity": ["clusters", "bins", "samples"], "clusters": 2, "bins": 4, **changes}
    asked = ["output-ensemble", "classifier-selection"]
    file = tiny.experiment(tmp_path, samples=24, merge=merge, baselines=asked, **models)
    tiny.checkpoint(tmp_path / "third.pt", 3)
    run(file, tmp_path / "store")
    shutil.copytree(tmp_path / "one", tmp_path / "copy", copy_function=shutil.copyfile)
    store = ["--store", str(tmp_path / "store")]
    for number, method in enumerate(methods):
        found = tmp_path / f"found{number}.parquet"
        words = ["--method", method, "--dataset", "one", "--images", str(tmp_path / "copy"), "-o", str(found), *store]
        assert main(["predict", file, *words, "-q"]) == 0
        rows = pl.read_parquet(found)
        of_run = fitted_method(load_experiment(file), Store(str(tmp_path / "store")), method, "one").predictions
        wanted = pl.read_parquet(f"{tmp_path}/store/{of_run.prefix}/*.parquet")
        assert rows["prediction"].to_list() == wanted["prediction"].to_list()
        np.testing.assert_allclose(rows["confidence"].to_numpy(), wanted["confidence"].to_numpy(), atol=1e-6)
        assert len(set(wanted["confidence"])) > 20
        known = rows["coefficients"].drop_nulls().to_list()
        np.testing.assert_allclose([sum(row) for row in known], 1, atol=1e-9)
