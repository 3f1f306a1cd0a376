"""SQL results as Arrow record batches and pandas frames, decoded column by column.

PyMySQL makes the connection, logs in and does TLS; the rows that the server sends are decoded here, with
numpy and pyarrow and without a Python object per value.
"""

from __future__ import annotations

from tidb_pe_magic.database.frames.pandas import to_pandas
from tidb_pe_magic.database.frames.reading import Reading, open_reading

__all__ = ["Reading", "open_reading", "to_pandas"]
