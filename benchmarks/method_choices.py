"""Measure how much the merged model changes with the choices that methods' papers leave open.

FOLDER holds the base, `start.safetensors`, and tuned checkpoints, such as `dawin-multi-task/checkpoints`. For each
choice the program prints ‖τ − τ'‖ / ‖τ‖ over the whole merged task vector: τ is this pipeline's, τ' that of another
implementation. The other implementations are written here after the behaviour of their published code.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
import torch

from tasks.merging.sign_election import merged_by_signs
from tasks.methods.iso_c import isotropic
from tasks.methods.model_stock import model_stock
from tasks.methods.tsv_merge import task_singular_vectors

State = Mapping[str, torch.Tensor]
KEEP = 0.2
RANK = 8  # of the low-rank task vectors


def read(folder: Path) -> tuple[State, list[State]]:
    """Return the state of the base and those of the tuned models."""
    found = {path.stem: safetensors.torch.load_file(path) for path in sorted(folder.glob("*.safetensors"))}
    base = found.pop("start")
    return base, list(found.values())


def vectors(base: State, tuned: list[State]) -> dict[str, torch.Tensor]:
    """Return the task vectors (M, …), tensor by tensor."""
    return {name: torch.stack([state[name] - base[name] for state in tuned]) for name in base}


def ties(base: State, tuned: list[State]) -> dict[str, torch.Tensor]:
    """Return the merged task vector of this pipeline's TIES."""
    return {name: tensor - base[name] for name, tensor in merged_by_signs(base, tuned, KEEP, mean=True)}


def disjoint_mean(trimmed: torch.Tensor, sign: torch.Tensor) -> torch.Tensor:
    """Return the mean over the tasks whose number has the elected sign."""
    kept = torch.where(trimmed.sign() == sign, trimmed, 0.0)
    return kept.sum(0) / (kept != 0).sum(0).clamp(min=1)


def ties_release(tasks: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Merge as TIES's release: keep int(k·d) + 1 numbers; a sum of zero takes the sign of the sum of all signs."""
    flat = torch.cat([task.flatten(1) for task in tasks.values()], 1)
    size = flat.shape[1]
    limits = flat.abs().kthvalue(size - int(size * KEEP), dim=1, keepdim=True).values
    trimmed = torch.where(flat.abs() >= limits, flat, 0.0)
    sign = trimmed.sum(0).sign()
    sign[sign == 0] = sign.sum().sign()
    merged = disjoint_mean(trimmed, sign)
    sizes = [task[0].numel() for task in tasks.values()]
    parts = torch.split(merged, sizes)
    return {name: part.view(tasks[name].shape[1:]) for name, part in zip(tasks, parts, strict=True)}


def ties_by_tensor(tasks: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Merge as mergekit: each tensor keeps int(k·n) of its own numbers; a sum of zero counts as positive."""
    merged = {}
    for name, task in tasks.items():
        flat = task.flatten(1)
        kept = flat.abs().topk(max(1, int(KEEP * flat.shape[1])), dim=1).indices
        trimmed = torch.zeros_like(flat).scatter(1, kept, flat.gather(1, kept))
        sign = torch.where(trimmed.sum(0) >= 0, 1.0, -1.0)
        merged[name] = disjoint_mean(trimmed, sign).view(task.shape[1:])
    return merged


def stock_of(share: Callable[[torch.Tensor, int], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a Model Stock whose fraction of the mean task vector is a function of the pairs' cosines (P,)."""

    def merged(tasks: torch.Tensor) -> torch.Tensor:
        flat = tasks.flatten(1).double()
        count = len(flat)
        norms = torch.outer(flat.norm(dim=1), flat.norm(dim=1)).clamp(min=1e-6)
        pairs = ((flat @ flat.T) / norms)[torch.triu_indices(count, count, 1).unbind()].clamp(-1, 1)
        return tasks.mean(0) * float(share(pairs, count))

    return merged


def ratio(cosine: torch.Tensor, count: int) -> torch.Tensor:
    """Return t = N cos θ / (1 + (N − 1) cos θ)."""
    return count * cosine / (1 + (count - 1) * cosine)


stock_unbounded = stock_of(lambda pairs, count: ratio(pairs.mean(), count))
stock_angles = stock_of(lambda pairs, count: ratio(pairs.arccos().mean().cos(), count).clamp(0, 1))


def iso_without_cut(tasks: torch.Tensor) -> torch.Tensor:
    """Merge as Iso-C's release: the mean over all singular values, in float32."""
    if tasks.ndim != 3:
        return tasks.mean(0)
    left, values, right = torch.linalg.svd(tasks.sum(0), full_matrices=False)
    return values.mean() * (left @ right)


def tsv_without_cut(tasks: torch.Tensor) -> torch.Tensor:
    """Merge as TSV-Merge's release: rank/M triplets of each task whatever their singular values, in float32."""
    if tasks.ndim != 3:
        return tasks.mean(0)
    rank = max(1, min(tasks.shape[1:]) // len(tasks))
    left, values, right = torch.linalg.svd(tasks, full_matrices=False)
    lefts = left[:, :, :rank].permute(1, 0, 2).flatten(1)
    rights = right[:, :rank].flatten(0, 1)
    (a, _, b), (c, _, d) = (torch.linalg.svd(matrix, full_matrices=False) for matrix in (lefts, rights))
    return a @ b @ (values[:, :rank].reshape(-1, 1) * (c @ d))


def distance(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Return ‖one − other‖ / ‖one‖ over all tensors."""
    apart = sum(float((one[name] - other[name]).double().square().sum()) for name in one)
    size = sum(float(tensor.double().square().sum()) for tensor in one.values())
    return float((apart / size) ** 0.5)


def by_tensor(
    rule: Callable[[torch.Tensor], torch.Tensor], tasks: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Apply a rule to each tensor of the task vectors."""
    return {name: rule(task) for name, task in tasks.items()}


def main() -> None:
    """Print the distance of each choice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("dawin-multi-task/checkpoints"))
    base, tuned = read(parser.parse_args().folder)
    tasks = vectors(base, tuned)
    stock = by_tensor(model_stock, tasks)
    rows = {
        "TIES, against its release (k, sign of zero)": distance(ties(base, tuned), ties_release(tasks)),
        "TIES, against trimming by tensor (mergekit)": distance(ties(base, tuned), ties_by_tensor(tasks)),
        "Model Stock, against t without bounds (mergekit)": distance(stock, by_tensor(stock_unbounded, tasks)),
        "Model Stock, against the mean of angles (FusionBench)": distance(stock, by_tensor(stock_angles, tasks)),
        "Iso-C, full rank, against no cut": distance(
            by_tensor(lambda t: isotropic(t) if t.ndim == 3 else t.mean(0), tasks), by_tensor(iso_without_cut, tasks)
        ),
        "TSV-Merge, full rank, against no cut": distance(
            by_tensor(lambda t: task_singular_vectors(t) if t.ndim == 3 else t.mean(0), tasks),
            by_tensor(tsv_without_cut, tasks),
        ),
    }
    random = torch.Generator().manual_seed(0)
    low = torch.stack(
        [torch.randn(128, RANK, generator=random) @ torch.randn(RANK, 128, generator=random) for _ in range(len(tuned))]
    )
    reordered = low.flip(0)
    for name, rule, other in (
        ("Iso-C", isotropic, iso_without_cut),
        ("TSV-Merge", task_singular_vectors, tsv_without_cut),
    ):
        rows[f"{name}, rank {RANK}, against no cut"] = distance({"w": rule(low)}, {"w": other(low)})
        rows[f"{name}, rank {RANK}, against another order"] = distance({"w": rule(low)}, {"w": rule(reordered)})
        rows[f"{name} without cut, rank {RANK}, against another order"] = distance(
            {"w": other(low)}, {"w": other(reordered)}
        )
    for name, value in rows.items():
        print(f"{name:<58} {value:8.2g}")


if __name__ == "__main__":
    main()
