"""The files beside a checkpoint that describe it, read for its architecture and its preprocessing.

Joins storage and models. Apart from torch: planning is quick. Descriptions are small; a larger file is refused unread.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from storage.errors import ObjectMissing
from storage.locations import Location
from tasks.errors import CheckpointError
from tasks.models.architecture import as_text, check_bounds
from tasks.models.descriptions import (
    HUGGING_FACE,
    OPEN_CLIP,
    PROCESSOR,
    hugging_face_architecture,
    hugging_face_pixels,
    open_clip_architecture,
    open_clip_pixels,
    pixels_of_open_clip,
)

_HEADER = "the header of"
_LARGEST = 1 << 20  # bytes; Hugging Face's config.json of a CLIP has some thousand

Reader = Callable[[Mapping[str, Any]], dict[str, Any] | None]


class Described(NamedTuple):
    """A setting of a checkpoint, and where it is said."""

    value: Any
    """Of a preprocessing that cannot be had, the `CheckpointError` that says why: the experiment may settle it."""
    source: str
    """Where it is said, to be read before "model base": "config.json beside", "the header of"."""


class Beside(NamedTuple):
    """What the files beside a checkpoint say of it."""

    architecture: Described | None
    """A configuration's text."""
    pixels: Described | None
    """The preprocessing: `mean`, `std`, `interpolation`, `resize_mode`, `fill`, and perhaps `size`."""


def read_beside(location: Location, *, named: bool = False) -> Beside:
    """Return what `open_clip_config.json`, `config.json` and `preprocessor_config.json` say of a checkpoint.

    open_clip's file comes first where both libraries' are there.

    Args:
        location: the checkpoint.
        named: somebody names the architecture, so that no file is asked for it.

    Raises:
        CheckpointError: one of them is damaged, or describes something that cannot be computed.
    """
    folder = location.url.rpartition("/")[0]
    contents = {name: _read(f"{folder}/{name}") for name in (OPEN_CLIP, HUGGING_FACE, PROCESSOR)}
    kinds: dict[str, Reader] = {OPEN_CLIP: open_clip_architecture, HUGGING_FACE: hugging_face_architecture}
    architecture = _first(contents, {} if named else kinds, folder)
    try:
        pixels = _first(contents, {OPEN_CLIP: open_clip_pixels, PROCESSOR: hugging_face_pixels}, folder)
    except CheckpointError as error:
        pixels = Described(error, "a file beside")
    return Beside(architecture and Described(as_text(architecture.value), architecture.source), pixels)


def described_in(header: Mapping[str, str], where: str) -> Beside:
    """Return what the header of a checkpoint in our own form says of it: no file has to lie beside it.

    Raises:
        CheckpointError: the header is damaged.
    """
    if "dawin.format" not in header:
        return Beside(None, None)
    try:
        architecture, pixels = (json.loads(header.get(name, "null")) for name in ("architecture", "preprocess"))
        configuration = open_clip_architecture({"model_cfg": architecture})
        if configuration:
            check_bounds(configuration)
        values = pixels_of_open_clip({**pixels, "fill_color": pixels.get("fill")}) if pixels else None
    except CheckpointError as error:
        raise CheckpointError(f"{where}: its header: {error}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{where}: its header describes no model ({type(error).__name__})") from error
    return Beside(
        Described(as_text(configuration), _HEADER) if configuration else None,
        Described(values, _HEADER) if values else None,
    )


def _first(
    contents: Mapping[str, Mapping[str, Any] | None], readers: Mapping[str, Reader], folder: str
) -> Described | None:
    for name, reader in readers.items():
        content = contents[name]
        try:
            found = reader(content) if content is not None else None
            if found is not None and "vision_cfg" in found:
                check_bounds(found)
        except CheckpointError as error:
            raise CheckpointError(f"{folder}/{name}: {error}") from error
        except (TypeError, ValueError, KeyError, ArithmeticError) as error:
            raise CheckpointError(f"{folder}/{name}: describes no model ({type(error).__name__}: {error})") from error
        if found is not None:
            return Described(found, f"{name} beside")
    return None


def _read(url: str) -> Mapping[str, Any] | None:
    """Return a JSON file's mapping; None when there is no file."""
    try:
        with Location(url).open() as file:
            content = file.read(_LARGEST + 1)
    except ObjectMissing:
        return None
    if len(content) > _LARGEST:
        raise CheckpointError(f"{url}: more than {_LARGEST} bytes, wanted the description of a checkpoint")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{url}: not JSON ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{url}: wanted a JSON object, got a {type(found).__name__}")
    return found
