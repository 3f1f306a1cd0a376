"""The names of the sandbox's services in faults and in the request log."""

from __future__ import annotations

from enum import StrEnum


class Service(StrEnum):
    """The called service."""

    TIDB_CLOUD = "tidb-cloud"
    ALIBABA = "alibaba"
    METADATA = "metadata"
    SQL = "sql"
