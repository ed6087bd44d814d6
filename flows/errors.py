"""Errors of a request that are found before any work begins, and of a run that computed a part of its data sets."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.errors import InputError


class Fault(NamedTuple):
    """One fault of a request."""

    text: str
    """The thing, the wanted value and the actual one, on one line."""
    path: tuple[str | int, ...] = ()
    """Keys and list positions that lead to the setting; empty if the fault is in no setting."""
    error: Exception | None = None
    """The error that reported it, if one did."""


class ExperimentError(InputError, ValueError):
    """An experiment file or one of its settings is wrong; the message lists all faults.

    Args:
        message: the fault, if it is a single one.
        faults: all faults, in the order of the message.
        title: the thing that has the faults, such as the experiment file; empty: each fault names its own.
    """

    def __init__(self, message: str = "", *, faults: Sequence[Fault] = (), title: str = "") -> None:
        self.faults = tuple(faults) or (Fault(message),)
        self.title = title
        text = "; ".join(fault.text for fault in self.faults)
        super().__init__(f"{title}: {text}" if title else text)


class DatasetsFailed(RuntimeError):
    """Some data sets of a run failed; the tables of the others are complete."""


class OrchestrationError(InputError):
    """Prefect's API, the work pool or a deployment that a run needs does not exist or cannot be used."""


def faults_of(error: Exception) -> list[Fault]:
    """Return the faults that an error reports, each once."""
    found = error.faults if isinstance(error, ExperimentError) else (Fault(str(error), error=error),)
    return list({fault.text: fault for fault in found}.values())
