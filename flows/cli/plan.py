"""`dawin plan`: list the steps of an experiment, without a computation and without a write."""

import argparse

from flows.cli.options import add_experiment, add_json, add_store, experiment_of, store_url, work_pool

EXAMPLES = (
    "dawin plan my.yaml",
    "dawin plan my.yaml --set merge.granularity=[clusters,samples]",
    "dawin plan my.yaml --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set`, `--store` and `--json`."""
    add_experiment(parser)
    add_store(parser)
    add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """Check the inputs of an experiment, then print its steps, their order, its tower and its preprocessing."""
    from flows.planning.check import checked_plan
    from flows.planning.requests import store_of
    from flows.reports.plan_text import facts_text, steps_text

    experiment = experiment_of(options)
    store = store_of(experiment, store_url(options), writable=False)
    plan, on_pool = checked_plan(experiment, store, remember=False), work_pool() is not None
    if options.json:
        from flows.reports.json_documents import plan_document

        print(plan_document(plan, on_pool=on_pool).model_dump_json(indent=2))
        return 0
    print(f"{experiment.name}, run {plan.record.run_id}, store {plan.store.url}\n")
    print(f"{steps_text(plan, on_pool=on_pool)}\n\n{facts_text(plan)}")
    for note in plan.notes:
        print(f"\nnote: {note}")
    return 0
