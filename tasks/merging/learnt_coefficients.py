"""Task vectors' coefficients learnt by entropy minimisation, for AdaMerging (Yang et al., ICLR 2024, section 3.2).

θ(λ) = θ_0 + Σ_t λ_t τ_t, with one λ per task, or one per task and tensor ("layer-wise"). Memory holds the base, M task
vectors, one merged tower, made once per step, and one tensor of its gradient: as soon as backpropagation has a tensor's
gradient g, a hook turns it into those of the coefficients, ∂L/∂λ_t = ⟨g, τ_t⟩, and drops it. (Without the hook,
backpropagation would finish the whole tower's gradient before it reached the merge: one tower more.)
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.func import functional_call

from tasks.merging.combination import State, check_same_layout
from tasks.merging.sign_election import elect
from tasks.merging.trim_threshold import trim_thresholds
from tasks.merging.views import outline

Batches = Mapping[str, Iterator[torch.Tensor]]
"""By task, an endless source of normalised images."""


class LearntCoefficients:
    """A merged model with coefficients that can be learnt.

    Args:
        base: θ_0.
        tuned: M models of the same layout; mappings that read a tensor when it is asked for keep memory low.
        layer_wise: one coefficient per task and tensor; otherwise one per task.
        start: every coefficient's value before the first step.
        keep: fraction of each task vector that is kept before signs are elected ("++"); None: the task vectors as they
            are.
        parameters: names of the tensors that gradients reach; None: all. Statistics, such as BatchNorm's, take the
            mean of the coefficients over tensors.

    Attributes:
        coefficients: (tensors, M) or (1, M), clamped to [0, 1] in every merge.
        names: the tensors that gradients reach, in the order of the coefficients.
    """

    def __init__(
        self,
        base: State,
        tuned: Sequence[State],
        *,
        layer_wise: bool,
        start: float = 0.3,
        keep: float | None = None,
        parameters: Container[str] | None = None,
    ) -> None:
        check_same_layout([outline(base), *map(outline, tuned)])
        thresholds = None if keep is None else trim_thresholds(base, tuned, keep)
        self._base = dict(base)
        floating = [name for name, tensor in base.items() if tensor.is_floating_point()]
        self.names = [name for name in floating if parameters is None or name in parameters]
        self._following = [name for name in floating if name not in self.names]
        self._tasks: dict[str, torch.Tensor] = {}
        for name in floating:
            tasks = torch.stack([state[name].to(base[name].device) - base[name] for state in tuned])
            self._tasks[name] = tasks if thresholds is None else elect(tasks, thresholds)
        device = base[self.names[0]].device
        shape = (len(self.names) if layer_wise else 1, len(tuned))
        kind = base[self.names[0]].dtype
        self.coefficients = torch.full(shape, start, device=device, dtype=kind, requires_grad=True)

    @torch.no_grad()
    def merged(self) -> dict[str, torch.Tensor]:
        """Return the merged model's state."""
        used = self.coefficients.clamp(0.0, 1.0)
        state = dict(self._base)
        for i, name in enumerate(self.names):
            row = used[i if len(used) > 1 else 0]
            state[name] = torch.tensordot(row, self._tasks[name], dims=1).add_(self._base[name])
        for name in self._following:
            state[name] = torch.tensordot(used.mean(0), self._tasks[name], dims=1).add_(self._base[name])
        return state

    def learning(self) -> dict[str, torch.Tensor]:
        """Return the merged model's state; gradients that reach it are added to the coefficients' gradient."""
        state = self.merged()
        for i, name in enumerate(self.names):
            tensor = state[name].requires_grad_()
            hook = self._handed_on(i if len(self.coefficients) > 1 else 0, name)
            tensor.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]  # torch's own
        return state

    def _handed_on(self, row: int, name: str) -> Callable[[torch.Tensor], None]:
        @torch.no_grad()
        def hand_on(tensor: torch.Tensor) -> None:
            assert tensor.grad is not None  # the hook is called when it has just been made
            own = self.coefficients[row]
            inside = (own >= 0) & (own <= 1)  # the clamp lets nothing else through
            found = self._tasks[name].flatten(1) @ tensor.grad.reshape(-1)
            if self.coefficients.grad is None:
                self.coefficients.grad = torch.zeros_like(self.coefficients)
            self.coefficients.grad[row] += found * inside
            tensor.grad = None

        return hand_on


def mean_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Return the mean entropy of the predictions of a batch, nats.

    Args:
        logits: (n, classes).
    """
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1).mean()


def projected(logits: torch.Tensor, groups: Sequence[Sequence[int]] | None) -> torch.Tensor:
    """Return the logits (n, classes) of a data set: the largest logit of each group of the head's classes.

    Args:
        logits: (n, classes of the head).
        groups: the head's classes that each class of the data set stands for; None: they are the same.
    """
    if groups is None:
        return logits
    if all(len(group) == 1 for group in groups):
        return logits[:, [group[0] for group in groups]]
    return torch.stack([logits[:, list(group)].amax(1) for group in groups], dim=1)


def learn(
    merging: LearntCoefficients,
    modules: Mapping[str, nn.Module],
    heads: Mapping[str, Mapping[str, torch.Tensor]],
    batches: Batches,
    *,
    steps: int,
    rate: float = 1e-3,
    groups: Mapping[str, Sequence[Sequence[int]] | None] | None = None,
    advanced: Callable[[int], object] = lambda _steps: None,
) -> list[float]:
    """Learn the coefficients in place; return each step's loss, the sum of the tasks' mean entropies in nats.

    Args:
        merging: whose coefficients are learnt, by Adam.
        modules: per task, a model of the merged state's layout (with the task's head).
        heads: per task, tensors that are that task's own and not merged; may be empty.
        batches: per task.
        steps: each takes one batch of every task.
        rate: learning rate.
        groups: per task, the head's classes that each of its own stands for; None: they are the same.
        advanced: called after every step.

    Raises:
        ValueError: a loss is not finite.
    """
    optimizer = torch.optim.Adam([merging.coefficients], lr=rate)
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        total, state = 0.0, merging.learning()
        for task, module in modules.items():  # one backward pass a task: activations of one batch at a time
            logits = functional_call(module, {**state, **heads[task]}, (next(batches[task]),))
            loss = mean_entropy(projected(logits, groups[task] if groups else None))
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            total += loss.item()
        del state, logits, loss
        if not total < float("inf"):
            raise ValueError(f"loss: wanted a finite number, got {total} at step {len(losses)}")
        optimizer.step()
        losses.append(total)
        advanced(1)
    return losses
