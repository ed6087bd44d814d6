"""The table of a benchmark, printed and kept as JSON with a description of the machine."""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

RESULTS = Path(__file__).parent / "results"


def report(name: str, rows: list[dict[str, Any]], arguments: argparse.Namespace | None = None) -> None:
    """Print rows as a table and write them to `benchmarks/results/NAME.json`.

    Args:
        name: of the file.
        rows: one mapping for each row, with the same keys.
        arguments: options of the run, for the file.
    """
    print(tabulate(rows, headers="keys", floatfmt=".3g"))
    record = {
        "benchmark": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "arguments": vars(arguments) if arguments else {},
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "device": _accelerator(),
            "python": platform.python_version(),
        },
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1))


def _accelerator() -> str | None:
    """Return the name of the GPU; None if there is none or the benchmark has not loaded torch."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None


def spread(seconds: list[float]) -> str:
    """Return the median, minimum and maximum of timings as text."""
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
