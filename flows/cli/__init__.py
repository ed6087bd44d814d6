"""The command line: one file for each command; `entry` registers them and turns errors into exit statuses."""

from flows.cli.entry import main

__all__ = ["main"]
