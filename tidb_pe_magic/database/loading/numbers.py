"""Numbers in the form for a table's columns: stored exactly, or rejected."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tidb_pe_magic.database.loading.columns import SourceColumn, SourceKind, recast, refuse
from tidb_pe_magic.database.loading.literals import LiteralColumn, LiteralForm, literal_column, refuse_where

if TYPE_CHECKING:
    from tidb_pe_magic.database.loading.tables import TargetColumn

INTEGER_BITS = {
    "tinyint": 8,
    "bool": 8,
    "boolean": 8,
    "smallint": 16,
    "mediumint": 24,
    "int": 32,
    "integer": 32,
    "bigint": 64,
}
_SINGLE, _DOUBLE = 2**24, 2**53  # every whole number up to these is exact
_MOST_PLACES = 22  # maximum exponent of ten that is exact in a float64


def _range(target: TargetColumn) -> tuple[int, int]:
    """Return the smallest and the largest number of an integer column."""
    if target.base == "bit":
        return 0, 2 ** (target.arguments or (1,))[0] - 1
    if target.base == "year":
        return 1901, 2155
    bits = INTEGER_BITS[target.base]
    return (0, 2**bits - 1) if target.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def integer_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to an integer column; None if there is none."""
    return {
        SourceKind.BOOLEAN: _whole,
        SourceKind.INTEGER: _whole,
        SourceKind.FLOAT: _whole_floats,
        SourceKind.DECIMAL: _whole_decimals,
    }.get(kind)


def _booleans(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    return literal_column(target, column.values.cast(pa.int8()), LiteralForm.DIGITS)


def _whole(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    if column.kind is SourceKind.BOOLEAN:
        column = SourceColumn(name=column.name, kind=SourceKind.INTEGER, values=column.values.cast(pa.int8()))
    low, high = _range(target)
    extremes = pc.min_max(column.values).as_py()
    least, greatest = extremes["min"], extremes["max"]
    if least is not None and (least < low or greatest > high):
        row = next(
            row
            for row, each in enumerate(column.values.to_pylist())
            if each is not None and not low <= each <= high
        )
        refuse(
            column.name,
            f"{column.values[row].as_py()} is out of range: {target.type.upper()} holds {low} to {high}.",
            row=row,
        )
    return literal_column(target, column.values, LiteralForm.DIGITS)


def _whole_floats(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    fraction = pc.not_equal(pc.floor(column.values), column.values)
    refuse_where(column, fraction, f"is not a whole number, and the table's column is {target.type.upper()}.")
    low, high = _range(target)
    # The float64 after the largest integer of 64 bits is one more than it.
    above = pc.greater_equal(column.values, float(high + 1))
    reason = f"is out of range: {target.type.upper()} holds {low} to {high}."
    refuse_where(column, pc.or_(above, pc.less(column.values, float(low))), reason)
    whole = column.values.cast(pa.int64() if high < 2**63 else pa.uint64())
    return _whole(SourceColumn(name=column.name, kind=SourceKind.INTEGER, values=whole), target)


def _whole_decimals(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    reason = f"is not a whole number that fits {target.type.upper()}."
    whole = recast(column.name, column.values, pa.decimal256(76, 0), reason)
    low, high = _range(target)
    for row, each in enumerate(whole.to_pylist()):
        if each is not None and not low <= each <= high:
            refuse(column.name, f"{each} {reason}", row=row)
    return literal_column(target, whole, LiteralForm.DIGITS)


def float_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a FLOAT or DOUBLE column; None if there is none."""
    return {
        SourceKind.BOOLEAN: _booleans,
        SourceKind.INTEGER: _float_integers,
        SourceKind.FLOAT: _floats,
    }.get(kind)


def _float_integers(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    most = _SINGLE if target.base == "float" else _DOUBLE
    wide = column.values.cast(pa.decimal256(20, 0))
    beyond = pc.or_(pc.greater(wide, most), pc.less(wide, -most))
    refuse_where(column, beyond, f"loses digits in a {target.type.upper()}.")
    return literal_column(target, column.values, LiteralForm.DIGITS)


def _floats(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    if target.base == "float":
        single = column.values.cast(pa.float32(), safe=False).cast(pa.float64())
        refuse_where(
            column,
            pc.not_equal(single, column.values),
            "loses digits in a FLOAT, which has 24 bits.",
            f"Round it first: frame[{column.name!r}].astype('float32')",
        )
    if target.unsigned:
        refuse_where(column, pc.less(column.values, 0.0), f"is negative: {target.type.upper()}.")
    # With two arguments the column rounds: DOUBLE(8,2).
    if len(target.arguments) > 1:
        refuse(column.name, f"the table's column rounds its values: {target.type.upper()}.")
    return literal_column(target, column.values, LiteralForm.PLAIN)


def decimal_rule(kind: SourceKind) -> Any:
    """Return the binder of values of a kind to a DECIMAL column; None if there is none."""
    return {
        SourceKind.BOOLEAN: _booleans,
        SourceKind.INTEGER: _decimal_integers,
        SourceKind.FLOAT: _decimal_floats,
        SourceKind.DECIMAL: _decimals,
    }.get(kind)


def _digits(target: TargetColumn) -> tuple[int, int]:
    """Return the number of digits of a DECIMAL, and how many of them are after the point."""
    digits, places = (*target.arguments, 0)[:2] if target.arguments else (10, 0)
    return digits, places


def _decimal_integers(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    wide = column.values.cast(pa.decimal256(20, 0))
    return _decimals(SourceColumn(name=column.name, kind=SourceKind.DECIMAL, values=wide), target)


def _decimals(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    digits, places = _digits(target)
    kind = column.values.type
    values = column.values
    if kind.scale != places or kind.precision > digits:
        reason = f"does not fit {target.type.upper()} without losing digits."
        values = recast(column.name, values, pa.decimal256(digits, places), reason)
    if target.unsigned:
        refuse_where(column, pc.less(column.values, 0), f"is negative: {target.type.upper()}.")
    return literal_column(target, values, LiteralForm.PLAIN)


def _decimal_floats(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    digits, places = _digits(target)
    values = np.asarray(column.values.to_numpy(zero_copy_only=False), np.float64)
    power = 10.0 ** min(places, _MOST_PLACES)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(values * power)
        # Both are exact, so the quotient is the number nearest to the decimal.
        exact = (np.abs(scaled) < min(_DOUBLE, 10.0**digits)) & (scaled / power == values)
    if not (exact | np.isnan(values)).all():
        return _shortest_decimals(column, target)
    whole = pa.chunked_array(
        [pa.array(np.where(np.isnan(values), 0, scaled).astype(np.int64), mask=np.isnan(values))]
    )
    wide = whole.cast(pa.decimal256(20, 0))
    shifted = pc.multiply(wide, pa.scalar(Decimal(1).scaleb(-min(places, _MOST_PLACES))))
    return _decimals(SourceColumn(name=column.name, kind=SourceKind.DECIMAL, values=shifted), target)


def _shortest_decimals(column: SourceColumn, target: TargetColumn) -> LiteralColumn:
    """Return each number with the fewest digits that give the same float64."""
    digits, places = _digits(target)
    numbers: list[Decimal | None] = []
    for row, value in enumerate(column.values.to_pylist()):
        number = None if value is None else Decimal(repr(value)).normalize()
        if number and (number.adjusted() >= digits - places or _places(number) > places):
            refuse(
                column.name,
                f"{value} does not fit {target.type.upper()} without losing digits.",
                row=row,
                advice=f"Round it first: frame[{column.name!r}].round({places})",
            )
        numbers.append(number)
    values = pa.chunked_array([pa.array(numbers, pa.decimal256(digits, places))])
    return _decimals(SourceColumn(name=column.name, kind=SourceKind.DECIMAL, values=values), target)


def _places(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)
