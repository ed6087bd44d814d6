"""Layouts of states (tensor name to shape and dtype), compared in words. Apart from torch: planning is quick."""

from collections.abc import Mapping


def differences(wanted: Mapping[str, object], got: Mapping[str, object], most: int = 3) -> list[str]:
    """Return the first few differences between two layouts (tensor name to shape and dtype), in words."""
    faults = [f"{name} is missing" for name in wanted if name not in got]
    faults += [f"{name} is not expected" for name in got if name not in wanted]
    faults += [f"{n}: wanted {wanted[n]}, got {got[n]}" for n in wanted if n in got and wanted[n] != got[n]]
    return faults[:most] + ([f"and {len(faults) - most} more"] if len(faults) > most else [])
