"""`dawin schema`: print a JSON Schema, of the experiment file or of what a command prints with `--json`."""

import argparse
import json

EXAMPLES = (
    "dawin schema > dawin.schema.json",
    "dawin schema --of results",
)
_DOCUMENTS = (
    "experiment",
    "plan",
    "inspect",
    "results",
    "compare",
    "report",
    "predict",
    "leaderboard",
    "store-list",
    "store-verify",
    "store-prune",
    "calibrate",
    "export",
    "publish",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--of`."""
    parser.add_argument(
        "--of",
        choices=_DOCUMENTS,
        default="experiment",
        help="experiment: the experiment file (default); else the document that the command prints with --json",
    )


def execute(options: argparse.Namespace) -> int:
    """Print the schema as JSON."""
    if options.of == "experiment":
        from flows.experiment.schema import schema_text

        print(schema_text(), end="")
    else:
        from flows.reports.json_models import schema_of

        print(json.dumps(schema_of(options.of), indent=2))
    return 0
