"""The services of the sandbox, as faults and the request log name them."""

from __future__ import annotations

from enum import StrEnum


class Service(StrEnum):
    """Who is called."""

    TIDB_CLOUD = "tidb-cloud"
    ALIBABA = "alibaba"
    METADATA = "metadata"
    SQL = "sql"
