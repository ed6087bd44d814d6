"""The file of `dawin predict`: its contents, its summary, its provenance, and its place in a store."""

import json

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from pages import blocks
from predicted import CLUSTERED, OWN, make_place, predict
from runs import written

import dawin
from flows.cli import main
from flows.errors import ExperimentError
from tasks import prediction

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture(scope="module")
def place(tmp_path_factory, prefect_api):
    """A run of two models on two data sets, and other images."""
    return make_place(tmp_path_factory.mktemp("predict"))


def test_the_document_names_counts_coefficients_and_clusters(place, capsys):
    """`--json` prints one document, whose numbers are those of the file."""
    rows = predict(place, CLUSTERED, "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["images"] == 40
    assert document["fitted_on"] == "one"
    assert document["clusters"] == {str(k): n for k, n in rows.group_by("cluster").len().sort("cluster").iter_rows()}
    assert document["classes"] == dict(
        rows["class"].value_counts().sort("count", "class", descending=[True, False]).iter_rows()
    )
    means = np.stack(rows["coefficients"].to_list()).mean(axis=0)
    assert document["coefficients"] == pytest.approx(dict(zip(("base", "tuned"), means, strict=True)))


def test_the_file_says_what_it_was_computed_from(place):
    """Its schema holds the method, the digests of both data sets, and the models in the order of the coefficients."""
    predict(place, OWN)
    kept = {k.decode(): v.decode() for k, v in pq.read_schema(place[0] / "out.parquet").metadata.items()}
    assert kept["dawin.method"] == OWN
    assert [name for name, _ in json.loads(kept["dawin.models"])] == ["base", "tuned"]
    assert kept["dawin.fitted_on"] != kept["dawin.images"]


def test_adapt_claims_no_fit_where_nothing_is_fitted(place, capsys):
    """A fixed merge is the same for all images, and the file says on which data set the method stood."""
    assert predict(place, "wise-ft/0.50", "--adapt").equals(predict(place, "wise-ft/0.50"))
    assert "wise-ft/0.50 as fitted on one" in capsys.readouterr().out
    assert predict(place, "greedy-soup", "--adapt").height == 40


def test_a_file_that_another_process_wrote_meanwhile_stays(place, monkeypatch, capsys):
    """The rows of this process are complete in the store; its file is dropped, and one line says why."""
    out = place[0] / "raced.parquet"
    name = prediction._name

    def raced(unfinished, path):
        out.write_text("theirs")
        name(unfinished, path)

    monkeypatch.setattr(prediction, "_name", raced)
    words = ["predict", place[1], "--method", OWN, "--dataset", "one", "--images", str(place[0] / "new")]
    assert main([*words, "-o", str(out), "--store", place[2], "-q"]) == 2
    assert "raced.parquet: another process has written it meanwhile" in capsys.readouterr().err
    assert out.read_text() == "theirs"
    assert not list(place[0].glob(".raced*"))


def test_the_program_of_the_page_reads_the_file(place, monkeypatch):
    """It selects the images of low confidence, the least sure first."""
    rows = predict(place, CLUSTERED, name="held-out")
    monkeypatch.chdir(place[0])
    names = {}
    for block in blocks("predict.md", "python"):
        exec(compile(block, "predict.md", "exec"), names)
    assert names["unsure"].equals(rows.filter(pl.col("confidence") < 0.5).sort("confidence"))


def test_python_predicts_too(place):
    """`dawin.predict` returns the rows of the file that the command writes."""
    folder, file, store = place
    out = folder / "python.parquet"
    asked = {"method": CLUSTERED, "dataset": "one", "images": folder / "new", "store": store, "progress": False}
    rows = dawin.predict(file, out, **asked).collect()
    assert rows.equals(predict(place, CLUSTERED))
    with pytest.raises(ExperimentError, match=r"python.parquet: exists already"):
        dawin.predict(file, out, **asked)


def test_a_store_with_predictions_is_sound_and_kept(place, capsys):
    """`store verify` finds no fault, and `store prune` keeps the tables while the plan of the predictions counts."""
    predict(place, CLUSTERED)
    assert main(["store", "verify", "--store", place[2]]) == 0
    capsys.readouterr()
    before = written(place[2])
    assert main(["store", "prune", "--keep-last", "1", "--store", place[2]]) == 0
    assert written(place[2]) == before
