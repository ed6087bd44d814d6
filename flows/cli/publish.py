"""`dawin publish`: publish an exported folder on the Hugging Face Hub."""

import argparse
from pathlib import Path

from flows.cli.options import add_json, add_quiet

EXAMPLES = (
    "dawin publish exported my-name/my-model",
    "dawin publish exported my-organisation/my-model --private --revision candidate",
)
DESCRIPTION = """The token is that of HF_TOKEN, else the one that `hf auth login` saved. Before any request, the
SHA-256 of every file is compared with the folder's record. Files that are on the Hub already are not
sent again, so the same command continues an upload that was cut off."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `FOLDER`, `REPO`, `--private`, `--revision`, `--json` and `-q`."""
    parser.description = f"{parser.description}\n\n{DESCRIPTION}"
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder that `dawin export` wrote")
    parser.add_argument("repository", metavar="REPO", help="owner/name; created if it does not exist")
    parser.add_argument("--private", action="store_true", help="create it private, and refuse one that is public")
    parser.add_argument("--revision", metavar="BRANCH", help="commit to this branch, created if needed (default: main)")
    add_json(parser)
    add_quiet(parser)


def execute(options: argparse.Namespace) -> int:
    """Publish the folder, and print the address of the commit."""
    import sys

    from flows.cli.bars import bars
    from flows.cli.terminal import one_line
    from flows.exporting.publishing import check_request, publish
    from flows.reports.json_models import PublishDocument
    from flows.reports.text_tables import human_bytes

    with bars(options):
        folder = check_request(options.folder, options.repository)
    commit = publish(
        folder,
        options.repository,
        private=options.private,
        revision=options.revision,
        progress=sys.stderr.isatty() and not options.quiet,
    )
    left_out = [f"{name}: not published, since the export did not write it" for name in folder.left_out]
    for warning in (*folder.warnings, *left_out, *commit.remarks):
        print(f"warning {one_line(warning)}", file=sys.stderr)
    if options.json:
        document = PublishDocument(
            repository=options.repository,
            revision=options.revision or "main",
            commit=commit.oid,
            url=commit.url,
            is_new=commit.is_new,
            files=list(folder.names),
            left_out=list(folder.left_out),
            bytes=folder.bytes,
            warnings=[*folder.warnings, *commit.remarks],
        )
        print(document.model_dump_json(indent=2))
    elif options.quiet:
        print(commit.url)
    else:
        state = "" if commit.is_new else ", all there already"
        print(f"{commit.url}: {len(folder.names)} files, {human_bytes(folder.bytes)}{state}")
    return 0
