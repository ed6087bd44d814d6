"""The names of a data set's samples by reference."""

from dataclasses import dataclass
from typing import Any

from tasks.references.datasets import DatasetReference
from tasks.references.tables import TableReference
from tasks.references.versions import computation


@dataclass(frozen=True, kw_only=True)
class NamesReference(TableReference):
    """The table of a data set's samples: their names and labels, the same for every model and method."""

    of: DatasetReference

    table = "samples"

    @property
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""
        return self.of

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the names depend on."""
        return {"computation": computation("names"), "dataset": self.of.digest}
