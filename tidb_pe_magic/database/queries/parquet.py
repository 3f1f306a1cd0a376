"""A result as a Parquet file: written as it comes, and seen by others only once it is whole."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidb_pe_magic.errors import InvalidRequest

FIELD = "--to-parquet"
#: A row group is what is held in memory: large enough to be read fast, small enough to be held.
_ROW_GROUP_BYTES = 16 * 2**20


class Writer:
    """Takes record batches, and writes a row group whenever enough of them have come.

    It can be abandoned by one thread while another one still writes.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Begin the file."""
        self._writer = pq.ParquetWriter(path, schema)
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._lock = threading.Lock()

    def take(self, batch: pa.RecordBatch) -> bool:
        """Take a batch; False where no more are wanted."""
        with self._lock:
            if not self._writer.is_open:
                return False
            self._held.append(batch)
            self._bytes += batch.nbytes
            if self._bytes >= _ROW_GROUP_BYTES:
                self._flush()
            return True

    def close(self) -> None:
        """Write what is left, and the file's end."""
        with self._lock:
            if self._held:
                self._flush()
            self._writer.close()

    def abandon(self) -> None:
        """Close the file as it is: it will be removed."""
        with self._lock:
            self._held.clear()
            self._writer.close()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._held)
        self._held.clear()
        self._bytes = 0
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        # What the encoder has used would else be kept, and with each row group a little more of it.
        pa.default_memory_pool().release_unused()


def target(text: str, *, directory: bool) -> Path:
    """Return where the result is to be, after a look at whether it can be there.

    Raises:
        InvalidRequest: it cannot.
    """
    try:
        path = Path(text).expanduser()
        if not path.parent.is_dir():
            raise InvalidRequest(FIELD, f"there is no directory {path.parent}.")
        found = path.stat().st_mode
        taken = not stat.S_ISDIR(found) or any(path.iterdir())
    except FileNotFoundError:
        return path
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InvalidRequest):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(FIELD, f"{text} cannot be written: {reason}.") from None
    if directory and taken:
        raise InvalidRequest(FIELD, f"{path} exists; with --partitions it has to be a new directory.")
    if not directory and stat.S_ISDIR(found):
        raise InvalidRequest(FIELD, f"{path} is a directory; name the file in it.")
    # The new file would take the place of a device or a pipe, which others need.
    if not directory and not stat.S_ISREG(found):
        raise InvalidRequest(FIELD, f"{path} is no regular file; name one, or a new one.")
    return path
