"""Translates the driver's errors of queries; no other module does this."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pymysql.err
import sqlalchemy.exc
from pymysql.constants import CR, ER

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.database import greeting
from tidb_pe_magic.database.login_connection import CannotConnect
from tidb_pe_magic.errors import ConnectionFailed, QueryFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.errors import TidbPeError

UNKNOWN_SYSTEM_VARIABLE = 1193
_SNAPSHOT_TOO_OLD, _GC_TOO_EARLY, _MEMORY_EXCEEDED, _TIMED_OUT = 8055, 9006, 8175, 3024
_GC = "The server keeps old data for tidb_gc_life_time (10 minutes by default). Read less, or start again."
_ADVICE: dict[int, str | Advice] = {
    ER.PARSE_ERROR: "",
    ER.NO_SUCH_TABLE: "If it is in another database, write `database`.`table`.",
    ER.NON_UNIQ_ERROR: "Write its table or alias before it, such as t.id.",
    ER.WRONG_FIELD_WITH_GROUP: "Add the column to GROUP BY, or use an aggregate, such as ANY_VALUE(column).",
    # TiDB's limit is 1017; table-column-count-limit raises it to 4096 at most (TiDB Limitations).
    ER.TOO_MANY_FIELDS: "A table of TiDB has up to 1017 columns by default.",
    ER.NOT_ALLOWED_COMMAND: Advice(
        "If this is LOAD DATA LOCAL: cells do not send local files. Load the file itself.",
        Suggestion("load", "FILE", "--table", "NAME"),
    ),
    ER.NO_DB_ERROR: "Connect with --database NAME, run USE NAME in a cell, or write `database`.`table`.",
    _SNAPSHOT_TOO_OLD: _GC,
    _GC_TOO_EARLY: _GC,
    _MEMORY_EXCEEDED: "The server's memory quota for one query was exceeded. Read fewer rows or columns.",
    _TIMED_OUT: "The server's max_execution_time was exceeded.",
}


@contextmanager
def driver_errors() -> Iterator[None]:
    """Raise the driver's and the pool's errors as errors of this package.

    Raises:
        QueryFailed: the server refused the statement or ended it.
        ConnectionFailed: the connection could not be opened, or was lost.
    """
    failure: TidbPeError
    try:
        yield
    except CannotConnect as error:
        failure = error.failure
    except sqlalchemy.exc.TimeoutError:
        failure = ConnectionFailed(
            "query",
            "every connection of this alias is in use.",
            advice="Wait for one of its queries to end, or connect under another --alias.",
        )
    except pymysql.err.MySQLError as error:
        failure = _translate(error)
    else:
        return
    # Outside the handler, so that the driver's frames are not chained.
    raise failure


def _translate(error: pymysql.err.MySQLError) -> TidbPeError:
    code, message = (*error.args, 0, "")[:2]
    if not isinstance(code, int):
        return QueryFailed(0, str(error))
    if code in {CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 0}:
        return greeting.server_error(code, str(message), stage="query")
    return QueryFailed(code, str(message), advice=_ADVICE.get(code, ""))


def rows_if_answered(session: Any, sql: str) -> Sequence[tuple[Any, ...]] | None:
    """Return a short query's rows, or None if it fails: a complete result does not fail for this.

    Args:
        session: idle; its connection may be closed when this returns None.
        sql: a question about the statement before, such as SHOW WARNINGS.
    """
    try:
        with closing(session.cursor()) as cursor:
            cursor.execute(sql)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    except pymysql.err.MySQLError:
        return None
    return rows
