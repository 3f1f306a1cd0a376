"""Matches a frame's columns with a table's; rejects values that cannot be stored exactly before sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import SourceColumn, SourceKind, first_true, refuse
from tidb_pe_magic.database.loading.literals import LiteralColumn, LiteralForm
from tidb_pe_magic.database.loading.numbers import INTEGER_BITS, decimal_rule, float_rule, integer_rule
from tidb_pe_magic.database.loading.texts import (
    BLOB_BYTES,
    TEXT_BYTES,
    binary_rule,
    choice_rule,
    document_rule,
    text_rule,
)
from tidb_pe_magic.database.loading.times import date_rule, datetime_rule, time_rule

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.database.loading.tables import TargetColumn


def convert(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    """Return the column in the form for a column of the table.

    Raises:
        InvalidRequest: a value would be changed or lost.
    """
    if target.generated:
        refuse(column.name, "the table computes this column.", advice="Leave it out of the frame.")
    if not target.nullable and column.values.null_count:
        refuse(
            column.name,
            "has no value, and the table's column is NOT NULL.",
            row=first_true(pc.is_null(column.values)),
            advice=f"Fill it first: frame[{column.name!r}].fillna(…)",
        )
    family = _FAMILIES.get(target.base)
    if column.kind is SourceKind.NOTHING:
        return LiteralColumn(name=target.name, values=column.values.cast(pa.int8()), form=LiteralForm.DIGITS)
    if column.texts is not None and family is text_rule:
        column = SourceColumn(name=column.name, kind=SourceKind.TEXT, values=column.texts)
    rule = family(column.kind) if family else None
    if rule is None:
        refuse(
            column.name,
            f"the frame has {column.kind}, and the table's column is {target.type.upper()}.",
            advice=f"Convert it first, as with frame[{column.name!r}].astype(…)",
        )
    found: LiteralColumn = rule(column, target)
    return found


_FAMILIES: dict[str, Callable[[SourceKind], Any]] = {
    **dict.fromkeys((*INTEGER_BITS, "bit", "year"), integer_rule),
    **dict.fromkeys(("float", "double", "real"), float_rule),
    **dict.fromkeys(("decimal", "numeric"), decimal_rule),
    **dict.fromkeys(("char", "varchar", *TEXT_BYTES), text_rule),
    **dict.fromkeys(("enum", "set"), choice_rule),
    "json": document_rule,
    **dict.fromkeys(("binary", "varbinary", *BLOB_BYTES), binary_rule),
    "date": date_rule,
    **dict.fromkeys(("datetime", "timestamp"), datetime_rule),
    "time": time_rule,
}
