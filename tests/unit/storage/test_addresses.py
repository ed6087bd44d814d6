"""Addresses: every character stands for itself, no message shows a secret, and results hold no home folder."""

import os
from pathlib import Path

import formats
import polars as pl
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from flows.cli import main
from flows.experiment.file import load_experiment
from storage import scan
from storage.credentials import without_credentials
from storage.errors import StorageError, StoreDenied, StoreUnreachable
from storage.filesystem import absolute, open_filesystem
from storage.locations import Location
from storage.published_addresses import published
from storage.schemas import COMPONENTS
from storage.store import Store
from storage.tables import TableWriter
from tasks.datasets.preprocessing import Preprocessing
from tasks.opening.list_samples import list_dataset

SETTINGS = Preprocessing(size=16, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
ODD = ["a::b", "simplecache::x", "~", "~root", "{a}", "*", "?", "[a]", "a b", "%20", "#x", "zip:", "ä", "$HOME", "-"]


@pytest.mark.parametrize("name", ODD)
def test_every_character_of_a_local_name_stands_for_itself(tmp_path, monkeypatch, name):
    """A folder, an image and a store of an odd name are found under it: it is no chain, pattern, home or variable."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name
    folder.mkdir()
    picture = formats.encoded(1)[0]
    (folder / f"{name}.png").write_bytes(picture)
    assert absolute(name) == f"file://{tmp_path}/{name}"
    samples = list_dataset(name, None, SETTINGS).samples
    assert samples.images.read([0]) == [picture]
    assert len(list_dataset(f"{name}/{name}.png", None, SETTINGS).samples) == 1
    store = Store(name)
    store.create("x/y", b"z")
    assert (store.read("x/y"), (folder / "x" / "y").read_bytes(), list(store.keys("x"))) == (b"z", b"z", ["x/y"])


@pytest.mark.parametrize("name", ["a::b", "{a}", "[a]", "*"])
def test_results_of_a_store_of_an_odd_name_are_read(tmp_path, name):
    """A scan opens the store's files, although polars gives patterns and addresses a meaning of its own."""
    store = Store(str(tmp_path / name))
    key = "components/dataset=a/id=b/samples-00000000-00000000.parquet"
    widths = {"concentration": 2, "coefficients": 2}
    TableWriter(store, key, COMPONENTS, widths=widths, identity={}).commit()
    assert scan("components", store=store).collect().height == 0


@pytest.mark.parametrize("address", ["s3://bucket/a::b", "s3://bucket/zip://x", "memory://a::b/c"])
def test_every_character_of_a_remote_name_stands_for_itself(address, monkeypatch):
    """The file system gets the path exactly as the address has it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert open_filesystem(address)[1].lstrip("/") == address.partition("://")[2]


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("s3://KEY:P4SS@bucket/x", "s3://…@bucket/x"),
        ("s3://KEY:P4/SS@bucket/x", "s3://…@bucket/x"),
        ("s3://KEY:P4SS", "s3://…"),
        ("https://P4SS@host/x", "https://…@host/x"),
        ("file://KEY:P4SS@host/x", "file://…@host/x"),
        ("hf://KEY:P4SS@org/x", "hf://…@org/x"),
    ],
)
def test_addresses_with_credentials_are_refused_and_not_shown(address, seen):
    """Every function that takes an address refuses it, masks the secret and says where credentials belong."""
    for take in (absolute, Store, Location, open_filesystem):
        with pytest.raises(StoreDenied) as caught:
            take(address)
        assert str(caught.value).startswith(f"{seen}: an address holds no credentials; ")
        assert not any(word in str(caught.value) for word in ("P4", "KEY:"))


@pytest.mark.parametrize(
    "address", ["s3://bucket/a@b:c", "file:///a:b@c", "a:b@c", "s3://arn:aws:s3:x:1:accesspoint/a"]
)
def test_addresses_without_credentials_are_accepted(address):
    """An `@` or a `:` after the bucket, in a path or in an ARN is not a secret."""
    assert absolute(address, "/base").endswith(address.removeprefix("file://").removeprefix("s3://"))
    assert without_credentials(f"no file {address}, sorry") == f"no file {address}, sorry"


NAMES = st.text(alphabet="abcKEY0/+=-_~", min_size=1, max_size=20)


@given(
    user=NAMES,
    secret=NAMES,
    before=st.sampled_from(["", "--store=", "('", '"']),
    scheme=st.sampled_from(["s3", "https"]),
)
def test_no_secret_in_an_address_is_ever_shown(user, secret, before, scheme):
    """A message masks the secret, keeps the text after it, and does not change when it is masked again."""
    text = f"wrong: {before}{scheme}://{user.replace('/', '')}x:§{secret}§@bucket/file and more"
    seen = without_credentials(text)
    assert "§" not in seen
    assert seen.endswith("@bucket/file and more")
    assert without_credentials(seen) == seen


def test_the_store_of_the_environment_shows_no_secret(tmp_path, monkeypatch, capsys):
    """The command line masks `DAWIN_STORE`, and also an address among arguments that it does not understand."""
    file = tiny.experiment(tmp_path, samples=3)
    monkeypatch.setenv("DAWIN_STORE", "s3://KEY:P4SS@bucket/store")
    assert main(["plan", file]) == 2
    with pytest.raises(SystemExit):
        main(["plan", file, "--stor", "x", "s3://KEY:P4SS@bucket/\x1b[2J"])
    seen = capsys.readouterr().err
    assert "P4SS" not in seen
    assert "\x1b" not in seen
    assert seen.count("s3://…@bucket/") == 2


@pytest.mark.parametrize(
    ("address", "error"),
    [("\udcff", StoreUnreachable), ("s3://", StoreUnreachable), ("~nobody-of-this-name/x", StoreUnreachable)],
)
def test_invalid_addresses_are_refused_in_printable_text(address, error):
    """Bytes that are not UTF-8, a scheme alone and an unknown home folder each raise an error that can be printed."""
    with pytest.raises(error) as caught:
        absolute(address)
    assert str(caught.value).isprintable()


def test_names_that_are_too_long_for_a_file_system_are_refused(tmp_path):
    """The experiment file already refuses such a name, so that the store does not after hours of work."""
    name = "a" * 256
    with pytest.raises(StorageError):
        Store(str(tmp_path)).create(f"results/experiment={name}/x", b"")
    file = tiny.experiment(tmp_path, samples=3)
    for setting in (f"name={name}", f"models.0.name={name}", f"datasets.0.name={name}", f"datasets.0.group={name}"):
        with pytest.raises(ValueError, match="at most 100 characters"):
            load_experiment(file, (setting,))


def test_results_hold_no_path_of_a_home_folder(tmp_path):
    """A file of the store keeps its path there, another local file two names, and a remote file its address."""
    store = Store(str(tmp_path / "store"))
    home = Path.home()
    wanted = {
        f"{store.url}/checkpoints/a.pt": "store:checkpoints/a.pt",
        f"file://{home}/a.pt": "a.pt",
        f"file://{home}/work/run7/a.pt": "run7/a.pt",
        "file:///home/somebody/a.pt": "a.pt",
        "file:///a.pt": "a.pt",
        "s3://bucket/x/a.pt": "s3://bucket/x/a.pt",
        "hf://org/model/a.pt": "hf://org/model/a.pt",
        "merge:ties/0.30": "merge:ties/0.30",
    }
    assert {url: published(url, store) for url in wanted} == wanted
    assert published(f"{store.url}/a.pt", Store("s3://bucket/store")) == "store/a.pt"


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_no_table_of_a_run_holds_the_path_of_its_files(tmp_path, capsys):
    """No object of a run contains the path of its inputs, and the leaderboard still names the checkpoint."""
    file = tiny.experiment(tmp_path, samples=6, merge={"granularity": ["samples"]}, baselines=["individual"])
    store = tmp_path / "store"
    assert main(["run", file, "--store", str(store)]) == 0
    (results,) = store.rglob("results.parquet")
    assert set(pl.read_parquet(results)["checkpoints"].explode()) == {
        f"{tmp_path.name}/{n}.pt" for n in ("base", "tuned")
    }
    for path in store.rglob("*.parquet*"):
        assert os.fsencode(tmp_path.parent) not in path.read_bytes(), path
    capsys.readouterr()
    assert main(["leaderboard", "--store", str(store), "--format", "csv"]) == 0
    assert ",tuned.pt," in capsys.readouterr().out
