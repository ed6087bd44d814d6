"""The parts of real plans: what each waits for, on a pool and in one process."""

import json

import pytest
import tiny

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning.check import checked_plan
from flows.planning.plan_parts import parts_of
from storage.store import Store


@pytest.fixture(scope="module")
def planned(multi_task):
    """The plan of an experiment with every kind of made model; nothing is in its store."""
    file = multi_task / "multi.yaml"
    return checked_plan(load_experiment(str(file)), Store(str(multi_task / "no-store")))


def by_name(plan, **options):
    return {part.name: part for part in parts_of(plan, on_pool=False, **options)}


def test_a_soup_waits_for_the_outputs_that_it_reads_and_other_models_for_nothing(planned):
    """AdaMerging learns from the images of all data sets, of which it needs no outputs."""
    parts = by_name(planned)
    assert parts["make greedy-soup"].waits_for == ("extract a",)
    for name in ("ties", "tsv-merge", "iso-c", "model-stock", "adamerging/task-wise", "adamerging/layer-wise++"):
        assert parts[f"make {name}"].waits_for == (), name


def test_a_data_set_waits_for_no_other_one_but_through_a_model(planned):
    """Every part of a data set waits for parts of its own and for models that its merges need."""
    parts = by_name(planned)
    for part in parts.values():
        if part.dataset:
            assert all(parts[name].dataset in (part.dataset, "") for name in part.waits_for), part
    models = {name for name, part in parts.items() if not part.dataset}
    assert set(parts["evaluate b"].waits_for) == {"fit b", *models}
    assert parts["fit b"].waits_for == ("extract b",)
    assert parts["mix outputs of b"].waits_for == ("fit b",)


def test_on_a_pool_no_evaluation_waits_for_models_that_take_long(planned):
    """The merges of models that look at images are evaluated in a pass of their own; together nothing is left out."""
    parts = {part.name: part for part in parts_of(planned, on_pool=True)}
    slow = {"make greedy-soup", *(name for name in parts if "adamerging" in name)}
    assert not slow.intersection(parts["evaluate b"].waits_for)
    assert slow < set(parts["evaluate learnt models on b"].waits_for)
    whole = by_name(planned)["evaluate b"].passes
    assert parts["evaluate b"].passes + parts["evaluate learnt models on b"].passes == whole


def test_the_plan_counts_each_pass_once(planned):
    """The parts of the data sets have as many passes as the plan."""
    for on_pool in (False, True):
        passes = sum(part.passes for part in parts_of(planned, on_pool=on_pool) if part.dataset)
        assert passes == planned.forward_passes.needed


def test_a_judge_is_extracted_when_its_model_is_made(tmp_path):
    """The fit waits for it."""
    settings = ("merge.expertise=loss-merged", "baselines=[individual]", "merge.granularity=[samples]")
    file = tiny.experiment(tmp_path, samples=6)
    parts = by_name(checked_plan(load_experiment(file, settings), Store(str(tmp_path / "store"))))
    (model,) = (name for name, part in parts.items() if not part.dataset)
    assert parts["extract judges on one"].waits_for == ("extract one", model)
    assert parts["fit one"].waits_for == ("extract judges on one",)


def test_plan_prints_the_order_and_json_has_every_part(tmp_path, capsys, monkeypatch):
    """The text has a line for the data sets alike; the document names all parts and those before them."""
    file = tiny.experiment(tmp_path, samples=6, baselines=["individual", "ties/0.30"])
    assert main(["plan", file, "--store", str(tmp_path / "store")]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = lines.index("  order   one, two  extract, fit, evaluate (waits for ties)")
    assert lines[first + 1] == "          ties      at once"
    monkeypatch.setenv("DAWIN_GPU_POOL", "gpu")
    assert main(["plan", file, "--store", str(tmp_path / "store"), "--json"]) == 0
    parts = {part["name"]: part for part in json.loads(capsys.readouterr().out)["parts"]}
    assert parts["evaluate two"]["waits_for"] == ["fit two", "make ties"]
    assert parts["make ties"] == {
        "name": "make ties", "stage": "make", "dataset": None, "waits_for": [], "passes": 0, "missing": 1,
    }  # fmt: skip
