"""A request with faults: its inputs and its store are looked for all the same, so that one message lists everything.

Nothing here reads a checkpoint or an image: the files are looked for, and images listed. Whether checkpoints are sound
and fit together is checked when the settings, the names and the store are right (`flows.planning.check`).
"""

from collections.abc import Callable
from typing import TypeVar

from flows.errors import ExperimentError, Fault
from flows.experiment.addresses import has_variable
from flows.experiment.draft import in_order
from flows.experiment.file import Request, error_of, read_request
from flows.experiment.input_settings import TextHeadSettings
from flows.experiment.names import is_pattern
from flows.experiment.settings import Experiment
from flows.planning.checkpoint_records import HEAD, existing_checkpoint
from flows.planning.datasets import Datasets
from storage.errors import StorageError, StoreUnreachable
from storage.filesystem import absolute, scheme_of
from storage.store import Store, open_store
from tasks.datasets.preprocessing import Preprocessing
from tasks.errors import InputError

T = TypeVar("T")

_ANY = Preprocessing(
    size=224, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bicubic"
)  # lists images; no other use


def checked_experiment(path: str, overrides: tuple[str, ...], store: str) -> Experiment:
    """Return the experiment of a file, with settings over it.

    Args:
        path: of the file, or a built-in experiment's name.
        overrides: `key=value` settings.
        store: address of the store; looked at if the experiment has faults.

    Raises:
        ExperimentError: one message lists the faults of the file, the names, the overrides, the store, and the inputs
            that are missing.
    """
    return experiment_of(read_request(path, overrides), store)


def experiment_of(request: Request, store: str) -> Experiment:
    """Return the experiment of a request.

    Args:
        request: as it was asked for.
        store: address of the store; looked at if the request has faults.

    Raises:
        ExperimentError: one message lists all faults, as for `checked_experiment`.
    """
    if request.experiment is not None:
        return request.experiment
    raise error_of(request.title, [*_with_inputs(request), *_of_store(store)])


def store_of(experiment: Experiment, url: str, *, writable: bool = True) -> Store:
    """Return the store that an experiment asks for.

    Args:
        experiment: the settings.
        url: address of the store.
        writable: as for `open_store`.

    Raises:
        StorageError: the store cannot be used.
        ExperimentError: the store cannot be used, and inputs are missing; one message lists all of it.
    """
    try:
        return open_store(url, writable=writable)
    except StorageError as error:
        if missing := missing_inputs(experiment):
            raise ExperimentError(faults=[*missing, _store_fault(error)]) from error
        raise type(error)(f"store {error}") from error


def missing_inputs(experiment: Experiment) -> list[Fault]:
    """Return the faults of inputs that can be found without a read: missing files, folders and images.

    Args:
        experiment: the settings, perhaps the valid part of faulty ones.
    """
    look, found, datasets = _Look(), list[Fault | None](), Datasets()
    for model in experiment.models:
        place = ("models", model.name)
        if not is_pattern(model.checkpoint):
            found.append(
                look.fault(place, model.checkpoint, existing_checkpoint, model.checkpoint, f"model {model.name}")
            )
    for name, head in experiment.heads.items():
        address = head.text if isinstance(head, TextHeadSettings) else head
        if address is not None:
            found.append(look.fault(("heads", name), address, existing_checkpoint, address, f"{HEAD}{name}"))
    for dataset in experiment.datasets:
        place = ("datasets", dataset.name)
        found.append(look.fault(place, dataset.images, datasets.find, dataset, _ANY))
    return [fault for fault in found if fault is not None]


class _Look:
    """A look for inputs. After a place on a network gives no answer, no other place on a network is asked."""

    def __init__(self) -> None:
        self._is_offline = False
        self._looked = set[tuple[tuple[str, str], str]]()

    def fault(
        self, path: tuple[str, str], address: str, find: Callable[..., object], *arguments: object
    ) -> Fault | None:
        """Return the fault of an input at an address; None if it exists, or if its address is wrong already."""
        if (path, address) in self._looked or has_variable(address) or not _is_address(address):
            return None
        self._looked.add((path, address))
        scheme = scheme_of(address)
        if scheme == "hf" or (scheme == "s3" and self._is_offline):  # on the Hub, to look is to download
            return None
        try:
            find(*arguments)
        except (InputError, StorageError) as error:
            self._is_offline = self._is_offline or isinstance(error, StoreUnreachable)
            return Fault(str(error), path, error)
        return None


def _is_address(address: str) -> bool:
    try:
        absolute(address)
    except StorageError:
        return False
    return True


def _with_inputs(request: Request) -> list[Fault]:
    """Return all faults of a request in the order of its file: of settings, names and missing inputs."""
    if request.valid is None:
        return request.faults
    missing = [fault._replace(path=_position(fault.path, request)) for fault in missing_inputs(request.valid)]
    return in_order([*request.faults, *missing], request.content)


def _position(path: tuple[str | int, ...], request: Request) -> tuple[str | int, ...]:
    """Return the path of an input with its position in the file in the place of its name."""
    items = request.content.get(str(path[0]))
    if not isinstance(items, list):
        return path
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    return (path[0], names.index(path[1])) if path[1] in names else path


def _of_store(url: str) -> list[Fault]:
    """Return the fault of a store that cannot be used; nothing is written to it."""
    try:
        open_store(url, writable=False)
    except StorageError as error:
        return [_store_fault(error)]
    return []


def _store_fault(error: StorageError) -> Fault:
    return Fault(f"store {error}", (), error)
