"""The key by which a repeated load finds existing rows."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import FIELD, SourceKind, first_true, refuse
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.database.loading.columns import SourceColumn
    from tidb_pe_magic.database.loading.sources import FrameSource
    from tidb_pe_magic.database.loading.tables import TargetColumn, TargetTable

_KEYS = "--keys"


def refuse_unknown(keys: Sequence[str], source: FrameSource) -> None:
    """Reject keys that are not columns of the frame.

    Raises:
        InvalidRequest: the error names the first one.
    """
    names = {column.name.casefold() for column in source.columns}
    for key in keys:
        if key.casefold() not in names:
            raise InvalidRequest(_KEYS, f"the frame has no column {key}.")


def unique_key(table: TargetTable, keys: Sequence[str], source: FrameSource) -> frozenset[str]:
    """Return the lower-case columns of the table's unique key that identifies repeated rows.

    Raises:
        InvalidRequest: the table has no such key, or another one that could match a different row.
    """
    wanted = frozenset(key.casefold() for key in keys)
    if not any(frozenset(columns) == wanted for columns in table.unique.values()):
        listed = "; ".join(", ".join(filter(None, each)) for each in table.unique.values())
        raise InvalidRequest(
            _KEYS,
            f"{table.name} has no primary or unique key of exactly these columns: {', '.join(keys)}.",
            advice=f"It has: {listed}."
            if listed
            else f"CREATE UNIQUE INDEX … ON {table.name} ({', '.join(keys)})",
        )
    given = {column.name.casefold() for column in source.columns}
    for name, columns in table.unique.items():
        if frozenset(columns) == wanted:
            continue
        # Values that the server generates are new.
        made = any(
            column in table.columns and column not in given and table.columns[column].automatic
            for column in columns
        )
        if not made:
            raise InvalidRequest(
                _KEYS,
                f"{table.name} has another unique key, {name}, by which a row could replace a different one.",
                advice="Load without --keys, or into a table with one unique key.",
            )
    return wanted


def refuse_doubles(source: FrameSource, table: TargetTable, keys: frozenset[str]) -> None:
    """Reject a frame with a missing or repeated key: one row would replace the other.

    Raises:
        InvalidRequest: the error names the rows.
    """
    columns = [column for column in source.columns if column.name.casefold() in keys]
    compared = {}
    for column in columns:
        if column.values.null_count:
            row = first_true(pc.is_null(column.values))
            refuse(column.name, "a key has no value.", row=row)
        compared[column.name] = _comparable(column, table.columns[column.name.casefold()])
    rows = pa.chunked_array([pa.array(range(source.rows), pa.int64())])
    place = "".join(compared)  # not the name of any column
    counted = (
        pa.table({**compared, f"{place} row": rows})
        .group_by(list(compared), use_threads=False)
        .aggregate([(f"{place} row", "min"), (f"{place} row", "max"), (f"{place} row", "count")])
    )
    double = pc.greater(counted[f"{place} row_count"], 1)
    if pc.any(double).as_py():
        at = first_true(double)
        first, last = (counted[f"{place} row_{end}"][at].as_py() for end in ("min", "max"))
        names = ", ".join(compared)
        raise InvalidRequest(
            FIELD,
            f"rows {first} and {last} (counted from 0) have the same key ({names}).",
            advice=f"Keep one of them: frame.drop_duplicates({list(compared)!r}, keep='last')",
        )


def advice_on_duplicate(table: TargetTable, source: FrameSource) -> str:
    """Return what to do after a load without keys failed because of a row with the same key.

    Either two rows of the frame have the key, or a row of the table has it. Empty if `--keys` is refused.
    """
    given = {column.name.casefold(): column for column in source.columns}
    for columns in table.unique.values():
        if any(name not in given or given[name].values.null_count for name in columns):
            continue
        names = [given[name].name for name in columns]
        try:
            key = unique_key(table, names, source)
        except InvalidRequest:  # --keys would be refused
            continue
        try:
            refuse_doubles(source, table, key)
        except InvalidRequest as doubles:
            return f"The frame's {doubles.reason} {doubles.advice}"
        return f"To update rows that have the same {', '.join(names)}, use --keys {','.join(names)}."
    return ""


def _comparable(column: SourceColumn, target: TargetColumn) -> Any:
    """Return values that are equal if the server may consider them equal."""
    if column.kind is not SourceKind.TEXT:
        return column.values
    if target.collation.endswith("_bin"):
        # These are also compared without trailing spaces.
        return pc.utf8_rtrim(column.values, " ")
    return pa.chunked_array(
        [pa.array([_fold_case(text) for text in column.values.to_pylist()], pa.large_string())]
    )


def _fold_case(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in plain if not unicodedata.combining(each)).rstrip()
