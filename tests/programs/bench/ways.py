"""One way from SQL to a frame, in its own process: `python -m programs.bench.ways WAY`, task on stdin."""

from __future__ import annotations

import gc
import json
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymysql.connections import Connection
    from sqlalchemy import Engine

    # Reads the result of a statement.
    Read = Callable[[str], Any]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_MEGABYTE = 1024 * 1024


def _pymysql(task: Mapping[str, Any]) -> Connection[Any]:
    import pymysql

    return pymysql.connect(
        host=task["host"],
        port=task["port"],
        user=task["user"],
        password=task["password"],
        database=task["database"],
        charset="utf8mb4",
        ssl_disabled=True,
    )


def server_url(task: Mapping[str, Any], scheme: str, query: str) -> str:
    """Return the server's URL for other programs."""
    return "{scheme}://{user}:{password}@{host}:{port}/{database}?{query}".format(
        **(dict(task) | {"scheme": scheme, "query": query})
    )


def frames(task: Mapping[str, Any]) -> Read:
    """Use the columnar reader."""
    import pyarrow as pa

    from tidb_pe_magic.database.frames import open_stream, to_pandas

    connection = _pymysql(task)

    def read(sql: str) -> Any:
        with open_stream(connection, sql) as reading:
            table = pa.Table.from_batches(list(reading), reading.schema)
        return to_pandas(table)

    return read


def our_engine(task: Mapping[str, Any]) -> Engine:
    """Open a product engine on the server."""
    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.engine import Target, open_engine
    from tidb_pe_magic.model import TlsMode

    target = Target(
        host=task["host"],
        port=task["port"],
        user=task["user"],
        database=task["database"],
        password=Secret(task["password"]),
        tls=TlsMode.OFF,
    )
    return open_engine(target).engine


def sql_cell(task: Mapping[str, Any]) -> Read:
    """Use `%sql` with its option autopandas on a product connection."""
    from support.silent_statements import register

    shell = _shell_with_jupysql()
    register(shell, our_engine(task), "tidb")
    return lambda sql: shell.run_line_magic("sql", sql)


def jupysql(task: Mapping[str, Any]) -> Read:
    """Use `%sql` with its option autopandas on a plain connection."""
    from sqlalchemy import create_engine

    shell = _shell_with_jupysql()
    shell.user_ns["engine"] = create_engine(server_url(task, "mysql+pymysql", "charset=utf8mb4"))
    shell.run_line_magic("sql", "engine")
    return lambda sql: shell.run_line_magic("sql", sql)


def _shell_with_jupysql() -> Any:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell: Any = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "sql")
    for option in ("autopandas=True", "displaycon=False", "feedback=0"):
        shell.run_line_magic("config", f"SqlMagic.{option}")
    return shell


def read_sql(task: Mapping[str, Any]) -> Read:
    """Use pandas.read_sql on PyMySQL."""
    import pandas as pd
    from sqlalchemy import create_engine

    connection = create_engine(server_url(task, "mysql+pymysql", "charset=utf8mb4")).connect()
    return lambda sql: pd.read_sql(sql, connection)


def connectorx(task: Mapping[str, Any]) -> Read:
    """Use connectorx, into pandas."""
    import connectorx as cx

    url = server_url(task, "mysql", "prefer_socket=false")
    return lambda sql: cx.read_sql(url, sql, return_type="pandas")


def connectorx_arrow(task: Mapping[str, Any]) -> Read:
    """Use connectorx into Arrow, and convert to pandas as the columnar reader does."""
    import connectorx as cx
    import pandas as pd

    url = server_url(task, "mysql", "prefer_socket=false")

    def read(sql: str) -> Any:
        table: Any = cx.read_sql(url, sql, return_type="arrow")
        return table.to_pandas(types_mapper=pd.ArrowDtype)

    return read


def mysqlclient(task: Mapping[str, Any]) -> Read:
    """Use mysqlclient's unbuffered cursor."""
    import MySQLdb
    import MySQLdb.cursors
    import pandas as pd

    connection = MySQLdb.connect(
        host=task["host"],
        port=task["port"],
        user=task["user"],
        password=task["password"],
        database=task["database"],
        charset="utf8mb4",
        ssl_mode="DISABLED",
        cursorclass=MySQLdb.cursors.SSCursor,
    )

    def read(sql: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall()
            return pd.DataFrame(list(rows), columns=[each[0] for each in cursor.description])

    return read


def _drain(connection: Any) -> int:
    """Receive until the EOF packet after the rows, and discard everything."""
    buffer = bytearray(1 << 22)
    view, tail, total = memoryview(buffer), b"", 0
    count: int
    while True:
        count = connection._sock.recv_into(view)
        total += count
        tail = (tail + bytes(view[max(0, count - 9) : count]))[-9:]
        if tail[:3] == b"\x05\0\0" and tail[4] == 0xFE and total > 9:
            return total


def drain_text(task: Mapping[str, Any]) -> Read:
    """Receive and discard the bytes of the text protocol: the floor for any client of it."""
    connection: Any = _pymysql(task)

    def read(sql: str) -> int:
        connection._execute_command(3, sql)
        return _drain(connection)

    return read


def drain_binary(task: Mapping[str, Any]) -> Read:
    """Receive and discard the bytes of the binary protocol: the floor for any client of it."""
    connection: Any = _pymysql(task)

    def read(sql: str) -> int:
        connection._execute_command(0x16, sql)
        number, columns = struct.unpack_from("<IH", connection._read_packet().get_all_data(), 1)
        for _ in range(columns + 1):
            connection._read_packet()
        connection._execute_command(0x17, struct.pack("<IBI", number, 0, 1))
        return _drain(connection)

    return read


WAYS: Mapping[str, Callable[[Mapping[str, Any]], Read]] = {
    "tidb_pe_magic": frames,
    "%%sql through jupysql": sql_cell,
    "jupysql autopandas": jupysql,
    "pandas.read_sql": read_sql,
    "connectorx": connectorx,
    "connectorx, Arrow": connectorx_arrow,
    "mysqlclient": mysqlclient,
    "drain, binary": drain_binary,
    "drain, text": drain_text,
}


def _memory(field: str) -> float:
    """Return a field of this process's memory in MB, or 0 if the system does not report it."""
    if not _STATUS.exists():
        return 0.0
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def measure(read: Read, sql: str) -> dict[str, float]:
    """Return the seconds of a reading, and the process's additional peak memory in MB."""
    read("SELECT 1 AS one")
    gc.collect()
    if _CLEAR.exists():
        _CLEAR.write_text("5")
    before, start = _memory("VmRSS"), time.perf_counter()
    result = read(sql)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "peak": _memory("VmHWM") - before,
        "rows": result if isinstance(result, int) else len(result),
    }


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(measure(WAYS[sys.argv[1]](asked), asked["sql"])))
