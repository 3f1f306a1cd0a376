"""Connections in jupysql's `%sql`. Importing jupysql takes seconds, so functions import it."""

from __future__ import annotations

from tidb_pe_magic.database.jupysql.registration import (
    held_connection,
    holds,
    is_current,
    register,
    unregister,
)

__all__ = ["held_connection", "holds", "is_current", "register", "unregister"]
