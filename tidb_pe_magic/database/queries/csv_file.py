"""A result as CSV: exact, in UTF-8, with a header line.

RFC 4180 with line feeds: text with a comma, a quote or a line break is in double quotes. NULL is an empty
field, and an empty string is `""`, as in PostgreSQL's COPY.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tidb_pe_magic.database.queries.paths import refuse_repeated_names
from tidb_pe_magic.database.queries.texts import texts

if TYPE_CHECKING:
    from pathlib import Path

FIELD = "--to-csv"
_QUOTED = r'[",\r\n]'
# Number of rows that are formatted at a time.
_ROWS = 50_000


class CsvWriter:
    """Takes record batches, and writes their lines at once.

    One thread may abandon it while another one still writes.

    Attributes:
        exact: names of the DECIMAL columns that stay exact even if others become numbers; here, all are text.
    """

    exact: tuple[str, ...] = ()

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Start the file with the columns' names.

        Raises:
            InvalidRequest: two columns have the same name.
        """
        refuse_repeated_names(FIELD, "CSV", schema.names)
        self._file: Any = path.open("wb")
        self._lock = threading.Lock()
        write_names(self._file, schema.names)

    def take(self, batch: pa.RecordBatch) -> bool:
        """Write a batch; return False if no more are needed."""
        with self._lock:
            if self._file.closed:
                return False
            write_rows(self._file, batch)
            return True

    def close(self) -> None:
        """End the file."""
        with self._lock:
            self._file.close()

    def abandon(self) -> None:
        """Close the incomplete file, which will be removed."""
        self.close()


def write_names(stream: BinaryIO, names: list[str]) -> None:
    """Write the line of the columns' names; nothing for a statement without rows."""
    if names:
        stream.write((",".join(_quote(pa.array(names)).to_pylist()) + "\n").encode())


def write_rows(stream: BinaryIO, rows: pa.RecordBatch | pa.Table) -> None:
    """Write a line for each row."""
    batches = [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches()
    for batch in batches if rows.num_columns else ():
        for start in range(0, batch.num_rows, _ROWS):
            cells = map(_cells, batch.slice(start, _ROWS).columns)
            lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
            stream.write("\n".join([*lines.to_pylist(), ""]).encode())


def _cells(column: pa.Array) -> pa.Array:
    can_be_empty = pt.is_string(column.type) or pt.is_binary(column.type)
    return _quote(texts(column)) if can_be_empty else texts(column)


def _quote(column: pa.Array) -> pa.Array:
    special = pc.or_(pc.match_substring_regex(column, _QUOTED), pc.equal(column, ""))
    if not pc.any(special).as_py():
        return column
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), column)
