"""Checkpoints that land: whole ones start a run, once each by content; the leaderboard has a row for every one."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.planning import datasets as listings
from flows.planning.check import checked_plan
from flows.planning.new_checkpoints import new_checkpoints
from flows.reports.leaderboard import leaderboard
from storage.errors import ObjectMissing, StoreDenied, StoreUnreachable
from storage.store import Store
from tasks.errors import DatasetError, FitError

pytestmark = pytest.mark.xdist_group("landing")


@pytest.fixture
def landing(tmp_path):
    """An experiment whose tuned model is whatever lies in `finetuned`; nothing does yet."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
    file = tiny.experiment(tmp_path, samples=6, models=models, **settings)
    (tmp_path / "finetuned").mkdir()
    return file, tmp_path / "finetuned", Store(str(tmp_path / "store"))


def found(landing, only=None):
    file, _, store = landing
    return [landed.name for landed in new_checkpoints(load_experiment(file), store, only)]


def test_what_is_not_whole_waits(landing):
    """Uploaded in pieces: at every piece but the last it is passed over."""
    _, folder, _ = landing
    content = Path(tiny.checkpoint(folder.parent / "new.pt", 5)).read_bytes()
    assert found(landing) == []
    for size in (0, 100, len(content) // 2, len(content) - 1):
        (folder / "a.pt").write_bytes(content[:size])
        assert found(landing) == []
    (folder / "a.pt").write_bytes(content)
    assert found(landing) == ["a.pt"]


def test_content_counts_not_names(landing):
    """The base again, and a copy, start nothing."""
    _, folder, _ = landing
    tiny.checkpoint(folder / "a.pt", 5)
    (folder / "b.pt").write_bytes((folder / "a.pt").read_bytes())
    (folder / "base.pt").write_bytes((folder.parent / "base.pt").read_bytes())
    (folder / "notes.txt").write_text("no checkpoint")
    assert found(landing) == ["a.pt"]


def test_one_that_does_not_fit_holds_up_no_other(landing, caplog):
    """Another tower, more classes: whole, but nothing that can be merged with the base."""
    _, folder, _ = landing
    tiny.checkpoint(folder / "a.pt", 5, shape=replace(tiny.SHAPE, width=128, heads=2))
    tiny.checkpoint(folder / "b.pt", 6, classes=7)
    tiny.checkpoint(folder / "c.pt", 7)
    assert found(landing) == ["c.pt"]
    assert re.search(r"a\.pt: passed over: .*does not fit base", caplog.text)
    assert re.search(r"b\.pt: passed over: .*does not fit base", caplog.text)


def test_what_is_wrong_with_the_experiment_is_no_checkpoints_fault(landing, tmp_path):
    """A data set or the base that is missing ends the look, with the name of it."""
    _, folder, _ = landing
    tiny.checkpoint(folder / "a.pt", 5)
    (tmp_path / "two").rename(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"data set two: .*no such folder"):
        found(landing)
    (tmp_path / "base.pt").unlink()
    with pytest.raises(ExperimentError, match=r"model base: checkpoint .*base\.pt: no such file"):
        found(landing)


@pytest.mark.parametrize(
    "error", [ExperimentError("no such tag"), FitError("too few"), KeyError("width"), ObjectMissing("it")]
)
def test_whatever_is_wrong_with_one_holds_up_no_other(landing, caplog, monkeypatch, error):
    """Any error that the experiment has with this checkpoint only, of `prepare` too, is a line in the log."""
    _, folder, _ = landing
    for seed, name in ((5, "a.pt"), (6, "b.pt")):
        tiny.checkpoint(folder / name, seed)

    def fails_for_one(experiment, *rest, **more):
        if experiment.models[1].checkpoint.endswith("/a.pt"):
            raise error
        return checked_plan(experiment, *rest, **more)

    monkeypatch.setattr("flows.planning.new_checkpoints.prepare", fails_for_one)
    assert found(landing) == ["b.pt"]
    assert re.search(rf"/a\.pt: passed over: {re.escape(str(error))}$", caplog.messages[-1])


@pytest.mark.parametrize("error", [StoreUnreachable("no answer"), StoreDenied("no key"), DatasetError("empty")])
def test_what_all_have_in_common_ends_the_look(landing, monkeypatch, error):
    """The store and the data sets are no checkpoint's own, so that none is passed over for them."""
    _, folder, _ = landing
    tiny.checkpoint(folder / "a.pt", 5)

    def fails(*_, **__):
        raise error

    monkeypatch.setattr("flows.planning.new_checkpoints.prepare", fails)
    with pytest.raises(type(error), match=str(error)):
        found(landing)


def test_a_missing_data_set_ends_the_look_beside_a_checkpoint_that_does_not_fit(landing, tmp_path):
    """Both faults come in one error of the experiment; the message names the data set alone."""
    _, folder, _ = landing
    tiny.checkpoint(folder / "a.pt", 5, classes=7)
    (tmp_path / "two").rename(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"^data set two: .*no such folder") as caught:
        found(landing)
    assert "does not fit" not in str(caught.value)


def test_data_sets_are_listed_once_a_look(landing, monkeypatch):
    """However many checkpoints there are."""
    _, folder, _ = landing
    for seed in range(4):
        tiny.checkpoint(folder / f"{seed}.pt", 5 + seed)
    listed = []
    list_dataset = listings.list_dataset
    monkeypatch.setattr(listings, "list_dataset", lambda url, *rest: listed.append(url) or list_dataset(url, *rest))
    assert len(found(landing)) == 4
    assert len(listed) == len(set(listed)) == 2


def test_an_upload_in_parts_is_seen_when_it_is_whole(landing, s3):
    """On S3: nothing before the last part is there and the upload is completed; a half that somebody copied, never."""
    import boto3

    file, folder, store = landing
    client, bucket = boto3.client("s3", region_name="us-east-1"), s3.removeprefix("s3://")
    whole = Path(
        tiny.checkpoint(folder.parent / "new.pt", 5, shape=replace(tiny.SHAPE, width=512, heads=8))
    ).read_bytes()
    base = tiny.checkpoint(folder.parent / "base.pt", 1, shape=replace(tiny.SHAPE, width=512, heads=8))
    experiment = load_experiment(file, (f"models.0.checkpoint={base}", f"models.1.checkpoint={s3}/finetuned/*"))

    def names():
        return [landed.name for landed in new_checkpoints(experiment, store)]

    client.put_object(Bucket=bucket, Key="finetuned/half.pt", Body=whole[: len(whole) // 2])
    place = {"Bucket": bucket, "Key": "finetuned/a.pt"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    parts, size = [], 5 << 20  # the smallest that S3 takes
    assert len(whole) > size
    for number, start in enumerate(range(0, len(whole), size), 1):
        part = client.upload_part(**place, UploadId=upload, PartNumber=number, Body=whole[start : start + size])
        parts.append({"ETag": part["ETag"], "PartNumber": number})
        assert names() == []
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    assert names() == ["a.pt"]


def test_a_folder_is_a_checkpoint_where_the_hubs_libraries_make_it_one(landing):
    """Told or found, the same; what else lies in folders is none."""
    _, folder, _ = landing
    whole = Path(tiny.checkpoint(folder.parent / "new.pt", 5)).read_bytes()
    for name in ("mine/pytorch_model.bin", "mine/notes.txt", "other/deep/pytorch_model.bin", "other/x.pt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(whole)
    assert found(landing) == found(landing, f"{folder}/mine") == ["mine"]
    with pytest.raises(ExperimentError, match=r"other/x\.pt does not match .*finetuned/\*"):
        found(landing, f"{folder}/other/x.pt")


def test_one_may_be_told(landing):
    """As an event does; what does not match the pattern is refused."""
    _, folder, _ = landing
    for seed, name in ((5, "a.pt"), (6, "b.pt")):
        tiny.checkpoint(folder / name, seed)
    assert found(landing, f"{folder}/b.pt") == ["b.pt"]
    with pytest.raises(ExperimentError, match=r"other\.pt does not match .*finetuned/\*"):
        found(landing, f"{folder.parent}/other.pt")


def test_a_pattern_cannot_be_run(landing, tmp_path):
    """It stands for many; nor can the base be one, nor two models."""
    file, _, store = landing
    with pytest.raises(ExperimentError, match="stands for all that land: dawin watch"):
        checked_plan(load_experiment(file), store)
    with pytest.raises(ExperimentError, match="one checkpoint may be a pattern, and not the base's"):
        load_experiment(file, ("models.0.checkpoint=x/*",))
    with pytest.raises(ExperimentError, match=r"no model's checkpoint is a pattern such as s3://bucket/finetuned/\*"):
        list(new_checkpoints(load_experiment(file, (f"models.1.checkpoint={tmp_path}/base.pt",)), store))


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_a_run_that_fails_holds_up_no_other(landing, monkeypatch, capsys):
    """Where there is no deployment; the failure is told at the end, with its checkpoint. No experiment: no work."""
    from flows import watch_checkpoints

    file, folder, store = landing
    for seed, name in ((5, "a.pt"), (6, "b.pt"), (7, "c.pt")):
        tiny.checkpoint(folder / name, seed)
    run = watch_checkpoints.run_experiment

    async def fails_once(experiment, url):
        if experiment.models[1].checkpoint.endswith("b.pt"):
            raise OSError("no space left")
        return await run(experiment, url)

    monkeypatch.setattr(watch_checkpoints, "run_experiment", fails_once)
    assert main(["watch", file, "--once", "--store", store.url]) == 1
    assert re.search(r"1 of 3 runs failed: file://\S+/b\.pt: no space left", capsys.readouterr().err)
    assert set(leaderboard(store, "tiny")["checkpoint"]) == {"a.pt", "c.pt"}
    assert asyncio.run(watch_checkpoints.watch_checkpoints("", store.url)) == []


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_each_gets_a_row_once(landing, capsys, monkeypatch):
    """Ten in a burst, one of them twice; another look starts nothing; a later one only what is new."""
    from flows.watch_checkpoints import watch_checkpoints

    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    file, folder, store = landing
    for seed in range(10):
        tiny.checkpoint(folder / f"{seed}.pt", 10 + seed)
    (folder / "again.pt").write_bytes((folder / "0.pt").read_bytes())
    assert main(["watch", file, "--once", "--store", store.url]) == 0
    assert "10 runs started" in capsys.readouterr().out
    assert asyncio.run(watch_checkpoints(file, store.url)) == []
    tiny.checkpoint(folder / "later.pt", 20)
    assert asyncio.run(watch_checkpoints(file, store.url, f"{folder}/later.pt")) == [f"file://{folder}/later.pt"]
    board = leaderboard(store, "tiny")
    mine = board.filter(method="dawin/samples")
    assert mine["checkpoint"].to_list() == [*(f"{seed}.pt" for seed in range(10)), "later.pt"]
    assert set(board.columns) == {"at", "experiment", "checkpoint", "method", "one", "two", "mean id", "mean ood"}
    assert main(["leaderboard", "tiny", "--store", store.url, "--format", "markdown"]) == 0
    assert "| later.pt" in capsys.readouterr().out.replace("  ", " ")
