"""Text and bytes in the form for a table's columns."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import SourceColumn, SourceKind, refuse
from tidb_pe_magic.database.loading.literals import LiteralColumn, LiteralForm, literal_column, refuse_where

if TYPE_CHECKING:
    from tidb_pe_magic.database.loading.tables import TargetColumn

TEXT_BYTES = {"tinytext": 2**8 - 1, "text": 2**16 - 1, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
BLOB_BYTES = {"tinyblob": 2**8 - 1, "blob": 2**16 - 1, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}
_CODECS = {"latin1": "cp1252", "gbk": "gbk", "gb18030": "gb18030", "big5": "big5", "ascii": "ascii"}
_FULL, _NARROW = {"utf8mb4", ""}, {"utf8", "utf8mb3"}


def text_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a CHAR, VARCHAR or TEXT column; None if there is none."""
    return _texts if kind is SourceKind.TEXT else None


def _texts(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    values = column.values
    if target.base in TEXT_BYTES:
        too_long = pc.greater(pc.binary_length(values), TEXT_BYTES[target.base])
    else:
        too_long = pc.greater(pc.utf8_length(values), (target.arguments or (1,))[0])
    refuse_where(column, too_long, f"is too long for {target.type.upper()}.")
    if target.base == "char":
        refuse_where(
            column, pc.match_substring_regex(values, " $"), "ends with a space, which a CHAR column drops."
        )
    _refuse_foreign_characters(column, target)
    return literal_column(target, values, LiteralForm.TEXT)


def _refuse_foreign_characters(column: SourceColumn, target: TargetColumn) -> None:
    charset = target.charset
    if charset in _FULL:
        return
    reason = f"contains a character that the column's character set {charset} does not have."
    if charset in _NARROW:
        refuse_where(column, pc.match_substring_regex(column.values, r"[\x{10000}-\x{10ffff}]"), reason)
        return
    codec = _CODECS.get(charset, "ascii")
    for row, text in enumerate(column.values.to_pylist()):
        try:
            (text or "").encode(codec)
        except UnicodeEncodeError:
            refuse(column.name, f"{text[:40]!r} {reason}", row=row)


def choice_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to an ENUM or SET column; None if there is none."""
    return _choices if kind is SourceKind.TEXT else None


def _choices(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    known = target.choices
    for text in pc.unique(column.values).to_pylist():
        if text is None or (target.base == "enum" and text in known):
            continue
        # A SET is returned in the order of its definition.
        if target.base == "set" and text == ",".join(each for each in known if each in text.split(",")):
            continue
        bad = pc.equal(column.values, text)
        refuse_where(column, bad, f"is not a value of {target.type[:80]}.")
    return literal_column(target, column.values, LiteralForm.TEXT)


def document_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a JSON column; None if there is none."""
    return _documents if kind is SourceKind.TEXT else None


def _documents(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    for row, text in enumerate(column.values.to_pylist()):
        if text is not None:
            try:
                _DOCUMENT.decode(text)
            except _LossError as loss:
                refuse(
                    column.name,
                    f"{loss}, and a JSON column would not keep it.",
                    row=row,
                    advice="Load it into a TEXT column.",
                )
            except (ValueError, RecursionError):
                refuse(column.name, f"{text[:40]!r} is not valid JSON.", row=row)
    return literal_column(target, column.values, LiteralForm.TEXT)


class _LossError(Exception):
    """A JSON column stores less than the document has."""


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _stored_integer(digits: str) -> None:
    # Integers of 64 bits, signed or not, and float64 for all others, in which some of them are exact.
    number = Decimal(digits)
    if not -(2**63) <= number < 2**64 and number != Decimal(float(digits)):
        raise _LossError(f"{digits[:40]} has more digits than a number of JSON in SQL")


def _stored_float(digits: str) -> None:
    # A float64 that is written with the fewest digits has 17 at most.
    if Decimal(digits) != Decimal(repr(float(digits))):
        raise _LossError(f"{digits[:40]} has more digits than a number of JSON in SQL")


def _stored_object(pairs: list[tuple[str, object]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _LossError(f"the document has the key {twice[:40]!r} twice")


_DOCUMENT = json.JSONDecoder(
    parse_constant=_no_constant,
    parse_int=_stored_integer,
    parse_float=_stored_float,
    object_pairs_hook=_stored_object,
)


def binary_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a binary or BLOB column; None if there is none."""
    return _binaries if kind is SourceKind.BYTES else None


def _binaries(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    most = BLOB_BYTES.get(target.base) or (target.arguments or (1,))[0]
    lengths = pc.binary_length(column.values)
    refuse_where(column, pc.greater(lengths, most), f"is too long for {target.type.upper()}.")
    if target.base == "binary":
        refuse_where(column, pc.less(lengths, most), f"is too short: {target.type.upper()} adds zero bytes.")
    return literal_column(target, column.values, LiteralForm.HEXADECIMAL)
