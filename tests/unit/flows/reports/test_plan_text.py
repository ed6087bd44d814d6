"""A plan as text: one line for each step, and one for many models that have the same to do."""

import pytest

from flows.planning.plan import Step
from flows.reports.plan_text import step_lines


def extractions(models, missing=6, dataset="clean"):
    return [Step("extract", dataset, f"model-{number}", 6, missing) for number in range(models)]


@pytest.mark.parametrize("models", [1, 2, 9, 12])
def test_a_few_models_have_a_line_each(models):
    """Each line names its model, and how many of the samples are missing."""
    lines = step_lines(extractions(models))
    assert [line.split()[2] for line in lines] == [f"model-{number}" for number in range(models)]
    assert all(line.endswith("6 of 6 samples to run") for line in lines)


def test_many_models_with_the_same_to_do_have_one_line():
    """The line names the first and the last, and their number."""
    (line,) = step_lines(extractions(72))
    assert line == "  extract   clean        model-0 … model-71, 72 models, each 6 of 6 samples to run"


def test_models_with_more_to_do_than_others_have_lines_of_their_own():
    """So do other data sets and other stages; nothing is left out and the order stays."""
    steps = [*extractions(20, missing=0), *extractions(2), *extractions(20, dataset="noisy")]
    lines = step_lines([*steps, Step("merge", "", "greedy-soup", 1, 1)])
    assert len(lines) == 5
    assert [line.split()[1] for line in lines] == ["clean", "clean", "clean", "noisy", "greedy-soup"]
    assert lines[0].endswith("each skipped, in the store")
    assert lines[-1].endswith("1 to make")
