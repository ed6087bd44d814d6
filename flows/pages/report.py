"""The report of one run: everything that it shows, and the file in the store."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib.metadata import version

from flows.pages.comparisons_of import comparisons_of
from flows.pages.figures import listed
from flows.pages.frame.render import render
from flows.pages.parts import Page, Section
from flows.pages.run_data import RunData
from flows.pages.run_plan import plan_of
from flows.pages.sample_facts import SampleFacts, sample_facts
from flows.pages.sections.calibration import calibration
from flows.pages.sections.class_gains import class_gains
from flows.pages.sections.cluster_hits import cluster_hits
from flows.pages.sections.costs import costs
from flows.pages.sections.dataset_accuracies import dataset_accuracies
from flows.pages.sections.distributions import distributions
from flows.pages.sections.outcome import outcome
from flows.pages.sections.provenance import provenance
from flows.pages.sections.published_numbers import published_numbers
from flows.pages.sections.result_tables import result_tables
from flows.pages.sections.shift_tradeoff import shift_tradeoff
from flows.pages.sections.won_and_lost import won_and_lost
from flows.reports.tables import results_of
from storage import keys
from storage.manifests import read_manifest
from storage.open_looks import looking
from storage.pointers import latest_run
from storage.store import Store

log = logging.getLogger("dawin.report")

_NO_PLAN = (
    "The store no longer holds the plan of this run, or another version of dawin wrote it: the sections about single "
    "samples are left out. `dawin run` with the same experiment writes it again and computes nothing."
)


def write_report(store: Store, experiment: str, run_id: str, *, plan: str) -> str | None:
    """Write the report of a run beside its results, and return its address.

    A fault never fails the run: it is a warning in the log, and the answer is None.

    Args:
        store: holds the results.
        experiment: the experiment's name.
        run_id: the run.
        plan: key of its plan in the store.
    """
    try:
        key = keys.report(experiment, run_id)
        store.replace(key, report_html(store, experiment, run_id, plan=plan).encode())
        return store.address(key)
    except Exception as error:
        log.warning("no report of %s, run %s: %s", experiment, run_id, next(iter(str(error).splitlines()), repr(error)))
        return None


def report_html(store: Store, experiment: str, run_id: str | None = None, *, plan: str | None = None) -> str:
    """Return the report of a run as one HTML file, by the arguments of `report_page`, which names the errors."""
    return render(report_page(store, experiment, run_id, plan=plan))


def report_page(store: Store, experiment: str, run_id: str | None = None, *, plan: str | None = None) -> Page:
    """Return the content of the report of a run.

    Args:
        store: holds the results.
        experiment: the experiment's name.
        run_id: the run; None: the latest.
        plan: key of its plan in the store; None: it is looked for.

    Raises:
        ExperimentError: the store has no results of the experiment.
        StorageError: the results are damaged.
    """
    with looking(store.url):
        run = run_data(store, experiment, run_id, plan=plan)
        sections = tuple(_sections(run))
    when = f"{run.created_at:%Y-%m-%d %H:%M} UTC, " if run.created_at else ""
    return Page(
        title=f"{run.experiment}: results",
        subtitle=f"{when}run {run.run_id}",
        sections=sections,
        footer=f"Made by dawin {version('dawin-pipeline')} from the store {run.store.url}. No model has run for it.",
    )


def run_data(store: Store, experiment: str, run_id: str | None = None, *, plan: str | None = None) -> RunData:
    """Return the numbers of a run, by the arguments of `report_page`.

    Raises:
        ExperimentError: the store has no results of the experiment.
        StorageError: the results are damaged.
    """
    rows = results_of(store, experiment, run_id)
    run_id = run_id or latest_run(store, experiment)
    manifest = read_manifest(store, keys.results(experiment, run_id))
    return RunData(
        store=store,
        experiment=experiment,
        run_id=run_id,
        rows=rows,
        comparisons=comparisons_of(store, experiment, run_id),
        plan=plan_of(store, experiment, run_id, plan or manifest.measured.get("plan")),
        settings=manifest.identity["settings"],
        created_at=datetime.fromisoformat(manifest.created_at),
    )


def _sections(run: RunData) -> Iterator[Section]:
    """Yield the sections of a run; one that the run has no numbers for is left out."""
    merge = _merge_of(run)
    facts = _facts(run, merge) if run.plan.cells else []
    remarks = _unread(run, facts) if run.plan.cells else (_NO_PLAN,)
    yield outcome(run, remarks)
    makers: tuple[Callable[[], Section | None], ...] = (
        lambda: result_tables(run),
        lambda: published_numbers(run),
        lambda: shift_tradeoff(run),
        lambda: dataset_accuracies(run),
        lambda: costs(run),
        lambda: distributions(facts),
        lambda: cluster_hits(run, facts),
        lambda: calibration(run, facts, merge),
        lambda: class_gains(facts, merge),
        lambda: won_and_lost(run, merge),
    )
    for make in makers:
        if section := make():
            yield section
    yield provenance(run)


def _merge_of(run: RunData) -> str | None:
    """Return the method of DaWin that the sections about samples look at: the best one; without labels the first."""
    return run.best(run.dawin) or next(iter(run.dawin), None)


def _unread(run: RunData, facts: Sequence[SampleFacts]) -> tuple[str, ...]:
    """Return a sentence about the data sets that the sections about samples leave out; none where they have all."""
    read = {one.dataset for one in facts}
    names = [f"`{dataset}`" for dataset in run.datasets if dataset not in read]
    if not names:
        return ()
    return (
        f"The sections about single samples leave out {listed(names, 8)}: a table in the store is missing or damaged. "
        "`dawin run` with the same experiment computes it again.",
    )


def _facts(run: RunData, merge: str | None) -> list[SampleFacts]:
    return [found for dataset in run.datasets if (found := sample_facts(run, dataset, merge))]
