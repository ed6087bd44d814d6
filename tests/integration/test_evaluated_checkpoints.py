"""Checkpoints that were evaluated: a look passes them by with few requests, and never one that has to run."""

import json
import os

import boto3
import pytest
import tiny
from counted_requests import counted
from stub_checks import commit_results, summary

from flows.cli import main
from flows.experiment.file import load_experiment
from flows.planning import checkpoint_records, evaluated_checkpoints, new_checkpoints
from storage import keys
from storage.known_manifests import forget_manifests
from storage.store import Store
from storage.verification import _verified


class Watched:
    """An experiment that watches a folder, whose checkpoints are a few bytes each."""

    def __init__(self, folder, place, store):
        models = [{"name": "base", "checkpoint": f"{place}/base.pt"}]
        models += [{"name": "tuned", "checkpoint": f"{place}/finetuned/*"}]
        file = tiny.experiment(folder, samples=6, models=models, baselines=["individual"])
        self.place, self.store, self.file, self.settings = place, Store(store), file, ()
        self.put("base.pt", b"the base")

    def put(self, name, content):
        """Write a file of checkpoints, as old as one that no writer changes any more."""
        if self.place.startswith("s3://"):
            bucket, _, prefix = self.place.removeprefix("s3://").partition("/")
            boto3.client("s3", region_name="us-east-1").put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)
        else:
            path = os.path.join(self.place, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)

    def fill(self, count, start=0):
        """Write checkpoints, a half of them files and a half folders."""
        for number in range(start, start + count):
            name = f"{number:04d}.safetensors" if number % 2 else f"{number:04d}/model.safetensors"
            self.put(f"finetuned/{name}", b"checkpoint %d" % number)

    def look(self):
        """Return the new checkpoints that a process finds which knows nothing yet."""
        forget_manifests()
        _verified.clear()
        checkpoint_records._hashed.cache_clear()
        return list(new_checkpoints.new_checkpoints(load_experiment(self.file, self.settings), self.store))

    def names(self):
        """The names of the new checkpoints."""
        return [new.name for new in self.look()]

    def evaluate(self):
        """Commit results for each new checkpoint and look once more, which notes them."""
        found = self.look()
        commit_results(self.store, found)
        assert self.look() == []
        return found

    def index(self):
        """The key of the object that remembers the evaluated checkpoints."""
        (key,) = self.store.keys("watched")
        return key


@pytest.fixture
def stubbed(monkeypatch):
    """No checkpoint is read, and files count as settled at once."""
    monkeypatch.setattr(new_checkpoints, "confined_check", summary)
    monkeypatch.setattr(evaluated_checkpoints, "_SETTLED_SECONDS", 0.0)


@pytest.fixture
def watched(stubbed, tmp_path):
    """Three evaluated checkpoints in a folder."""
    made = Watched(tmp_path, str(tmp_path), str(tmp_path / "store"))
    made.fill(3)
    made.evaluate()
    return made


def hashed(monkeypatch):
    """Return the list to which the names of checkpoints that are read for their digest are added."""
    read, own = [], checkpoint_records.digest_of_file

    def digest_of_file(file, *rest):
        read.append(os.path.basename(file.name))
        return own(file, *rest)

    monkeypatch.setattr(checkpoint_records, "digest_of_file", digest_of_file)
    return read


@pytest.mark.usefixtures("stubbed")
def test_requests_do_not_grow_with_evaluated_checkpoints(tmp_path, s3):
    """A look costs ten requests beside listings of a thousand keys each, whether 8 checkpoints are evaluated or 40."""
    watched = Watched(tmp_path, f"{s3}/models", f"{s3}/store")
    counts = []
    for count, start in ((8, 0), (32, 8)):
        watched.fill(count, start)
        assert len(watched.evaluate()) == count
        with counted(s3) as requests:
            assert watched.look() == []
        counts.append(requests.total)
    assert counts[0] == counts[1] <= 10, requests.table()


def test_an_evaluated_checkpoint_is_not_read_again(watched, monkeypatch):
    """Another process reads the base alone."""
    read = hashed(monkeypatch)
    assert watched.names() == []
    assert read == ["base.pt"]


def test_a_changed_checkpoint_is_new(watched):
    """Other bytes of the same length under the same name start a run."""
    watched.put("finetuned/0001.safetensors", b"checkpoint X")
    assert watched.names() == ["0001.safetensors"]


def test_a_description_beside_a_checkpoint_makes_it_new(watched, monkeypatch):
    """A file that describes checkpoints may change their runs, so those beside it are looked at again."""
    read = hashed(monkeypatch)
    watched.put("finetuned/0000/config.json", b"{}")
    assert watched.names() == []
    assert read == ["base.pt", "model.safetensors"]


@pytest.mark.parametrize("harm", ["gone", "without manifest", "changed"])
def test_results_that_are_gone_or_damaged_start_a_run_again(watched, harm):
    """As for a checkpoint that no look has noted."""
    key = sorted(filter(keys.is_results, watched.store.keys("results")))[0]
    if harm == "changed":
        content = bytearray(watched.store.read(key))
        content[len(content) // 2] ^= 1
        watched.store.replace(key, bytes(content))
    else:
        watched.store.delete(keys.manifest(key) if harm == "without manifest" else key)
    assert [new.run_id for new in watched.look()] == [keys.run_of(key)]


def test_results_on_s3_that_are_gone_start_a_run_again(stubbed, tmp_path, s3):
    """Their marks are compared with the listing, and no result is read."""
    watched = Watched(tmp_path, f"{s3}/models", f"{s3}/store")
    watched.fill(3)
    watched.evaluate()
    key = sorted(filter(keys.is_results, watched.store.keys("results")))[1]
    watched.store.delete(key)
    assert [new.run_id for new in watched.look()] == [keys.run_of(key)]


def test_another_setting_or_data_set_is_a_run_of_every_checkpoint(watched, tmp_path):
    """The object of one set of inputs says nothing about another set."""
    watched.settings = ("seed=7",)
    assert len(watched.names()) == 3
    watched.settings = ()
    assert watched.names() == []
    tiny.image_folder(tmp_path / "one", 9, 5)
    assert len(watched.names()) == 3


def test_another_base_is_a_run_of_every_checkpoint(watched):
    """The base is a part of every run."""
    watched.put("base.pt", b"another base")
    assert len(watched.names()) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"digest": "", "evaluated": {}}'])
def test_a_damaged_object_costs_time_alone(watched, monkeypatch, caplog, content):
    """Each checkpoint is read once more, none is new, and the next look is quick again."""
    watched.store.replace(watched.index(), content)
    read = hashed(monkeypatch)
    assert watched.names() == []
    assert len(read) == 4
    assert "damaged, looking at each checkpoint" in caplog.text
    read.clear()
    assert watched.names() == []
    assert read == ["base.pt"]


def test_an_object_that_was_changed_by_hand_is_not_believed(watched):
    """An entry that claims another checkpoint's run does not fit the digest of the content."""
    found = json.loads(watched.store.read(watched.index()))
    watched.fill(1, start=5)
    one, *_ = found["evaluated"].values()
    found["evaluated"][f"file://{watched.place}/finetuned/0005.safetensors"] = one
    watched.store.replace(watched.index(), json.dumps(found).encode())
    assert watched.names() == ["0005.safetensors"]


def test_a_copy_is_noted_and_a_missing_checkpoint_forgotten(watched, monkeypatch):
    """A copy under another name is read once; an address that is gone leaves the object."""
    watched.put("finetuned/copy.safetensors", b"checkpoint 1")
    watched.put("finetuned/same.safetensors", b"the base")
    assert watched.names() == []
    os.unlink(f"{watched.place}/finetuned/0001.safetensors")
    read = hashed(monkeypatch)
    assert watched.names() == []
    assert read == ["base.pt"]
    noted = json.loads(watched.store.read(watched.index()))["evaluated"]
    assert sorted(url.rpartition("/")[2] for url in noted) == ["0000", "0002", "copy.safetensors", "same.safetensors"]


def test_a_file_that_has_just_changed_is_not_noted(watched, monkeypatch):
    """It may change once more within the resolution of its times."""
    monkeypatch.setattr(evaluated_checkpoints, "_SETTLED_SECONDS", 3600.0)
    read = hashed(monkeypatch)
    assert watched.names() == []
    assert len(read) == 4


def test_two_watchers_at_once_lose_time_alone(watched, monkeypatch):
    """The one that writes last may know less: the other's checkpoints are read again, and start no run."""
    before = watched.store.read(watched.index())
    watched.fill(2, start=3)
    watched.evaluate()
    watched.store.replace(watched.index(), before)
    read = hashed(monkeypatch)
    assert watched.names() == []
    assert len(read) == 3


@pytest.mark.usefixtures("stubbed")
def test_an_experiment_without_a_pattern_is_refused_at_once(tmp_path, capsys):
    """`dawin watch` names the remedy, with status 2, before any look."""
    file = tiny.experiment(tmp_path)
    assert main(["watch", file, "--store", str(tmp_path / "store")]) == 2
    error = capsys.readouterr().err
    assert "no model's checkpoint is a pattern such as s3://bucket/finetuned/*" in error
    assert "dawin run" in error
