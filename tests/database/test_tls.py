"""TLS against a real server: what is verified, refused and reported."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy.exc
from database.relay import Listener, Relay
from support.certificates import make_authority, write_server_certificate

from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.tls import make_context
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest
from tidb_pe_magic.model import TlsMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Engine
    from support.certificates import Authority
    from support.mariadb import MariaDb

    from tidb_pe_magic.database.engine import Target, TestedEngine

    Open = Callable[..., TestedEngine]

GATEWAY = "gateway01.ap-southeast-1.prod.alicloud.tidbcloud.com"
PRIVATE_GATEWAY = "gateway01-privatelink.ap-southeast-1.prod.alicloud.tidbcloud.com"


def cipher(engine: Engine) -> str:
    """Return the TLS version that the server reports."""
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_version'").one()[1])


def refusal(target: Target) -> ConnectionFailed:
    """Return the failure of a connection at stage tls."""
    with pytest.raises(ConnectionFailed) as failed:
        open_engine(target)
    assert failed.value.stage == "tls"
    return failed.value


def test_auto_verifies_the_host_that_was_dialled(tls_server: MariaDb, opened: Open) -> None:
    """An address in the certificate is accepted as the server's name, and the report says so."""
    result = opened(tls_server.target())
    assert result.tls.encrypted
    assert result.tls.verified_name == "127.0.0.1"
    assert result.tls.description.endswith("certificate verified for 127.0.0.1")
    assert cipher(result.engine).startswith("TLSv1.")
    assert "MariaDB" in result.server_version


def test_auto_accepts_a_gateway_name_and_keeps_to_it(
    tls_server: MariaDb, authority: Authority, opened: Open
) -> None:
    """A certificate for a gateway name is accepted, and later connections verify that same name."""
    target = tls_server.target(gateway_names=(PRIVATE_GATEWAY, GATEWAY))
    with tls_server.certificate(authority, GATEWAY):
        result = opened(target)
        assert result.tls.verified_name == GATEWAY
        assert "host dialled: 127.0.0.1" in result.tls.description
        with result.engine.connect():
            assert cipher(result.engine).startswith("TLSv1.")
    # The certificate now names the host, which is not the agreed name.
    with result.engine.connect(), result.engine.connect():
        result.engine.dispose()
        with pytest.raises(sqlalchemy.exc.OperationalError, match=r"is for 127\.0\.0\.1, not for"):
            result.engine.connect()


def test_tls_name_replaces_every_other_name(tls_server: MariaDb, authority: Authority, opened: Open) -> None:
    """With a name given, only that name counts, even if the certificate includes the host."""
    with tls_server.certificate(authority, GATEWAY, "127.0.0.1"):
        assert opened(tls_server.target(tls_name=GATEWAY)).tls.verified_name == GATEWAY
        refusal(tls_server.target(tls_name="other.example.com", gateway_names=(GATEWAY,)))


def test_a_certificate_for_other_names_is_refused(tls_server: MariaDb, authority: Authority) -> None:
    """Without a match the error lists the certificate's names, and suggests no flag to accept them."""
    with tls_server.certificate(authority, GATEWAY, "*.example.com"):
        message = str(refusal(tls_server.target(gateway_names=(PRIVATE_GATEWAY,))))
    for part in (GATEWAY, "*.example.com", "127.0.0.1", PRIVATE_GATEWAY, "do not send a password"):
        assert part in message


def settings(context: ssl.SSLContext) -> tuple[object, ...]:
    """Return what a context verifies."""
    return (
        context.verify_mode,
        context.check_hostname,
        context.minimum_version,
        context.options,
        context.verify_flags,
        context.get_ca_certs(),
    )


def test_connections_share_the_authorities_and_not_the_name(
    tls_server: MariaDb, authority: Authority, opened: Open
) -> None:
    """Connections of one CA file share a context, which stays as it is; each verifies its own name."""
    verifying = make_context(TlsMode.AUTO, str(authority.path)).authorities
    assert verifying is not None
    shared = verifying()
    before = settings(shared)
    first = opened(tls_server.target())
    with tls_server.certificate(authority, GATEWAY):
        second = opened(tls_server.target(tls_name=GATEWAY))
        opened(tls_server.target(tls=TlsMode.VERIFY_CA))
        refusal(tls_server.target(tls_name="other.example.com"))
    assert (first.tls.verified_name, second.tls.verified_name) == ("127.0.0.1", GATEWAY)
    assert verifying() is shared
    assert settings(shared) == before


def test_a_ca_file_that_was_written_again_counts(
    tls_server: MariaDb, authority: Authority, opened: Open, tmp_path: Path
) -> None:
    """The next connection reads a CA file that has changed since."""
    path = tmp_path / "ca.pem"
    path.write_bytes(make_authority("former", tmp_path).path.read_bytes())
    refusal(tls_server.target(ca=str(path)))
    path.write_bytes(authority.path.read_bytes())
    assert opened(tls_server.target(ca=str(path))).tls.verified_name == "127.0.0.1"


def test_openssls_variable_counts_for_the_next_connection(
    tls_server: MariaDb, authority: Authority, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--ca`, SSL_CERT_FILE replaces the system's authorities as soon as it is set."""
    refusal(tls_server.target(ca=""))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    assert opened(tls_server.target(ca="")).tls.verified_name == "127.0.0.1"
    monkeypatch.delenv("SSL_CERT_FILE")
    refusal(tls_server.target(ca=""))


def test_verify_identity_takes_the_host_or_the_given_name_alone(
    tls_server: MariaDb, authority: Authority, opened: Open
) -> None:
    """Mode verify-identity accepts the host or the given name, without the gateway names."""
    identity = {"tls": TlsMode.VERIFY_IDENTITY, "gateway_names": (GATEWAY,)}
    assert opened(tls_server.target(**identity)).tls.verified_name == "127.0.0.1"
    with tls_server.certificate(authority, GATEWAY):
        refusal(tls_server.target(**identity))
        assert opened(tls_server.target(**identity, tls_name=GATEWAY)).tls.verified_name == GATEWAY


def test_verify_ca_takes_any_name_of_a_known_authority(
    tls_server: MariaDb, authority: Authority, opened: Open
) -> None:
    """Mode verify-ca checks the chain alone, and reports no verified name."""
    with tls_server.certificate(authority, GATEWAY):
        result = opened(tls_server.target(tls=TlsMode.VERIFY_CA))
    assert result.tls.encrypted
    assert result.tls.verified_name == ""
    assert "name not checked" in result.tls.description


@pytest.mark.parametrize("mode", [TlsMode.AUTO, TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY])
def test_an_unknown_authority_is_refused(tls_server: MariaDb, mode: TlsMode) -> None:
    """The error names the unknown authority and the flag that helps."""
    message = str(refusal(tls_server.target(ca="", tls=mode)))
    assert "unknown authority (issuer: tests authority)" in message
    assert "--ca" in message


def test_another_authority_is_refused(tls_server: MariaDb, tmp_path: Path) -> None:
    """With `--ca`, a certificate of another authority is refused, even one that the system trusts."""
    other = make_authority("other authority", tmp_path)
    assert "unknown authority" in str(refusal(tls_server.target(ca=str(other.path))))


@pytest.mark.parametrize("name", ["127.0.0.1", "other.example.com"])
def test_an_expired_certificate_is_refused(tls_server: MariaDb, authority: Authority, name: str) -> None:
    """An expired certificate is reported with its date, even if its name is wrong as well."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with tls_server.certificate(authority, name, expires=yesterday):
        assert f"expired on {yesterday:%Y-%m-%d}" in str(refusal(tls_server.target()))


def test_auto_without_tls_on_the_server_is_plain_and_says_so(plain_server: MariaDb, opened: Open) -> None:
    """A server without TLS is used unencrypted in mode auto."""
    result = opened(plain_server.target())
    assert not result.tls.encrypted
    assert result.tls.description == "not encrypted: the server does not offer TLS"


@pytest.mark.parametrize("mode", [TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY])
def test_verification_without_tls_on_the_server_fails(
    plain_server: MariaDb, mode: TlsMode, authority: Authority
) -> None:
    """A server without TLS is refused if a certificate is required."""
    failure = refusal(plain_server.target(tls=mode, ca=str(authority.path)))
    assert "does not offer TLS" in failure.message


def test_off_is_plain_even_where_tls_is_offered(tls_server: MariaDb, opened: Open) -> None:
    """Mode off is unencrypted, and the report says that TLS is available."""
    result = opened(tls_server.target(tls=TlsMode.OFF))
    assert cipher(result.engine) == ""
    assert result.tls.description == "not encrypted: --tls off, although the server offers TLS"


def test_no_later_connection_is_downgraded(tls_server: MariaDb, plain_server: MariaDb, opened: Open) -> None:
    """If TLS disappears after the first connection, later ones fail instead of going plain."""
    with Relay((tls_server.host, tls_server.port)) as relay:
        engine = opened(tls_server.target(port=relay.port)).engine
        relay.upstream = plain_server.host, plain_server.port
        with engine.connect(), pytest.raises(sqlalchemy.exc.OperationalError, match="does not offer TLS"):
            engine.connect()


def test_a_lost_session_is_not_opened_again_without_tls(
    tls_server: MariaDb, plain_server: MariaDb, opened: Open
) -> None:
    """A session that is reopened in place also requires TLS."""
    with Relay((tls_server.host, tls_server.port)) as relay:
        engine = opened(tls_server.target(port=relay.port)).engine
        with engine.connect() as connection:
            relay.upstream = plain_server.host, plain_server.port
            tls_server.execute(f"KILL {connection.exec_driver_sql('SELECT CONNECTION_ID()').scalar_one()}")
            with pytest.raises(sqlalchemy.exc.OperationalError, match="does not offer TLS"):
                connection.exec_driver_sql("SELECT 1")


def test_a_plain_engine_does_not_stay_plain_where_tls_appears(
    tls_server: MariaDb, plain_server: MariaDb, opened: Open
) -> None:
    """Mode auto is unencrypted only while the server does not offer TLS."""
    with Relay((plain_server.host, plain_server.port)) as relay:
        engine = opened(plain_server.target(port=relay.port)).engine
        relay.upstream = tls_server.host, tls_server.port
        with engine.connect(), pytest.raises(sqlalchemy.exc.OperationalError, match="offers TLS now"):
            engine.connect()


def test_a_ca_file_that_cannot_be_used_is_named(tls_server: MariaDb, tmp_path: Path) -> None:
    """A missing file, a directory and a file without certificates are refused before any connection."""
    (tmp_path / "empty.pem").write_text("nothing\n")
    for path in (tmp_path / "missing.pem", tmp_path, tmp_path / "empty.pem"):
        with pytest.raises(InvalidRequest, match=r"^--ca: file ") as failed:
            open_engine(tls_server.target(ca=str(path), port=1))
        assert failed.value.field == "--ca"


@pytest.mark.parametrize("name", [".example.com", "a\0b", "x" * 300])
def test_a_name_that_no_certificate_can_carry_is_refused(tls_server: MariaDb, name: str) -> None:
    """An impossible `--tls-name` is invalid input, not a failed connection."""
    with pytest.raises(InvalidRequest, match="--tls-name"):
        open_engine(tls_server.target(tls_name=name))


def test_tls_below_1_2_is_not_spoken(authority: Authority) -> None:
    """The verifying context requires TLS 1.2 or later, and always verifies the chain."""
    for mode in (TlsMode.AUTO, TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY):
        context = make_context(mode, str(authority.path))
        assert context.authorities is not None
        for each in (context, context.authorities()):
            assert each.minimum_version == ssl.TLSVersion.TLSv1_2
            assert each.verify_mode == ssl.CERT_REQUIRED
            assert each.check_hostname == (mode != TlsMode.VERIFY_CA)


def test_an_unverified_server_is_never_sent_a_login(tmp_path: Path, tls_server: MariaDb) -> None:
    """A server with a foreign certificate sees handshakes, and not one byte of a login."""
    write_server_certificate(make_authority("foreign", tmp_path), ("127.0.0.1",), tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server-cert.pem", tmp_path / "server-key.pem")
    with socket.create_connection((tls_server.host, tls_server.port)) as real:
        greeting = real.recv(4096)
    handshakes: list[bool] = []
    sent: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(greeting)
        connection.recv(36)
        try:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                handshakes.append(True)
                sent.append(encrypted.recv(4096))
        except ssl.SSLError:
            handshakes.append(False)

    with Listener(serve) as listener:
        assert "(issuer: foreign)" in str(refusal(tls_server.target(port=listener.port)))
    assert handshakes, "the client made no handshake"
    assert b"".join(sent) == b""
