"""Tables of fits by span: no result depends on the cut, killed fits continue, and readers read only what they need."""

import fitted
import numpy as np
import pytest

from storage.errors import ObjectMissing
from storage.schemas import BINS, COEFFICIENTS, COMPONENTS, MIXTURES
from storage.spans import Span
from storage.store import Store
from storage.tables import TableWriter, read_samples, read_table
from tasks import fitting
from tasks.errors import FitError
from tasks.opening.read_coefficients import StoredCoefficients, read_coefficients

SAMPLES = 20_000
FITS = {"coefficients": fitting.fit_coefficients, "mixtures": fitting.fit_mixture, "bins": fitting.fit_bins}
SCHEMAS = {"coefficients": COEFFICIENTS, "mixtures": MIXTURES, "bins": BINS}


def fit_all(store, coefficients):
    """Fit the three tables; return their references by name."""
    references = tables_of(coefficients)
    for name, reference in references.items():
        FITS[name].fn(reference, store)
    return references


def tables_of(own):
    return {"coefficients": own, "mixtures": fitted.clusters_of(own), "bins": fitted.bins_of(own)}


def rows_of(store, name, reference):
    return fitted.rows_of(store, reference, SCHEMAS[name])


@pytest.fixture(scope="module", params=[2, 3], ids=["two models", "three models"])
def whole(request):
    """Everything fitted in objects of all samples: the number of models, and the rows of each table by its name."""
    store, own = Store(f"memory://fits-{request.param}"), fitted.coefficients_of(SAMPLES, SAMPLES, request.param)
    fitted.write_outputs(store, own)
    tables = fit_all(store, own)
    components = read_table(store, tables["mixtures"].components_key, COMPONENTS).to_pydict()
    return request.param, {name: rows_of(store, name, reference) for name, reference in tables.items()}, components


@pytest.mark.parametrize("shard", [7168, 16_384])
def test_no_bit_of_a_fit_depends_on_the_cut(whole, tmp_path, shard):
    """Coefficients, clusters, bins and components are the same in one object and in several, whatever their borders."""
    models, rows, components = whole
    store, own = Store(str(tmp_path)), fitted.coefficients_of(SAMPLES, shard, models)
    fitted.write_outputs(store, own)
    tables = fit_all(store, own)
    for table, reference in tables.items():
        for name, values in rows_of(store, table, reference).items():
            np.testing.assert_array_equal(values, rows[table][name], err_msg=f"{table}.{name}")
    assert read_table(store, tables["mixtures"].components_key, COMPONENTS).to_pydict() == components


@pytest.mark.parametrize(("table", "commits"), [("coefficients", 1), ("mixtures", 1), ("mixtures", 3), ("bins", 2)])
def test_a_fit_that_ends_between_spans_continues(whole, tmp_path, monkeypatch, table, commits):
    """After any commit a rerun writes the other objects alone, equal bit for bit, and fits no mixture twice."""
    models, rows, _ = whole
    store, own = Store(str(tmp_path)), fitted.coefficients_of(SAMPLES, 4096, models)
    fitted.write_outputs(store, own)
    reference = tables_of(own)[table]
    if table != "coefficients":
        fitting.fit_coefficients.fn(own, store)
    committed, commit = [], TableWriter.commit

    def ends(self, measured=None):
        if len(committed) == commits:
            raise KeyboardInterrupt
        committed.append(self)
        return commit(self, measured)

    monkeypatch.setattr(TableWriter, "commit", ends)
    with pytest.raises(KeyboardInterrupt):
        FITS[table].fn(reference, store)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    monkeypatch.setattr(TableWriter, "commit", commit)
    monkeypatch.setattr(fitting, "find_clusters", None)  # the components are in the store
    tally = FITS[table].fn(reference, store)
    in_spans = commits - (table == "mixtures")
    assert tally == (SAMPLES - 4096 * in_spans, 4096 * in_spans)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    for name, values in rows_of(store, table, reference).items():
        np.testing.assert_array_equal(values, rows[table][name])
    assert FITS[table].fn(reference, store) == (0, SAMPLES)


def test_the_components_of_another_run_are_used(whole, tmp_path, monkeypatch):
    """A run whose components come second writes the samples' clusters by the components that are in the store."""
    models, rows, _ = whole
    store, own = Store(str(tmp_path)), fitted.coefficients_of(SAMPLES, 8192, models)
    fitted.write_outputs(store, own)
    fitting.fit_coefficients.fn(own, store)
    mixture, find = fitted.clusters_of(own), fitting.find_clusters

    def second(*args, **settings):
        ours = find(*args, **settings)
        fitting._write_components(store, mixture, ours)  # the other run's, which are the right ones
        return ours._replace(concentration=ours.concentration + 5)

    monkeypatch.setattr(fitting, "find_clusters", second)
    fitting.fit_mixture.fn(mixture, store)
    found = fitted.rows_of(store, mixture, MIXTURES)
    np.testing.assert_array_equal(found["responsibilities"], rows["mixtures"]["responsibilities"])


def test_measures_of_logits_agree_however_they_are_held(tmp_path, monkeypatch):
    """Scores that stay in memory and scores that are computed at each pass give the same coefficients."""
    found = []
    for held in (1 << 26, 0):
        monkeypatch.setattr("tasks.opening.read_scores.HELD_BYTES", held)
        store = Store(str(tmp_path / str(held)))
        own = fitted.coefficients_of(5000, 1024, expertise="loss", column=None)
        fitted.write_outputs(store, own)
        fitting.fit_coefficients.fn(own, store)
        found.append(fitted.rows_of(store, own, COEFFICIENTS)["coefficients"])
    np.testing.assert_array_equal(*found)
    assert np.ptp(found[0][:, 1]) > 0.1


def test_a_span_is_read_from_the_objects_that_hold_it(tmp_path, monkeypatch):
    """Samples 1,000 to 2,099 lie in three of ten objects; the others are not opened, so they may be absent."""
    store, own = Store(str(tmp_path)), fitted.coefficients_of(10_240, 1024)
    fitted.write_outputs(store, own)
    fitting.fit_coefficients.fn(own, store)
    every = np.concatenate(list(StoredCoefficients(store, own)))
    opened = []

    def counted(store, key, *others):
        opened.append(key)
        return read_table(store, key, *others)

    monkeypatch.setattr("tasks.opening.read_coefficients.read_table", counted)
    np.testing.assert_array_equal(read_coefficients(store, own, Span(1000, 2100)), every[1000:2100])
    assert len(opened) == 3
    next((tmp_path / own.prefix).glob("samples-00005120-*.manifest.json")).unlink()
    with pytest.raises(ObjectMissing, match="not committed"):
        read_coefficients(store, own, Span(5000, 5200))
    np.testing.assert_array_equal(read_coefficients(store, own, Span(9000, 10_240)), every[9000:])
    with pytest.raises(ObjectMissing, match="5,120 of 10,240 samples are committed without a gap"):
        read_samples(store, own.prefix, COEFFICIENTS, ["sample_index"], samples=10_240)


def test_a_table_with_objects_of_two_cuts_has_each_sample_once(tmp_path):
    """An earlier version wrote a fitted table as one object; beside the objects of a later run, it counts once."""
    store = Store(str(tmp_path))
    for shard in (5000, 1024):
        own = fitted.coefficients_of(5000, shard)
        fitted.write_outputs(store, own)
        fitting.fit_coefficients.fn(own, store)
    found = read_samples(store, own.prefix, COEFFICIENTS, ["sample_index"], samples=5000)
    np.testing.assert_array_equal(found["sample_index"].to_numpy(), np.arange(5000))
    assert len(list(tmp_path.glob("coefficients/**/*.parquet"))) == 6


def test_fewer_samples_than_clusters_are_refused(tmp_path):
    """The message names the data set and the setting, before anything is read."""
    with pytest.raises(FitError, match=r"data set drawn: 3 samples, wanted at least 4 for merge.clusters"):
        fitting.fit_mixture.fn(fitted.clusters_of(fitted.coefficients_of(3, 1024), 4), Store(str(tmp_path)))
