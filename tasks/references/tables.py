"""A per-sample table by reference: its identity, and where it lies in a store."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from storage import keys
from storage.identity import digest_of
from storage.schemas import TABLES
from tasks.references.datasets import DatasetReference


class TableReference(ABC):
    """A per-sample table of one data set, named by everything that it is computed from.

    Each object computes its digests once: those of a table that is computed from a thousand others hold theirs.

    Attributes:
        table: the table's name in the store.
        tables: all tables that the computation writes; `table` alone unless a class says more.
    """

    table: ClassVar[str]
    tables: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def content(self) -> dict[str, Any]:
        """Everything that the numbers depend on, as plain JSON values."""

    @property
    @abstractmethod
    def dataset(self) -> DatasetReference:
        """The data set of the samples."""

    @cached_property
    def content_id(self) -> str:
        """Digest of the content. Tables computed from this one depend on it, but not on the schema of its columns."""
        return digest_of(self.content)

    @property
    def identity(self) -> dict[str, Any]:
        """The content and the versions of the tables' schemas."""
        schemas = {name: TABLES[name].version for name in self.tables or (self.table,)}
        return {**self.content, "schemas": schemas}

    @cached_property
    def id(self) -> str:
        """Digest of the identity."""
        return digest_of(self.identity)

    @cached_property
    def prefix(self) -> str:
        """Prefix of the table's objects in a store."""
        return keys.derived(self.table, self.dataset.digest, self.id)
