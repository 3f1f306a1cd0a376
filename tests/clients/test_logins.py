"""The text written for a client logs that client in, and verifies exactly what it claims to verify."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import mysql.connector
import pytest
from clients.logins import LOGINS, NOT_RUN, Login, run_in_bash
from support.certificates import make_authority
from support.mariadb import running
from support.requirements import need

from tidb_pe_magic.clients.base import ClientTarget
from tidb_pe_magic.clients.formats import FORMATS, write
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.certificates import Authority
    from support.mariadb import MariaDb

# Characters with a meaning in a shell, a URL, a string or a file of some language.
USER = '3kXJ2QvWm9Zp1aB.o\'brien "%40" $x:@/?#é'
DATABASE = "odd & %20db'\"`$HOME;?#=+é"
OTHER = "gateway01.ap-southeast-1.prod.alicloud.tidbcloud.example"
# Clients that accept an expected name other than the host, and clients that then verify the chain alone. The
# others, including mysqlclient with MariaDB's library, verify chain and name together.
BY_NAME = ("pymysql", "sqlalchemy", "node", "go", "prisma")
CHAIN_ALONE = ("mysql", "mysql-connector", "jdbc", "dbeaver", "jupysql", "rust")
# These recognize MariaDB by its version and then accept any certificate. They get a server that identifies
# itself as TiDB.
KNOW_MARIADB = ("prisma",)
VERSION = "8.0.11-TiDB-v8.5.3-serverless"

every_client = pytest.mark.parametrize("client", LOGINS)


def account(server: MariaDb) -> None:
    """Create the user and the database with names that need quoting."""
    name, database = USER.replace("'", "''"), DATABASE.replace("`", "``")
    server.execute(f"CREATE DATABASE IF NOT EXISTS `{database}`")
    server.execute(f"CREATE OR REPLACE USER '{name}'@'%' IDENTIFIED BY '{server.password}'")
    server.execute(f"GRANT ALL ON *.* TO '{name}'@'%'")


@pytest.fixture(scope="module")
def as_mariadb(tls_server: MariaDb) -> MariaDb:
    """Provide the server with TLS."""
    account(tls_server)
    return tls_server


@pytest.fixture(scope="module")
def as_tidb(authority: Authority) -> Iterator[MariaDb]:
    """Provide a server with TLS that identifies itself as TiDB."""
    with running(authority, {"version": VERSION}) as server:
        account(server)
        yield server


@pytest.fixture
def server(client: str, request: pytest.FixtureRequest) -> MariaDb:
    """Provide the server with TLS for the client's login."""
    found: MariaDb = request.getfixturevalue("as_tidb" if client in KNOW_MARIADB else "as_mariadb")
    return found


@pytest.fixture
def secured(server: MariaDb, authority: Authority) -> Iterator[MariaDb]:
    """Provide the server with TLS whose certificate covers its address and localhost."""
    with server.certificate(authority, server.host, "localhost"):
        yield server


@pytest.fixture(scope="module")
def plain(plain_server: MariaDb) -> MariaDb:
    """Provide the server without TLS."""
    account(plain_server)
    return plain_server


@pytest.fixture
def renamed(server: MariaDb, authority: Authority) -> Iterator[MariaDb]:
    """Provide the server with TLS whose certificate names another host."""
    with server.certificate(authority, OTHER):
        yield server


def target(client: str, server: MariaDb, ca: Authority | None = None) -> ClientTarget:
    """Return the server's address for the client."""
    # Node compares a certificate with names only, not with addresses.
    host = "localhost" if client == "node" else server.host
    found = ClientTarget(host=host, port=server.port, user=USER, database=DATABASE, tls=TlsMode.OFF)
    return replace(found, tls=TlsMode.VERIFY_IDENTITY, ca=str(ca.path)) if ca else found


def log_in(client: str, at: ClientTarget, server: MariaDb, place: Path) -> Login:
    """Log in with the written text, and check the user that the server saw."""
    login = LOGINS[client](write(client, at), place, server.password)
    if login.answer is not None:
        assert login.answer[:2] == [f"{USER}@%", DATABASE]
    return login


def test_every_format_is_run_or_there_is_a_reason() -> None:
    """Every format has a client that logs in with it, or a stated reason for its absence."""
    assert LOGINS.keys() | NOT_RUN.keys() == FORMATS.keys()
    assert not LOGINS.keys() & NOT_RUN.keys()


@every_client
@pytest.mark.foreign
def test_without_tls_the_client_logs_in(client: str, plain: MariaDb, tmp_path: Path) -> None:
    """User and database arrive unchanged, whatever characters they have."""
    login = log_in(client, target(client, plain), plain, tmp_path)
    assert login.answer is not None, login.error
    assert not login.encrypted


@every_client
@pytest.mark.foreign
def test_with_tls_the_client_verifies_the_host(
    client: str, secured: MariaDb, authority: Authority, tmp_path: Path
) -> None:
    """The right authority gives an encrypted connection; a wrong authority gives no connection."""
    at = target(client, secured, authority)
    login = log_in(client, at, secured, tmp_path)
    assert login.answer is not None, login.error
    assert login.encrypted
    strangers = make_authority("strangers", tmp_path)
    refused = log_in(client, replace(at, ca=str(strangers.path)), secured, tmp_path)
    assert refused.answer is None


@every_client
@pytest.mark.foreign
def test_the_name_is_verified_or_there_is_a_warning(
    client: str, renamed: MariaDb, authority: Authority, tmp_path: Path
) -> None:
    """A certificate for another host is accepted by that name, or the text warns how the client treats it."""
    at = target(client, renamed, authority)
    assert log_in(client, at, renamed, tmp_path).answer is None
    expecting = replace(at, tls_name=OTHER)
    login = log_in(client, expecting, renamed, tmp_path)
    warnings = write(client, expecting).warnings
    if client in BY_NAME:
        assert login.answer is not None, login.error
        assert warnings == ()
        wrong = log_in(client, replace(at, tls_name="other.example"), renamed, tmp_path)
        assert wrong.answer is None
    else:
        assert any(OTHER in warning for warning in warnings)
        assert (login.answer is not None) == (client in CHAIN_ALONE), login.error


@pytest.mark.foreign
@pytest.mark.parametrize("client", ["pymysql", "mysql-connector", "jdbc", "node", "go", "prisma", "rust"])
def test_the_chain_is_verified_alone_where_that_is_asked(
    client: str, renamed: MariaDb, authority: Authority, tmp_path: Path
) -> None:
    """With verify-ca a certificate for another name is accepted, and one of another authority is refused."""
    at = replace(target(client, renamed, authority), tls=TlsMode.VERIFY_CA)
    login = log_in(client, at, renamed, tmp_path)
    assert login.answer is not None, login.error
    assert login.encrypted
    strangers = make_authority("strangers", tmp_path)
    assert log_in(client, replace(at, ca=str(strangers.path)), renamed, tmp_path).answer is None


@pytest.mark.foreign
@pytest.mark.parametrize("client", ["dbt"])
def test_dbts_driver_verifies_nothing(client: str, renamed: MariaDb) -> None:
    """As the warning says, the settings of dbt-tidb encrypt the connection but accept any certificate."""
    at = target(client, renamed)
    given = {"host": at.host, "port": at.port, "user": at.user, "passwd": renamed.password, "buffered": True}
    with mysql.connector.connect(**given) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        ((_, cipher),) = cursor.fetchall()
    assert cipher
    (warning,) = write(client, replace(at, tls=TlsMode.VERIFY_CA)).warnings
    assert "neither chain nor name" in warning


@pytest.mark.foreign
@pytest.mark.parametrize("client", ["mysql"])
def test_mariadbs_client_refuses_mysqls_options(
    client: str, secured: MariaDb, authority: Authority, tmp_path: Path
) -> None:
    """Under MySQL's name, as on Debian, MariaDB's client exits instead of ignoring the TLS options."""
    (tmp_path / "mysql").symlink_to(need("mariadb", apt="mariadb-client"))
    written = write(client, target(client, secured, authority))
    login = run_in_bash(f'PATH="$PWD:$PATH"; {written.text}', tmp_path, secured.password)
    assert login.answer is None
    assert "unknown variable 'ssl-mode" in login.error
    assert any("--with mariadb" in note for note in written.notes)


@pytest.mark.foreign
@pytest.mark.parametrize("client", ["node"])
def test_mysql2_takes_no_certificate_for_an_address(
    client: str, server: MariaDb, authority: Authority, tmp_path: Path
) -> None:
    """Mysql2 refuses even a valid certificate for an IP address, with a warning; it verifies a name."""
    at = replace(target(client, server, authority), host=server.host)
    with server.certificate(authority, server.host):
        login = log_in(client, at, server, tmp_path)
    assert login.answer is None
    (warning,) = write(client, at).warnings
    assert "cannot verify an IP address" in warning
    assert write(client, replace(at, tls=TlsMode.VERIFY_CA)).warnings == ()
