"""`dawin run`: run an experiment and show its results."""

import argparse

from flows.cli.options import add_experiment, add_store, experiment_of, store_url

EXAMPLES = (
    "dawin run my.yaml",
    "dawin run my.yaml --store s3://bucket/dawin --set merge.clusters=5",
    "dawin run imagenet-shifts-vit-b32",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `EXPERIMENT`, `--set` and `--store`."""
    add_experiment(parser)
    add_store(parser)


def execute(options: argparse.Namespace) -> int:
    """Compute the missing results of an experiment, then print them."""
    from flows.cli.running import run_and_show

    run_and_show(experiment_of(options), store_url(options))
    return 0
