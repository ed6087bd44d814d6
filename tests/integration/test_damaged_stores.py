"""Damaged stores: `plan` finds the damage, `results` never shows a wrong table, and one `run` repairs everything."""

import shutil
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from damage import DAMAGE, delete, described, flipped, rewritten, with_value
from every_kind import every_kind
from polars.testing import assert_frame_equal
from pool_here import run_here, use_pool_here

from flows.cli import main
from flows.workers.dispatch import ChildFailed
from storage import keys, scan
from storage.catalogue import faults
from storage.errors import ObjectDamaged
from storage.soundness import report_again, states
from storage.store import Store

pytestmark = [pytest.mark.xdist_group("damage"), pytest.mark.usefixtures("prefect_api")]

TABLES = ["outputs", "coefficients", "mixtures", "components", "bins", "predictions", "results", "heads", "made-models"]


@pytest.fixture(scope="module")
def example(tmp_path_factory, prefect_api):
    """Return the file and the store of an experiment that has every kind of object and was run once."""
    folder = tmp_path_factory.mktemp("example")
    file = every_kind(
        folder,
        distance=0.01,
        datasets=[{"name": "one", "images": "one", "group": "id"}],
        merge={"granularity": ["clusters", "bins", "samples"], "clusters": 2, "bins": 3},
        baselines=["individual", "output-ensemble/uniform", "ties/0.30"],
    )
    store = str(folder / "store")
    assert main(["run", file, "--store", store]) == 0
    return file, Store(store)


@pytest.fixture
def damaged(example, tmp_path):
    """Return the experiment file and a copy of the store, which a test may damage."""
    file, store = example
    folder = Path(store.url.removeprefix("file://"))
    shutil.copytree(folder, tmp_path / "store")
    report_again()
    return file, Store(str(tmp_path / "store"))


def objects(store, table):
    """Return the keys of a table's committed objects."""
    found = [key for key in store.keys(table) if keys.manifest(key) in store.listing(table)]
    assert found, table
    return found


def rows(content):
    """Return the rows of a Parquet object without the times of their making and computing."""
    frame = pl.read_parquet(BytesIO(content))
    return frame.drop("created_at", "seconds", "images_per_second", strict=False)


def computed(store):
    """Return the keys of all objects but those of the catalogue, whose names differ between stores."""
    return [key for key in store.listing() if not key.startswith(("catalogue/", "known-manifests/"))]


def assert_repaired(store, undisturbed):
    """Assert that every object exists, is sound and equals that of the undisturbed store."""
    wanted = computed(undisturbed)
    assert computed(store) == wanted
    assert not {key: error for key, error in states(store, "").items() if error}
    assert faults(store) == []
    for key in wanted:
        if key.endswith(".parquet"):
            assert_frame_equal(rows(store.read(key)), rows(undisturbed.read(key)), check_exact=True)
        elif not key.endswith((keys.MANIFEST_SUFFIX, ".html")):  # a report shows the times too
            assert store.read(key) == undisturbed.read(key), key


def asked(capsys, *arguments):
    """Run the command line; return its status, its output, and the lines on standard error."""
    status = main(list(arguments))
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert "JSONDecodeError" not in shown.out + shown.err
    return status, shown.out, shown.err.splitlines()


SILENT = (
    "deleted",
    "without manifest",
    "emptied, without manifest",
)  # an object without a manifest is missing, and not damaged
CASES = [
    ("all", "vanished"),
    ("all", "another bit"),
    ("all", "emptied, without manifest"),
    ("all", "manifest of a newer version"),
    ("outputs", "without manifest"),
    ("coefficients", "deleted"),
    ("mixtures", "torn"),
    ("components", "deleted"),
    ("bins", "manifest without JSON"),
    ("predictions", "another bit"),
    ("results", "vanished"),
    ("heads", "empty"),
    ("made-models", "manifest of other rows"),
]


@pytest.mark.parametrize(("table", "kind"), CASES)
def test_one_run_repairs_a_damaged_store(example, damaged, table, kind, request):
    """A plan counts damage as missing and names it, results are right or refused, and a run computes it again."""
    (file, store), capsys, caplog = damaged, *map(request.getfixturevalue, ("capsys", "caplog"))
    harmed = [objects(store, name)[0] for name in (TABLES if table == "all" else [table])]
    if kind in SILENT:
        harmed = [
            key for key in harmed if key.split("/")[0] not in ("heads", "made-models")
        ]  # a plan does not show these: a run makes them when it needs them
    for key in harmed:
        DAMAGE[kind](store, key)
    status, shown, _ = asked(capsys, "plan", file, "--store", store.url)
    assert status == 0
    assert "to run" in shown
    if table != "results":
        assert any(word in line for line in shown.splitlines()[2:] for word in ("samples to run", "to make"))
    if kind not in SILENT:
        named = [key for key in harmed if not key.startswith("results/")]
        assert all(store.address(key) in caplog.text for key in named)
    check_results(capsys, store, example[1], is_harmed=any(key.startswith("results/") for key in harmed))
    assert asked(capsys, "run", file, "--store", store.url)[0] == 0
    assert_repaired(store, example[1])


def test_predictions_are_computed_again_with_the_same_bits_whichever_are_missing(example, damaged, capsys):
    """The samples of a batch, and with them the last bits of a product, do not depend on where a run was killed."""
    file, store = damaged
    for prefix in sorted({key.rpartition("/")[0] for key in objects(store, "predictions")}):
        shutil.rmtree(store.address(prefix).removeprefix("file://"))
        assert asked(capsys, "run", file, "--store", store.url)[0] == 0
        assert_repaired(store, example[1])


def check_results(capsys, store, undisturbed, *, is_harmed):
    """Assert that `results` shows the undisturbed store's table or, where it was harmed, one line that names it."""
    status, shown, complaints = asked(capsys, "results", "tiny", "--store", store.url)
    if is_harmed:
        assert status == 2
        assert shown == ""
        assert [line for line in complaints if line.startswith("dawin: ")] == complaints[-1:]
        assert "results" in complaints[-1]
    else:
        assert (status, shown) == asked(capsys, "results", "tiny", "--store", undisturbed.url)[:2]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"run_id": 7}'])
def test_a_damaged_record_of_the_latest_run_is_written_again(example, damaged, content, capsys, caplog):
    """Until a run does so, `results` shows the run that was written last, and logs this in one line."""
    file, store = damaged
    store.replace(keys.latest("tiny"), content)
    check_results(capsys, store, example[1], is_harmed=False)
    assert "latest.json: damaged, taking the run written last" in caplog.text
    assert asked(capsys, "run", file, "--store", store.url)[0] == 0
    assert_repaired(store, example[1])


@pytest.mark.parametrize("content", [b"", b"{}", b'{"sha256": "abc"}', b'{"classes": 3}'])
def test_a_damaged_record_of_a_checkpoint_is_made_again(example, damaged, content, capsys, caplog):
    """A plan and a run read the checkpoint again, and nothing else is computed."""
    file, store = damaged
    records = list(store.keys("checkpoints"))
    assert records
    for key in records:
        store.replace(key, content)
    status, shown, _ = asked(capsys, "plan", file, "--store", store.url)
    assert status == 0
    assert "0 to run" in shown
    assert asked(capsys, "run", file, "--store", store.url)[0] == 0
    assert_repaired(store, example[1])
    for key in records:
        remedy = "reading each record" if "experiment=" in key else "reading the checkpoint again"
        assert f"{store.address(key)}: damaged, {remedy}" in caplog.text


def test_one_experiments_damage_does_not_hide_other_experiments(damaged, capsys, caplog):
    """Results, the leaderboard and a scan show the sound experiments, and log one line for the damaged one."""
    file, store = damaged
    assert main(["run", file, "--store", store.url, "--set", "name=other"]) == 0
    (key,) = [key for key in objects(store, "results") if "experiment=other" in key]
    store.replace(key, b"torn")
    store.replace("results/experiment=other/notes.manifest.json", b"x")
    capsys.readouterr()
    line = f"left out: {store.address(key)}: damaged, wanted "
    for arguments in (["results"], ["leaderboard"]):
        caplog.clear()
        status, shown, _ = asked(capsys, *arguments, "--store", store.url)
        assert status == 0
        assert "individual/base" in shown
        assert len([r for r in caplog.records if r.getMessage().startswith(line)]) == 1
    caplog.clear()
    assert scan("results", store=store).collect()["experiment"].unique().to_list() == ["tiny"]
    assert caplog.text.count(line) == 1
    for arguments in (["results", "tiny"], ["leaderboard", "tiny"]):
        caplog.clear()
        assert asked(capsys, *arguments, "--store", store.url)[0] == 0
        assert "damaged" not in caplog.text
    for arguments in (["results", "other"], ["leaderboard", "other"]):
        status, _, complaints = asked(capsys, *arguments, "--store", store.url)
        assert status == 2
        assert complaints[-1].startswith(f"dawin: {store.address(key)}: damaged")


@pytest.mark.parametrize("verify", ["sha256", "size"])
def test_damage_that_only_reading_shows_is_repaired_in_the_same_run(example, damaged, verify, monkeypatch, capsys):
    """A reader takes the commit back, and the run computes the object again instead of failing."""
    file, store = damaged
    monkeypatch.setenv("DAWIN_VERIFY", verify)
    harmed = objects(store, "outputs")[0]
    described(store, harmed, rewritten(store.read(harmed), with_value("entropy", 3, float("nan"))))
    for table in ("coefficients", "results"):
        delete(store, objects(store, table)[0])
    assert main(["run", file, "--store", store.url]) == 0
    warned = capsys.readouterr().err
    assert f"{store.address(harmed)}: damaged, column entropy: wanted finite numbers, got nan in row 3" in warned
    assert_repaired(store, example[1])


def test_on_s3_damage_that_no_listing_shows_is_repaired_in_the_same_run(example, s3, capsys):
    """A plan reads no object there; a task and a child flow each find one flipped bit, and the run repairs both."""
    file, undisturbed = example
    store = Store(f"{s3}/store")
    for key in sorted(undisturbed.keys()):
        store.replace(key, undisturbed.read(key))
    harmed = [objects(store, table)[0] for table in ("coefficients", "predictions")]
    for key in harmed:
        store.replace(key, flipped(store.read(key)))
    for table in ("bins", "results"):
        delete(store, objects(store, table)[0])
    assert main(["run", file, "--store", store.url]) == 0
    warned = capsys.readouterr().err
    assert all(f"{store.address(key)}: damaged, wanted SHA-256" in warned for key in harmed)
    assert_repaired(store, undisturbed)


@pytest.mark.parametrize("how", ["on a pool", "read by two"])
def test_damage_that_another_reader_found_first_is_repaired_in_the_same_run(example, damaged, how, monkeypatch, capsys):
    """The run repairs it although a child on a pool hides its error, or a second reader finds no commit any more."""
    file, store = damaged
    harmed = objects(store, "mixtures")[0]
    described(store, harmed, rewritten(store.read(harmed), with_value("coefficients", 3, [float("nan"), 0.5])))
    for table in ("predictions", "results"):
        for key in objects(store, table):
            delete(store, key)
    failures = []

    async def elsewhere(child, _):
        try:
            await run_here(child)
        except ObjectDamaged as error:
            failures.append(error)
            if how == "read by two":
                await run_here(child)
            raise ChildFailed("its run ended as Failed") from None

    use_pool_here(monkeypatch, elsewhere)
    assert main(["run", file, "--store", store.url]) == 0
    warned = capsys.readouterr().err
    assert len(failures) == 1
    missing = f"{store.address(harmed)}: not committed"
    assert ("damaged objects of mixtures one" if how == "on a pool" else missing) in warned
    assert_repaired(store, example[1])


def test_a_child_that_fails_without_damage_fails_the_run(damaged, monkeypatch):
    """The run does not try again, because no object has lost its commit."""
    file, store = damaged
    delete(store, objects(store, "outputs")[0])
    sent = []

    async def failing(child, _):
        sent.append(child)
        raise ChildFailed("its run ended as Crashed")

    use_pool_here(monkeypatch, failing)
    assert main(["run", file, "--store", store.url]) == 1
    assert len(sent) == 1
