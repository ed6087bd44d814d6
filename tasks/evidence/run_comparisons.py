"""The comparisons that every run writes beside its results: all pairs of methods by top-1 accuracy."""

from collections.abc import Iterator, Sequence

from storage.store import Store
from tasks.evidence.compared import Compared, ComparedColumn, means_of
from tasks.evidence.comparisons import compare, request_of, write_comparisons
from tasks.evidence.dataset_estimates import DatasetEstimates
from tasks.numerics.metrics.accuracy import TOP1
from tasks.references.results import RunRecord


def keep_comparisons(record: RunRecord, measured: Sequence[DatasetEstimates], store: Store) -> None:
    """Write the comparisons of all pairs of methods of a run, on each data set with labels and by each group's mean.

    Args:
        record: the run.
        measured: the estimates on every data set; their resamples are used again.
        store: gets the table, unless no two methods have an accuracy on the same data set.
    """
    columns = list(_columns(record, measured))
    if rows := compare([*columns, *means_of(columns)]):
        write_comparisons(store, record.experiment, record.run_id, request_of(), rows)


def _columns(record: RunRecord, measured: Sequence[DatasetEstimates]) -> Iterator[ComparedColumn]:
    """Yield the methods on each data set with labels."""
    for one in measured:
        methods = [
            Compared(
                method=method,
                run=f"{record.experiment}/{record.run_id}",
                value=found[TOP1.name].estimate.value,
                right=one.right[method],
                replicates=found[TOP1.name].replicates,
            )
            for method, found in one.measured.items()
            if TOP1.name in found and method in one.right
        ]
        if methods:
            dataset = one.dataset
            yield ComparedColumn(
                dataset=dataset.name,
                group=dataset.group,
                metric=TOP1.name,
                samples=dataset.samples,
                least=dataset.samples,
                methods=methods,
            )
