"""The JSON Schema of the experiment file, for editors and other programs."""

import json
from pathlib import Path
from typing import Any

from flows.experiment.settings import Experiment
from tasks.methods.registry import METHODS

SCHEMA_MARK = "dawin experiment"
"""The title of the schema."""
SCHEMA_FILE = "dawin.schema.json"
"""Name of the file beside experiment files that holds the schema of the installed version, for editors."""
SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
"""First line of an experiment file, which editors read."""


def experiment_schema() -> dict[str, Any]:
    """Return the JSON Schema of the experiment file.

    It describes every setting. It accepts each file that `load_experiment` accepts, and refuses misspelt settings,
    wrong types and values out of bounds; rules that concern several settings are left to `dawin plan`.
    """
    schema = Experiment.model_json_schema(by_alias=True)
    schema["title"] = SCHEMA_MARK
    definitions, properties = schema["$defs"], schema["properties"]
    properties["baselines"]["items"] = _baseline()
    merge = definitions["MergeSettings"]["properties"]
    merge["scale"] = {"anyOf": [merge["scale"]["items"], merge["scale"]], "description": merge["scale"]["description"]}
    _describe(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """Return the JSON Schema of the experiment file as text."""
    return json.dumps(experiment_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(folder: Path) -> None:
    """Write the schema into a folder of experiment files, unless a file of that name is somebody else's."""
    file = folder / SCHEMA_FILE
    if not file.exists() or SCHEMA_MARK in file.read_text(errors="replace"):
        file.write_text(schema_text())


def _baseline() -> dict[str, Any]:
    """Return the schema of an item of `baselines`: a family of methods, or one of its members."""
    families = {name: method for name, method in METHODS.items() if method.is_baseline}
    members = "|".join(families)
    return {
        "anyOf": [
            *({"const": name, "description": method.summary} for name, method in families.items()),
            {"type": "string", "pattern": f"^({members})/\\S+$", "description": "One member, such as wise-ft/0.50."},
        ]
    }


def _describe(part: Any) -> None:  # noqa: ANN401  any JSON value
    """Join the lines of descriptions, and take the titles away that repeat a setting's name."""
    if isinstance(part, list):
        for item in part:
            _describe(item)
    elif isinstance(part, dict):
        if isinstance(part.get("title"), str) and part["title"] != SCHEMA_MARK:
            del part["title"]
        if isinstance(part.get("description"), str):
            part["description"] = " ".join(part["description"].split())
        for item in part.values():
            _describe(item)
