"""The numbers of a run."""

import pytest
from reported import TABLE, compared, run_of


def test_data_sets_groups_and_means_are_told_apart():
    """A run has the data sets, their groups, and a mean over all of them; a mean is no data set."""
    run = run_of()
    assert run.datasets == run.labelled == ["clean", "noisy", "rotated"]
    assert {group.name: group.datasets for group in run.groups} == {"id": ("clean",), "ood": ("noisy", "rotated")}
    assert run.whole.row == "mean/all"
    assert run.overall("dawin/clusters-3").value == pytest.approx((0.89 + 0.66 + 0.55) / 3)


def test_the_best_method_uses_no_labels():
    """An oracle is more accurate and never the best one."""
    run = run_of()
    assert run.best() == "dawin/clusters-3"
    assert run.best(["individual/base", "oracle/samples"]) == "individual/base"
    assert (run.base, run.reference) == ("individual/base", "individual/tuned")


def test_one_data_set_is_its_own_whole():
    """With one data set the mean is that of its group, and the words name the data set."""
    run = run_of({name: {"clean": values["clean"]} for name, values in TABLE.items()})
    assert run.whole.row == "mean/id"
    assert run.whole.words == "clean"


def test_a_difference_has_the_sign_of_the_question():
    """Asked the other way round, a comparison has the other sign, and its interval is mirrored."""
    run = run_of(comparisons=compared(("individual/base", "dawin/samples", "noisy", -0.05, 0.001)))
    found = run.difference("dawin/samples", "individual/base", "noisy")
    assert (found.value, found.low, found.high) == pytest.approx((0.05, 0.04, 0.06))
    assert found.is_distinguishable


def test_a_difference_that_nothing_tested_has_no_interval():
    """Without comparisons the difference of the values is known, and nothing else."""
    found = run_of().difference("dawin/samples", "individual/base", "noisy")
    assert found.value == pytest.approx(0.05)
    assert (found.low, found.p_corrected, found.is_distinguishable) == (None, None, False)


def test_the_mean_of_one_data_set_is_compared_as_the_data_set():
    """Comparisons have a group of one data set under the name of the data set."""
    run = run_of(comparisons=compared(("dawin/samples", "individual/tuned", "clean", -0.01, 0.4)))
    assert run.difference("dawin/samples", "individual/tuned", "mean/id").p_corrected == 0.4


def test_ties_are_the_methods_that_a_test_does_not_distinguish():
    """A method is tied with the best one if a test compared them and found nothing; an oracle never is."""
    run = run_of(
        comparisons=compared(
            ("dawin/clusters-3", "dawin/samples", "noisy", 0.01, 0.9),
            ("dawin/clusters-3", "individual/base", "noisy", 0.06, 0.001),
            ("dawin/clusters-3", "oracle/samples", "noisy", -0.09, 0.9),
        )
    )
    assert run.tied("dawin/clusters-3", "noisy") == ["dawin/samples"]
    assert run_of().tied("dawin/clusters-3", "noisy") == []


def test_what_does_not_exist_is_none():
    """A method or a data set that results do not have gives no number."""
    run = run_of()
    assert run.estimate("ties/0.30", "clean") is None
    assert run.difference("ties/0.30", "individual/base", "clean") is None
    assert run.best(["ties/0.30"]) is None
