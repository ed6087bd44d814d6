"""The formats of results; a file without imports, because `dawin --help` lists them."""

FORMATS = ("table", "csv", "json", "markdown", "latex")
