"""`dawin store prune`: remove old runs, and everything that no run needs."""

import argparse

from flows.cli.numbers_given import number, whole_number
from flows.cli.options import add_json, add_quiet, add_store, store_url

EXAMPLES = (
    "dawin store prune --dry-run",
    "dawin store prune --keep-last 3 --older-than 30",
    "dawin store prune --experiment digits --keep-last 1",
    "dawin store prune --logits",
)
DESCRIPTION = """A store keeps what the results of its runs were computed from, what runs in progress may need
(those without results whose plan was written within the last seven days), and everything that
was written within the last hour, by the store's own clock."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs to remove, `--logits`, `--dry-run`, `--store`, `--json` and `-q`."""
    parser.description = f"{parser.description}\n\n{DESCRIPTION}"
    parser.add_argument(
        "--keep-last", type=whole_number, metavar="N", help="remove the runs of each experiment but the newest N"
    )
    parser.add_argument(
        "--older-than",
        type=number,
        metavar="DAYS",
        help="remove only runs that are older; the latest of each experiment stays, unless --keep-last is 0",
    )
    parser.add_argument("--experiment", metavar="NAME", help="remove runs of this experiment only")
    parser.add_argument(
        "--logits",
        action="store_true",
        help="remove the logits of outputs; predictions, entropies and losses stay, and so do all results",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
    # seconds for which everything stays after it was written: tests and benchmarks cannot wait for an hour
    parser.add_argument("--grace", type=float, help=argparse.SUPPRESS)
    add_store(parser)
    add_json(parser)
    add_quiet(parser)


def execute(options: argparse.Namespace) -> int:
    """Prune the store and print the bytes of each folder before and after."""
    from flows.cli.bars import bars
    from flows.display.consoles import standard_output
    from flows.reports.tables import refuse_absent
    from flows.upkeep.chosen_runs import RunChoice
    from flows.upkeep.prune import GRACE, prune
    from flows.upkeep.pruned_text import pruned_document, pruned_text
    from storage.store import Store, open_store

    choice = RunChoice(keep_last=options.keep_last, older_than=options.older_than, experiment=options.experiment)
    choice.check()
    refuse_absent(Store(store_url(options)))
    store = open_store(store_url(options), writable=not options.dry_run)
    grace = GRACE if options.grace is None else options.grace
    with bars(options):
        pruned = prune(store, choice, logits=options.logits, dry=options.dry_run, grace=grace)
    document = pruned_document(pruned, store.url, dry=options.dry_run)
    print(document.model_dump_json(indent=2) if options.json else pruned_text(document, standard_output().width))
    return 0
