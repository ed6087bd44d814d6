"""Errors of a request that are found before any work begins."""

from tasks.errors import InputError


class ExperimentError(InputError, ValueError):
    """An experiment file or one of its settings is wrong; the message lists all faults."""


class OrchestrationError(InputError):
    """Prefect's API, the work pool or a deployment that a run needs does not exist or cannot be used."""
