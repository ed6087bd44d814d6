"""A method as it was fitted on one data set of an experiment, found by its name in results."""

from typing import NamedTuple

from flows.errors import ExperimentError
from flows.experiment.settings import Experiment
from flows.planning.check import checked_plan
from flows.planning.checkpoints import Checkpoints
from flows.planning.datasets import Datasets
from flows.planning.plan import Plan
from storage.store import Store
from tasks.errors import did_you_mean
from tasks.methods.method import Method
from tasks.methods.registry import METHODS, existing, fault, matching, method_of
from tasks.references.datasets import DatasetReference
from tasks.references.heads import TextHeadReference
from tasks.references.models import MadeModel
from tasks.references.outputs import OutputsReference
from tasks.references.predictions import PredictionsReference
from tasks.references.results import Cell


class FittedMethod(NamedTuple):
    """A method on the data set that it was fitted on."""

    plan: Plan
    """Of the experiment, reduced to the data sets that the method needs."""
    cell: Cell
    """The method on the data set."""
    outputs: tuple[OutputsReference, ...]
    """Of every model of the experiment on the data set, the base first."""
    classes: tuple[str, ...]
    """Names of the classes that are predicted; empty if none are known."""

    @property
    def dataset(self) -> DatasetReference:
        """The data set."""
        return self.outputs[0].dataset

    @property
    def predictions(self) -> PredictionsReference:
        """The method's predictions on the data set."""
        return self.cell.predictions

    @property
    def made_models(self) -> list[MadeModel]:
        """The models that methods made of others' weights for it."""
        found = (self.predictions,) if isinstance(self.predictions, OutputsReference) else self.predictions.outputs
        return [outputs.model.made for outputs in found if outputs.model.made]


def fitted_method(experiment: Experiment, store: Store, method: str, dataset: str | None = None) -> FittedMethod:
    """Return a method of an experiment on one of its data sets, by reference; nothing is computed.

    Other data sets of the experiment are looked at only if the method made its model of their images.

    Args:
        experiment: the settings.
        store: holds what the experiment's runs have computed.
        method: its name in results. One that the experiment does not ask for, such as another scale, exists too if its
            family has it.
        dataset: name of the data set; None: the experiment's first one.

    Raises:
        ExperimentError: the experiment has no such data set, or no such method.
        InputError: an input of the experiment is missing, damaged or does not fit the others.
    """
    name = _dataset_of(experiment, dataset)
    asked = _asking_for(experiment, method)
    alone = asked.model_copy(update={"datasets": tuple(d for d in asked.datasets if d.name == name)})
    checkpoints = Checkpoints(store, experiment.architecture, True, experiment=experiment.name)
    found = _found(alone, store, method, checkpoints)
    if len(asked.datasets) > 1 and any(map(_can_look_at_images, found.made_models)):
        found = _found(asked, store, method, checkpoints, name)
    checkpoints.keep()
    return found


def _can_look_at_images(made: MadeModel) -> bool:
    """Return whether a method uses images of data sets, perhaps of some that a reduced experiment is without."""
    return type(method_of(made.method)).looks_at is not Method.looks_at


def _dataset_of(experiment: Experiment, wanted: str | None) -> str:
    names = [dataset.name for dataset in experiment.datasets]
    if wanted is not None and wanted not in names:
        near = did_you_mean(wanted, names) or f"; known: {', '.join(names)}"
        raise ExperimentError(f"--dataset {wanted}: no data set of experiment {experiment.name}{near}")
    return wanted or names[0]


def _asking_for(experiment: Experiment, method: str) -> Experiment:
    """Return the experiment with a method among its baselines, unless it asks for it already."""
    setup = experiment.setup
    family = METHODS.get(method.partition("/")[0])
    if (family and not family.is_baseline) or any(member.name == method for member in experiment.members):
        return experiment
    if "/scale-" in method and any(m.name == method.partition("/scale-")[0] for m in experiment.members):
        return experiment
    found = matching(method, setup)
    if len(found) > 1:
        raise ExperimentError(f"--method {method}: wanted one method, got a family; {existing(method, setup)}")
    if wrong := fault(method, setup):
        raise ExperimentError(f"--method {wrong}")
    return experiment.model_copy(update={"baselines": (*experiment.baselines, method)})


def _found(
    experiment: Experiment, store: Store, method: str, checkpoints: Checkpoints, dataset: str | None = None
) -> FittedMethod:
    datasets = Datasets()
    plan = checked_plan(experiment, store, checkpoints=checkpoints, datasets=datasets)
    outputs = next(one for one in plan.outputs if dataset in (None, one[0].dataset.name))
    own = outputs[0].dataset
    cells = [cell for cell in plan.cells if cell.predictions.dataset.name == own.name]
    cell = next((cell for cell in cells if cell.method == method), None)
    if cell is None:
        if left_out := method_of(method).leaves_out(own, experiment.setup):
            raise ExperimentError(f"--method {method}: has no results on {own.name}: {left_out}")
        names = [cell.method for cell in cells]
        near = did_you_mean(method, names) or f"; known: {', '.join(names)}"
        raise ExperimentError(f"--method {method}: no method of experiment {experiment.name}{near}")
    return FittedMethod(plan.on(own.name), cell, outputs, _classes(experiment, datasets, outputs))


def _classes(experiment: Experiment, datasets: Datasets, outputs: tuple[OutputsReference, ...]) -> tuple[str, ...]:
    """Return the names of the classes: those of a head that is made of names, else the data set's own."""
    own, head = outputs[0].dataset, outputs[0].scored.head
    if isinstance(head, TextHeadReference) and own.groups is None:
        return head.classes
    settings = next(one for one in experiment.datasets if one.name == own.name)
    return datasets.find(settings, own.preprocessing).classes
