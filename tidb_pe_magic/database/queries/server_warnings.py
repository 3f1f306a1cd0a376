"""The server's warnings about a statement, in the session that has just run it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tidb_pe_magic.database.queries.failures import rows_if_answered

_NOTE = "Note"
# TiDB says it of a prepared statement, and the reader prepares every SELECT: it is not about the result.
_ABOUT_PREPARING = re.compile(r"skip (prepared )?plan-cache")


def server_warnings(session: Any) -> tuple[str, ...] | None:
    """Return the warnings as `warning 1260: Some rows were cut by GROUPCONCAT(…)`, each once, without notes.

    Return None if the server does not answer: a complete result does not fail for this. SHOW WARNINGS keeps
    the warnings, but `ROW_COUNT()` is about it afterwards.

    Args:
        session: idle; its connection may be closed when this returns None.
    """
    rows = rows_if_answered(session, "SHOW WARNINGS")
    if rows is None:
        return None
    found = Counter(
        f"{level.lower()} {code}: {message}"
        for level, code, message in rows
        if level != _NOTE and not _ABOUT_PREPARING.match(str(message))
    )
    return tuple(text if count == 1 else f"{text} ({count} times)" for text, count in found.items())
