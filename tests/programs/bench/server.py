"""The server for the readings, and the reading processes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pymysql
from support.mariadb import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from support.mariadb import MariaDb

# The tables stay in memory, because the disk is not measured.
_OPTIONS = {"innodb-buffer-pool-size": "1G", "innodb-log-file-size": "96M"}


def started() -> AbstractContextManager[MariaDb]:
    """Start a server on a loopback port, and remove it at the end."""
    return running(options=_OPTIONS)


def execute(server: MariaDb, statements: Iterable[str]) -> None:
    """Execute statements one after the other, in one session."""
    with (
        pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            database=server.database,
            ssl_disabled=True,
            autocommit=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)


def ask(server: MariaDb, module: str, way: str, **task: Any) -> Iterator[dict[str, Any]]:
    """Run a way in a separate process and yield its output lines, each a JSON object."""
    login = {name: getattr(server, name) for name in ("host", "port", "user", "password", "database")}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, way],
        input=json.dumps(login | task),
        capture_output=True,
        text=True,
        check=False,
    )
    yield from (json.loads(line) for line in run.stdout.splitlines() if line.startswith("{"))
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        yield {"error": reason[:200]}
