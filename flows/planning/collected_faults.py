"""The faults of inputs, collected so that one error reports them all."""

from collections.abc import Callable
from typing import Any, TypeVar

from flows.errors import ExperimentError, faults_of
from storage.errors import StorageError, StoreUnreachable
from tasks.errors import InputError

T = TypeVar("T")


class Faults:
    """Collects faults, so that one error reports them all."""

    def __init__(self) -> None:
        self._errors: list[Exception] = []

    def collect(self, function: Callable[..., T], *arguments: Any) -> T | None:  # noqa: ANN401
        """Return the function's result, or None when it found a fault."""
        try:
            return function(*arguments)
        except (InputError, StorageError) as error:
            self._errors.append(error)
            if isinstance(error, StoreUnreachable):
                self.raise_any()  # every further question would wait as long for no answer
            return None

    def raise_any(self) -> None:
        """Raise the only error, or one that lists the faults of all."""
        errors = list({str(error): error for error in self._errors}.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExperimentError(faults=[fault for error in errors for fault in faults_of(error)])
