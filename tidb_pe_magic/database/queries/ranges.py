"""One table read as ranges of an integer key, over several connections that see the same moment."""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pymysql.err

from tidb_pe_magic.database.queries.failures import UNKNOWN_SYSTEM_VARIABLE, translated
from tidb_pe_magic.database.queries.placeholders import outer_words
from tidb_pe_magic.database.queries.statement import Query
from tidb_pe_magic.errors import InvalidRequest, QueryFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.database.queries.inflight import InFlight

_FIELD = "--partition-on"
# What would be carried out in each range for itself: a part of the result would come twice, or not at all.
_WHOLE = ("LIMIT", "INTO", "FOR")


@dataclass(frozen=True)
class Snapshot:
    """A moment that the server's data can be read at, by its timestamp."""

    timestamp: str

    def enter(self, session: Any) -> None:
        """Have the session read this moment from now on.

        Raises:
            QueryFailed: the moment is gone from the server.
        """
        with translated(), contextlib.closing(session.cursor()) as cursor:
            cursor.execute("SET @@tidb_snapshot = %s", (self.timestamp,))


@contextmanager
def snapshot(flight: InFlight) -> Iterator[Snapshot]:
    """Take a moment, and hold it against garbage collection: TiDB keeps what an open transaction can see.

    Raises:
        InvalidRequest: the server has no such moments.
    """
    with flight.dedicated(watched=False) as session, contextlib.closing(session.cursor()) as cursor:
        with translated():
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
                f"the server ({version}) has no tidb_snapshot: its partitions would show different moments.",
                advice="Leave it out: one connection reads one moment.",
            )
        yield Snapshot(timestamp)


def split(session: Any, query: Query, column: str, partitions: int) -> list[Query]:
    """Return the query as one for each range of the column's values, in their order.

    Rows whose key is NULL are in the first.

    Raises:
        InvalidRequest: the column is none of whole numbers, or the statement cannot be split.
    """
    refused = next((word for word in outer_words(query.sql) if word in _WHOLE), "")
    if refused:
        raise InvalidRequest(
            _FIELD, f"a statement with {refused} cannot be split: each range would have its own."
        )
    sql = _without_end(session, query.sql)
    key = "`" + column.replace("`", "``") + "`"
    # The line break ends a comment at the end of the statement.
    inner = f"({sql}\n) AS partitioned"
    limits = f"SELECT MIN({key}), MAX({key}) FROM {inner}"  # noqa: S608 - the user's own statement
    low, high = _bounds(session, Query(sql=limits, params=query.params))
    if low is None or high is None:
        return [Query(sql=f"SELECT * FROM {inner}", params=query.params)]  # noqa: S608 - see above
    count = min(partitions, high - low + 1)
    edges = [low + (high - low + 1) * number // count for number in range(count + 1)]
    queries = []
    for number, (begin, end) in enumerate(pairwise(edges)):
        # The outer ranges are open: what is there now is what the snapshot has, and NULL has no place.
        conditions = [f"{key} >= {begin:d}"] if number else []
        conditions += [f"{key} < {end:d}"] if number < count - 1 else []
        where = " AND ".join(conditions) or "TRUE"
        if number == 0:
            where = f"({where} OR {key} IS NULL)"
        queries.append(Query(sql=f"SELECT * FROM {inner} WHERE {where}", params=query.params))  # noqa: S608 - see above
    return queries


def _without_end(session: Any, sql: str) -> str:
    """Return the statement without its closing semicolon, and without a comment behind that."""
    from tidb_pe_magic.database.frames.driver import Driver  # noqa: PLC0415 - needs pyarrow
    from tidb_pe_magic.database.frames.statement import read  # noqa: PLC0415 - as above

    return read(sql, backslash_escapes=Driver(session).backslash_escapes).sql


def empty(query: Query) -> Query:
    """Return a query of the same columns, without rows."""
    return Query(sql=f"SELECT * FROM ({query.sql}\n) AS columns_only WHERE FALSE", params=query.params)  # noqa: S608 - see above


def _bounds(session: Any, query: Query) -> tuple[int | None, int | None]:
    from tidb_pe_magic.database.frames import open_reading  # noqa: PLC0415 - needs pyarrow

    try:
        with translated(), open_reading(session, query.sql, query.params) as reading:
            rows = [row for batch in reading for row in batch.to_pylist()]
    except QueryFailed as error:
        if error.code == pymysql.constants.ER.BAD_FIELD_ERROR:
            raise InvalidRequest(_FIELD, f"{error.message}") from None
        raise
    low, high = rows[0].values()
    for bound in (low, high):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int)):
            raise InvalidRequest(_FIELD, "the column's values are no whole numbers.")
    return low, high
