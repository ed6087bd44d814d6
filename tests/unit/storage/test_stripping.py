"""Outputs without logits: the other columns stay bit for bit, and readers get a sound object at every moment."""

from itertools import product

import numpy as np
import pyarrow.parquet as pq
import pytest

from storage import keys, scan
from storage.errors import ObjectDamaged, ObjectMissing, SchemaMismatch, VectorsMissing
from storage.manifests import read_manifest
from storage.schemas import COEFFICIENTS, OUTPUTS, PREDICTIONS
from storage.soundness import missing_spans, states
from storage.spans import Span
from storage.store import Store
from storage.stripping import strip_logits
from storage.tables import TableWriter, read_table

PREFIX = keys.outputs("0123", "4567", "89ab")
SPAN = Span(0, 2500)
KEY = keys.samples(PREFIX, SPAN)
STEPS = list(product([0, 1, 2], [False, True]))  # before and after each write
COLUMNS = [name for name in OUTPUTS["fp32"].arrow({"logits": 1}).names if name != "logits"]


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path):
    if request.param == "local":
        return Store(str(tmp_path / "store"))
    return Store(f"{request.getfixturevalue('s3')}/store")


@pytest.fixture
def local(tmp_path):
    return Store(str(tmp_path / "store"))


def write(store, kind="fp32", *, batch=300, seed=1, width=20):
    """Commit one object of outputs as a pass does; two seeds give sound objects of other numbers."""
    random, count = np.random.default_rng(seed), SPAN.length
    numbers = {name: random.random(count) for name in ("loss", "entropy", "confidence", "sum_of_squares")}
    whole = {name: random.integers(0, width, count) for name in ("label", "prediction", "label_rank")}
    logits = random.normal(size=(count, width)).astype(np.float16 if kind == "fp16" else np.float32)
    rows = {"sample_index": np.arange(count), **numbers, **whole, **({} if kind == "none" else {"logits": logits})}
    writer = TableWriter(
        store, KEY, OUTPUTS[kind], identity={"seed": 7}, widths={"logits": 0 if kind == "none" else width}
    )
    for start in range(0, count, batch):
        writer.append({name: values[start : start + batch] for name, values in rows.items()})
    return writer.commit({"seconds": 2.5})


def is_sound(store, kind="fp32"):
    """Assert that a reader, a plan and a scan find one sound object; return whether it has logits."""
    assert read_table(store, KEY, OUTPUTS[kind], COLUMNS).num_rows == SPAN.length
    assert states(store, PREFIX) == {KEY: None}
    assert missing_spans(store, PREFIX, [SPAN]) == []
    assert scan("outputs", store=store).collect().height == SPAN.length
    return not missing_spans(store, PREFIX, [SPAN], vectors=[SPAN])


@pytest.mark.parametrize("kind", ["fp32", "fp16"])
def test_a_stripped_object_is_the_full_one_without_its_logits(store, kind):
    """Rows, identity and what was measured stay; the bytes are those of a run that keeps no logits."""
    before = write(store, kind)
    full = read_table(store, KEY, OUTPUTS[kind])
    assert is_sound(store, kind)
    freed = strip_logits(store, KEY)
    after = read_manifest(store, KEY)
    assert freed == before.bytes - after.bytes > 0
    assert (after.rows, after.identity, after.measured) == (before.rows, before.identity, before.measured)
    assert (after.widths, after.successors) == ({"logits": 0}, ())
    assert read_table(store, KEY, OUTPUTS[kind]).equals(full.drop_columns("logits"))
    with store.open(KEY) as file:
        assert b"dawin.identity" in pq.read_schema(file).metadata
    assert not is_sound(store)
    assert strip_logits(store, KEY) == 0
    other = Store("memory://never-kept")
    write(other, "none")
    assert other.read(KEY) == store.read(KEY)


def test_logits_that_are_not_stored_are_asked_for_in_vain(local):
    """The error says which column the object is without, and how it comes back; the commit stays."""
    write(local, "none")
    with pytest.raises(VectorsMissing, match="stored without logits; `dawin run EXPERIMENT` computes them where"):
        read_table(local, KEY, OUTPUTS["fp32"], ["logits"])
    assert not is_sound(local)


def test_a_scan_shows_null_where_logits_are_missing(store):
    """Objects with and without logits are rows of one table."""
    write(store)
    strip_logits(store, KEY)
    other = keys.samples(keys.outputs("0123", "4567", "0000"), SPAN)
    content, manifest = Store("memory://the-full-one"), write(Store("memory://the-full-one"))
    store.create(other, content.read(KEY))
    described = content.read(keys.manifest(KEY)).replace(KEY.encode(), other.encode())
    store.create(keys.manifest(other), described)
    rows = scan("outputs", store=store).collect()
    assert rows.group_by("id").agg(lengths=rows["logits"].list.len().first()).height == 2
    assert rows.filter(id="89ab")["logits"].null_count() == SPAN.length
    assert rows.filter(id="0000")["logits"].list.len().unique().to_list() == [manifest.widths["logits"]]


def test_a_scan_that_was_made_before_shows_null_afterwards(local):
    """A lazy frame of full objects still collects when their logits are removed meanwhile."""
    write(local)
    frame = scan("outputs", store=local)
    strip_logits(local, KEY)
    assert frame.collect()["logits"].null_count() == SPAN.length


def test_full_outputs_take_the_place_of_stripped_ones_without_a_warning(store, caplog):
    """A run that needs logits writes the object again; nothing was damaged, and one without logits changes nothing."""
    write(store, "none")
    assert write(store).widths == {"logits": 20}
    assert is_sound(store)
    assert write(store, "none").widths == {"logits": 20}
    assert read_table(store, KEY, OUTPUTS["fp32"], ["logits"]).num_rows == SPAN.length
    assert not caplog.records


@pytest.mark.parametrize(("first", "second"), list(product(["none", "fp32"], repeat=2)))
def test_an_object_that_a_killed_run_left_is_adopted_with_or_without_logits(local, first, second, caplog):
    """A writer commits what it finds, and adds the logits only if it has them and the object does not."""
    write(local, first)
    local.delete(keys.manifest(KEY))
    widths = write(local, second).widths
    assert widths == {"logits": 0 if first == second == "none" else 20}
    assert is_sound(local) == bool(widths["logits"])
    assert not caplog.records


class Killed(BaseException):
    """Ends a process at a step: nothing that catches errors sees it."""


def at_write(monkeypatch, step, action):
    """Run an action before or after one write of a store, counted from now."""
    (number, is_after), count, own = step, [0], Store.replace

    def replace(store, *args, **options):
        is_it, count[0] = count[0] == number, count[0] + 1
        if is_it and not is_after:
            action()
        own(store, *args, **options)
        if is_it and is_after:
            action()

    monkeypatch.setattr(Store, "replace", replace)


def killed():
    raise Killed


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("direction", ["strip", "restore"])
def test_a_kill_at_any_write_leaves_a_sound_object(local, monkeypatch, caplog, direction, step):
    """The manifest's entry, the object, the manifest: whichever is the last, readers go on and a call completes it."""
    write(local, "fp32" if direction == "strip" else "none")
    act = (lambda: strip_logits(local, KEY)) if direction == "strip" else (lambda: write(local))
    with monkeypatch.context() as patch:
        at_write(patch, step, killed)
        with pytest.raises(Killed):
            act()
    is_sound(local)
    act()
    assert is_sound(local) == (direction == "restore")
    strip_logits(local, KEY)
    assert not is_sound(local)
    assert not caplog.records


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("acts", list(product(["strip", "restore"], repeat=2)))
def test_another_process_at_any_write_finds_and_leaves_a_sound_object(local, monkeypatch, caplog, acts, step):
    """Two processes that strip, or write full outputs of other numbers, at the same time lose nothing."""
    check_together(local, monkeypatch, acts, step)
    assert not caplog.records


@pytest.mark.parametrize("step", [(1, False), (2, False)])
def test_another_process_on_s3_finds_and_leaves_a_sound_object(s3, monkeypatch, caplog, step):
    """There, a condition of the PUT keeps an entry of the manifest that another process has just written."""
    check_together(Store(f"{s3}/store"), monkeypatch, ("strip", "restore"), step)
    assert not caplog.records


def check_together(store, monkeypatch, acts, step):
    """Run one action, and another one at a write of the first; nothing may be lost or damaged."""
    write(store, "fp32" if acts[0] == "strip" else "none")
    actions = {"strip": lambda: strip_logits(store, KEY), "restore": lambda: write(store, seed=2)}

    def other():
        is_sound(store)
        actions[acts[1]]()
        is_sound(store)

    with monkeypatch.context() as patch:
        at_write(patch, step, other)
        actions[acts[0]]()
    is_sound(store)
    actions["restore"]()
    assert is_sound(store)
    strip_logits(store, KEY)
    assert not is_sound(store)


def test_a_process_that_is_killed_after_another_one_settled_its_object_leaves_a_sound_one(local, monkeypatch):
    """It wrote its entry, waited while others stripped and restored, replaced the object, and died."""
    write(local)

    own, written = Store.replace, []

    def replace(store, key, content, **options):
        written.append(key)
        if len(written) == 2:
            patch.undo()
            strip_logits(store, KEY)
            write(store, seed=2)
            own(store, key, content, **options)
            raise Killed
        own(store, key, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "replace", replace)
        with pytest.raises(Killed):
            strip_logits(local, KEY)
    assert written[1] == KEY
    assert not is_sound(local)
    write(local, seed=2)
    assert is_sound(local)


@pytest.mark.parametrize("moment", ["read", "open", "stat"])
def test_a_reader_that_saw_the_former_manifest_gets_a_sound_object(local, monkeypatch, caplog, moment):
    """The object is stripped between its look at the manifest and its look at the object."""
    write(local)
    own, is_done = getattr(Store, moment), []

    def replaced_meanwhile(self, key, *args, **options):
        found = own(self, key, *args, **options)
        if not is_done:
            is_done.append(True)
            strip_logits(local, KEY)
        return found

    monkeypatch.setattr(Store, moment, replaced_meanwhile)
    is_sound(local)
    assert not caplog.records


def test_a_listing_that_saw_the_former_object_gives_no_damage(store):
    """A plan may list an object and its manifest before they are replaced, and read the manifest afterwards."""
    write(store)
    listing = store.listing(PREFIX)
    strip_logits(store, KEY)
    assert missing_spans(store, PREFIX, [SPAN], listing=listing) == []


def test_a_damaged_object_is_not_stripped(local):
    """The error names the object, whose commit is taken back so that a run computes it again."""
    write(local)
    content = bytearray(local.read(KEY))
    content[len(content) // 2] ^= 1
    local.replace(KEY, bytes(content))
    with pytest.raises(ObjectDamaged, match="wanted SHA-256"):
        strip_logits(local, KEY)
    with pytest.raises(ObjectMissing, match="not committed"):
        strip_logits(local, KEY)


def test_other_tables_keep_their_vectors(local):
    """Coefficients without their vectors would be worth nothing."""
    key = keys.samples(keys.derived("coefficients", "0123", "89ab"), Span(0, 1))
    writer = TableWriter(local, key, COEFFICIENTS, identity={}, widths={"coefficients": 2})
    writer.append({"sample_index": [0], "coefficients": [[0.5, 0.5]]})
    writer.commit()
    with pytest.raises(SchemaMismatch, match="wanted an object of outputs, got one of coefficients"):
        strip_logits(local, key)
    with pytest.raises(SchemaMismatch, match="coefficients: wanted widths of"):
        TableWriter(local, key, COEFFICIENTS, identity={}, widths={"coefficients": 0})
    assert PREDICTIONS.optional == frozenset()
