"""`dawin run`: run an experiment and show its results."""

import argparse

from flows.cli.options import add_all, add_experiment, add_store, add_verbosity, experiment_of, store_url

EXAMPLES = (
    "dawin run my.yaml",
    "dawin run my.yaml --store s3://bucket/dawin --set merge.clusters=5",
    "dawin run imagenet-shifts-vit-b32",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set`, `--store`, `--all`, `-q` and `-v`."""
    add_experiment(parser)
    add_store(parser)
    add_all(parser)
    add_verbosity(parser)


def execute(options: argparse.Namespace) -> int:
    """Compute the missing results of an experiment, then print them."""
    from flows.cli.running import run_and_show

    run_and_show(experiment_of(options), store_url(options), file=options.experiment, options=options)
    return 0
