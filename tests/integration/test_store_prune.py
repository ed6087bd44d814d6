"""`dawin store prune`: runs go, what the others need stays, and a killed call is finished by the next one."""

import json
from pathlib import Path

import pytest
import runs

from flows.cli import main
from flows.reports.json_models import DOCUMENTS
from flows.upkeep import kept as kept_objects
from flows.upkeep.chosen_runs import RunChoice
from flows.upkeep.prune import prune
from storage import keys
from storage.manifests import read_manifest
from storage.soundness import states
from storage.store import Store
from storage.upkeep import removal

NO_GRACE = ("--grace", "-1")


def files(store):
    """Return the files of a store and their sizes."""
    root = Path(store)
    return {str(p.relative_to(root)): p.stat().st_size for p in root.rglob("*") if p.is_file()}


def pruned(capsys, store, *options):
    """Prune a store and return the document that the command prints."""
    capsys.readouterr()
    assert main(["store", "prune", "--store", store, "--json", *NO_GRACE, *options]) == 0
    return DOCUMENTS["store-prune"].model_validate_json(capsys.readouterr().out)


def passes_to_run(capsys, file, store, *overrides):
    """Return the forward passes that a run of an experiment would take."""
    capsys.readouterr()
    assert main(["plan", file, "--store", store, "--json", *overrides]) == 0
    return DOCUMENTS["plan"].model_validate_json(capsys.readouterr().out).forward_passes.needed


@pytest.fixture
def two(copied):
    """A copy of the example in whose store a second experiment has results too."""
    _, file, store, rows = copied
    runs.run(file, store, "name=other", "merge.clusters=2", "seed=7")
    return file, store, rows


def test_a_finished_run_loses_nothing(copied, capsys):
    """All that results, comparisons, the report and a rerun read stays, whatever its age."""
    _, file, store, rows = copied
    before = files(store)
    document = pruned(capsys, store)
    assert document.runs_kept == 1
    assert not document.runs_removed
    gone = before.keys() - files(store).keys()
    assert not {key for key in gone if keys.is_table(key) or key.endswith(".safetensors")}
    assert not {key: error for key, error in states(Store(store), "").items() if error}
    assert passes_to_run(capsys, file, store) == 0
    assert runs.table(runs.run(file, store)) == runs.table(rows)


def test_a_removed_run_takes_what_only_it_needs(two, capsys):
    """The tables of the other experiment go, those that both need stay, and the first one's results are served."""
    file, store, rows = two
    other = {key for key in files(store) if "experiment=other" in key}
    assert {key.split("/")[0] for key in other} >= {"results", "comparisons"}
    before = files(store)
    document = pruned(capsys, store, "--experiment", "other", "--keep-last", "0")
    assert [run.experiment for run in document.runs_removed] == ["other"]
    left = files(store)
    assert not other & left.keys()
    mixtures = {key for key in before if key.startswith("mixtures/") and keys.is_table(key)}
    assert 0 < len(mixtures & left.keys()) < len(mixtures)
    assert document.bytes_after == pytest.approx(sum(left.values()), rel=0.01)  # the catalogue is written anew
    assert passes_to_run(capsys, file, store) == 0
    for command in (["results"], ["leaderboard"], ["compare", str(rows["experiment"][0])]):
        assert main([*command, "--store", store]) == 0
        assert "other" not in capsys.readouterr().out
    page = Path(store).parent / "page.html"
    assert main(["report", str(rows["experiment"][0]), "--store", store, "-o", str(page)]) == 0
    assert "no longer in the store" not in page.read_text()


def test_a_dry_run_names_the_same_and_removes_nothing(two, capsys):
    """The document of a dry run is that of the call that removes, and no file changes."""
    _, store, _ = two
    before = files(store)
    dry = pruned(capsys, store, "--experiment", "other", "--keep-last", "0", "--dry-run")
    assert files(store) == before
    real = pruned(capsys, store, "--experiment", "other", "--keep-last", "0")
    assert dry.model_copy(update={"is_dry_run": False}) == real
    assert real.bytes_after < real.bytes_before


def test_leftovers_go_and_strangers_stay(copied, capsys):
    """Temporary files and objects without a manifest go once they are old enough; files of others never do."""
    _, _, store, _ = copied
    root = Path(store)
    table = next(key for key in files(store) if key.startswith("mixtures/") and keys.is_table(key))
    ours = {".tmp/" + "0" * 32: b"torn", table.replace("samples-0", "samples-9"): b"torn"}
    others = {"notes.txt": b"mine", "heads/mine.safetensors": b"mine", ".tmp/mine": b"mine", "plans/mine.txt": b"mine"}
    for key, content in (ours | others).items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content)
    assert main(["store", "prune", "--store", store]) == 0
    assert ours.keys() <= files(store).keys()  # younger than an hour
    pruned(capsys, store)
    assert not ours.keys() & files(store).keys()
    assert others.keys() <= files(store).keys()


def test_a_run_without_results_keeps_its_work_for_a_week(two, capsys, monkeypatch):
    """A plan that was written lately protects what it names, and an old one does not."""
    _, store, _ = two
    opened = Store(store)
    results = next(key for key in files(store) if "experiment=other" in key and keys.is_results(key))
    for key in (keys.manifest(results), results):  # as if the run had been killed before it wrote them
        opened.delete(key)
    before = {key for key in files(store) if keys.is_table(key) and not key.startswith(("results", "comparisons"))}
    document = pruned(capsys, store)
    assert [run.experiment for run in document.runs_in_progress] == ["other"]
    assert before <= files(store).keys()
    monkeypatch.setattr(kept_objects, "PLAN_COUNTS", -1.0)
    document = pruned(capsys, store)
    assert not document.runs_in_progress
    assert not before <= files(store).keys()


@pytest.mark.parametrize("after", [0, 1, 3, 8])
def test_a_killed_call_is_finished_by_the_next_one(two, capsys, monkeypatch, after):
    """Stopped after any removal, no manifest is without its object, and another call ends as an undisturbed one."""
    file, store, rows = two
    deleted, delete = [], Store.delete

    class Killed(BaseException):
        pass

    def killing(self, key):
        if len(deleted) >= after and not key.startswith(".tmp/"):
            raise Killed
        deleted.append(key)
        delete(self, key)

    monkeypatch.setattr(Store, "delete", killing)
    with pytest.raises(Killed):
        prune(Store(store), RunChoice(experiment="other", keep_last=0), grace=-1.0)
    monkeypatch.setattr(Store, "delete", delete)
    left = files(store)
    assert not [
        key for key in left if key.endswith(keys.MANIFEST_SUFFIX) and key[: -len(keys.MANIFEST_SUFFIX)] not in left
    ]
    assert main(["results", str(rows["experiment"][0]), "--store", store]) == 0
    if any(keys.is_results(key) and "experiment=other" in key and keys.manifest(key) in left for key in left):
        pruned(capsys, store, "--experiment", "other", "--keep-last", "0")
    else:
        pruned(capsys, store)
    left = files(store)
    assert not {key for key in left if "experiment=other" in key}
    assert passes_to_run(capsys, file, store) == 0
    assert not {key: error for key, error in states(Store(store), "").items() if error}


def test_what_a_new_plan_names_stays_although_it_was_chosen(two, monkeypatch):
    """A run that begins while objects are removed writes its plan; the rest of what it needs stays."""
    file, store, _ = two
    opened = Store(store)
    remove_all, begun = removal._remove_all, []

    def begin(place, chosen):
        remove_all(place, chosen)
        if not begun and any("experiment=other" in key for key in chosen):
            begun.append(runs.planned(file, store, "name=other", "merge.clusters=2", "seed=7"))

    monkeypatch.setattr(removal, "_remove_all", begin)
    prune(opened, RunChoice(experiment="other", keep_last=0), grace=-1.0)
    assert begun
    rows = runs.run(file, store, "name=other", "merge.clusters=2", "seed=7")
    assert rows.height
    assert passes_of(opened, begun[0]) == 0


def passes_of(store, plan):
    """Return the forward passes that are missing of a plan."""
    from flows.planning.written_plan import read_plan

    return read_plan(plan, store).forward_passes.needed


def test_logits_go_and_everything_is_served_without_them(copied, capsys):
    """Outputs lose their logits alone: results, compare, report and a rerun are as before."""
    _, file, store, rows = copied
    name = str(rows["experiment"][0])
    before = files(store)
    document = pruned(capsys, store, "--logits")
    assert document.objects_stripped == len([k for k in before if k.startswith("outputs/") and keys.is_table(k)])
    assert document.bytes_after == pytest.approx(sum(files(store).values()), rel=0.02)  # manifests differ by some bytes
    for command in (["results", name], ["compare", name], ["leaderboard"]):
        assert main([*command, "--store", store]) == 0
    assert passes_to_run(capsys, file, store) == 0
    assert runs.table(runs.run(file, store)) == runs.table(rows)
    assert pruned(capsys, store, "--logits").objects_stripped == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--experiment", "digits"], "--experiment digits: wanted the runs to remove beside it"),
        (["--experiment", "nothing", "--keep-last", "1"], "--experiment nothing: no results; known: "),
    ],
)
def test_wrong_requests_are_refused(example, capsys, options, message):
    """One line, status 2, and nothing goes."""
    store = example[2]
    before = files(store)
    assert main(["store", "prune", "--store", store, *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert files(store) == before


def test_a_folder_that_is_no_store_is_refused(tmp_path, capsys):
    """A place that does not exist is named, with the one that resembles it."""
    (tmp_path / "dawin-store").mkdir()
    assert main(["store", "prune", "--store", str(tmp_path / "dawin-stor")]) == 2
    assert "no such folder; did you mean" in capsys.readouterr().err


def test_results_say_what_they_need(example):
    """The manifest of results names a place for each of a run's tables, and its plan."""
    store = Store(example[2])
    key = next(key for key in store.keys("results") if keys.is_results(key))
    manifest = read_manifest(store, key)
    needs = manifest.identity["needs"]
    assert {place.split("/")[0] for place in needs} >= {"outputs", "coefficients", "predictions", "samples", "datasets"}
    assert store.exists(manifest.measured["plan"])
    assert all(any(found.startswith(place) for found in store.keys(place.split("/")[0])) for place in needs)
    assert json.dumps(needs)
