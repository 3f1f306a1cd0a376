"""The same run with another MySQL-protocol server behind the private host: a real MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import ConnectionFailed, Runbook
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.certificates import Authority
    from support.mariadb import MariaDb

    from tidb_pe_magic.model import Connection


@pytest.fixture
def sandbox(plain_server: MariaDb) -> Iterator[Sandbox]:
    """Provide the embedded clouds with MariaDB behind the private host."""
    with Sandbox(upstream=f"{plain_server.host}:{plain_server.port}") as sandbox:
        yield sandbox


def connect(sandbox: Sandbox, server: MariaDb, **options: Any) -> Connection:
    """Run the tutorial as the server's user, and leave the connection open."""
    environment = sandbox.environment() | {"TIDB_PASSWORD": server.password}
    runbook = Runbook(environ=environment)
    report = runbook.run(
        "demo",
        vpc=VPC,
        security_group=[GROUP],
        user=server.user,
        no_prefix=True,
        database=server.database,
        **options,
    )
    return report.connection


def test_the_run_reads_the_servers_tables(sandbox: Sandbox, plain_server: MariaDb) -> None:
    """The DataFrame has the rows of the server behind the private host."""
    plain_server.execute("CREATE OR REPLACE TABLE test.upstream_rows (id INT)")
    plain_server.execute("INSERT INTO test.upstream_rows VALUES (1), (2), (3)")
    connection = connect(sandbox, plain_server)
    frame = pd.read_sql("SELECT id FROM upstream_rows ORDER BY id", connection.engine)
    connection.engine.dispose()
    assert frame["id"].tolist() == [1, 2, 3]
    assert "MariaDB" in connection.server_version
    assert connection.host != plain_server.host


def test_killed_connections_lose_no_insert(sandbox: Sandbox, plain_server: MariaDb) -> None:
    """INSERTs around kills on the server all count, without an error, through the gate as well."""
    plain_server.execute("CREATE OR REPLACE TABLE test.kept_rows (id INT)")
    connection = connect(sandbox, plain_server)
    with connection.engine.connect() as live:
        for number in range(5):
            live.exec_driver_sql(f"INSERT INTO kept_rows VALUES ({number})")
            mine = live.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            plain_server.execute(f"KILL {mine}")
    connection.engine.dispose()
    assert plain_server.value("SELECT COUNT(*) FROM test.kept_rows") == 5


def test_a_deleted_endpoint_ends_the_connection(sandbox: Sandbox, plain_server: MariaDb) -> None:
    """After `delete` the private host no longer answers."""
    connection = connect(sandbox, plain_server)
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.delete(connection.endpoint_id, cluster="demo", yes=True, shared=True)
    with pytest.raises(Exception, match="refused") as failure, connection.engine.connect():
        pass
    connection.engine.dispose()
    assert isinstance(failure.value.orig.failure, ConnectionFailed)  # type: ignore[attr-defined]


def test_tls_is_verified_by_name_where_the_server_offers_it(
    tls_server: MariaDb, authority: Authority
) -> None:
    """A certificate without the endpoint's host is refused, or accepted by its own name."""
    with Sandbox(upstream=f"{tls_server.host}:{tls_server.port}") as sandbox:
        ca = str(authority.path)
        with pytest.raises(ConnectionFailed, match=r"tls.*is for 127\.0\.0\.1"):
            connect(sandbox, tls_server, ca=ca)
        with pytest.raises(ConnectionFailed, match=r"tls.*unknown authority"):
            connect(sandbox, tls_server)
        connection = connect(sandbox, tls_server, ca=ca, tls_name="127.0.0.1")
        assert connection.tls.encrypted
        assert connection.tls.verified_name == "127.0.0.1"
        connection.engine.dispose()


def test_the_clusters_own_gateway_name_is_accepted(tls_server: MariaDb, authority: Authority) -> None:
    """A certificate for the cluster's gateway is accepted although another host was dialed."""
    with Sandbox(upstream=f"{tls_server.host}:{tls_server.port}") as sandbox:
        with Runbook(environ=sandbox.environment()) as runbook:
            gateway = runbook.cluster("demo").gateway_names[0]
        with tls_server.certificate(authority, gateway):
            connection = connect(sandbox, tls_server, ca=str(authority.path))
            assert connection.tls.verified_name == gateway
            connection.engine.dispose()
