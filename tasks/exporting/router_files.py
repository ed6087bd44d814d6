"""`router.json` and `router.py`, which choose among the models of an exported folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.datasets.preprocessing import Preprocessing
from tasks.exporting import router
from tasks.exporting.router_tower import router_tower
from tasks.exporting.weight_files import Described

RULES, PROGRAM = "router.json", "router.py"
VERSION = 1
"""Of the form of `router.json`."""


def write_router(
    rules: Mapping[str, Any], classes: Sequence[str], groups: Sequence[Sequence[int]] | None, description: Described
) -> bool:
    """Write both files; return whether `router.py` can run the models, and not only route by their logits.

    Args:
        rules: that decide, as `tasks.exporting.router_rules.fitted_rules` reads them, with the files that they choose.
        classes: names of the classes; empty: none are known.
        groups: for each class the head's classes that it stands for; None: they are the head's.
        description: of the weights, and the exported folder.
    """
    tower, pixels = router_tower(description.clip.vision), description.preprocessing
    content = {
        "format": VERSION,
        **rules,
        "groups": [list(group) for group in groups] if groups else None,
        "classes": list(classes),
        "tower": tower,
        "preprocess": preprocessing_document(pixels),
    }
    description.target.json(RULES, content)
    description.target.content(PROGRAM, Path(router.__file__).read_bytes())
    return tower is not None


def preprocessing_document(pixels: Preprocessing) -> dict[str, Any]:
    """Return the preparation of images as JSON values, as `router.json` and the record of an export hold it."""
    return {
        "size": pixels.size,
        "mean": list(pixels.mean),
        "std": list(pixels.std),
        "interpolation": pixels.interpolation,
        "resize_mode": pixels.resize_mode,
        "fill": pixels.fill,
    }
