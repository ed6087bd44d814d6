"""The state dict within the object that `torch.save` was given: a state dict, a training checkpoint or a module."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from tasks.models.files.budget import NAME, Budget
from tasks.models.files.damage import DamagedFile, TooCostly
from tasks.models.files.pickle_names import Inert

WHEN_DAMAGED = "not a checkpoint, or a truncated one"
"""Begins the message about a damaged file of either of PyTorch's formats, which other programs' files resemble."""
_DEEPEST = 64  # modules within modules


def state_of(content: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401  whatever the file holds
    """Return the named tensors of a saved object.

    Args:
        content: a mapping of names to tensors; or a training checkpoint, which holds such a mapping as `state_dict`; or
            an inert module.

    Raises:
        DamagedFile: the object is none of these.
        TooCostly: modules are nested more deeply, or have more members, than any model's.
    """
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if isinstance(content, Inert):
        return dict(_members(content, "", 0, Budget()))
    if isinstance(content, Mapping):
        return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    raise DamagedFile(f"wanted a state dict (names to tensors), got a {type(content).__name__}")


def _members(module: Inert, prefix: str, depth: int, budget: Budget) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors that a module's `state_dict()` would hold; modules of TorchScript keep them as attributes."""
    if depth > _DEEPEST:
        raise TooCostly(f"modules nested more than {_DEEPEST} deep")
    groups = [module.state.get(name) for name in ("_parameters", "_buffers", "_modules")]
    members = [group for group in groups if isinstance(group, dict)] or [module.state]
    unkept = module.state.get("_non_persistent_buffers_set")
    budget.spend("members of modules", len(unkept) if isinstance(unkept, list) else 0)
    left_out = {name for name in unkept if isinstance(name, str)} if isinstance(unkept, list) else set()
    for name, value in (pair for group in members for pair in group.items()):
        budget.spend("members of modules")
        if name in left_out:
            continue
        if len(prefix) + len(name) > NAME:
            raise TooCostly(f"a tensor's name of more than {NAME} characters")
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, Inert):
            yield from _members(value, f"{prefix}{name}.", depth + 1, budget)
