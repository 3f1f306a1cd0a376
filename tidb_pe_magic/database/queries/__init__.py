"""Queries into frames and files: bound parameters, progress, a stop button, a memory cap, parallel reads."""

from tidb_pe_magic.database import frames  # noqa: F401 - first: it says what is missing
