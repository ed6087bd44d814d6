"""What can be wrong with a request before any work begins."""

from tasks.errors import InputError


class ExperimentError(InputError, ValueError):
    """An experiment file, or a setting of it, is wrong; the message lists every fault."""


class OrchestrationError(InputError):
    """The work pool or the deployments that a run is to use are not there."""
