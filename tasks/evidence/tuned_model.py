"""The model that was fine-tuned on a cell's data set, by whose accuracy `normalised_top1` divides."""

from tasks.references.outputs import OutputsReference
from tasks.references.results import Cell, RunRecord


def tuned_outputs(cell: Cell, record: RunRecord) -> OutputsReference | None:
    """Return the outputs, on a cell's data set, of the model that was fine-tuned on it.

    The run computes every model's outputs on every data set, so they exist also where the cell's own predictions come
    from another model, or from one that a method made.

    Args:
        cell: one method on one data set.
        record: the run of the cell.

    Returns:
        The reference, whose column `label_rank` is the metrics' `tuned_rank`; None where no model of the experiment was
        fine-tuned on the data set.
    """
    for outputs in record.tuned:
        if outputs.dataset == cell.predictions.dataset:
            return outputs
    return None
