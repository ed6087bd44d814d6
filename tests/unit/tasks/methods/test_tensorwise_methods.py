"""Methods that merge tensor by tensor: against tensors worked by hand, and laws that each method keeps."""

import numpy as np
import pytest
import torch

from tasks.errors import ModelMismatch
from tasks.merging.combination import combine
from tasks.merging.sign_election import agreeing_, elect
from tasks.merging.trim_threshold import trim_thresholds
from tasks.methods.by_tensor import TensorwiseMethod
from tasks.methods.iso_c import isotropic
from tasks.methods.model_stock import model_stock
from tasks.methods.registry import METHODS
from tasks.methods.tsv_merge import task_singular_vectors
from tasks.numerics.expertise import task_vector_coefficients

NAMES = sorted(name for name, method in METHODS.items() if isinstance(method, TensorwiseMethod))


def merge_states(name, base, tuned, **options):
    """The merged model of a method at scale 1."""
    method = METHODS[name]
    return dict(method.merged(base, tuned, method.options(**options)))


def states(count=3, seed=0):
    """A base and tuned models: a matrix, a vector, a convolution, a counter."""
    random = torch.Generator().manual_seed(seed)

    def one():
        state = {"w": torch.randn(6, 4, generator=random), "b": torch.randn(5, generator=random)}
        return {**state, "c": torch.randn(3, 2, 2, 2, generator=random), "n": torch.tensor(7)}

    return one(), [one() for _ in range(count)]


def test_ties_by_hand():
    """Keep two of five of each; signs by the larger sum; means over those that agree, or their sum; a tie is 0."""
    first = torch.tensor([4.0, -3.0, 0.5, 0.0, 1.0])
    second = torch.tensor([-1.0, -5.0, 0.0, 0.2, 2.0])
    base = {"x": torch.zeros(5)}
    thresholds = trim_thresholds(base, [{"x": task} for task in (first, second)], 0.4)
    assert thresholds == [3.0, 2.0]
    merged = agreeing_(torch.stack([first, second]), thresholds, mean=True)
    assert merged.tolist() == [4.0, -4.0, 0.0, 0.0, 2.0]
    assert agreeing_(torch.stack([first, second]), thresholds, mean=False).tolist() == [4.0, -8.0, 0.0, 0.0, 2.0]
    cancelled = torch.tensor([[1.0, 3.0], [-1.0, -2.0]])
    assert agreeing_(cancelled.clone(), [0.0, 0.0], mean=True).tolist() == [0.0, 3.0]
    assert elect(cancelled, [0.0, 0.0]).tolist() == [[0.0, 3.0], [0.0, 0.0]]


def test_ties_adds_what_agrees_where_the_experiment_says_so():
    """Task vectors that agree everywhere: the sum is M times the mean, so that a scale of 0.3 reaches M·0.3 of it."""
    base, (one, *_) = states()
    mean, added = (merge_states("ties", base, [one] * 3, keep=1.0, combine=how) for how in ("mean", "sum"))
    torch.testing.assert_close(added["w"] - base["w"], 3 * (mean["w"] - base["w"]))


def test_ties_of_zero_vectors_is_zero():
    """A task that changed nothing takes no part in any mean."""
    zero, other = torch.zeros(4), torch.tensor([1.0, -2.0, 3.0, -4.0])
    base = {"x": torch.zeros(4)}
    limits = trim_thresholds(base, [{"x": task} for task in (zero, other)], 1.0)
    assert agreeing_(torch.stack([zero, zero]), [0.0, 0.0], mean=True).tolist() == [0.0] * 4
    assert torch.equal(agreeing_(torch.stack([zero, other]), limits, mean=True), other)


@pytest.mark.parametrize("keep", [0.0, 1.5])
def test_a_share_out_of_range_is_refused(keep):
    """More than all, and nothing."""
    with pytest.raises(ValueError, match="wanted a fraction above 0 and at most 1"):
        trim_thresholds({"x": torch.zeros(2)}, [{"x": torch.ones(2)}], keep)


def test_model_stock_by_hand():
    """Orthogonal task vectors stay at the base; parallel ones go all the way; 60 degrees: 2·½/(1 + ½) = 2/3."""
    assert model_stock(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).tolist() == [0.0, 0.0]
    assert model_stock(torch.tensor([[1.0, 1.0], [1.0, 1.0]])).tolist() == [1.0, 1.0]
    angle = np.pi / 3
    tasks = torch.tensor([[1.0, 0.0], [np.cos(angle), np.sin(angle)]], dtype=torch.float64)
    torch.testing.assert_close(model_stock(tasks), tasks.mean(0) * 2 / 3)
    assert model_stock(torch.tensor([[1.0, 0.0], [-1.0, 0.1]])).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="at least 2 tuned models, got 1"):
        model_stock(torch.ones(1, 2))


def test_singular_merges_of_diagonal_tasks():
    """Two tasks in two directions each: TSV keeps the larger of each, already orthogonal; Iso-C levels the sum."""
    tasks = torch.stack(
        [torch.diag(torch.tensor([3.0, 1.0, 0.0, 0.0])), torch.diag(torch.tensor([0.0, 0.0, 4.0, 2.0]))]
    )
    torch.testing.assert_close(task_singular_vectors(tasks), torch.diag(torch.tensor([3.0, 1.0, 4.0, 2.0])))
    torch.testing.assert_close(isotropic(tasks), torch.eye(4) * 2.5)
    tasks = torch.stack([torch.diag(torch.tensor([3.0, 1.0])), torch.diag(torch.tensor([1.0, 5.0]))])
    torch.testing.assert_close(task_singular_vectors(tasks), torch.diag(torch.tensor([3.0, 5.0])))


def test_tsv_makes_shared_directions_orthogonal():
    """Two tasks along one direction: the nearest orthogonal pair, so that neither is added to the other."""
    random = torch.Generator().manual_seed(0)
    tasks = torch.randn(3, 8, 6, generator=random)
    merged = task_singular_vectors(tasks)
    values = torch.cat([torch.linalg.svdvals(task)[:2] for task in tasks])
    torch.testing.assert_close(torch.linalg.svdvals(merged), values.sort(descending=True).values, rtol=1e-4, atol=1e-4)


def test_singular_merges_of_nothing_are_nothing():
    """Zero matrices have no directions."""
    assert not task_singular_vectors(torch.zeros(2, 3, 4)).any()
    assert not isotropic(torch.zeros(2, 3, 4)).any()


def adapters(count=4, rank=3, shape=(48, 32), strength=1e-2, seed=0):
    """A base, and models tuned by adapters of low rank: θ_0 + B A."""
    random = torch.Generator().manual_seed(seed)
    base = torch.randn(shape, generator=random)
    pairs = [
        (torch.randn(shape[0], rank, generator=random), torch.randn(rank, shape[1], generator=random))
        for _ in range(count)
    ]
    return base, [base + strength * b @ a for b, a in pairs]


def merged_matrix(method, base, tuned):
    return merge_states(method, {"w": base}, [{"w": one} for one in tuned])["w"] - base


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["tsv-merge", "iso-c"])
def test_a_merge_of_adapters_is_a_function_of_its_inputs(method, dtype):
    """Of low-rank task vectors: another order, other threads, a perturbation of 1e-7 move it by less than 1e-4."""
    base, tuned = adapters(strength={torch.float32: 1e-2, torch.float16: 0.3, torch.bfloat16: 3.0}[dtype])
    base, tuned = base.to(dtype).float(), [one.to(dtype).float() for one in tuned]
    merged = merged_matrix(method, base, tuned)
    assert (
        int((torch.linalg.svdvals(merged.double()) > 1e-3 * torch.linalg.matrix_norm(merged.double(), 2)).sum()) == 12
    )
    random = torch.Generator().manual_seed(1)
    noisy = [one * (1 + 1e-7 * torch.randn(one.shape, generator=random)) for one in tuned]
    others = {"order": merged_matrix(method, base, tuned[::-1])}
    if dtype == torch.float32:  # elsewhere such a change is lost when the weights are stored
        others["perturbation"] = merged_matrix(method, base, noisy)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        others["threads"] = merged_matrix(method, base, tuned)
    finally:
        torch.set_num_threads(threads)
    for name, other in others.items():
        assert float((other - merged).norm() / merged.norm()) < 1e-4, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("seed", range(3))
def test_task_vectors_of_full_rank_are_hardly_cut(dtype, seed):
    """Whole fine-tunes well above their rounding: TSV-Merge as without a cut, Iso-C keeps nearly all directions."""
    random = torch.Generator().manual_seed(seed)
    base = 0.02 * torch.randn(96, 96, generator=random)
    spectrum = torch.arange(1, 97) ** -0.5
    tuned = []
    for _ in range(3):
        left, right = (torch.linalg.qr(torch.randn(96, 96, generator=random))[0] for _ in range(2))
        tuned.append(base + 0.03 * left @ torch.diag(spectrum) @ right)
    base, tuned = base.to(dtype).float(), [one.to(dtype).float() for one in tuned]
    tasks = torch.stack([one - base for one in tuned])
    merged = merged_matrix("tsv-merge", base, tuned)
    assert float((merged - task_singular_vectors(tasks)).norm() / merged.norm()) < 1e-4
    values = torch.linalg.svdvals(merged_matrix("iso-c", base, tuned).double())
    kept = int((values > 0.5 * values[0]).sum())
    assert kept == 96 if dtype == torch.float32 else kept >= 78  # the sum of three has directions near its rounding


@pytest.mark.parametrize("method", ["tsv-merge", "iso-c"])
def test_tasks_that_share_their_directions_have_a_merge_too(method):
    """Equal adapters twice: their vectors are dependent, and the merge does not turn on rounding all the same."""
    base, tuned = adapters(count=2)
    merged = merged_matrix(method, base, [tuned[0], tuned[0], tuned[1]])
    other = merged_matrix(method, base, [tuned[0] * (1 + 1e-7), tuned[1], tuned[0]])
    assert float((other - merged).norm() / merged.norm()) < 1e-4


def test_iso_c_keeps_the_sum_of_singular_values():
    """Of what is above rounding: an adapter does not lose strength for having a low rank."""
    base, tuned = adapters(count=2)
    total = torch.linalg.svdvals((tuned[0] - base + tuned[1] - base).double())[:6].sum()
    values = torch.linalg.svdvals(merged_matrix("iso-c", base, tuned).double())
    torch.testing.assert_close(values[:6], (total / 6).expand(6), rtol=1e-3, atol=1e-6)
    assert float(values[6:].max()) < 1e-4 * float(values[0])


@pytest.mark.parametrize("method", NAMES)
def test_merging_equal_models_changes_nothing(method):
    """Every tuned model the base: the base."""
    base, _ = states()
    merged = merge_states(method, base, [base, base, base])
    for name, tensor in base.items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("method", NAMES)
def test_the_order_of_tasks_changes_nothing(method):
    """No task comes first."""
    base, tuned = states()
    one, other = merge_states(method, base, tuned), merge_states(method, base, tuned[::-1])
    for name in base:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-5)
    assert one["n"] == 7


def by_hand(method, tasks):
    """The merged task vector of one tensor, by a second implementation of each method."""
    count, flat = len(tasks), tasks.reshape(len(tasks), -1).double()
    if method == "weight-average":
        return tasks.sum(0) / (count + 1)
    if method == "model-stock":
        pairs = [torch.cosine_similarity(flat[i], flat[j], 0) for i in range(count) for j in range(i)]
        cosine = sum(pairs) / len(pairs)
        return tasks.mean(0) * float((count * cosine / (1 + (count - 1) * cosine)).clamp(0, 1))
    if tasks.ndim != 3:
        return tasks.mean(0)
    if method == "iso-c":
        u, s, v = np.linalg.svd(tasks.sum(0).numpy(), full_matrices=False)
        return torch.from_numpy(u @ np.diag(np.full_like(s, s.mean())) @ v)
    rank = min(tasks.shape[1:]) // count
    parts = [np.linalg.svd(task.numpy(), full_matrices=False) for task in tasks]
    left, right = np.hstack([u[:, :rank] for u, _, _ in parts]), np.vstack([v[:rank] for _, _, v in parts])
    (pu, _, pv), (qu, _, qv) = (np.linalg.svd(x, full_matrices=False) for x in (left, right))
    return torch.from_numpy(pu @ pv @ np.diag(np.concatenate([s[:rank] for _, s, _ in parts])) @ qu @ qv)


@pytest.mark.parametrize("method", [m for m in NAMES if m != "ties"])
def test_each_tensor_is_merged_as_its_method_says(method):
    """A matrix, a vector and a convolution, against a second implementation."""
    base, tuned = states()
    merged = merge_states(method, base, tuned)
    for name in ("w", "b", "c"):
        tasks = torch.stack([state[name] - base[name] for state in tuned])
        wanted = base[name] + by_hand(method, tasks).float()
        torch.testing.assert_close(merged[name], wanted, rtol=1e-3, atol=3e-4)


def test_ties_thresholds_are_of_the_whole_model():
    """Not of each tensor: one large tensor may keep all of its numbers, a small one none."""
    base, tuned = states()
    tuned = [{**state, "w": base["w"] + 100 * state["w"]} for state in tuned]
    merged = merge_states("ties", base, tuned, keep=0.4)
    flat = [torch.cat([(s[n] - base[n]).reshape(-1) for n in ("w", "b", "c")]).abs() for s in tuned]
    limits = [float(f.sort(descending=True).values[round(0.4 * len(f)) - 1]) for f in flat]
    for name in ("w", "b", "c"):
        tasks = torch.stack([state[name] - base[name] for state in tuned])
        kept = tasks * (tasks.abs() >= torch.tensor(limits).view(-1, *[1] * (tasks.ndim - 1)))
        sign = kept.sum(0).sign()
        agree = kept * (kept.sign() == sign) * (sign != 0)
        wanted = agree.sum(0) / (agree != 0).sum(0).clamp(min=1)
        torch.testing.assert_close(merged[name], base[name] + wanted)
    assert torch.equal(merged["b"], base["b"])


def test_weight_average_counts_the_base():
    """Equal shares of all."""
    base, tuned = states()
    wanted = combine([base, *tuned], [0.25] * 4)
    torch.testing.assert_close(merge_states("weight-average", base, tuned)["w"], wanted["w"])


def test_models_that_do_not_fit_are_refused():
    """No tuned model, or one without a tensor of the base, is an error that says so."""
    base, _ = states()
    with pytest.raises(ModelMismatch, match="wanted at least one tuned model, got none"):
        merge_states("model-stock", base, [])
    with pytest.raises(ModelMismatch, match="w is missing"):
        merge_states("model-stock", base, [{name: t for name, t in base.items() if name != "w"}])


def test_equal_shares_of_task_vectors_are_task_arithmetic():
    """c_t = s·M·π_t = s, c_0 = 1 − s·M; rows sum to one; scale 0 is the base."""
    coefficients = task_vector_coefficients(np.full((2, 4), 0.25), 0.3)
    np.testing.assert_allclose(coefficients, [[-0.2, 0.3, 0.3, 0.3, 0.3]] * 2)
    np.testing.assert_array_equal(task_vector_coefficients([[0.2, 0.8]], 0.0), [[1.0, 0.0, 0.0]])
