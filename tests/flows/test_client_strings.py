"""The connection for other clients, from an open connection or from the clouds and the server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import ConnectionFailed, InvalidRequest, Runbook, StepOrderError
from tidb_pe_magic.clients.formats import FORMATS
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from support.certificates import Authority
    from support.mariadb import MariaDb


def test_the_clients_are_listed_without_any_key() -> None:
    """Without --with the clients are listed from the table alone."""
    with Runbook(environ={}) as runbook:
        listed = runbook.connection_string()
    assert [client.name for client in listed.clients] == list(FORMATS)
    assert listed.text == ""


def test_an_unknown_client_is_refused_with_those_that_there_are() -> None:
    """For an unknown client the error names the flag and lists the clients."""
    with (
        Runbook(environ={}) as runbook,
        pytest.raises(InvalidRequest, match="--with: must be one of mysql, "),
    ):
        runbook.connection_string(with_="excel")


def test_the_text_for_python_connects(sandbox: Sandbox, runbook: Runbook, tmp_path: Path) -> None:
    """The printed text after `connect` has its user and database, and runs in another process."""
    runbook.run("demo", vpc=VPC, security_group=[GROUP], database="nycflights13")
    written = runbook.connection_string(with_="sqlalchemy")
    query = 'print(engine.connect().exec_driver_sql("SELECT COUNT(*) FROM flights").scalar())'
    (tmp_path / "other.py").write_text(f"{written}\n{query}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "other.py")],
        env=os.environ | sandbox.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "500"
    assert sandbox.environment()["TIDB_PASSWORD"] not in repr(written)


def test_a_saved_connection_is_written_without_any_key(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """In another kernel or shell, a saved connection's user, database and TLS are used without any cloud."""
    runbook.run("demo", vpc=VPC, security_group=[GROUP])
    made = runbook.connect(database="nycflights13", save=True)
    with Runbook(environ={"HOME": str(tmp_path), "TIDB_CA": sandbox.ca}) as other:
        written = str(other.connection_string(with_="env", alias="tidb"))
        insisting = str(other.connection_string(with_="env", alias="tidb", database="test", tls="verify-ca"))
    lines = dict(line.split("=", 1) for line in written.splitlines())
    assert (lines["TIDB_HOST"], lines["TIDB_USER"]) == (made.host, made.user)
    assert (lines["TIDB_DATABASE"], lines["TIDB_TLS"]) == ("nycflights13", "verify-identity")
    assert (lines["TIDB_TLS_NAME"], lines["TIDB_CA"]) == (made.tls.verified_name, sandbox.ca)
    assert {"TIDB_DATABASE=test", "TIDB_TLS=verify-ca"} <= set(insisting.splitlines())


def test_without_a_connection_the_clouds_and_the_server_are_asked(runbook: Runbook, sandbox: Sandbox) -> None:
    """Host, port and user come from the cluster; the server reveals the effect of auto without a login."""
    runbook.cluster("demo")
    with pytest.raises(StepOrderError, match="no endpoint"):
        runbook.connection_string(with_="env")
    created = runbook.create(vpc=VPC, security_group=[GROUP])
    runbook.wait()
    written = str(runbook.connection_string(with_="env", database="test"))
    lines = dict(line.split("=", 1) for line in written.splitlines())
    assert lines["TIDB_HOST"] == created.endpoint.domain
    assert lines["TIDB_USER"].endswith(".root")
    assert (lines["TIDB_DATABASE"], lines["TIDB_TLS"], lines["TIDB_PASSWORD"]) == (
        "test",
        "verify-identity",
        "",
    )
    assert lines["TIDB_CA"] == sandbox.ca
    sandbox.stage("no-tls")
    assert "TIDB_TLS=off\n" in f"{runbook.connection_string(with_='env')}\n"


def test_a_host_that_does_not_answer_is_said(manual: Sandbox) -> None:
    """Before the endpoint is Connected, the text assumes that the server offers TLS, with a warning."""
    with Runbook(environ=manual.environment()) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        written = runbook.connection_string(with_="env")
        gateway = runbook.cluster("demo").gateway_names[0]
    assert f"TIDB_TLS=verify-identity\nTIDB_TLS_NAME={gateway}" in written.text
    assert "does not answer this machine (tcp)" in written.warnings[0]


def test_an_alias_that_is_not_open_is_refused(runbook: Runbook) -> None:
    """An alias that is not open is refused with the command that opens it."""
    with pytest.raises(
        StepOrderError, match=r"no connection other is open or saved.*Try: runbook\.connect\(\)"
    ):
        runbook.connection_string(with_="env", alias="other")


def test_the_name_that_was_verified_is_the_name_to_verify(tls_server: MariaDb, authority: Authority) -> None:
    """After connect, and before it by a probe alone, the text expects the name in the certificate."""
    with Sandbox(upstream=f"{tls_server.host}:{tls_server.port}") as sandbox:
        environment = sandbox.environment() | {"TIDB_PASSWORD": tls_server.password}
        ca = str(authority.path)
        with Runbook(environ=environment) as runbook:
            gateway = runbook.cluster("demo").gateway_names[0]
            runbook.create(vpc=VPC, security_group=[GROUP])
            runbook.wait()
            with tls_server.certificate(authority, gateway):
                looked = runbook.connection_string(with_="env", ca=ca, user=tls_server.user, no_prefix=True)
                runbook.connect(ca=ca, user=tls_server.user, no_prefix=True)
                connected = runbook.connection_string(with_="env")
                changed = runbook.connection_string(with_="env", tls="off", database="other")
            with pytest.raises(ConnectionFailed, match=r"tls.*is for 127\.0\.0\.1"):
                runbook.connection_string(with_="env", cluster="demo", ca=ca)
    assert looked.text == connected.text
    assert f"TIDB_TLS=verify-identity\nTIDB_TLS_NAME={gateway}\nTIDB_CA={ca}" in connected.text
    assert "TIDB_DATABASE=other\nTIDB_TLS=off" in changed.text
