"""jupysql looks for its snippets in every statement, with a parser that does not know all of TiDB's."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sql.util
import sqlglot
from sql.connection.connection import ConnectionManager
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DIALECT = "mysql"
_FALLBACK = "Falling back to parsing as a 'Command'"
_parser_log = logging.getLogger("sqlglot")
_jupysqls_own = sql.util.extract_tables_from_query


@contextmanager
def without_parser_warnings() -> Iterator[None]:
    """Drop the parser's warning that it does not know a statement, in this thread and meanwhile only."""
    thread = threading.get_ident()

    def is_shown(record: logging.LogRecord) -> bool:
        return record.thread != thread or _FALLBACK not in record.getMessage()

    _parser_log.addFilter(is_shown)
    try:
        yield
    finally:
        _parser_log.removeFilter(is_shown)


def parse_quietly(is_ours: Callable[[object], bool]) -> None:
    """Let jupysql find the tables of a statement in MySQL's SQL while a connection of this package is open.

    Args:
        is_ours: returns whether a connection of jupysql is of this package.
    """

    def tables(query: str) -> list[str]:
        if not any(map(is_ours, ConnectionManager.connections.values())):
            return list(_jupysqls_own(query))
        try:
            with without_parser_warnings():
                return [table.name for table in sqlglot.parse_one(query, read=_DIALECT).find_all(exp.Table)]
        except sqlglot.errors.SqlglotError:  # its message shows the place, which the server names better
            return []

    sql.util.extract_tables_from_query = tables
