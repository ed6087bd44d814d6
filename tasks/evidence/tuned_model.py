"""The model that was fine-tuned on a data set, by whose accuracy `normalised_top1` divides."""

from tasks.references.datasets import DatasetReference
from tasks.references.outputs import OutputsReference
from tasks.references.results import RunRecord


def tuned_outputs(dataset: DatasetReference, record: RunRecord) -> OutputsReference | None:
    """Return the outputs, on a data set, of the model that was fine-tuned on it.

    A run computes every model's outputs on every data set, so they exist also for methods whose predictions come from
    other models, or from one that a method made.

    Args:
        dataset: one of the run's data sets.
        record: the run.

    Returns:
        The reference, whose column `label_rank` is the metrics' `tuned_rank`; None where no model of the experiment was
        fine-tuned on the data set.
    """
    return next((outputs for outputs in record.tuned if outputs.dataset == dataset), None)
