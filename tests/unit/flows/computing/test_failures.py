"""The line of a failed run: the data sets that failed, why, and what is kept."""

import pytest
from run_parts import chain, part

from flows.computing.failures import ends_all, error_of
from flows.computing.walk import Failure
from flows.errors import DatasetsFailed
from flows.workers.dispatch import ChildCancelled, ChildFailed
from storage.errors import ObjectDamaged, StoreDenied, StoreUnreachable
from tasks.errors import DatasetError

PARTS = [*chain("one"), *chain("two"), *chain("three"), part("make", "soup", "extract one")]
END = "and the next run computes only what is missing"


def test_one_data_set_that_failed_is_named_and_the_others_are_complete():
    """The message is one line, even where the reason has several."""
    error = error_of([Failure(PARTS[0], DatasetError("one/a.png:\n  vanished"))], PARTS)
    assert isinstance(error, DatasetsFailed)
    wanted = "data set one failed: one/a.png: vanished; all tables of the other data sets are complete"
    assert str(error) == f"{wanted}, {END}"


def test_data_sets_with_the_same_reason_are_named_together():
    """Each reason stands once, beside all data sets that it stopped."""
    failures = [Failure(PARTS[3], ValueError("x")), Failure(PARTS[0], ValueError("x"))]
    assert str(error_of(failures, PARTS)).startswith("data sets two and one failed: x; all tables")
    failures = [Failure(PARTS[0], ValueError("x")), Failure(PARTS[3], ValueError("y"))]
    assert str(error_of(failures, PARTS)).startswith("data set one failed: x; data set two failed: y; all tables")


def test_data_sets_that_wait_for_a_failed_model_are_named():
    """The model is the cause, and the data sets that need it are not finished."""
    parts = [*chain("one", 1, "make soup"), *chain("two"), part("make", "soup")]
    shown = str(error_of([Failure(parts[-1], ValueError("out of memory"))], parts))
    assert shown.startswith("made model soup failed: out of memory; data set one could not be finished without it; all")


def test_a_failed_model_that_all_data_sets_need_is_named():
    """The reason alone would not say which model could not be made."""
    parts = [*chain("one", 1, "make soup"), part("make", "soup")]
    shown = str(error_of([Failure(parts[-1], ValueError("out of memory"))], parts))
    assert shown.startswith("made model soup failed: out of memory; data set one could not be finished without it; no")


def test_a_reason_that_stopped_every_data_set_is_raised_itself():
    """Nothing tells the data sets apart: a broken image of the only one, or a checkpoint that changed."""
    parts, error = chain("one"), DatasetError("one/a.png: broken")
    assert error_of([Failure(parts[0], error)], parts) is error
    found = error_of([Failure(PARTS[i], ValueError(text)) for i, text in ((0, "x"), (3, "y"), (6, "z"))], PARTS)
    assert str(found) == (
        "data set one failed: x; data set two failed: y; data set three failed: z; no data set is complete, " + END
    )


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (ChildCancelled("its run ended as Cancelled"), True),
        (ChildFailed("its run ended as Crashed"), False),
        (StoreUnreachable("s3://bucket: no answer"), True),
        (StoreUnreachable("s3://images/clean: no answer"), False),
        (StoreDenied("s3://bucket/store/outputs: access denied"), True),
        (StoreDenied("s3://bucket/images: access denied"), False),
        (StoreDenied("s3://bucket/store-of-images/x: access denied"), False),
        (StoreDenied("s3://bucket/store: access denied"), True),
        (StoreUnreachable("s3://bucket-of-images: no answer"), False),
        (ObjectDamaged("s3://bucket/store/outputs/x: damaged"), False),
        (OSError("no space left on device"), False),
    ],
)
def test_a_cancelled_child_and_an_unusable_store_end_the_whole_run(error, ends):
    """Errors of one data set's inputs or children do not."""
    assert ends_all(error, store="s3://bucket/store") is ends
