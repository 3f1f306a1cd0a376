"""A private MariaDB server: its own data directory, a loopback port, optionally TLS."""

from __future__ import annotations

import contextlib
import getpass
import secrets
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
from support.certificates import write_server_certificate
from support.ports import free_port
from support.requirements import need

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.engine import Target
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from support.certificates import Authority

_START_TRIES = 600


class MariaDb:
    """A MariaDB server process.

    Attributes:
        user: a user with all privileges, whose password is `password`.
    """

    host = "127.0.0.1"
    user = "prefix.root"
    database = "test"

    def __init__(
        self,
        program: str,
        installer: str,
        authority: Authority | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Create the data directory; with an authority the server offers TLS for 127.0.0.1.

        Args:
            program: mariadbd.
            installer: mariadb-install-db.
            authority: issues the server's certificate.
            options: of the server, which extend or replace those of the tests.
        """
        self._program = program
        self._options = dict(options or {})
        self._authority = authority
        # A socket's path must be short, and pytest's temporary directories are too long.
        self._temporary = tempfile.TemporaryDirectory(prefix="tidb-pe-")
        self.directory = Path(self._temporary.name)
        # A server that starts removes the temporary tables in its tmpdir, also those of other servers.
        self._tmpdir = self.directory / "tmp"
        self._tmpdir.mkdir()
        self.password = secrets.token_urlsafe()
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        # The server refuses root unless it is named.
        self._user = f"--user={getpass.getuser()}"
        data = f"--datadir={self.directory / 'data'}"
        command = [
            installer,
            "--no-defaults",
            data,
            f"--tmpdir={self._tmpdir}",
            "--skip-test-db",
            "--innodb-log-file-size=4M",
            self._user,
        ]
        run = subprocess.run(
            [*command, "--auth-root-authentication-method=normal"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(f"mariadb-install-db ended with {run.returncode}:\n{run.stdout[-2000:]}")
        if authority:
            write_server_certificate(authority, (self.host,), self.directory)

    def start(self) -> None:
        """Start the server on its previous port, and wait until it accepts a login."""
        self.port = self.port or free_port()
        self._process = subprocess.Popen(
            self._command(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        for _ in range(_START_TRIES):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.05)
                log = (self.directory / "error.log").read_text(errors="replace")
                raise RuntimeError(f"mariadbd ended:\n{log[-2000:]}")
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(self._socket)
                break
        else:
            raise RuntimeError("mariadbd takes no connection")
        self._prepare()

    def _command(self) -> list[str]:
        options: dict[str, object] = {
            "datadir": self.directory / "data",
            "tmpdir": self._tmpdir,
            "socket": self._socket,
            "pid-file": self.directory / "pid",
            "log-error": self.directory / "error.log",
            "bind-address": self.host,
            "port": self.port,
            "innodb-log-file-size": "4M",
            "innodb-buffer-pool-size": "16M",
            "innodb-flush-log-at-trx-commit": 0,
            "max-connect-errors": 1_000_000,
            "local-infile": 1,
        }
        if self._authority:
            options["ssl-cert"] = self.directory / "server-cert.pem"
            options["ssl-key"] = self.directory / "server-key.pem"
        command = [self._program, "--no-defaults", "--skip-name-resolve", self._user]
        return command + [f"--{name}={value}" for name, value in (options | self._options).items()]

    def _prepare(self) -> None:
        self.execute("CREATE DATABASE IF NOT EXISTS test")
        account = f"'{self.user}'@'%'"
        self.execute(f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{self.password}'")
        self.execute(f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION")

    def stop(self) -> None:
        """End the server."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End the server and remove its files."""
        self.stop()
        self._temporary.cleanup()

    @property
    def _socket(self) -> str:
        return str(self.directory / "socket")

    @contextlib.contextmanager
    def certificate(
        self, authority: Authority, *names: str, expires: datetime | None = None
    ) -> Iterator[None]:
        """Let the server use another certificate for a while."""
        assert self._authority is not None
        write_server_certificate(authority, names, self.directory, expires=expires)
        self.execute("FLUSH SSL")
        try:
            yield
        finally:
            write_server_certificate(self._authority, (self.host,), self.directory)
            self.execute("FLUSH SSL")

    def execute(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        """Execute a statement as the administrator, over a connection of its own."""
        connection = pymysql.connect(
            unix_socket=self._socket, user="root", ssl_disabled=True, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def value(self, statement: str) -> Any:
        """Return the single value of a statement."""
        ((value,),) = self.execute(statement)
        return value

    def connections(self, user: str = "") -> tuple[int, ...]:
        """Return the ids of the user's connections."""
        query = "SELECT id FROM information_schema.processlist WHERE user = '{}' ORDER BY id"
        return tuple(row[0] for row in self.execute(query.format(user or self.user)))

    def running(self, query: str) -> tuple[int, ...]:
        """Return the IDs of the connections that run this query."""
        rows = self.execute("SELECT id, info FROM information_schema.processlist")
        return tuple(row[0] for row in rows if row[1] == query)

    def await_end(self, query: str) -> None:
        """Wait until this query runs nowhere, because the server ends a query with a delay."""
        for _ in range(_START_TRIES):
            if not self.running(query):
                return
        assert not self.running(query)

    def await_only_own(self, before: tuple[int, ...], user: str = "") -> None:
        """Wait until the user has only these connections, because the server ends one with a delay."""
        for _ in range(_START_TRIES):
            if set(self.connections(user)) <= set(before):
                return
        assert set(self.connections(user)) <= set(before)

    def await_fewer(self, number: int) -> None:
        """Wait until the user has fewer than `number` connections."""
        for _ in range(_START_TRIES):
            if len(self.connections()) < number:
                return
        assert len(self.connections()) < number

    def target(self, **changes: Any) -> Target:
        """Return the server's target, with its authority if it has one."""
        options: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "database": self.database,
            "password": Secret(self.password),
            "tls": TlsMode.AUTO,
            "ca": str(self._authority.path) if self._authority else "",
        }
        return Target(**(options | changes))


@contextlib.contextmanager
def running(
    authority: Authority | None = None, options: Mapping[str, str] | None = None
) -> Iterator[MariaDb]:
    """Start a server, with TLS if an authority is given, and remove it at the end."""
    program, installer = (need(name, apt="mariadb-server") for name in ("mariadbd", "mariadb-install-db"))
    server = MariaDb(program, installer, authority, options)
    try:
        server.start()
        yield server
    finally:
        server.remove()
