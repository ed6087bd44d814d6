"""The page of metrics lists what the registry holds."""

import re

from pages import DOCS

from tasks.numerics.metrics.registry import METRICS

INTERVALS = {"wilson": "Wilson", "bootstrap": "bootstrap", None: "–"}


def test_the_page_lists_every_metric_as_the_registry_has_it():
    """Each metric is a row with its direction, whether it needs labels, and its interval, in the registry's order."""
    rows = re.findall(r"^\| `\w+` \|.*$", (DOCS / "metrics.md").read_text().split("\n## ")[0], re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    assert [(row[1], *row[3:6]) for row in cells] == [
        (
            f"`{metric.name}`",
            metric.better or "–",
            "yes" if metric.needs_labels else "no",
            "its own" if callable(metric.interval) else INTERVALS[metric.interval],
        )
        for metric in METRICS
    ]
