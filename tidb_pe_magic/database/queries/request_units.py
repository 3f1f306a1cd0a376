"""What a statement cost in Request Units, asked in the session that has just run it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pymysql.err

from tidb_pe_magic.database.effects import effect_of

#: Seconds. What took less time is not asked about, so that a quick query stays one round trip.
SLOW = 0.05
# `@@tidb_last_query_info` is about these alone (`recordLastQueryInfo` in TiDB's `pkg/executor/adapter.go`).
_COUNTED = frozenset({"SELECT", "WITH", "TABLE", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"})


def are_counted(session: Any, statement: str) -> bool:
    """Tell whether the server of a session counts Request Units for statements of this kind."""
    return "TiDB" in session.server_version and effect_of(statement).verb in _COUNTED


def request_units(session: Any) -> float | None:
    """Return the Request Units of the statement that the session has just run to its end.

    None where the server has no resource control, or does not answer: a result that is complete does not fail
    for this. The question is a statement itself: afterwards the server answers no other one about the last.

    Args:
        session: idle; its connection may be closed when this returns None.
    """
    try:
        with closing(session.cursor()) as cursor:
            cursor.execute("SELECT @@tidb_last_query_info")
            row = cursor.fetchone()
    except pymysql.err.MySQLError:
        return None
    return _units(row[0]) if row else None


def _units(text: object) -> float | None:
    try:
        known: Any = json.loads(str(text))
        units = float(known["ru_consumption"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    # 0 where there is no resource control.
    return units if 0 < units < float("inf") else None
