"""jupysql's own queries, of its plots and tables, in TiDB's SQL."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlglot

from tidb_pe_magic.database.jupysql.parser_warnings import without_parser_warnings
from tidb_pe_magic.database.tokens import tokens
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from types import FrameType

_DIALECT = "mysql"
# jupysql's query for a box plot; neither MySQL nor TiDB has WITHIN GROUP.
_QUARTILES = re.compile(
    r'\s*SELECT\s+percentile_disc\(0\.25\) WITHIN GROUP \(ORDER BY "(?P<column>[^\n]*)"\) OVER \(\),\s.*'
    r"\sFROM (?P<table>[^\n]*)\s*",
    re.DOTALL,
)
# percentile_disc(p) is the first value whose cumulative distribution reaches p.
_RANKED = """SELECT {quartiles}
FROM (
    SELECT "{column}" AS ranked, CUME_DIST() OVER (ORDER BY "{column}") AS part
    FROM {table}
    WHERE "{column}" IS NOT NULL
) AS ranks"""
_PARTS = (0.25, 0.5, 0.75)
_PLOTS = "sql.plot"
_STATISTICS = "sql.stats"
# The functions of jupysql's plots that need at least one row.
_NEED_ROWS = frozenset({"_histogram", "_histogram_stacked", "_bar", "_pie"})


def tidb_query(query: str) -> str:
    """Return one of jupysql's own queries, which is standard SQL, as TiDB accepts it.

    In standard SQL, a text in double quotes is a name; in MySQL's it would be a string.
    """
    quartiles = _QUARTILES.fullmatch(query)
    if quartiles is not None:
        chosen = ", ".join(
            f"MIN(CASE WHEN part >= {part} THEN ranked END) AS q{part * 4:.0f}" for part in _PARTS
        )
        query = _RANKED.format(quartiles=chosen, **quartiles.groupdict())
    query = _with_backquotes(query)
    try:
        with without_parser_warnings():
            trees = sqlglot.parse(query, read=_DIALECT)
        return ";\n".join(tree.sql(dialect=_DIALECT) for tree in trees if tree is not None)
    except sqlglot.errors.SqlglotError:
        return query


def _with_backquotes(query: str) -> str:
    """Return the query with each name in double quotes put into backquotes."""
    written, end = [], 0
    for token in tokens(query):
        if token.kind == "quoted" and token.text.startswith('"'):
            name = token.text[1:-1].replace('""', '"').replace("`", "``")
            written += [query[end : token.start], f"`{name}`"]
            end = token.start + len(token.text)
    return "".join([*written, query[end:]])


def drawable_rows(table: pa.Table, query: str) -> pa.Table:
    """Return the rows that a plot asked for as jupysql can draw them: it draws no DECIMAL as a number.

    Raises:
        InvalidRequest: there is nothing to draw.
    """
    caller = _caller()
    if caller is None:
        return table
    if caller.f_code.co_name in _NEED_ROWS and not table.num_rows:
        raise InvalidRequest("--column", "has no values to plot.")
    if _is_of_quartiles(query, table):
        kind = table.schema.types[0]
        if table.column(0)[0].as_py() is None:
            raise InvalidRequest("--column", "has no values to plot.")
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise InvalidRequest(
                "--column", "is not numeric.", advice="Use a numeric column, or a histogram or a bar plot."
            )
    columns = [column.cast(pa.float64()) if _is_decimal(column) else column for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _caller() -> FrameType | None:
    """Return the frame of jupysql's plots or statistics that asked; None for any other caller."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - jupysql does not say what a query is for
    while frame is not None and frame.f_globals.get("__name__") not in {_PLOTS, _STATISTICS}:
        frame = frame.f_back
    return frame


def _is_of_quartiles(query: str, table: pa.Table) -> bool:
    return _QUARTILES.fullmatch(query) is not None and table.num_columns == len(_PARTS)


def _is_decimal(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_decimal(column.type))
