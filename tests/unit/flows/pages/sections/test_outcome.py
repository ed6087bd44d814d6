"""The words of the first section."""

import pytest
from reported import TABLE, compared, run_of, words_of

from flows.pages.parts import Note
from flows.pages.sections.outcome import outcome


def test_the_best_method_and_its_gains_are_named_with_their_numbers():
    """The words name the best method, its accuracy with its interval, and its gains over both models."""
    words = words_of(outcome(run_of()))
    assert "`dawin/clusters-3` is **the most accurate method** on average over all data sets" in words
    assert "accuracy of 70.0 % (69.0 to 71.0)" in words
    assert "gains 6.67 points over the base model `individual/base`" in words
    assert "gains 6.67 points over the fine-tuned model `individual/tuned`" in words
    assert "On `clean` it has 89.0 %, next to 80.0 % of `individual/base` and 90.0 % of `individual/tuned`" in words


def test_a_loss_is_named_with_its_data_set():
    """The words name every data set on which DaWin is less accurate than a model, and not those where it is better."""
    words = words_of(outcome(run_of()))
    assert "`dawin/clusters-3` is less accurate than `individual/tuned` on `clean` (−1.00 points)" in words
    assert "than `individual/base` on" not in words


def test_what_no_test_distinguishes_is_no_loss():
    """A difference that the samples do not show is named as such, with neither sign."""
    run = run_of(
        comparisons=compared(
            ("dawin/clusters-3", "individual/tuned", "clean", -0.01, 0.7),
            ("dawin/clusters-3", "individual/base", "clean", 0.09, 0.001),
        )
    )
    words = words_of(outcome(run))
    assert "On no data set does the test show that `dawin/clusters-3` is less accurate than an individual" in words
    assert "do not distinguish it from `individual/tuned` on `clean`" in words


def test_a_doubt_that_the_correction_alone_removes_is_named():
    """A difference whose own interval lies below zero is named although the corrected test does not show it."""
    lost = ("dawin/clusters-3", "individual/tuned", "clean", -0.05, 0.7)
    words = words_of(outcome(run_of(comparisons=compared(lost))))
    assert "it is less accurate than `individual/tuned` on `clean` (−5.00 points, 95 % interval −6.00 to −4" in words
    fine = words_of(outcome(run_of(comparisons=compared(("dawin/clusters-3", "individual/tuned", "clean", -0.005, 1)))))
    assert "Without the correction" not in fine


def test_ties_with_the_best_are_named():
    """The best method is not claimed to be better than one that the samples do not distinguish from it."""
    run = run_of(comparisons=compared(("dawin/clusters-3", "dawin/samples", "mean/all", 0.003, 0.6)))
    assert "do not distinguish it from `dawin/samples`" in words_of(outcome(run))


def test_the_use_of_labels_is_said():
    """An oracle is named as one; without any, the words say that no method uses labels."""
    assert "`oracle/samples` uses labels" in words_of(outcome(run_of()))
    honest = {name: values for name, values in TABLE.items() if not name.startswith("oracle")}
    assert "No method uses any label" in words_of(outcome(run_of(honest)))


def test_equally_good_methods_are_named_together():
    """Two methods with the same accuracy are both the best."""
    words = words_of(outcome(run_of({"individual/base": {"clean": 0.9}, "individual/tuned": {"clean": 0.9}})))
    assert "`individual/base` and `individual/tuned` are **the most accurate methods** on `clean`" in words


def test_one_data_set_is_no_average():
    """On one data set the words name it, and speak of no mean."""
    words = words_of(outcome(run_of({name: {"clean": v["clean"]} for name, v in TABLE.items()})))
    assert "on `clean`" in words
    assert "average" not in words


def test_one_method_is_best_of_nothing():
    """A single method is not called the best."""
    words = words_of(outcome(run_of({"dawin/clusters-3": {"clean": 0.9}})))
    assert "most accurate" not in words
    assert "`dawin/clusters-3` has a top-1 accuracy of **90.0 % (89.0 to 91.0)** on `clean`" in words


def test_several_tasks_are_compared_with_the_best_single_model():
    """With more than two models, gains are over the best fine-tuned one, and losses against the best on each task."""
    table = {
        "individual/base": {"a": 0.5, "b": 0.5},
        "individual/first": {"a": 0.9, "b": 0.4},
        "individual/second": {"a": 0.3, "b": 0.8},
        "dawin/clusters-3": {"a": 0.8, "b": 0.85},
    }
    run = run_of(table, models=("base", "first", "second"), groups={"a": "tasks", "b": "tasks"})
    words = words_of(outcome(run))
    assert "the fine-tuned models `first` and `second`" in words
    assert "the best fine-tuned model `individual/first`" in words
    assert "less accurate than `individual/first` on `a`" in words


def test_images_without_labels_have_no_accuracy_and_the_words_say_so():
    """Without any labels no method is called better than another."""
    section = outcome(run_of({"dawin/clusters-3": {"clean": 0.3}, "wise-ft/0.50": {"clean": 0.2}}, metric="entropy"))
    assert "accurate" not in words_of(section)
    notes = [part.text for part in section.parts if isinstance(part, Note)]
    assert any("No data set has labels" in note for note in notes)


def test_notes_on_data_sets_are_warnings():
    """A doubt about a data set stands out."""
    section = outcome(run_of(notes={"noisy": "9,999 samples, the catalogue says 10,000"}))
    [note] = [part for part in section.parts if isinstance(part, Note)]
    assert note.kind == "warning"
    assert "`noisy`: 9,999 samples" in note.text


@pytest.mark.parametrize("value", [0.123456789, 1 / 3])
def test_no_number_has_more_than_three_digits(value):
    """Readers see three significant digits."""
    table = {"individual/base": {"clean": value}, "dawin/samples": {"clean": value * 1.111111}}
    words = words_of(outcome(run_of(table)))
    assert not [word for word in words.split() if sum(c.isdigit() for c in word) > 3]
