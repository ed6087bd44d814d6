"""The command line: one file a command; `entry` lists them and turns errors into exit statuses."""

from flows.cli.entry import main

__all__ = ["main"]
