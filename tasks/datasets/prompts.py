"""Class names and prompt templates of the data sets: open_clip's for ImageNet, clip_benchmark's for the others.

clip_benchmark is an optional dependency; two of its files are read, and it is not imported. For data sets whose classes
it does not name, the names are those of the class folders, with spaces for underscores.
"""

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from storage.text import shown
from tasks.errors import DatasetError

log = logging.getLogger("dawin.datasets")

_PACKAGE = "clip_benchmark"
_FILES = ("en_classnames.json", "en_zeroshot_classification_templates.json")


class Prompts(NamedTuple):
    """The texts from which a text head is made."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of the head."""
    templates: tuple[str, ...]
    """Sentences with `{}` in the place of the name."""


def prompts_of(name: str, own: Sequence[str]) -> Prompts:
    """Return the prompts of a data set of the catalogue.

    Args:
        name: the record's `prompts` in the catalogue.
        own: the data set's own names of its classes, in order; empty if it numbers them.

    Raises:
        DatasetError: clip_benchmark is needed and not installed, its lists have another form, or they do not fit the
            data set's classes.
    """
    if name == "imagenet":
        from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES  # noqa: PLC0415  slow to import

        return Prompts(tuple(IMAGENET_CLASSNAMES), tuple(template("{}") for template in OPENAI_IMAGENET_TEMPLATES))
    names, templates = _lists()
    try:
        found = tuple(template.replace("{c}", "{}") for template in templates[name])
        classes = _in_order(tuple(names[name]), own) if name in names else tuple(map(_readable, own))
    except (KeyError, AttributeError, TypeError) as error:
        raise DatasetError(
            f"{_PACKAGE} has no prompt templates of {name}; it has {', '.join(templates)[:200]}"
        ) from error
    if not classes:
        raise DatasetError(f"{name}: neither {_PACKAGE} nor the data set has names of classes; write `classes`")
    if len(classes) < len(own):
        raise DatasetError(f"{name}: {len(classes)} names of classes in {_PACKAGE}, but the data set has {len(own)}")
    return Prompts(classes, found)


def _in_order(names: tuple[str, ...], own: Sequence[str]) -> tuple[str, ...]:
    """Return the names in the order of the data set's own, if those are the same but for order and punctuation."""
    plain = {re.sub("[^a-z0-9]", "", name.lower()): name for name in names}
    wanted = [re.sub("[^a-z0-9]", "", name.lower()) for name in own]
    if set(wanted) == set(plain) and len(wanted) == len(names):
        return tuple(plain[name] for name in wanted)
    if own and not set(wanted) <= set(plain):
        log.warning("names of classes are paired by their order: folder %s is %r, and so on", shown(own[0]), names[0])
    return names


def _readable(folder: str) -> str:
    """Return the name of a class by that of its folder, without the single letter with which SUN397's begin."""
    parts = [part for part in folder.split("/") if len(part) > 1]
    return " ".join(parts).replace("_", " ")


@lru_cache(maxsize=1)
def _lists() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise DatasetError(
            f"class names and prompt templates come from {_PACKAGE}, which is not installed: pip install {_PACKAGE}; "
            "or write `classes` and `templates` into the experiment's head"
        )
    folder = Path(spec.origin).parent / "datasets"
    try:
        names, templates = (json.loads((folder / file).read_text()) for file in _FILES)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{_PACKAGE}: {folder} holds no {' and '.join(_FILES)} ({error})") from error
    return names, templates
