"""Descriptions of a checkpoint, in files beside it or in its own header: its architecture and its preprocessing.

This module joins storage and models. It imports no torch, since planning uses it and has to start fast.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
_LARGEST = 1 << 20  # bytes of a description; Hugging Face's config.json of a CLIP has some thousand

Reader = Callable[[Mapping[str, Any]], dict[str, Any] | None]


class Described(NamedTuple):
    """A setting of a checkpoint, and its source."""

    value: Any
    """A configuration's text, a preprocessing, or the `CheckpointError` about a preprocessing that cannot be had.

    The error is raised only if the experiment does not set the preprocessing itself.
    """
    source: str
    """In words that continue with the model's name, as in "config.json beside model base": "the header of", …"""


class Description(NamedTuple):
    """The description of a checkpoint; None for a setting that it leaves out."""

    architecture: Described | None
    """A configuration's text."""
    pixels: Described | None
    """The preprocessing, as a mapping of `mean`, `std`, `interpolation`, `resize_mode`, `fill`, and perhaps `size`."""


def read_beside(location: Location, *, named: bool = False) -> Description:
    """Return the description that `open_clip_config.json`, `config.json` and `preprocessor_config.json` give.

    open_clip's file takes precedence over Hugging Face's.

    Args:
        location: the checkpoint. The files lie in the same folder.
        named: whether the architecture is known already. No file is then read for it.

    Raises:
        CheckpointError: a file is damaged, or describes an architecture that the pipeline cannot build.
    """
    folder = location.url.rpartition("/")[0]
    contents = {name: _read(f"{folder}/{name}") for name in (OPEN_CLIP, HUGGING_FACE, PROCESSOR)}
    kinds: dict[str, Reader] = {OPEN_CLIP: open_clip_architecture, HUGGING_FACE: hugging_face_architecture}
    architecture = _first(contents, {} if named else kinds, folder)
    try:
        pixels = _first(contents, {OPEN_CLIP: open_clip_pixels, PROCESSOR: hugging_face_pixels}, folder)
    except CheckpointError as error:
        pixels = Described(error, "a file beside")
    return Description(architecture and Described(as_text(architecture.value), architecture.source), pixels)


def described_in(header: Mapping[str, str], where: str) -> Description:
    """Return the description in the header of a checkpoint in our own form, which no file beside it can change.

    Args:
        header: texts by name, as in a safetensors file. A header of another form describes nothing.
        where: the checkpoint's address, for messages.

    Raises:
        CheckpointError: the header is damaged.
    """
    if "dawin.format" not in header:
        return Description(None, None)
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
    return Description(
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
    """Return a JSON file's mapping, or None if the file does not exist."""
    if not Location(url).is_file():
        return None
    with Location(url).open() as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise CheckpointError(f"{url}: more than {_LARGEST} bytes, wanted a description of a checkpoint")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{url}: not JSON ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{url}: wanted a JSON object, got a {type(found).__name__}")
    return found
