"""A result as a Parquet file: written as it comes, and seen by others only once it is whole."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tidb_pe_magic.database.frames import FrameOptions, Layout, narrowed
from tidb_pe_magic.database.queries.target import refuse_twins

if TYPE_CHECKING:
    from pathlib import Path

FIELD = "--to-parquet"
#: A row group is what is held in memory: large enough to be read fast, small enough to be held.
_ROW_GROUP_BYTES = 16 * 2**20


class ParquetWriter:
    """Takes record batches, and writes a row group whenever enough of them have come.

    The file tells pandas the dtypes of its columns, so that `pandas.read_parquet` gives those of the frame.
    Where the rows are more than a row group, or the file is one of several, these are the dtypes that fit any
    rows of the declared types: a column that might have NULLs is Int64.

    It can be abandoned by one thread while another one still writes.

    Attributes:
        exact: once it is closed, the DECIMAL columns that stay exact because float64 would lose digits.
    """

    def __init__(self, path: Path, schema: pa.Schema, form: FrameOptions, *, several: bool = False) -> None:
        """Prepare the file; it is opened with the first row group.

        Args:
            path: of the file.
            schema: of the batches.
            form: what the columns become.
            several: the file is one of several, which have to have the same columns.

        Raises:
            InvalidRequest: two columns have one name, which no file may have.
        """
        refuse_twins(FIELD, "Parquet", schema.names)
        self._path = path
        self._schema = schema
        self._form = form
        self._layout = form.declared(schema) if several else None
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._closed = False
        self._lock = threading.Lock()
        self.exact: tuple[str, ...] = ()

    def take(self, batch: pa.RecordBatch) -> bool:
        """Take a batch; False where no more are wanted."""
        with self._lock:
            if self._closed:
                return False
            self._held.append(batch)
            self._bytes += batch.nbytes
            if self._bytes >= _ROW_GROUP_BYTES:
                self._layout = self._layout or self._form.declared(self._schema)
                self._flush(self._layout)
            return True

    def close(self) -> None:
        """Write what is left, and the file's end."""
        with self._lock:
            self._closed = True
            table = pa.Table.from_batches(self._held, self._schema)
            self._flush(self._layout or self._form.of(narrowed(table)))
            if self._writer is not None:
                self._writer.close()

    def abandon(self) -> None:
        """Close the file as it is: it will be removed."""
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
        # What the encoder has used would else be kept, and with each row group a little more of it.
        pa.default_memory_pool().release_unused()
