"""The base of all JSON documents that commands print with `--json`."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A part of a document. Programs may rely on the names and types of its fields."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
