"""Certificate authorities and server certificates for the tests."""

from __future__ import annotations

import ipaddress
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """A certificate authority; `path` is the file for `--ca`."""

    name: str
    key: CertificateIssuerPrivateKeyTypes
    certificate: x509.Certificate
    path: Path


@contextmanager
def few_authorities(directory: Path) -> Iterator[None]:
    """Replace OpenSSL's default store with a single authority that has issued nothing.

    Many clients read the system's store when they are created, even for a server without TLS. Each time, that
    takes 40 ms.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(make_authority("of nothing", directory).path))
        yield


def make_authority(name: str, directory: Path) -> Authority:
    """Create an authority and write its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name.replace(' ', '-')}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(name, key, certificate, path)


def write_server_certificate(
    authority: Authority, names: tuple[str, ...], directory: Path, *, expires: datetime | None = None
) -> None:
    """Write `server-cert.pem` and `server-key.pem` for `names` (host names or IP addresses)."""
    key = ec.generate_private_key(ec.SECP256R1())
    expires = expires or datetime.now(UTC) + _DAY
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test server")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(expires - 30 * _DAY)
        .not_valid_after(expires)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    (directory / "server-cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "server-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
