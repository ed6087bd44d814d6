"""Published numbers of an experiment: beside measured ones in results, and never a reason to compute predictions."""

import polars as pl
import pytest
import runs
import tiny
import yaml

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.reports.published import published_rows
from storage.store import Store


def number(value, method="wise-ft/0.50", dataset="one", **changes):
    return {"method": method, "dataset": dataset, "value": value, "source": "a paper", **changes}


def written(folder, file, *published):
    """Return the example's file with published numbers."""
    content = yaml.safe_load((folder / "tiny.yaml").read_text())
    path = folder / file
    path.write_text(yaml.safe_dump({**content, "published": list(published)}, sort_keys=False))
    return str(path)


@pytest.mark.xdist_group("example")
def test_a_changed_number_writes_the_rows_again_and_computes_nothing(copied, capsys):
    """The new run has an identifier of its own, and all tables of samples stay as they were."""
    folder, _, store, _ = copied
    mine = [number("79.97 %"), number(0.25, dataset="mean/all"), number(1.5, metric="nll")]
    before = {key: at for key, at in runs.written(store).items() if not key.startswith(("results/", "comparisons/"))}
    first, second = (written(folder, f"{i}.yaml", *mine[i:]) for i in (0, 1))
    plans = [checked_plan(load_experiment(file), Store(store)) for file in (first, second)]
    assert len({plan.record.run_id for plan in plans}) == 2
    assert all(not any(step.missing for step in plan.steps()) for plan in plans)
    assert main(["run", first, "--store", store]) == 0
    stages = {line.partition(":")[0] for line in capsys.readouterr().err.splitlines()}
    assert stages & {"extract", "merge", "fit", "evaluate", "aggregate"} == {"aggregate"}
    rows = runs.results_of(Store(store), "tiny", plans[0].record.run_id)
    after = {key: at for key, at in runs.written(store).items() if not key.startswith(("results/", "comparisons/"))}
    assert after == before
    found = published_rows(rows)
    assert sorted(found.select("dataset", "metric", "published").iter_rows()) == [
        ("mean/all", "top1", 0.25),
        ("one", "nll", 1.5),
        ("one", "top1", 0.7997),
    ]
    assert rows.filter(pl.col("published").is_null()).height == rows.height - 3


@pytest.mark.xdist_group("example")
def test_results_show_the_numbers_of_their_metric_and_point_to_others(copied, capsys):
    """`dawin results` prints both numbers below its table; `--metric` shows those of another metric."""
    folder, _, store, _ = copied
    file = written(folder, "shown.yaml", number("79.97 %"), number(1.5, metric="nll"))
    assert main(["run", file, "--store", store]) == 0
    capsys.readouterr()
    assert main(["results", "tiny", "--store", store]) == 0
    shown = capsys.readouterr().out
    assert "published and measured top-1 accuracy, %" in shown
    assert "--metric nll shows published numbers of other metrics" in shown
    assert main(["results", "tiny", "--store", store, "--metric", "nll"]) == 0
    assert "1.5000" in capsys.readouterr().out
    assert main(["plan", file, "--store", store]) == 0
    assert "79.97" not in capsys.readouterr().out


@pytest.mark.xdist_group("example")
def test_the_order_of_published_numbers_does_not_change_the_run(copied):
    """They are a set: the same numbers have one run."""
    folder, _, store, _ = copied
    mine = [number("79.97 %"), number(0.25, dataset="two")]
    files = written(folder, "a.yaml", *mine), written(folder, "b.yaml", *reversed(mine))
    assert len({checked_plan(load_experiment(file), Store(store)).record.run_id for file in files}) == 1


@pytest.mark.parametrize("setting", [None, "tuned"])
def test_accuracies_are_normalised_only_where_a_model_was_tuned_on_the_data_set(tmp_path, prefect_api, setting):
    """`tuned_model` names it: its own accuracy is 1 then, and the others are divided by it."""
    datasets = [{"name": "one", "images": "one"}, {"name": "two", "images": "two", "tuned_model": setting}]
    file = tiny.experiment(tmp_path, samples=12, datasets=datasets, baselines=["individual"], merge={"granularity": []})
    rows = runs.run(file, tmp_path / "store")
    found = rows.filter(metric="normalised_top1", dataset="two")
    if setting is None:
        assert found.is_empty()
        return
    values = runs.table(rows)
    tuned, base = (values[f"individual/{name}", "two", "top1"] for name in ("tuned", "base"))
    assert values["individual/tuned", "two", "normalised_top1"] == 1
    assert values["individual/base", "two", "normalised_top1"] == pytest.approx(base / tuned)
    assert rows.filter(metric="normalised_top1", dataset="one").is_empty()
