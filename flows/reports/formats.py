"""Names of the formats of results. This file imports nothing, so that `dawin --help` can list them at once."""

FORMATS = ("table", "csv", "json", "markdown", "latex")
