"""Differences between states, in words. This module imports no torch, since planning uses it and has to start fast."""

from collections.abc import Mapping


def differences(wanted: Mapping[str, object], got: Mapping[str, object], most: int = 3) -> list[str]:
    """Return the first few differences between the tensors of two states, in words.

    Args:
        wanted: tensor name to any description of the tensor, such as its shape and type.
        got: the same of the other state.
        most: the number of differences that are spelt out; the rest are counted.

    Example:
        >>> differences({"visual.proj": (64, 16), "visual.bias": (16,)}, {"visual.proj": (64, 32)})
        ['visual.bias is missing', 'visual.proj: wanted (64, 16), got (64, 32)']
    """
    faults = [f"{name} is missing" for name in wanted if name not in got]
    faults += [f"{name} is not expected" for name in got if name not in wanted]
    faults += [f"{n}: wanted {wanted[n]}, got {got[n]}" for n in wanted if n in got and wanted[n] != got[n]]
    return faults[:most] + ([f"and {len(faults) - most} more"] if len(faults) > most else [])
