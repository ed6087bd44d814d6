"""The election of signs in pieces equals the formulas of the paper, written out over whole vectors, to the last bit."""

import pytest
import safetensors.torch
import torch
from checkpoints import clip

from tasks.errors import CheckpointError, ModelMismatch
from tasks.merging import sign_election
from tasks.merging.sign_election import agreeing_, elect, merged_by_signs
from tasks.models.lazy_state import open_state


def by_formula(tasks, thresholds, *, mean):
    """Trim, elect, and merge what agrees, with a whole tensor for each step."""
    limits = torch.tensor(thresholds).view(-1, *[1] * (tasks.ndim - 1))
    trimmed = torch.where(tasks.abs() >= limits, tasks, 0.0)
    sign = trimmed.sum(0).sign()
    kept = torch.where(trimmed.sign() == sign, trimmed, 0.0)
    return kept.sum(0) / (kept != 0).sum(0).clamp(min=1) if mean else kept.sum(0)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("count", [1, 2, 8, 20])
def test_pieces_are_merged_as_the_formula_says(count, mean):
    """For few and many tasks, with numbers on the thresholds and numbers that cancel."""
    tasks = torch.randn(count, 5, 301, generator=torch.Generator().manual_seed(count)).mul(8).round().div(8)
    thresholds = [0.125 * (i % 5) for i in range(count)]
    wanted = by_formula(tasks, thresholds, mean=mean)
    assert torch.equal(elect(tasks, thresholds).sum(0), by_formula(tasks, thresholds, mean=False))
    assert torch.equal(agreeing_(tasks, thresholds, mean=mean), wanted)


@pytest.mark.parametrize("piece", [1, 1000, 5000])
@pytest.mark.parametrize("count", [3, 8, 20, 33])
def test_the_length_of_pieces_changes_nothing(monkeypatch, piece, count):
    """Tensors shorter and longer than a piece, and such of no number, are merged to the same bits."""
    random = torch.Generator().manual_seed(0)
    shapes = {"w": (61, 49), "b": (150,), "one": (1,), "none": (0, 3)}
    base, *tuned = [{n: torch.randn(s, generator=random) for n, s in shapes.items()} for _ in range(count + 1)]
    wanted = dict(merged_by_signs(base, tuned, 0.4, mean=True))
    monkeypatch.setattr(sign_election, "PIECE", piece)
    found = dict(merged_by_signs(base, tuned, 0.4, mean=True))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_weights_that_are_not_finite_are_refused_by_the_name_of_their_file(tmp_path):
    """The error names the file and the tensor, whichever of the models they are of."""
    state = {name: tensor.clone() for name, tensor in clip().state_dict().items() if name.startswith("visual.")}
    safetensors.torch.save_file(state, tmp_path / "good.safetensors")
    state["visual.ln_post.weight"][3] = float("nan")
    safetensors.torch.save_file(state, tmp_path / "bad.safetensors")
    with open(tmp_path / "good.safetensors", "rb") as good, open(tmp_path / "bad.safetensors", "rb") as bad:
        opened = [open_state(good, "good.safetensors"), open_state(bad, "bad.safetensors")]
        for base, tuned in (opened, opened[::-1]):
            with pytest.raises(CheckpointError, match=r"bad\.safetensors: visual\.ln_post\.weight holds NaN"):
                dict(merged_by_signs(base, [tuned], 0.2, mean=True))


def test_no_tuned_model_is_refused():
    """A base alone has no task vector."""
    with pytest.raises(ModelMismatch, match="wanted at least one tuned model, got none"):
        dict(merged_by_signs({"w": torch.zeros(2)}, [], 0.2, mean=True))
