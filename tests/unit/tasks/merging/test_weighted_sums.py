"""Linear merges read from files, tensor by tensor, have the numbers of `combine` on whole states."""

import doctest
from contextlib import ExitStack

import pytest
import safetensors.torch
import torch
from checkpoints import clip, read

from tasks.errors import CheckpointError, ModelMismatch
from tasks.merging import weighted_sums as module
from tasks.merging.combination import combine, weighted_sum
from tasks.merging.views import PIECE
from tasks.merging.weighted_sums import weighted_sums
from tasks.models.lazy_state import open_state

WEIGHTS = (-0.5, 0.25, 1.25)


@pytest.fixture
def files(tmp_path):
    """Paths of three checkpoints, in float32, float16 and bfloat16."""
    random, paths = torch.Generator().manual_seed(0), []
    for i, dtype in enumerate((torch.float32, torch.float16, torch.bfloat16)):
        state = {n: t + 0.1 * torch.randn(t.shape, generator=random) for n, t in clip().state_dict().items()}
        paths.append(tmp_path / f"{i}.safetensors")
        safetensors.torch.save_file({n: t.to(dtype) for n, t in state.items()}, paths[-1])
    return paths


def test_a_merge_of_files_equals_the_merge_of_states(files):
    """To the last bit, whatever type the weights are stored in."""
    wanted = combine([read(path) for path in files], WEIGHTS)
    with ExitStack() as opened:
        states = [open_state(opened.enter_context(path.open("rb")), path.name) for path in files]
        merged = dict(weighted_sums(states, WEIGHTS))
    assert merged.keys() == wanted.keys()
    assert all(torch.equal(merged[name], wanted[name]) for name in wanted)


def test_tensors_longer_than_a_piece_and_strided_ones_are_summed_alike():
    """The pieces of a large tensor, and a tensor whose numbers do not lie in order, have the sums of whole tensors."""
    random = torch.Generator().manual_seed(0)
    parts = [torch.randn(PIECE // 100 + 1, 100, generator=random) for _ in WEIGHTS]
    wanted = parts[0] * WEIGHTS[0]
    for weight, part in zip(WEIGHTS[1:], parts[1:], strict=True):
        wanted.add_(part, alpha=weight)
    for given in (parts, [part.T.contiguous().T for part in parts]):
        target = torch.empty_like(given[0])
        weighted_sum(target, list(zip(WEIGHTS, given, strict=True)))
        assert torch.equal(target, wanted)


def test_a_model_of_coefficient_zero_is_not_read(files):
    """Its weights may even be NaN; with any other coefficient the error names the file and the tensor."""
    state = safetensors.torch.load_file(files[1])
    state["visual.proj"][0] = float("nan")
    safetensors.torch.save_file(state, files[1])
    with open(files[0], "rb") as good, open(files[1], "rb") as bad:
        states = [open_state(good, "good"), open_state(bad, "bad")]
        assert torch.equal(dict(weighted_sums(states, [1.0, 0.0]))["visual.proj"], states[0]["visual.proj"])
        with pytest.raises(CheckpointError, match=r"bad: visual\.proj holds NaN"):
            dict(weighted_sums(states, [1.0, 1e-9]))


def test_the_result_has_the_order_that_is_asked_for():
    """Names come in the order of another state, integers from the first state that is merged."""
    first, second = {"n": torch.tensor(1), "w": torch.ones(2)}, {"w": torch.ones(2), "n": torch.tensor(2)}
    assert [name for name, _ in weighted_sums([first], [1.0], second)] == ["w", "n"]
    assert dict(weighted_sums([first, second], [0.5, 0.5]))["n"] == 1


def test_states_and_coefficients_that_do_not_fit_are_refused():
    """One coefficient a state, at least one state, and one layout of all."""
    with pytest.raises(ModelMismatch, match="wanted one coefficient a state, got 1 for 0"):
        dict(weighted_sums([], [1.0]))
    with pytest.raises(ModelMismatch, match="w: wanted"):
        dict(weighted_sums([{"w": torch.ones(2)}, {"w": torch.ones(3)}], [0.5, 0.5]))


def test_the_example_in_the_docstring_holds():
    """The `>>>` lines of the module print what its docstrings say."""
    assert doctest.testmod(module).failed == 0
