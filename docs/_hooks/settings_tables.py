"""MkDocs hook: a page's line `::settings` becomes the tables of all settings, read from the pydantic models.

Imports no torch: `flows.experiment.settings` is what planning loads.
"""

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from flows.experiment.settings import Experiment

_MARK = "::settings"
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


class UndescribedSetting(Exception):
    """A setting without a description: the page would not say what it does."""


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401  whatever MkDocs passes
    """Return the page with the tables in the place of its mark."""
    return "\n".join(settings_tables() if line == _MARK else line for line in markdown.split("\n"))


def settings_tables(settings: type[BaseModel] = Experiment) -> str:
    """Return a Markdown section for a settings model and for each one below it.

    Raises:
        UndescribedSetting: a field has neither a description nor a docstring.
    """
    return "\n\n".join(_section(path, model) for path, model in _models("", settings))


def _models(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the path and the class of a settings model and of all models below it."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner in _inner_models(field.annotation):
            written = field.alias or name
            marked = f"{written}[]" if _is_container(field.annotation) else written
            yield from _models(f"{path}.{marked}".lstrip("."), inner)


def _inner_models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401  any type
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _inner_models(part)]


def _is_container(annotation: Any) -> bool:  # noqa: ANN401  any type
    return get_origin(annotation) in (tuple, list, dict)


def _section(path: str, model: type[BaseModel]) -> str:
    title = f"### `{path}` {{ #settings-{path.replace('[]', '').replace('.', '-')} }}" if path else ""
    words = inspect.cleandoc(model.__doc__ or "") if path else ""
    described = _descriptions(model)
    lines = ["| setting | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        meaning = field.description or described.get(name) or _first_line(field)
        if not meaning:
            raise UndescribedSetting(f"{model.__name__}.{name}: wanted a docstring below the field")
        lines.append(f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {_cell(meaning)} |")
    return "\n\n".join(part for part in (title, words, "\n".join(lines)) if part)


def _first_line(field: FieldInfo) -> str:
    inner = _inner_models(field.annotation)
    return inspect.cleandoc(inner[0].__doc__ or "").split("\n\n")[0] if inner else ""


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below a model's fields, by name."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner is BaseModel or not issubclass(owner, BaseModel):
            continue
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0].body  # type: ignore[attr-defined]
        except (OSError, TypeError):  # made by a program, not written in a file
            continue
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[ast.unparse(field.target)] = inspect.cleandoc(str(text.value.value))
    return found


def _type(field: FieldInfo) -> str:
    bounds = [bound for part in field.metadata for bound in _bounds(part)]
    return ", ".join([_kind(field.annotation), *bounds])


def _bounds(constraint: Any) -> list[str]:  # noqa: ANN401  annotated_types, pydantic's own
    return [f"{sign} {getattr(constraint, name):g}" for name, sign in _BOUNDS.items() if hasattr(constraint, name)]


def _kind(annotation: Any) -> str:  # noqa: ANN401, PLR0911  any type
    """Return a type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return "null"
    if origin is Annotated:
        bounds = [
            bound for part in arguments[1:] for inner in getattr(part, "metadata", [part]) for bound in _bounds(inner)
        ]
        return " ".join([_kind(arguments[0]), *bounds])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(part) for part in arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"{len(arguments)} × {_kind(arguments[0])}"
    if origin in (tuple, list):
        return f"list of: {_kind(arguments[0])}"
    if origin is dict:
        return f"mapping of {_kind(arguments[0])} to {_kind(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "settings"
    return {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}[annotation.__name__]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, tuple):
        value = list(value)
    text = {None: "null", True: "true", False: "false"}.get(value) if isinstance(value, bool | None) else None
    return f"`{text or str(value).replace(chr(39), '')}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
