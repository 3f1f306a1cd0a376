"""Reads the cost of a statement in Request Units, in the session that has just run it."""

from __future__ import annotations

import json
from typing import Any

from tidb_pe_magic.database.effects import effect_of
from tidb_pe_magic.database.queries.failures import rows_if_answered

#: Seconds. Faster statements are skipped, so that a quick query needs only one round trip.
SLOW = 0.05
# `@@tidb_last_query_info` covers only these (`recordLastQueryInfo` in TiDB's `pkg/executor/adapter.go`).
_COUNTED = frozenset({"SELECT", "WITH", "TABLE", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE"})


def server_counts(session: Any, statement: str) -> bool:
    """Return whether the server of a session counts Request Units for statements of this kind."""
    return "TiDB" in session.server_version and effect_of(statement).verb in _COUNTED


def request_units(session: Any) -> float | None:
    """Return the Request Units of the statement that the session has just completed.

    Return None if the server has no resource control or does not answer: a complete result does not fail for
    this. This is itself a statement: afterwards the server cannot answer another question about the last one.

    Args:
        session: idle; its connection may be closed when this returns None.
    """
    rows = rows_if_answered(session, "SELECT @@tidb_last_query_info")
    return _units(rows[0][0]) if rows else None


def _units(text: object) -> float | None:
    try:
        known: Any = json.loads(str(text))
        units = float(known["ru_consumption"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    # 0 without resource control.
    return units if 0 < units < float("inf") else None
