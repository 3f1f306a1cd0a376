"""SQL results as Arrow record batches and pandas frames, decoded column by column.

PyMySQL connects, logs in and handles TLS. The rows from the server are decoded here, with numpy and pyarrow
and without a Python object per value.
"""

from __future__ import annotations

from tidb_pe_magic.database.frames.decimals import narrow_decimals
from tidb_pe_magic.database.frames.pandas import (
    Decimals,
    Dtypes,
    FrameOptions,
    Layout,
    to_pandas,
    unique_names,
)
from tidb_pe_magic.database.frames.result_stream import open_stream, read_rows

__all__ = [
    "Decimals",
    "Dtypes",
    "FrameOptions",
    "Layout",
    "narrow_decimals",
    "open_stream",
    "read_rows",
    "to_pandas",
    "unique_names",
]
