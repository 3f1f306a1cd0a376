"""Reads one table as ranges of an integer key, over several connections that share a snapshot."""

from __future__ import annotations

import contextlib
import difflib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pymysql.err

from tidb_pe_magic.database.queries.failures import UNKNOWN_SYSTEM_VARIABLE, driver_errors
from tidb_pe_magic.database.queries.placeholders import outer_words
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.database.schema.identifiers import quote
from tidb_pe_magic.errors import InvalidRequest, QueryFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.database.frames.definitions import Definition
    from tidb_pe_magic.database.queries.inflight import InFlight

_FIELD = "--partition-on"
# TiDB's hidden key of a table without an integer key.
_ROW_ID = "_tidb_rowid"
# For each index of a column: whether the index begins with the column.
_INDEXES = """
SELECT SEQ_IN_INDEX = 1 FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s
"""
# Clauses that each range would apply separately: a part of the result would be repeated or missing.
_WHOLE = ("LIMIT", "FETCH", "INTO", "FOR")
_SHOWN_COLUMNS = 12  # in an error; a wide table has hundreds


@dataclass(frozen=True)
class ReadTimestamp:
    """A snapshot of the server's data, given by its timestamp."""

    timestamp: str

    def enter(self, session: Any) -> None:
        """Make the session read this snapshot from now on.

        Raises:
            QueryFailed: the server no longer has the snapshot.
        """
        with driver_errors(), contextlib.closing(session.cursor()) as cursor:
            cursor.execute("SET @@tidb_snapshot = %s", (self.timestamp,))


@contextmanager
def snapshot(flight: InFlight) -> Iterator[ReadTimestamp]:
    """Create a snapshot, and protect it from garbage collection with an open transaction.

    Raises:
        InvalidRequest: the server does not support snapshots.
    """
    with flight.own_session(watched=False) as session, contextlib.closing(session.cursor()) as cursor:
        with driver_errors():
            try:
                cursor.execute("START TRANSACTION")
                cursor.execute("SELECT @@tidb_current_ts, @@tidb_snapshot")
            except pymysql.err.MySQLError as error:
                if error.args[0] != UNKNOWN_SYSTEM_VARIABLE:
                    raise
                timestamp = ""
            else:
                timestamp = str(cursor.fetchone()[0])
        if not timestamp:
            version = session.get_server_info()
            raise InvalidRequest(
                _FIELD,
                f"the server ({version}) has no tidb_snapshot, so its ranges would be from different times.",
                advice="Omit the option: one connection reads one snapshot.",
            )
        yield ReadTimestamp(timestamp)


@dataclass(frozen=True)
class RangeSplit:
    """A statement split into ranges.

    Attributes:
        queries: one for each range of the column's values, in order; NULL is in the first.
        empty: has the same columns, but no rows.
        note: what makes it slow; may be empty.
    """

    queries: list[BoundStatement]
    empty: BoundStatement
    note: str = ""


def split(session: Any, query: BoundStatement, column: str, partitions: int) -> RangeSplit:
    """Split a statement into ranges of a column's values.

    Raises:
        InvalidRequest: the column is not an integer, or the statement cannot be split.
    """
    refused = next((word for word in outer_words(query.sql) if word in _WHOLE), "")
    if refused:
        raise InvalidRequest(
            _FIELD, f"a statement with {refused} cannot be split: each range would have its own."
        )
    sql = _without_end(session, query.sql)
    key = quote(column)
    # The line break ends a comment at the end of the statement.
    inner = f"({sql}\n) AS partitioned"
    definitions = _describe(session, sql)
    whole = f"SELECT {_select_list(session, definitions, inner)} FROM {inner}"  # noqa: S608 - see above
    empty = BoundStatement(sql=f"{whole} WHERE FALSE", params=query.params)
    limits = f"SELECT MIN({key}), MAX({key}) FROM {inner}"  # noqa: S608 - the user's own statement
    try:
        low, high = _bounds(session, BoundStatement(sql=limits, params=query.params))
    except QueryFailed as error:
        if error.code == pymysql.constants.ER.BAD_FIELD_ERROR:
            raise _unknown_column(column, definitions) from None
        raise
    if low is None or high is None:
        return RangeSplit([BoundStatement(sql=whole, params=query.params)], empty)
    count = min(partitions, high - low + 1)
    edges = [low + (high - low + 1) * number // count for number in range(count + 1)]
    queries = []
    for number, (begin, end) in enumerate(pairwise(edges)):
        # The outer ranges are open: the snapshot limits the rows, and NULL is in the first range.
        conditions = [f"{key} >= {begin:d}"] if number else []
        conditions += [f"{key} < {end:d}"] if number < count - 1 else []
        where = " AND ".join(conditions) or "TRUE"
        if number == 0:
            where = f"({where} OR {key} IS NULL)"
        queries.append(BoundStatement(sql=f"{whole} WHERE {where}", params=query.params))
    return RangeSplit(queries, empty, _full_scan_note(session, definitions, column, len(queries)))


def _describe(session: Any, sql: str) -> tuple[Definition, ...]:
    """Return the definitions of the statement's columns; empty if the server cannot prepare it.

    Raises:
        InvalidRequest: two columns have the same name, which a table does not allow.
    """
    from tidb_pe_magic.database.frames.prepared_statement import describe  # noqa: PLC0415 - needs pyarrow

    with driver_errors():
        definitions = describe(session, sql) or ()
    names = [definition.name.casefold() for definition in definitions]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise InvalidRequest(
            _FIELD,
            f"two columns of the result are named {twice}.",
            advice=f"Give one of them another name: SELECT ... AS {twice}_2.",
        )
    return definitions


def _select_list(session: Any, definitions: Sequence[Definition], inner: str) -> str:
    """Return the columns to select from the statement as a table: `*` omits TiDB's hidden _tidb_rowid."""
    from tidb_pe_magic.database.frames.prepared_statement import describe  # noqa: PLC0415 - needs pyarrow

    if not definitions:
        return "*"
    with driver_errors():
        shown = describe(session, f"SELECT * FROM {inner}")  # noqa: S608 - see above
    if shown is None or len(shown) == len(definitions):
        return "*"
    return ", ".join(quote(definition.name) for definition in definitions)


def _full_scan_note(session: Any, definitions: Sequence[Definition], column: str, ranges: int) -> str:
    """Return a note that no index supports the ranges, if so: each of them scans all rows."""
    found = next((each for each in definitions if each.name.casefold() == column.casefold()), None)
    if found is None or ranges == 1 or found.original_name.casefold() == _ROW_ID:
        return ""
    cost = f"each of the {ranges} ranges scans all rows, which is slower than one connection."
    if not found.original_table:
        return f"{column} is an expression without an index: {cost}"
    arguments = (found.database, found.original_table, found.original_name)
    try:
        with contextlib.closing(session.cursor()) as cursor:
            cursor.execute(_INDEXES, arguments)
            leading = {bool(row[0]) for row in cursor.fetchall()}
    except pymysql.err.MySQLError:
        if not session.open:
            raise
        return ""
    return "" if True in leading else f"{found.original_table}.{found.original_name} leads no index: {cost}"


def _unknown_column(column: str, definitions: Sequence[Definition]) -> InvalidRequest:
    """Return the error for a column that the result does not have, with a similar one, or with all."""
    known = {definition.name.casefold(): definition.name for definition in definitions}
    close = difflib.get_close_matches(column.casefold(), known, n=1)
    listed = ", ".join(list(known.values())[:_SHOWN_COLUMNS])
    more = f" and {len(known) - _SHOWN_COLUMNS} more" if len(known) > _SHOWN_COLUMNS else ""
    advice = f"It has: {listed}{more}." if known else ""
    if close:
        advice = f"Did you mean {known[close[0]]}?"
    return InvalidRequest(_FIELD, f"the result has no column {column}.", advice=advice)


def _without_end(session: Any, sql: str) -> str:
    """Return the statement without its closing semicolon, and without a comment after it."""
    from tidb_pe_magic.database.frames.driver import Driver  # noqa: PLC0415 - needs pyarrow
    from tidb_pe_magic.database.frames.statement import parse  # noqa: PLC0415 - as above

    return parse(sql, backslash_escapes=Driver(session).backslash_escapes).sql


def _bounds(session: Any, query: BoundStatement) -> tuple[int | None, int | None]:
    from tidb_pe_magic.database.frames import open_stream  # noqa: PLC0415 - needs pyarrow

    with driver_errors(), open_stream(session, query.sql, query.params) as reading:
        rows = [row for batch in reading for row in batch.to_pylist()]
    low, high = rows[0].values()
    for bound in (low, high):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
            raise InvalidRequest(_FIELD, "the column's values are not whole numbers.")
    return low, high
