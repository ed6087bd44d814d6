"""Write a first experiment file: look over a folder, decide, write, and try whether the file plans as it is."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.errors import ExperimentError
from flows.experiment.file import load_experiment
from flows.experiment.schema import write_schema
from flows.planning.check import checked_plan
from flows.planning.checkpoints import Checkpoints
from flows.planning.confined_check import Check, confined_check
from flows.starting_file.checkpoints_found import remembering
from flows.starting_file.decisions import Draft, drafted
from flows.starting_file.file_text import file_text
from flows.starting_file.inputs import Inputs, Request, checkpoints_of, datasets_of
from flows.starting_file.tree import files_below
from storage.errors import StorageError
from storage.store import Store
from storage.text import shown
from tasks.errors import InputError


@dataclass(frozen=True)
class Written:
    """A first experiment file that was written."""

    file: Path
    draft: Draft
    questions: tuple[str, ...]
    """What its reader should settle."""
    plans: bool
    """Whether `dawin plan` takes the file as it is."""


def write_file(request: Request, store: Store, on_file: Callable[[str], None] = lambda _: None) -> Written:
    """Write an experiment file for the inputs of a folder, and the schema file beside it.

    Args:
        request: the folder and further inputs.
        store: may remember findings about checkpoints; nothing is written there.
        on_file: called with the name of each checkpoint before it is read.

    Raises:
        ExperimentError: the folder does not exist, the file exists, or too few inputs were found.
    """
    tree, file = files_below(request.folder), request.file
    _check_target(file)
    check = remembering(confined_check)
    inputs = Inputs(request.folder, file)
    found = checkpoints_of(request, tree, inputs, check, on_file)
    datasets, left_out = datasets_of(request, tree, inputs, found)
    draft = drafted(request.name, found, datasets, left_out, multi_task=request.multi_task)
    command = " ".join(
        ["dawin init", *(["--multi-task"] if request.multi_task else []), shown(shlex.quote(str(request.folder)))]
    )
    with file.open("x") as new:  # another process may have written it meanwhile
        new.write(file_text(draft, command, file.name, draft.questions))
    # without a head, the plan would say once more what the draft says
    faults, notes = _tried(file, store, check) if draft.has_heads else ([], [])
    questions = (*draft.questions, *faults, *notes)
    file.write_text(file_text(draft, command, file.name, questions))
    write_schema(file.parent)
    return Written(file, draft, questions, plans=draft.has_heads and not faults)


def _check_target(file: Path) -> None:
    """Refuse a file that exists, or whose folder does not."""
    if file.exists():
        raise ExperimentError(f"{file}: exists already; --output FILE names another file")
    if not file.absolute().parent.is_dir():
        raise ExperimentError(f"{file}: no such folder {file.absolute().parent}")
    if file.suffix not in (".yaml", ".yml"):
        raise ExperimentError(f"{file}: wanted a file that ends in .yaml")


def _tried(file: Path, store: Store, check: Check) -> tuple[list[str], list[str]]:
    """Return the faults for which `dawin plan` refuses a file, and the notes of its plan; each is a sentence."""
    try:
        experiment = load_experiment(str(file))
        checkpoints = Checkpoints(store, experiment.architecture, remember=False, check=check)
        plan = checked_plan(experiment, store, remember=False, checkpoints=checkpoints)
    except (InputError, StorageError) as error:
        return [f"`dawin plan` refuses this file: {shown(str(error), 2000)}."], []
    return [], [f"{note}." for note in plan.notes if not note.startswith("store ")]  # a store is made by a run
