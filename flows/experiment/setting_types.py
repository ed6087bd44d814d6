"""The kinds of values that settings have, with their bounds."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MOST_ITEMS = 1000  # models, data sets, methods, prompts: far more than anybody merges or compares

# begins with a letter: a hive partition of digits alone would be read as a number; names are parts of paths, which file
# systems bound at 255 bytes
NAME_PATTERN = r"^[a-z][a-z0-9._-]*$"
PERCENTAGE_PATTERN = r"^[0-9]{1,3}(\.[0-9]{1,6})? ?%$"
LONGEST_ADDRESS = 4096  # characters: the longest path of Linux
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
Address = Annotated[str, Field(min_length=1, max_length=LONGEST_ADDRESS)]
Words = Annotated[str, Field(max_length=1000)]  # characters of a text for readers
Scale = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Channel = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """A section of the experiment file: frozen, and without room for misspelt names."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), serialize_by_alias=True, use_attribute_docstrings=True
    )
