"""The examples that `dawin quickstart` builds; torch and scikit-learn are imported only to build one."""

from pathlib import Path

from flows.quickstart.example import Calibration, Example


def _fill_one_task(folder: Path) -> None:
    from flows.quickstart.one_task import fill  # noqa: PLC0415  see above

    fill(folder)


def _fill_multi_task(folder: Path) -> None:
    from flows.quickstart.multi_task import fill  # noqa: PLC0415

    fill(folder)


ONE_TASK = Example(
    folder=Path("dawin-quickstart"),
    models="two small models",
    experiment="digits.yaml",
    fill=_fill_one_task,
    calibration=Calibration("calibration.yaml", "held-out"),
)
"""Robust fine-tuning: a base, a fine-tuned model, clean digits and nine shifts."""

MULTI_TASK = Example(
    folder=Path("dawin-multi-task"), models="five small models", experiment="digit-tasks.yaml", fill=_fill_multi_task
)
"""Models of four tasks, and every method that merges such models."""
