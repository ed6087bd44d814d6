"""Weights that are merged for an export: the numbers of an evaluation, one tensor of each model at a time."""

from contextlib import ExitStack

import pytest
import tiny
import torch
from fitted import PIXELS
from safetensors.torch import save_file

from storage.identity import digest_of_file
from storage.store import Store
from tasks.errors import CheckpointError
from tasks.exporting.weight_sets import CHECKPOINT, Headed, MergedWeights, WeightSet
from tasks.merging.combination import combine
from tasks.references.datasets import DatasetReference, ScoredDataset
from tasks.references.heads import FileReference
from tasks.references.models import ModelReference
from tasks.references.outputs import OutputsReference


def digest(path):
    with path.open("rb") as file:
        return digest_of_file(file)


@pytest.fixture
def models(tmp_path):
    """Outputs of three checkpoints with heads, two of them in safetensors files, and their states."""
    states, outputs = [tiny.classifier(seed).state_dict() for seed in (1, 2, 3)], []
    for number, state in enumerate(states):
        path = tmp_path / f"{number}.{'pt' if number == 2 else 'safetensors'}"
        if path.suffix == ".pt":
            torch.save(state, path)
        else:
            save_file(state, path)
        outputs.append(outputs_of(path, f"m{number}"))
    return outputs, states


def outputs_of(path, name, head=None):
    """The outputs of a checkpoint on a data set, by reference."""
    dataset = DatasetReference(
        name="drawn", url="none", group="id", digest="0123abcd", samples=1, classes=3, limit=None, preprocessing=PIXELS
    )
    model = ModelReference(name=name, url=str(path), digest=digest(path), temperature=1.0, architecture=None)
    return OutputsReference(model=model, scored=ScoredDataset(dataset=dataset, head=head, precision="fp32"))


def merged(outputs, coefficients, *, with_head=True):
    """The tensors of a weight set, copied, since each may be a view of a file until the next one."""
    weights = WeightSet(folder="", outputs=tuple(outputs), coefficients=tuple(coefficients))
    with ExitStack() as files:
        found = MergedWeights(Store("memory://weights"), files, with_head=with_head)
        outline = found.outline(weights)
        tensors = {name: tensor.clone() for name, tensor in found.tensors(weights)}
    assert {name: t.shape for name, t in outline.items()} == {name: t.shape for name, t in tensors.items()}
    return tensors


@pytest.mark.parametrize("row", [(0.2, 0.5, 0.3), (1.0, 0.0, 0.0), (-0.2, 0.6, 0.6)])
def test_the_numbers_are_those_of_combine(models, row):
    """Bit for bit, whatever the files' formats, and with negative coefficients of task vectors."""
    outputs, states = models
    got, wanted = merged(outputs, row), combine(states, row)
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[name], tensor) for name, tensor in wanted.items())


def test_two_names_of_one_checkpoint_are_one_model(models):
    """Their coefficients are added, as an evaluation adds them."""
    (first, second, _), states = models
    got = merged([first, second, outputs_of_again(first)], (0.25, 0.5, 0.25))
    wanted = combine([states[1], states[0]], [0.5, 0.5])
    assert all(torch.equal(got[name], tensor) for name, tensor in wanted.items())


def outputs_of_again(outputs):
    from dataclasses import replace

    return replace(outputs, model=replace(outputs.model, name="again"))


def test_the_head_is_the_data_sets_own_where_it_has_one(models, tmp_path):
    """A head outside the checkpoints replaces theirs, and takes the place in the sum that it has in a run."""
    _, states = models
    head = {"head.weight": torch.randn(5, 16), "head.bias": torch.randn(5)}
    save_file(head, tmp_path / "head.safetensors")
    reference = FileReference(url=str(tmp_path / "head.safetensors"), digest=digest(tmp_path / "head.safetensors"))
    outputs = [outputs_of(tmp_path / f"{number}.safetensors", f"m{number}", reference) for number in (0, 1)]
    got, wanted = merged(outputs, (0.3, 0.7)), combine([{**state, **head} for state in states[:2]], (0.3, 0.7))
    assert got["head.weight"].shape == (5, 16)
    assert all(torch.equal(got[name], tensor) for name, tensor in wanted.items())


def test_weights_can_be_had_without_a_head(models):
    """The tower alone is merged."""
    outputs, states = models
    got = merged(outputs[:2], (0.5, 0.5), with_head=False)
    assert got.keys() == {name for name in states[0] if name.startswith("visual.")}


def test_a_checkpoint_that_changed_since_it_was_planned_is_refused(models, tmp_path):
    """The numbers of another file would be exported under this one's digest."""
    outputs, states = models
    save_file({**states[0], "visual.proj": states[0]["visual.proj"] + 1}, tmp_path / "0.safetensors")
    with pytest.raises(CheckpointError, match="changed since the run began"):
        merged(outputs[:2], (0.5, 0.5))


def test_a_state_with_another_head_reads_nothing_until_it_is_asked():
    """Names and shapes come from the outline, so that a file's numbers are read one tensor at a time."""

    class Outlined(dict):
        def __getitem__(self, name):
            raise AssertionError(f"{name} was read")

        def outline(self):
            return {name: torch.empty(2, device="meta") for name in self}

    state = Headed(Outlined.fromkeys(["visual.proj", "head.weight"]), {"head.weight": torch.ones(3)})
    assert list(state) == ["visual.proj", "head.weight"]
    assert len(state) == 2
    assert {name: tuple(t.shape) for name, t in state.outline().items()} == {"visual.proj": (2,), "head.weight": (3,)}
    with pytest.raises(AssertionError, match=r"visual\.proj was read"):
        _ = state["visual.proj"]


@pytest.mark.parametrize(("folder", "wanted"), [("", CHECKPOINT), ("cluster-1", f"cluster-1/{CHECKPOINT}")])
def test_a_weight_set_knows_its_file(folder, wanted):
    """The path is relative to the exported folder, as records and the router name it."""
    assert WeightSet(folder=folder, outputs=(), coefficients=()).checkpoint == wanted
