"""Columns of numbers as a table of a schema: checked for their names, types, lengths and nulls."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from storage.errors import SchemaMismatch


def to_table(columns: Mapping[str, Any], schema: pa.Schema, where: str) -> pa.Table:
    """Return columns as a table of a schema.

    Args:
        columns: the values of every column of the schema, of one length.
        schema: the schema.
        where: the address of the object that the rows are for, for messages.

    Raises:
        SchemaMismatch: a column is missing or unknown, a type or a length is wrong, or a null is where none may be.
    """
    if set(columns) != set(schema.names):
        raise SchemaMismatch(f"{where}: wanted columns {schema.names}, got {list(columns)}")
    try:
        arrays = [_to_array(columns[f.name], f) for f in schema]
        table = pa.Table.from_arrays(arrays, schema=schema)
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise SchemaMismatch(f"{where}: {error}") from error
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise SchemaMismatch(f"{where}: column {field.name} must not hold nulls")
    return table


def _to_array(values: Any, field: pa.Field) -> pa.Array:  # noqa: ANN401  anything that pyarrow converts
    if pa.types.is_fixed_size_list(field.type):
        array = np.ascontiguousarray(values)
        if array.ndim != 2 or array.shape[1] != field.type.list_size:
            raise ValueError(f"column {field.name}: wanted shape (n, {field.type.list_size}), got {array.shape}")
        flat = pa.array(array.reshape(-1), type=field.type.value_type)
        return pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    return pa.array(values, type=field.type)
