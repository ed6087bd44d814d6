"""How to load each file of an exported folder, for its model card."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from flows.exporting.card_markdown import code, plain


class _Form(NamedTuple):
    """A form in which a model lies in a folder."""

    file: str
    """The name of its main file."""
    words: str
    """What it holds, and which program reads it."""
    lines: str
    """Python that loads it; `{file}` is its path and `{folder}` its folder's."""


_FORMS = (
    _Form(
        "checkpoint.safetensors",
        "A vision tower (`visual.*`) and, where one was exported, its classification head (`head.*`). Its header "
        "describes the tower; an experiment file of dawin takes it as a checkpoint.",
        'from safetensors.torch import load_file\n\nstate = load_file("{file}")',
    ),
    _Form(
        "open_clip_model.safetensors",
        "The model for open_clip, described by `open_clip_config.json`, without a classification head.",
        'import open_clip\n\nmodel, preprocess = open_clip.create_model_from_pretrained("local-dir:{folder}")',
    ),
    _Form(
        "model.safetensors",
        "The model for transformers, described by `config.json`, without a classification head; "
        "`preprocessor_config.json` describes the images.",
        'from transformers import {architecture}\n\nmodel = {architecture}.from_pretrained("{folder}")',
    ),
    _Form(
        "router.py",
        "The router, which needs torch alone: it classifies images by the rules in `router.json`.",
        "from router import Router  # with this folder on Python's path\n\nclasses = Router()(images).predictions",
    ),
    _Form(
        "dawin.onnx",
        "A graph for ONNX, from images to logits.",
        'import onnxruntime\n\nsession = onnxruntime.InferenceSession("{file}")\n'
        "names = [one.name for one in session.get_inputs()]",
    ),
    _Form(
        "samples.onnx",
        "The merged model of every image for ONNX: its inputs are images and their coefficients.",
        'import onnxruntime\n\nsession = onnxruntime.InferenceSession("{file}")\n'
        "names = [one.name for one in session.get_inputs()]",
    ),
)
_TOWER_ALONE = _Form(
    "open_clip_model.safetensors",
    "The vision tower alone (`visual.*`), under the names that it has in open_clip's CLIP, and described by "
    "`open_clip_config.json`.",
    'from safetensors.torch import load_file\n\nstate = load_file("{file}")',
)
_MOST_FOLDERS = 8  # named one by one


def loading_section(record: Mapping[str, Any], folder: Path) -> str:
    """Return the section on the files that lie in the folder, each with the lines of Python that load it.

    Args:
        record: of the exported folder; its `files` are the names.
        folder: the exported folder, whose configurations say which class loads a model.
    """
    parts = ["## How to load it", _INPUT]
    for form in _FORMS:
        files = [path for path in map(PurePosixPath, sorted(record["files"])) if path.name == form.file]
        if files:
            first = folder / files[0].parent
            shown = _TOWER_ALONE if form.file == _TOWER_ALONE.file and not _has_text(first) else form
            lines = shown.lines.format(
                file=plain(files[0]), folder=plain(files[0].parent), architecture=_architecture(first)
            )
            parts += [f"{code(form.file)}{_places(files)}: {shown.words}", f"```python\n{lines}\n```"]
    return "\n\n".join([*parts, _VERIFY])


def _has_text(folder: Path) -> bool:
    """Return whether a model for open_clip has a text tower, without which open_clip builds none."""
    return "text_cfg" in _content(folder / "open_clip_config.json").get("model_cfg", {})


def _architecture(folder: Path) -> str:
    """Return the class of transformers that loads a model."""
    (name,) = _content(folder / "config.json").get("architectures", ["CLIPVisionModelWithProjection"])
    return plain(name)


def _content(file: Path) -> dict[str, Any]:
    """Return the content of a configuration; empty if the folder has none."""
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _places(files: Iterable[PurePosixPath]) -> str:
    """Return the folders of a file in words; nothing if it lies in the exported folder itself."""
    found = [str(path.parent) for path in files]
    if found == ["."]:
        return ""
    named = ", ".join(map(code, found[:_MOST_FOLDERS]))
    more = f" and {len(found) - _MOST_FOLDERS} more" if len(found) > _MOST_FOLDERS else ""
    return f" in {named}{more}"


_INPUT = (
    "Images are float32 (n, 3, h, w) everywhere, resized and normalised as described above. `dawin.json` is the record "
    "of the export."
)
_VERIFY = "`dawin.json` holds the SHA-256 of every file, so that a copy can be compared."
