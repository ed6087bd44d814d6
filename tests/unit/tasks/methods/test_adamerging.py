"""AdaMerging: the gradient against finite differences, what it starts from and ends in, entropy that falls."""

import pytest
import tiny
import torch
from torch.func import functional_call

from tasks.merging.combination import combine
from tasks.merging.learnt_coefficients import LearntCoefficients, learn, mean_entropy, projected


def models(count=2, dtype=torch.float64):
    """A base and tuned classifiers near it."""
    module = tiny.classifier(0).to(dtype)
    base = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    random = torch.Generator().manual_seed(1)
    tuned = [
        {n: t + 0.1 * torch.randn(t.shape, generator=random, dtype=dtype) for n, t in base.items()}
        for _ in range(count)
    ]
    return module, base, tuned


def endless(seed, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    fixed = torch.randn(6, 3, 16, 16, generator=random, dtype=dtype)
    while True:
        yield fixed


@pytest.mark.parametrize("layer_wise", [True, False])
def test_the_gradient_is_that_of_finite_differences(layer_wise):
    """Of the mean entropy by every coefficient."""
    module, base, tuned = models()
    merging = LearntCoefficients(base, tuned, layer_wise=layer_wise)
    images = next(endless(0))

    def loss():
        return mean_entropy(functional_call(module, merging.merged(), (images,)))

    mean_entropy(functional_call(module, merging.learning(), (images,))).backward()
    found = merging.coefficients.grad.clone()
    step = 1e-5
    for place in [(0, 0), (len(found) - 1, 1), (len(found) // 2, 0)]:
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                merging.coefficients[place] += sign * step
                sides.append(loss().item())
                merging.coefficients[place] -= sign * step
        assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(found[place].item(), abs=1e-4)


@pytest.mark.parametrize("layer_wise", [True, False])
def test_it_starts_at_task_arithmetic(layer_wise):
    """Every coefficient 0.3."""
    _, base, tuned = models()
    wanted = combine([base, *tuned], [0.4, 0.3, 0.3])
    merged = LearntCoefficients(base, tuned, layer_wise=layer_wise).merged()
    for name in base:
        torch.testing.assert_close(merged[name], wanted[name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("keep", [None, 0.2])
def test_entropy_falls_and_coefficients_stay_in_range(keep):
    """On the batches it learns from; each task with a head of its own."""
    module, base, tuned = models(dtype=torch.float32)
    merging = LearntCoefficients(base, tuned, layer_wise=True, keep=keep)
    heads = {"a": {}, "b": {"head.weight": 2 * base["head.weight"]}}
    batches = {"a": endless(0, torch.float32), "b": endless(1, torch.float32)}
    losses = learn(merging, {"a": module, "b": module}, heads, batches, steps=30, rate=1e-2)
    assert losses[-1] < losses[0]
    used = merging.coefficients.detach().clamp(0, 1)
    wanted = base["head.bias"] + used[merging.names.index("head.bias")] @ merging._tasks["head.bias"]
    torch.testing.assert_close(merging.merged()["head.bias"], wanted)
    assert len(set(used.flatten().tolist())) > 2
    assert not module.training


def test_a_loss_that_is_not_finite_ends_it():
    """Before anything is made of it."""
    module, base, tuned = models(dtype=torch.float32)
    bad = {name: torch.full_like(tensor, float("nan")) for name, tensor in tuned[0].items()}
    merging = LearntCoefficients(base, [bad, tuned[1]], layer_wise=False)
    with pytest.raises(ValueError, match="loss: wanted a finite number, got nan at step 0"):
        learn(merging, {"a": module}, {"a": {}}, {"a": endless(0, torch.float32)}, steps=2)


def test_trimmed_task_vectors_are_those_of_ties():
    """`++`: what is left after trimming and the election of signs."""
    from tasks.merging.sign_election import elect
    from tasks.merging.trim_threshold import trim_thresholds

    _, base, tuned = models()
    merging = LearntCoefficients(base, tuned, layer_wise=False, keep=0.2)
    thresholds = trim_thresholds(base, tuned, 0.2)
    tasks = torch.stack([state["head.weight"] - base["head.weight"] for state in tuned])
    assert torch.equal(merging._tasks["head.weight"], elect(tasks, thresholds))
    kept = sum((t != 0).sum().item() for t in merging._tasks.values())
    assert kept <= 0.41 * sum(t.numel() for t in base.values())


def test_outside_of_the_range_nothing_is_learnt():
    """The clamp lets no gradient through, and nothing else into the merge."""
    module, base, tuned = models()
    merging = LearntCoefficients(base, tuned, layer_wise=False)
    with torch.no_grad():
        merging.coefficients.copy_(torch.tensor([[1.5, 0.5]]))
    mean_entropy(functional_call(module, merging.learning(), (next(endless(0)),))).backward()
    assert merging.coefficients.grad[0, 0] == 0
    assert merging.coefficients.grad[0, 1] != 0
    wanted = combine([base, *tuned], [-0.5, 1.0, 0.5])
    torch.testing.assert_close(merging.merged()["head.weight"], wanted["head.weight"])


def test_the_loss_is_the_sum_over_tasks_and_a_step_is_adams():
    """One step moves each coefficient by the learning rate against its gradient's sign."""
    module, base, tuned = models()
    images = {"a": next(endless(0)), "b": next(endless(1))}
    merging = LearntCoefficients(base, tuned, layer_wise=True)
    start = LearntCoefficients(base, tuned, layer_wise=True).learning()
    each = {n: mean_entropy(functional_call(module, start, (x,))).item() for n, x in images.items()}
    sources = {name: iter([x]) for name, x in images.items()}
    losses = learn(merging, dict.fromkeys(images, module), {n: {} for n in images}, sources, steps=1, rate=0.01)
    assert losses == [pytest.approx(sum(each.values()))]
    moved = (merging.coefficients - 0.3).abs().detach()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.01), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("groups", [((2,), (0,)), ((0, 1), (2,))])
def test_entropy_is_that_of_the_data_sets_own_classes(groups):
    """A subset of the head's, or the largest of groups; the same as the pipeline's own projection."""
    from tasks.datasets.label_spaces import project

    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(projected(logits, groups), torch.from_numpy(project(logits.numpy(), groups)))
    assert torch.equal(projected(logits, None), logits)


def test_statistics_follow_without_a_gradient():
    """BatchNorm's cannot be differentiated; they are merged by the coefficients' mean."""
    from open_clip.modified_resnet import ModifiedResNet

    torch.manual_seed(0)
    module = ModifiedResNet([1, 1, 1, 1], 8, 2, 32, 4).eval()
    base = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tuned = [{n: t + 0.1 if t.is_floating_point() else t for n, t in base.items()} for _ in range(2)]
    names = {name for name, _ in module.named_parameters()}
    merging = LearntCoefficients(base, tuned, layer_wise=True, parameters=names)
    assert len(merging.coefficients) == len(names)
    images = torch.randn(2, 3, 32, 32)
    learn(merging, {"a": module}, {"a": {}}, {"a": iter([images] * 2)}, steps=2)
    used = merging.coefficients.detach().mean(0)
    wanted = base["bn1.running_mean"] + 0.1 * used.sum()
    torch.testing.assert_close(merging.merged()["bn1.running_mean"], wanted)
