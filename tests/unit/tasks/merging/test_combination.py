"""Linear combinations of states, and the cache of merged models: endpoints, known values, refusals."""

import doctest

import pytest
import torch

from tasks.errors import ModelMismatch
from tasks.merging import combination
from tasks.merging.combination import combine
from tasks.merging.merged_models import FlatWeights, MergedModels


def states(count=3):
    generator = torch.Generator().manual_seed(0)
    return [
        {"w": torch.randn(3, 2, generator=generator), "b": torch.randn(3, generator=generator), "n": torch.tensor(i)}
        for i in range(count)
    ]


def test_a_sum_of_three_states_by_hand():
    """½ (2, 4) + ¼ (8, 0) − 1 (1, 1) = (2, 1)."""
    parts = [{"w": torch.tensor(values)} for values in ([2.0, 4.0], [8.0, 0.0], [1.0, 1.0])]
    torch.testing.assert_close(combine(parts, [0.5, 0.25, -1.0])["w"], torch.tensor([2.0, 1.0]))


@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_endpoints_are_exact(chosen):
    """A coefficient of 1 beside zeros gives that model's tensors to the last bit, even if another has an infinity."""
    parts = states()
    parts[(chosen + 1) % 3]["b"][0] = float("inf")
    merged = combine(parts, [float(i == chosen) for i in range(3)])
    assert torch.equal(merged["w"], parts[chosen]["w"])
    assert torch.equal(merged["b"], parts[chosen]["b"])


def test_merging_equal_models_changes_nothing():
    """Coefficients that sum to one give equal models' own tensors."""
    first = states(1)[0]
    torch.testing.assert_close(combine([first, first], [0.3, 0.7])["w"], first["w"])


def test_integer_tensors_are_the_first_states():
    """Counters have no meaningful sum, so the merged state has those of the first state."""
    assert combine(states(), [0.2, 0.3, 0.5])["n"] == 0


def test_nothing_is_allocated_into_a_given_state():
    """The result fills the memory of the tensors that were given, and the inputs keep their numbers."""
    parts = states()
    before = [part["w"].clone() for part in parts]
    out = {name: torch.full_like(tensor, 9) for name, tensor in parts[0].items()}
    places = {name: tensor.data_ptr() for name, tensor in out.items()}
    assert combine(parts, [0.2, 0.3, 0.5], out=out) is out
    assert {name: tensor.data_ptr() for name, tensor in out.items()} == places
    torch.testing.assert_close(out["w"], 0.2 * before[0] + 0.3 * before[1] + 0.5 * before[2])
    assert all(torch.equal(part["w"], kept) for part, kept in zip(parts, before, strict=True))


def test_coefficients_of_zero_give_zeros():
    """If no model has a coefficient other than 0, the merged tensors are zero."""
    assert torch.count_nonzero(combine(states(), [0.0, 0.0, 0.0])["w"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("b"), "state 1 does not fit state 0: b is missing"),
        (lambda s: s.update(extra=torch.zeros(1)), "state 1 does not fit state 0: extra is not expected"),
        (lambda s: s.update(w=torch.zeros(2, 2)), r"w: wanted \(\(3, 2\), 'torch.float32'\), got \(\(2, 2\)"),
        (lambda s: s.update(w=torch.zeros(3, 2).half()), r"w: wanted .*float32.*, got .*float16"),
    ],
)
def test_states_that_differ_are_refused(change, message):
    """The message names the state, the tensor, and both shapes or dtypes."""
    parts = states(2)
    change(parts[1])
    with pytest.raises(ModelMismatch, match=message):
        combine(parts, [0.5, 0.5])


def test_only_the_first_few_differences_are_named():
    """A message about many differences names three of them and the number of the others."""
    parts = [{f"t{i}": torch.zeros(1) for i in range(9)}, {}]
    with pytest.raises(ModelMismatch, match="t0 is missing; t1 is missing; t2 is missing; and 6 more"):
        combine(parts, [0.5, 0.5])


def test_coefficients_that_do_not_fit_are_refused():
    """Coefficients have to be one finite number for each state."""
    with pytest.raises(ModelMismatch, match="wanted one coefficient a state, got 2 for 3"):
        combine(states(), [0.5, 0.5])
    with pytest.raises(ValueError, match="coefficients: wanted finite numbers"):
        combine(states(2), [0.5, float("nan")])


def test_merging_in_one_vector_gives_the_same_bits():
    """A model merged as one vector equals the state that `combine` makes of it, integer tensors included."""
    parts = [torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).state_dict() for _ in range(3)]
    pool = MergedModels(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)), FlatWeights(parts), 0)
    merged = pool.get((0.2, -0.3, 1.1)).state_dict()
    for name, tensor in combine(parts, (0.2, -0.3, 1.1)).items():
        assert torch.equal(merged[name], tensor), name
    with pytest.raises(ModelMismatch, match="state 1 does not fit state 0"):
        FlatWeights([parts[0], {}])


def test_the_cache_keeps_the_first_models_and_merges_the_others_in_turn():
    """A kept model is merged once, and another model only if it is not the last one that was requested."""
    parts = [torch.nn.Linear(2, 1, bias=False).state_dict() for _ in range(2)]
    pool = MergedModels(torch.nn.Linear(2, 1, bias=False), FlatWeights(parts), places=1)
    for _ in range(3):
        for coefficients in ((1.0, 0.0), (0.5, 0.5)):
            assert torch.equal(pool.get(coefficients).weight, combine(parts, coefficients)["weight"])
    assert pool.merges == 2
    assert torch.equal(pool.get((0.0, 1.0)).weight, parts[1]["weight"])
    assert torch.equal(pool.get((0.5, 0.5)).weight, combine(parts, (0.5, 0.5))["weight"])
    assert torch.equal(pool.get((1.0, 0.0)).weight, parts[0]["weight"])
    assert pool.merges == 4
    with pytest.raises(ValueError, match="places: wanted at least 0, got -1"):
        MergedModels(torch.nn.Linear(2, 1, bias=False), FlatWeights(parts), -1)


def test_the_example_in_the_docstring_holds():
    """The `>>>` lines of the module print what its docstrings say."""
    assert doctest.testmod(combination).failed == 0
