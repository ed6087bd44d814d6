"""Planning on S3: a run with nothing to do costs few requests, and a thousand checkpoints no more than ten."""

import boto3
import pytest
import tiny
from counted_requests import counted
from stub_checks import summary

from benchmarks import planning
from benchmarks.planning import Prepared, commit_all, experiment_of
from flows.experiment.file import load_experiment
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoints import Checkpoints
from storage import keys
from storage.known_manifests import forget_manifests
from storage.manifests import uncommit
from storage.store import Store
from storage.verification import _verified

NAMES = "abcdef"


@pytest.fixture
def planned(tmp_path, s3, monkeypatch):
    """A function that checks an experiment of six data sets as a new process does, whose tables a store on S3 holds."""
    monkeypatch.setattr("flows.planning.checkpoints.check_here", summary)
    for number, name in enumerate(NAMES):
        tiny.image_folder(tmp_path / name, 3, number)
    datasets = [{"name": name, "images": name, "group": "id"} for name in NAMES]
    file = tiny.experiment(tmp_path, samples=3, datasets=datasets)
    store = Store(f"{s3}/store")

    def plan():
        forget_manifests()
        _verified.clear()
        checkpoints = Checkpoints(store, None, remember=True, check=summary, experiment="tiny")
        found = checked_plan(load_experiment(file), store, checkpoints=checkpoints)
        checkpoints.keep()
        return found

    commit_all(plan(), store.replace)
    first = plan()
    assert first.is_done
    first.leave_manifests()
    return plan


def test_a_rerun_with_nothing_to_do_plans_with_ten_requests(planned, s3):
    """Records of checkpoints, cuts, names, every table, results and their manifests, for six data sets."""
    with counted(s3) as requests:
        plan = planned()
        assert not any(step.missing for step in plan.steps())
        assert plan.is_done
        assert plan.forward_passes.needed == 0
        plan.leave_manifests()
    assert requests.total <= 10, requests.table()


def test_a_rerun_sees_what_is_missing(planned):
    """An object that was uncommitted since the manifests were left counts as missing, and so do results."""
    plan = planned()
    lost = plan.outputs[3][1]
    uncommit(plan.store, keys.samples(lost.prefix, lost.dataset.spans[0]))
    again = planned()
    assert [step.label for step in again.steps() if step.missing] == ["tuned"]
    assert not again.is_done
    assert again.has_results


@pytest.mark.parametrize("layout", ["{}.safetensors", "{}/model.safetensors"])
def test_requests_do_not_grow_with_the_models_of_an_experiment(s3, tmp_path, layout):
    """Files in one folder, or a folder each, cost a listing; their records lie together."""
    store, client = Store(f"{s3}/store"), boto3.client("s3", region_name="us-east-1")
    for number in range(48):
        key = f"models/{layout.format(number)}"
        client.put_object(Bucket=s3.removeprefix("s3://"), Key=key, Body=b"%d" % number)
    counts = []
    for count in (12, 48):
        content = experiment_of(tmp_path, count).model_dump(mode="json")
        place = f"{s3}/models/{layout.removesuffix('/model.safetensors')}"
        content["models"] = [{**one, "checkpoint": place.format(i)} for i, one in enumerate(content["models"])]
        experiment = Experiment.model_validate(content)
        for again in (False, True):
            checkpoints = Checkpoints(store, None, remember=True, check=planning.summary, experiment="many")
            with counted(s3) as requests:
                plan = checked_plan(experiment, store, checkpoints=checkpoints, datasets=Prepared(100), remember=False)
            checkpoints.keep()
            if again:
                counts.append(requests.total)
        assert [model.model.digest for model in plan.outputs[0]] == [digest(b"%d" % i) for i in range(count)]
    assert counts[0] == counts[1] <= 3


def digest(content):
    """The SHA-256 of bytes."""
    from hashlib import sha256

    return sha256(content).hexdigest()
