"""Tables in the form that earlier versions of this program wrote, as far as their objects are of use."""

import pyarrow as pa

from storage.schemas import OUTPUTS, TableSchema

_SINCE_2 = ("confidence", "sum_of_squares")
_OF_1 = tuple(column for column in OUTPUTS["fp32"].columns if column.name not in _SINCE_2)

OUTPUTS_1 = TableSchema("outputs", 1, _OF_1, {"logits": pa.float32()})
"""Outputs without the columns that version 2 brought, with logits in float32."""
