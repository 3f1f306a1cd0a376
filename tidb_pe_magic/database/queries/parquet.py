"""A result as a Parquet file: written as rows arrive, and visible to others only once it is complete."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tidb_pe_magic.database.frames import FrameOptions, Layout, narrow_decimals
from tidb_pe_magic.database.queries.paths import refuse_repeated_names

if TYPE_CHECKING:
    from pathlib import Path

FIELD = "--to-parquet"
#: A row group is kept in memory: large enough for fast reading, small enough for the memory.
_ROW_GROUP_BYTES = 16 * 2**20


class ParquetWriter:
    """Takes record batches, and writes a row group when enough of them have arrived.

    The file contains the dtypes of its columns, so `pandas.read_parquet` gives the same dtypes as the frame.
    If there are more rows than a row group, or several files, these are the dtypes that fit any rows of the
    declared types: a column that might have NULLs is Int64.

    One thread may abandon it while another one still writes.

    Attributes:
        exact: after closing, the DECIMAL columns that stay exact because float64 would lose digits.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, options: FrameOptions, *, several: bool = False
    ) -> None:
        """Prepare the file; it is opened with the first row group.

        Args:
            path: of the file.
            schema: of the batches.
            options: determines the types of the columns.
            several: the file is one of several, which must have the same columns.

        Raises:
            InvalidRequest: two columns have the same name, which Parquet does not support.
        """
        refuse_repeated_names(FIELD, "Parquet", schema.names)
        self._path = path
        self._schema = schema
        self._options = options
        self._layout = options.of_schema(schema) if several else None
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._closed = False
        self._lock = threading.Lock()
        self.exact: tuple[str, ...] = ()

    def take(self, batch: pa.RecordBatch) -> bool:
        """Write a batch; return False if no more are needed."""
        with self._lock:
            if self._closed:
                return False
            self._held.append(batch)
            self._bytes += batch.nbytes
            if self._bytes >= _ROW_GROUP_BYTES:
                self._layout = self._layout or self._options.of_schema(self._schema)
                self._flush(self._layout)
            return True

    def close(self) -> None:
        """Write the remaining rows and the end of the file."""
        with self._lock:
            self._closed = True
            table = pa.Table.from_batches(self._held, self._schema)
            self._flush(self._layout or self._options.of(narrow_decimals(table)))
            if self._writer is not None:
                self._writer.close()

    def abandon(self) -> None:
        """Close the incomplete file, which will be removed."""
        with self._lock:
            self._closed = True
            self._held.clear()
            if self._writer is not None:
                self._writer.close()

    def _flush(self, layout: Layout) -> None:
        self.exact = layout.exact
        table = layout.cast(pa.Table.from_batches(self._held, self._schema))
        self._held.clear()
        self._bytes = 0
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, layout.schema)
        if table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)
        # Otherwise the encoder keeps its buffers, and a little more with each row group.
        pa.default_memory_pool().release_unused()
