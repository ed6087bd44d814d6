"""New checkpoints: each complete one starts one run by its content, and the leaderboard has a row for it."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
import tiny

from flows.cli import main
from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.planning import datasets
from flows.planning.check import checked_plan
from flows.planning.new_checkpoints import new_checkpoints
from flows.reports.leaderboard import leaderboard
from storage import keys
from storage.errors import ObjectMissing, StoreDenied, StoreUnreachable
from storage.store import Store
from tasks.errors import DatasetError, FitError

pytestmark = pytest.mark.xdist_group("watched")


@pytest.fixture
def watched(tmp_path):
    """An experiment that watches the folder `finetuned`, which is empty: its file, the folder and a store."""
    models = [{"name": "base", "checkpoint": "base.pt"}, {"name": "tuned", "checkpoint": "finetuned/*"}]
    settings = {"merge": {"granularity": ["samples"], "offset": False}, "baselines": ["individual"]}
    file = tiny.experiment(tmp_path, samples=6, models=models, **settings)
    (tmp_path / "finetuned").mkdir()
    return file, tmp_path / "finetuned", Store(str(tmp_path / "store"))


def found(watched, only=None):
    file, _, store = watched
    return [new.name for new in new_checkpoints(load_experiment(file), store, only)]


def test_an_incomplete_checkpoint_waits(watched):
    """A file that is written in pieces is passed over at every piece but the last."""
    _, folder, _ = watched
    content = Path(tiny.checkpoint(folder.parent / "new.pt", 5)).read_bytes()
    assert found(watched) == []
    for size in (0, 100, len(content) // 2, len(content) - 1):
        (folder / "a.pt").write_bytes(content[:size])
        assert found(watched) == []
    (folder / "a.pt").write_bytes(content)
    assert found(watched) == ["a.pt"]


def test_content_counts_not_names(watched):
    """The base under another name, a copy, and a file that is no checkpoint start nothing."""
    _, folder, _ = watched
    tiny.checkpoint(folder / "a.pt", 5)
    (folder / "b.pt").write_bytes((folder / "a.pt").read_bytes())
    (folder / "base.pt").write_bytes((folder.parent / "base.pt").read_bytes())
    (folder / "notes.txt").write_text("no checkpoint")
    assert found(watched) == ["a.pt"]


def test_a_checkpoint_that_does_not_fit_holds_up_no_other(watched, caplog):
    """Another tower, or another number of classes, cannot be merged with the base, and is logged."""
    _, folder, _ = watched
    tiny.checkpoint(folder / "a.pt", 5, shape=replace(tiny.SHAPE, width=128, heads=2))
    tiny.checkpoint(folder / "b.pt", 6, classes=7)
    tiny.checkpoint(folder / "c.pt", 7)
    assert found(watched) == ["c.pt"]
    assert re.search(r"a\.pt: passed over: .*does not fit base", caplog.text)
    assert re.search(r"b\.pt: passed over: .*does not fit base", caplog.text)


def test_a_fault_of_the_experiment_ends_the_look(watched, tmp_path):
    """A missing data set, or a missing base, is an error that names it, and no checkpoint is passed over for it."""
    _, folder, _ = watched
    tiny.checkpoint(folder / "a.pt", 5)
    (tmp_path / "two").rename(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"data set two: .*no such folder"):
        found(watched)
    (tmp_path / "base.pt").unlink()
    with pytest.raises(ExperimentError, match=r"model base: checkpoint .*base\.pt: no such file"):
        found(watched)


@pytest.mark.parametrize(
    "error", [ExperimentError("no such tag"), FitError("too few"), KeyError("width"), ObjectMissing("it")]
)
def test_any_error_with_one_checkpoint_holds_up_no_other(watched, caplog, monkeypatch, error):
    """An error that the experiment has with one checkpoint alone is a line in the log."""
    _, folder, _ = watched
    for seed, name in ((5, "a.pt"), (6, "b.pt")):
        tiny.checkpoint(folder / name, seed)

    def fails_for_one(experiment, *rest, **more):
        if experiment.models[1].checkpoint.endswith("/a.pt"):
            raise error
        return checked_plan(experiment, *rest, **more)

    monkeypatch.setattr("flows.planning.new_checkpoints.checked_plan", fails_for_one)
    assert found(watched) == ["b.pt"]
    assert re.search(rf"/a\.pt: passed over: {re.escape(str(error))}$", caplog.messages[-1])


@pytest.mark.parametrize("error", [StoreUnreachable("no answer"), StoreDenied("no key"), DatasetError("empty")])
def test_an_error_of_all_checkpoints_ends_the_look(watched, monkeypatch, error):
    """Faults of the store and of data sets belong to no checkpoint, so none is passed over for them."""
    _, folder, _ = watched
    tiny.checkpoint(folder / "a.pt", 5)

    def fails(*_, **__):
        raise error

    monkeypatch.setattr("flows.planning.new_checkpoints.checked_plan", fails)
    with pytest.raises(type(error), match=str(error)):
        found(watched)


def test_a_missing_data_set_ends_the_look_beside_a_checkpoint_that_does_not_fit(watched, tmp_path):
    """Of two faults the message names the data set alone."""
    _, folder, _ = watched
    tiny.checkpoint(folder / "a.pt", 5, classes=7)
    (tmp_path / "two").rename(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"^data set two: .*no such folder") as caught:
        found(watched)
    assert "does not fit" not in str(caught.value)


def test_data_sets_are_listed_once_per_look(watched, monkeypatch):
    """A look at four checkpoints lists each of the two data sets once."""
    _, folder, _ = watched
    for seed in range(4):
        tiny.checkpoint(folder / f"{seed}.pt", 5 + seed)
    listed = []
    list_dataset = datasets.list_dataset
    monkeypatch.setattr(datasets, "list_dataset", lambda url, *rest: listed.append(url) or list_dataset(url, *rest))
    assert len(found(watched)) == 4
    assert len(listed) == len(set(listed)) == 2


def test_an_upload_in_parts_is_found_when_it_is_complete(watched, s3):
    """On S3 a multipart upload is found after its completion and not before, and a copied half never."""
    import boto3

    file, folder, store = watched
    client, bucket = boto3.client("s3", region_name="us-east-1"), s3.removeprefix("s3://")
    whole = Path(
        tiny.checkpoint(folder.parent / "new.pt", 5, shape=replace(tiny.SHAPE, width=512, heads=8))
    ).read_bytes()
    base = tiny.checkpoint(folder.parent / "base.pt", 1, shape=replace(tiny.SHAPE, width=512, heads=8))
    experiment = load_experiment(file, (f"models.0.checkpoint={base}", f"models.1.checkpoint={s3}/finetuned/*"))

    def names():
        return [new.name for new in new_checkpoints(experiment, store)]

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


def test_a_folder_is_a_checkpoint_where_the_hubs_libraries_make_it_one(watched):
    """A folder with a file of such a name is one checkpoint; other files in folders are none."""
    _, folder, _ = watched
    whole = Path(tiny.checkpoint(folder.parent / "new.pt", 5)).read_bytes()
    for name in ("mine/pytorch_model.bin", "mine/notes.txt", "other/deep/pytorch_model.bin", "other/x.pt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(whole)
    assert found(watched) == found(watched, f"{folder}/mine") == ["mine"]
    with pytest.raises(ExperimentError, match=r"other/x\.pt does not match .*finetuned/\*"):
        found(watched, f"{folder}/other/x.pt")


def test_an_event_may_name_one_checkpoint(watched):
    """Only the named checkpoint is looked at, and an address that does not match the pattern is refused."""
    _, folder, _ = watched
    for seed, name in ((5, "a.pt"), (6, "b.pt")):
        tiny.checkpoint(folder / name, seed)
    assert found(watched, f"{folder}/b.pt") == ["b.pt"]
    with pytest.raises(ExperimentError, match=r"other\.pt does not match .*finetuned/\*"):
        found(watched, f"{folder.parent}/other.pt")


def test_a_pattern_cannot_be_run(watched, tmp_path):
    """`run` refuses a pattern, and an experiment may have at most one, and not for the base."""
    file, _, store = watched
    with pytest.raises(ExperimentError, match="is a pattern: dawin watch runs what matches it"):
        checked_plan(load_experiment(file), store)
    with pytest.raises(ExperimentError, match="one checkpoint may be a pattern, and not the base's"):
        load_experiment(file, ("models.0.checkpoint=x/*",))
    with pytest.raises(ExperimentError, match=r"no model's checkpoint is a pattern such as s3://bucket/finetuned/\*"):
        list(new_checkpoints(load_experiment(file, (f"models.1.checkpoint={tmp_path}/base.pt",)), store))


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_a_run_that_fails_holds_up_no_other(watched, monkeypatch, capsys):
    """Without a deployment the other runs complete, and the failed one is reported at the end with its checkpoint."""
    from flows import watch_checkpoints

    file, folder, store = watched
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
def test_each_checkpoint_gets_one_row(watched, capsys, monkeypatch):
    """Ten checkpoints and a copy give ten runs; another look starts nothing, and a later one runs what is new."""
    from flows.watch_checkpoints import watch_checkpoints

    monkeypatch.setenv("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE", "false")
    file, folder, store = watched
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
    means = {"mean id", "mean ood", "mean all"}
    assert set(board.columns) == {"at", "experiment", "checkpoint", "method", "one", "two"} | means
    assert "later.pt" in store.read(keys.LEADERBOARD).decode()
    assert main(["leaderboard", "tiny", "--store", store.url, "--format", "markdown"]) == 0
    assert "| later.pt" in capsys.readouterr().out.replace("  ", " ")
