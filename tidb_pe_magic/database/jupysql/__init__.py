"""Our connections in jupysql's `%sql`, which takes seconds to import: it is imported inside the functions."""

from __future__ import annotations

from tidb_pe_magic.database.jupysql.registration import held, holds, is_current, register, unregister

__all__ = ["held", "holds", "is_current", "register", "unregister"]
