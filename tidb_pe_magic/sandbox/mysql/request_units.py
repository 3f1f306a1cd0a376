"""A statement's cost in Request Units, by the rates that TiDB Cloud publishes.

The documentation ("Request Unit (RU)"): 1 RU is 8 read requests, 64 KiB read, one write batch, 1 KiB
written, or 3 ms of CPU. The time is estimated, so that the same statement always costs the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlglot import exp

if TYPE_CHECKING:
    import duckdb

_READ_REQUESTS: Final = 8
_READ_BYTES: Final = 64 * 1024
_WRITTEN_BYTES: Final = 1024
_CPU_SECONDS: Final = 0.003
_ROW_SECONDS: Final = 0.2e-6
#: Rows of one Region, which one request of a scan reads.
_REQUEST_ROWS: Final = 50_000
_VALUE_BYTES: Final = 8
_SIZES: Final = """
SELECT coalesce(sum(estimated_size), 0)::BIGINT, coalesce(sum(estimated_size * column_count), 0)::BIGINT
FROM duckdb_tables() WHERE NOT internal AND lower(schema_name) = ? AND lower(table_name) = ?"""


@dataclass(frozen=True)
class LastQuery:
    """A session's last statement.

    Attributes:
        start: its timestamp.
        changed: number of rows that it wrote.
    """

    tree: exp.Expr | None = None
    start: int = 0
    changed: int = 0

    def info(self, cursor: duckdb.DuckDBPyConnection, database: str) -> str:
        """Return `@@tidb_last_query_info`."""
        units = round(self._units(cursor, database), 6)
        known = {
            "txn_scope": "global",
            "start_ts": self.start,
            "for_update_ts": self.start,
            "ru_consumption": units,
        }
        return json.dumps(known, separators=(",", ":"))

    def _units(self, cursor: duckdb.DuckDBPyConnection, database: str) -> float:
        if self.tree is None:
            return 0.0
        rows = values = 0
        for table in self.tree.find_all(exp.Table):
            schema = (table.db or database).lower()
            found = cursor.execute(_SIZES, [schema, table.name.lower()]).fetchall()
            rows, values = rows + int(found[0][0]), values + int(found[0][1])
        requests = rows // _REQUEST_ROWS + bool(rows)
        read = requests / _READ_REQUESTS + values * _VALUE_BYTES / _READ_BYTES
        written = bool(self.changed) + self.changed * _VALUE_BYTES * 8 / _WRITTEN_BYTES
        return read + written + rows * _ROW_SECONDS / _CPU_SECONDS
