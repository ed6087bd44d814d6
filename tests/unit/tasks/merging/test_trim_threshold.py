"""Thresholds of trimming are exact, however the bracket of a sample lies and however many numbers are equal."""

import numpy as np
import pytest
import torch

from tasks.merging import trim_threshold
from tasks.merging.trim_threshold import trim_thresholds

SIZES = {"a": (40, 50), "b": (7,), "c": (3, 300), "n": ()}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Makes samples and pieces small, so that a vector of some thousand numbers has many pieces outside its sample."""
    monkeypatch.setattr(trim_threshold, "_SAMPLE", 256)
    monkeypatch.setattr(trim_threshold, "_PIECE", 100)


def states(numbers, count=3):
    """A base of zeros, and models whose task vectors hold the numbers that a function draws."""
    random = np.random.default_rng(0)
    floating = {name: shape for name, shape in SIZES.items() if name != "n"}
    base = {name: torch.zeros(shape) for name, shape in floating.items()} | {"n": torch.tensor(7)}
    tuned = [
        {name: torch.tensor(numbers(random, shape), dtype=torch.float32) for name, shape in floating.items()}
        | {"n": torch.tensor(8)}
        for _ in range(count)
    ]
    return base, tuned


DRAWN = {
    "normal": lambda random, shape: random.standard_normal(shape),
    "a grid, as of weights stored in half precision": lambda random, shape: np.round(random.standard_normal(shape), 1),
    "nearly all zero": lambda random, shape: random.standard_normal(shape) * (random.random(shape) < 0.05),
    "all equal": lambda _random, shape: np.full(shape, -0.5),
    "of very different sizes": lambda random, shape: np.exp(20 * random.standard_normal(shape)),
}


@pytest.mark.parametrize("keep", [1e-9, 0.001, 0.2, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("drawn", DRAWN)
def test_a_threshold_is_that_of_the_sorted_vector(drawn, keep):
    """The k-th largest magnitude of all tensors together, k = round(keep · d), to the last bit."""
    base, tuned = states(DRAWN[drawn])
    found = trim_thresholds(base, tuned, keep)
    for state, threshold in zip(tuned, found, strict=True):
        flat = torch.cat([state[name].reshape(-1) for name in ("a", "b", "c")]).abs().sort(descending=True).values
        assert threshold == float(flat[max(1, round(keep * len(flat))) - 1])


@pytest.mark.parametrize("misled", [0.0, 1e9])
def test_a_sample_that_misleads_costs_time_alone(monkeypatch, misled):
    """A bracket below or above the threshold is noticed, and the whole vector is searched."""
    base, tuned = states(DRAWN["normal"])
    wanted, searched, search = trim_thresholds(base, tuned, 0.2), [], trim_threshold._of_all
    monkeypatch.setattr(trim_threshold, "_samples", lambda *_: [np.full(256, misled, np.float32) for _ in tuned])
    monkeypatch.setattr(trim_threshold, "_of_all", lambda *given: searched.append(1) or search(*given))
    assert trim_thresholds(base, tuned, 0.2) == wanted
    assert len(searched) == len(tuned)


def test_a_bracket_of_one_value_counts_it_once(monkeypatch):
    """Most numbers have the value of the sample, and the threshold lies among the few below it."""
    base, tuned = {"w": torch.zeros(3000)}, [{"w": torch.cat([torch.ones(2000), torch.linspace(0, 0.5, 1000)])}]
    monkeypatch.setattr(trim_threshold, "_samples", lambda *_: [np.ones(256, np.float32)])
    assert trim_thresholds(base, tuned, 0.9) == [float(torch.linspace(0, 0.5, 1000)[300])]


def test_a_bracket_keeps_a_bounded_part_of_a_vector(monkeypatch):
    """If the sample's bracket holds more of the vector than expected, the rest of it is not kept in memory."""
    base, tuned = states(DRAWN["normal"])
    wanted = trim_thresholds(base, tuned, 0.2)
    monkeypatch.setattr(trim_threshold, "_DEVIATIONS", 1e9)  # the bracket is everything
    bracket = trim_threshold._Bracket(np.ones(256, np.float32), 0.2, 2907)
    for _ in range(30):
        bracket.add(np.random.default_rng(1).random(100).astype(np.float32))
    assert sum(map(len, bracket._within)) <= 256
    assert bracket.threshold(600) is None
    assert trim_thresholds(base, tuned, 0.2) == wanted


def test_numbers_of_float64_and_bfloat16_are_compared_in_float32():
    """The magnitudes of other types are rounded to float32, as those of float32 are exact."""
    for dtype in (torch.float64, torch.bfloat16):
        base = {"w": torch.zeros(1000, dtype=dtype)}
        tuned = [{"w": torch.linspace(-1, 1, 1000, dtype=dtype)}]
        wanted = tuned[0]["w"].abs().float().sort(descending=True).values[99]
        assert trim_thresholds(base, tuned, 0.1) == [float(wanted)]
