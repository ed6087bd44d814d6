"""Architectures as text: the name of an open_clip model, or an open_clip model configuration as canonical JSON.

Both can be part of a reference and of an identity. A configuration holds the settings that leave no trace in tensors:
the number of heads, the activation, the pooling. This module imports neither torch nor open_clip, since planning uses
it and has to start fast.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tasks.errors import CheckpointError

_LARGEST = {"image_size": 4096, "layers": 1000, "vocab_size": 10_000_000}
"""The upper bounds of settings that differ from `_NUMBER`."""
_NUMBER = 65_536  # the upper bound of any other setting
_POSITIONS = 1 << 26  # numbers in a table of positions; that of ViT-bigG at 896 px has 4,000 × 1,664
_TEXT = 200  # characters of a setting


def check_bounds(configuration: Mapping[str, Any]) -> None:
    """Refuse a configuration whose tower would take too much time or memory to build, or a request to the network.

    Args:
        configuration: as an open_clip configuration, from a file that may hold anything.

    Raises:
        CheckpointError: a number is out of range, a setting has a value of a wrong type, or a name is an address.
    """
    towers = {name: configuration.get(name) or {} for name in ("vision_cfg", "text_cfg")}
    if not all(isinstance(tower, Mapping) for tower in towers.values()):
        raise CheckpointError("architecture: wanted settings by name for each tower")
    _check("embed_dim", configuration.get("embed_dim"))
    for name, value in (pair for tower in towers.values() for pair in tower.items()):
        inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
        for one in inside:
            _check(name, one)
    vision = towers["vision_cfg"]
    side = _first(vision.get("image_size") or 224) / max(1, _first(vision.get("patch_size") or 16))
    if side**2 * (vision.get("width") or 768) > _POSITIONS:
        raise CheckpointError(f"architecture: a table of {side:.0f} × {side:.0f} positions is larger than any tower's")


def _first(value: Any) -> Any:  # noqa: ANN401  JSON
    return value[0] if isinstance(value, list) and value else value


def _check(name: str, value: Any) -> None:  # noqa: ANN401  JSON
    most = _LARGEST.get(name, _NUMBER)
    if isinstance(value, str):
        if len(value) > _TEXT or ":" in value or (name == "timm_model_name" and "/" in value):
            raise CheckpointError(f"architecture: {name} {value[:40]!r}: wanted a name, not an address")
    elif isinstance(value, bool) or value is None:
        pass
    elif not isinstance(value, int | float) or not 0 <= value <= most:
        raise CheckpointError(f"architecture: {name} wanted as a number from 0 to {most}, got {str(value)[:40]}")


@lru_cache(maxsize=1)
def open_clip_models() -> list[str]:
    """Return the names of open_clip's models, sorted, from the files of its package."""
    package = find_spec("open_clip")
    places = package.submodule_search_locations if package else None
    return sorted(file.stem for place in places or () for file in (Path(place) / "model_configs").glob("*.json"))


def as_text(configuration: Mapping[str, Any]) -> str:
    """Return the canonical text of a configuration, in which equal configurations are equal.

    Args:
        configuration: `embed_dim`, `vision_cfg`, and perhaps `text_cfg` and `quick_gelu`, as in open_clip's files.

    Example:
        >>> as_text({"vision_cfg": {"width": 64}, "embed_dim": 16})
        '{"embed_dim":16,"vision_cfg":{"width":64}}'
    """
    return json.dumps(configuration, sort_keys=True, separators=(",", ":"), allow_nan=False)


def configuration_in(architecture: str) -> dict[str, Any] | None:
    """Return the configuration that an architecture's text holds, or None for the name of an open_clip model."""
    if not architecture.startswith("{"):
        return None
    found: dict[str, Any] = json.loads(architecture)
    return found


def described(architecture: str) -> str:
    """Return an architecture in words, for a person to read.

    Example:
        >>> described('{"embed_dim":1024,"vision_cfg":{"image_size":224,"layers":[3,4,6,3],"width":64}}')
        'residual network: image_size 224, width 64, blocks [3, 4, 6, 3]'
    """
    configuration = configuration_in(architecture)
    if configuration is None:
        return architecture
    vision = configuration["vision_cfg"]
    if "timm_model_name" in vision:
        return f"timm's {vision['timm_model_name']}: image_size {vision.get('image_size', 224)}"
    width, layers = vision.get("width", 768), vision.get("layers", 12)
    if isinstance(layers, list):
        return f"residual network: image_size {vision.get('image_size', 224)}, width {width}, blocks {layers}"
    head_width = vision.get("head_width", 64)
    return (
        f"vision transformer: image_size {vision.get('image_size', 224)}, patch_size {vision.get('patch_size', 16)}, "
        f"width {width}, layers {layers}, heads {width // head_width}, head_width {head_width}, "
        f"{'QuickGELU' if configuration.get('quick_gelu') else 'GELU'}"
    )
