"""The commands that print facts about a finished run: filters, documents of --json, samples, the list of a store."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
import runs
import tiny

from flows.cli import main
from flows.reports.json_models import DOCUMENTS
from flows.reports.sample_table import COLUMNS
from storage import scan
from storage.pointers import latest_run
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_api")]


@pytest.fixture
def printed(example, capsys):
    """Run a command on the example's store; return what it prints."""

    def run(*words, status=0):
        capsys.readouterr()
        assert main([*words, "--store", example[2]]) == status
        out, err = capsys.readouterr()
        return err if status else out

    return run


def test_results_are_filtered_by_method_and_data_set(printed):
    """A family, a pattern and a member each choose methods; both filters hold at once, in every format."""
    words = ["results", "tiny", "--method", "dawin", "wise-ft/0.?0", "individual/base", "--dataset", "two", "--json"]
    rows = json.loads(printed(*words))
    methods = {row["method"] for row in rows}
    assert {"dawin/clusters-2", "dawin/samples", "individual/base", "wise-ft/0.50"} <= methods
    assert not {"wise-ft/1.00", "individual/tuned", "oracle/samples"} & methods
    assert {row["dataset"] for row in rows} == {"two"}
    assert {row["metric"] for row in json.loads(printed("results", "--metric", "top1", "--json"))} == {"top1"}


def test_the_table_shows_the_metric_in_its_own_unit(printed):
    """Accuracies are percentages; differences of coefficients are as they are stored."""
    words = [
        "results",
        "tiny",
        "--metric",
        "coefficient_error_mean",
        "--dataset",
        "one",
        "--method",
        "dawin/clusters-2",
    ]
    value = json.loads(printed(*words, "--json"))[0]["value"]
    assert f"{value:#.3g}" in printed(*words)
    assert f"{value:.4f}" in printed(*words, "--format", "markdown")


def test_all_shows_every_method(printed):
    """The short table has one row a family."""
    assert "wise-ft/0.90" not in printed("results", "tiny", "--dataset", "one")
    assert "wise-ft/0.90" in printed("results", "tiny", "--all")


def test_a_run_is_shown_by_its_identifier(copied, capsys):
    """An earlier run stays readable after a later one; a run alone names its experiment."""
    _, file, store, _ = copied
    first = latest_run(Store(store), "tiny")
    runs.run(file, store, "baselines=[individual]", "merge.granularity=[samples]")
    for words, several in (([], False), (["--run", first], True)):
        capsys.readouterr()
        assert main(["results", *words, "--store", store, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert (len({row["method"] for row in rows}) > 3) is several
    capsys.readouterr()
    assert main(["store", "list", "--store", store, "--json"]) == 0
    listed = DOCUMENTS["store-list"].model_validate_json(capsys.readouterr().out)
    assert [run.is_latest for run in listed.experiments[0].runs] == [False, True]
    assert listed.experiments[0].runs[0].run_id == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["results", "tiny", "--method", "wise"], "--method wise: not in these results; known: individual/base"),
        (
            ["results", "tiny", "--dataset", "mean/ood"],
            "--dataset mean/ood: a mean is shown beside all of its data sets",
        ),
        (["results", "tiny", "--dataset", "three"], "--dataset three: not in these results; known: one, two"),
        (
            ["results", "tiny", "--metric", "top2"],
            "--metric top2: no such metric in these results; did you mean top1? known: top1",
        ),
        (["results", "tiny", "--metric", "speed"], "--metric speed: no such metric in these results; known: top1"),
        (["results", "tiny", "--run", "r0"], "--run r0: experiment 'tiny' has no such run; known: r"),
        (["results", "--run", "r0"], "--run r0: the store has no such run; known: r"),
        (["results", "other"], "no results of experiment 'other'"),
        (["results", "tiny", "--samples"], "--samples and -o FILE belong together"),
        (["results", "tiny", "-o", "x.csv"], "--samples and -o FILE belong together"),
        (["results", "tiny", "--samples", "-o", "x.txt"], "wanted a file that ends in .parquet or .csv"),
        (["results", "tiny", "--samples", "-o", "no/x.csv"], "no such folder"),
        (["results", "tiny", "--samples", "-o", "x.csv", "--metric", "top1"], "takes neither --metric nor --json"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(printed, words, message, tmp_path, monkeypatch):
    """The message names the option and what exists; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert message in printed(*words, status=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["--json"], ["--samples", "-o", "nothing.csv"]])
def test_a_choice_without_predictions_is_refused_in_every_form(words, tmp_path, capsys, monkeypatch):
    """A method that needs labels has none on a data set without; no empty table, document or file stands for that."""
    monkeypatch.chdir(tmp_path)
    file = tiny.experiment(tmp_path, samples=6)
    for number, image in enumerate(sorted((tmp_path / "two").rglob("*.png"))):
        image.rename(tmp_path / "two" / f"{number}.png")
    for folder in (tmp_path / "two").glob("class*"):
        folder.rmdir()
    assert main(["run", file, "--store", "store"]) == 0
    capsys.readouterr()
    choice = ["--method", "oracle", "--dataset", "two"]
    assert main(["results", "tiny", *choice, *words, "--store", "store"]) == 2
    assert "none of these methods has predictions on these data sets" in capsys.readouterr().err
    assert not (tmp_path / "nothing.csv").exists()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("plan", ["plan", "{file}", "--json"]),
        ("results", ["results", "tiny", "--json"]),
        ("leaderboard", ["leaderboard", "--json"]),
        ("store-list", ["store", "list", "--json"]),
        ("store-verify", ["store", "verify", "--json"]),
        ("store-prune", ["store", "prune", "--dry-run", "--json"]),
    ],
)
def test_json_is_one_document_of_the_commands_model(printed, example, document, words):
    """Standard output holds nothing else."""
    out = printed(*[word.format(file=example[1]) for word in words])
    found = DOCUMENTS[document].model_validate(json.loads(out))
    assert json.loads(found.model_dump_json())


def test_inspect_prints_a_document_for_a_checkpoint_and_for_a_head(example, capsys, tmp_path):
    """A head alone has no tower."""
    import torch

    torch.save({"weight": torch.zeros(5, 24)}, tmp_path / "head.pt")
    for path, classes, family in ((Path(example[0]) / "base.pt", 3, "model-soups"), (tmp_path / "head.pt", 5, "head")):
        assert main(["inspect", str(path), "--json"]) == 0
        found = DOCUMENTS["inspect"].model_validate_json(capsys.readouterr().out)
        assert (found.head.classes, found.family) == (classes, family)
        assert (found.tower is None) is (family == "head")


def test_the_plan_of_a_new_experiment_says_what_is_missing(tmp_path, capsys):
    """Programs read from it whether a run would compute anything."""
    assert main(["plan", tiny.experiment(tmp_path), "--store", str(tmp_path / "none"), "--json"]) == 0
    plan = DOCUMENTS["plan"].model_validate_json(capsys.readouterr().out)
    assert not plan.is_done
    assert plan.steps[0].missing == 30
    assert not (tmp_path / "none").exists()


def test_the_names_of_samples_are_a_table_that_joins_with_predictions(example):
    """Every data set's samples have their paths, labels and the names of these, in order."""
    _, _, store, rows = example
    row = rows.filter(method="dawin/samples", dataset="two", metric="top1").row(0, named=True)
    names = scan("samples", store=store).filter(dataset=row["dataset_digest"]).sort("sample_index").collect()
    assert names["name"].to_list()[:2] == ["class0/00000.png", "class0/00003.png"]
    assert names["label_name"].to_list() == [f"class{i}" for i in names["label"]]
    predictions = scan("predictions", store=store).filter(id=row["samples_id"]).collect()
    joined = predictions.join(names, on=["dataset", "sample_index"], suffix="_of_names")
    assert joined.height == 30
    assert joined["label"].equals(joined["label_of_names"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_predictions_of_all_samples_are_one_file(printed, example, tmp_path, suffix):
    """One row for each data set, method and sample; accuracies that are computed of it are those of the results."""
    file = tmp_path / f"out{suffix}"
    words = ["results", "tiny", "--samples", "-o", str(file), "--method", "dawin", "individual", "--dataset", "two"]
    assert "120 rows" in printed(*words)
    found = pl.read_parquet(file) if suffix == ".parquet" else pl.read_csv(file)
    assert found.columns == list(COLUMNS)
    assert found["name"].str.contains(r"^class\d/\d{5}\.png$").all()
    assert (found["correct"] == (found["prediction_name"] == found["label_name"])).all()
    for method, mine in found.group_by("method"):
        value = example[3].filter(method=method[0], dataset="two", metric="top1")["value"].item()
        assert mine["correct"].mean() == pytest.approx(value)
        assert mine["sample_index"].to_list() == list(range(30))
    assert "exists already" in printed(*words, status=2)


def test_a_store_without_names_gets_them_when_its_experiment_runs_again(copied):
    """Nothing else is computed, and a data set that the store knows is not written again."""
    _, file, store, _ = copied
    for path in (Path(store) / "samples").rglob("*.json"):
        path.unlink()
    before = runs.written(store)
    assert main(["run", file, "--store", store]) == 0
    assert scan("samples", store=store).collect().height == 60
    again = runs.written(store)
    assert {key for key in again if again[key] != before.get(key)} <= {key for key in again if "samples/" in key}
    assert main(["run", file, "--store", store]) == 0
    assert runs.written(store) == again


def test_images_without_labels_have_predictions_by_name(tmp_path, capsys):
    """The table says that accuracies do not exist; the file has every prediction, without a label."""
    file = tiny.experiment(tmp_path, baselines=["individual"], merge={"granularity": ["samples"]})
    for path in sorted((tmp_path / "two").rglob("*.png")):
        path.rename(tmp_path / "two" / path.name)
    store = str(tmp_path / "store")
    runs.run(file, store)
    capsys.readouterr()
    assert main(["results", "tiny", "--store", store]) == 0
    assert "two has no labels" in capsys.readouterr().out
    words = ["results", "tiny", "--dataset", "two", "--samples", "-o", str(tmp_path / "out.csv"), "--store", store]
    assert main(words) == 0
    found = pl.read_csv(tmp_path / "out.csv")
    assert set(found["method"]) == {"individual/base", "individual/tuned", "dawin/samples"}
    assert found["label"].null_count() == found["correct"].null_count() == found.height == 90
    assert found["name"][0] == "00000.png"


def test_the_list_of_a_store_counts_objects_and_bytes(printed, example):
    """By table, with what a run that was interrupted left; the latest run is marked."""
    listed = DOCUMENTS["store-list"].model_validate_json(printed("store", "list", "--json"))
    (experiment,) = listed.experiments
    (run,) = experiment.runs
    assert run.datasets == ["one", "two"]
    assert {"dawin/clusters-2", "oracle/samples"} <= set(run.methods)
    tables = {table.name: table for table in listed.tables}
    parquet = list((Path(example[2]) / "outputs").rglob("*.parquet"))
    assert (tables["outputs"].objects, tables["outputs"].unfinished) == (len(parquet), 0)
    assert tables["outputs"].bytes == sum(path.stat().st_size for path in parquet)
    text = printed("store", "list")
    assert f"{run.run_id} *" in text
    assert all(name in text for name in tables)


def test_the_list_of_an_empty_store_says_so(tmp_path, capsys):
    """It is no error, and creates nothing."""
    assert main(["store", "list", "--store", str(tmp_path / "none")]) == 0
    assert "no results yet" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_unfinished_and_damaged_objects_are_listed(copied, capsys):
    """An object without a manifest is unfinished; a run whose manifest is damaged has no time."""
    _, _, store, _ = copied
    next((Path(store) / "outputs").rglob("*.manifest.json")).unlink()
    next((Path(store) / "results").rglob("*.manifest.json")).write_text("{")
    assert main(["store", "list", "--store", store, "--json"]) == 0
    listed = DOCUMENTS["store-list"].model_validate_json(capsys.readouterr().out)
    assert {table.name: table.unfinished for table in listed.tables}["outputs"] == 1
    assert listed.experiments[0].runs[0].created_at is None


def test_csv_of_results_still_has_every_column(printed):
    """A filter changes rows, and no column."""
    whole, part = (
        pl.read_csv(io.StringIO(printed("results", "--format", "csv", *w))) for w in ([], ["--dataset", "one"])
    )
    assert whole.columns == part.columns
    assert 0 < part.height < whole.height
