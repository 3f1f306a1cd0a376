"""TLS: the accepted certificates and names, and their description.

A certificate is verified, or there is no connection. The only unencrypted connections are those to a server
that does not offer TLS, in mode auto, and those requested by mode off.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.database.certificate import summarize
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest
from tidb_pe_magic.model import TlsMode, TlsReport

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

Context = TypeVar("Context", bound="NamedContext")

# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h.
_NAME_MISMATCH = frozenset({62, 64})
_UNKNOWN_CA = frozenset({18, 19, 20, 21})
_EXPIRED = 10


class NamedContext(ssl.SSLContext):
    """A context that verifies a given name, independent of the host.

    A private endpoint's host is not in the gateway's certificate, so this replaces the driver's choice of the
    name (the host); OpenSSL still does the matching.
    """

    expected_name: str = ""
    version: str = ""

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Do the handshake with the expected name as the server's name."""
        if self.expected_name:
            options["server_hostname"] = self.expected_name
        wrapped = super().wrap_socket(sock, *arguments, **options)
        self.version = wrapped.version() or ""
        return wrapped


class CertificateSeenError(Exception):
    """Ends a handshake that was started only to read the certificate, before anything is sent over it."""

    def __init__(self, names: tuple[str, ...], der: bytes) -> None:
        """Keep the names (of a verified certificate) and the encoded form (of any)."""
        super().__init__("the certificate was only read")
        self.names = names
        self.der = der
        self.version = ""
        self.verified_name = ""


class LookingContext(NamedContext):
    """A context whose handshake ends in `CertificateSeenError`, so that a login cannot follow."""

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Do the handshake, keep the certificate's data, and close."""
        with super().wrap_socket(sock, *arguments, **options) as wrapped:
            names = tuple(str(entry[1]) for entry in (wrapped.getpeercert() or {}).get("subjectAltName", ()))
            raise CertificateSeenError(names, wrapped.getpeercert(binary_form=True) or b"")


class NameMismatch(ConnectionFailed):
    """The certificate contains none of the expected names.

    Attributes:
        names: the names in the certificate.
    """

    def __init__(self, tried: tuple[str, ...], names: tuple[str, ...]) -> None:
        """List the names in the certificate and the expected ones."""
        carried = ", ".join(names) or "no name"
        super().__init__(
            "tls",
            f"the server's certificate is for {carried}, not for {' or '.join(tried)}.",
            advice=Advice(
                "Another server may answer at this address: do not send a password to it.",
                Suggestion("doctor"),
            ),
            kind="name",
        )
        self.names = names


def make_context(mode: TlsMode, ca: str) -> NamedContext:
    """Return a context that verifies the chain and, except in mode verify-ca, the name.

    Raises:
        InvalidRequest: the CA file cannot be used.
    """
    return _with_verification(NamedContext(ssl.PROTOCOL_TLS_CLIENT), mode, ca)


def make_inspecting_context(mode: TlsMode, ca: str) -> LookingContext:
    """Return a context that verifies like that of `make_context`, but prevents a login."""
    return _with_verification(LookingContext(ssl.PROTOCOL_TLS_CLIENT), mode, ca)


def _with_verification(context: Context, mode: TlsMode, ca: str) -> Context:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_authorities(context, ca)
    context.check_hostname = mode != TlsMode.VERIFY_CA
    return context


def make_looking_context(ca: str, name: str, *, verify: bool) -> LookingContext:
    """Return a context to read a certificate, after verifying its chain or before."""
    context = LookingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.expected_name = name
    context.check_hostname = False
    if verify:
        _load_authorities(context, ca)
    else:
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_authorities(context: ssl.SSLContext, ca: str) -> None:
    if not ca:
        context.load_default_certs()
        return
    try:
        context.load_verify_locations(Path(ca).expanduser())
    except ssl.SSLError:
        raise InvalidRequest("--ca", f"file {ca} contains no certificate in PEM form.") from None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest("--ca", f"file {ca} cannot be read: {reason}.") from None


def candidate_names(mode: TlsMode, host: str, tls_name: str, gateway_names: Iterable[str]) -> tuple[str, ...]:
    """Return the acceptable names of the certificate, in the order of the attempts.

    Raises:
        InvalidRequest: `tls_name` cannot be a name in a certificate.
    """
    if tls_name:
        if not _is_usable(tls_name):
            raise InvalidRequest("--tls-name", f"{tls_name!r} is not a host name.")
        return (tls_name,)
    # A fully qualified name may end with a dot; in certificates it never does.
    first = host.removesuffix(".")
    if mode != TlsMode.AUTO:
        return (first,)
    others = (name for name in gateway_names if _is_usable(name))
    return tuple(dict.fromkeys((first, *others)))


def _is_usable(name: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    except (ValueError, TypeError, ssl.SSLError):
        return False
    return True


def is_name_mismatch(error: ssl.SSLError) -> bool:
    """Return whether the certificate was rejected only for its name."""
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _NAME_MISMATCH


def chain_failure(error: ssl.SSLError, der: bytes) -> ConnectionFailed:
    """Return the failure of a certificate whose chain was rejected, or of a broken handshake."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = (error.reason or error.strerror or str(error)).replace("_", " ").lower()
        return ConnectionFailed(
            "tls",
            f"the TLS handshake failed: {reason}.",
            advice="The server must speak TLS 1.2 or later.",
            kind="broken",
        )
    summary = summarize(der)
    issuer = f" (issuer: {summary.issuer})" if summary.issuer else ""
    if error.verify_code in _UNKNOWN_CA:
        return ConnectionFailed(
            "tls",
            f"the server's certificate is issued by an unknown authority{issuer}: {error.verify_message}.",
            advice="Another server, or a proxy that decrypts TLS, may answer: send no password to it. For "
            "a server of your own, give the authority's certificate: --ca PATH",
            kind="authority",
        )
    if error.verify_code == _EXPIRED:
        return ConnectionFailed(
            "tls",
            f"the server's certificate expired on {summary.not_after}{issuer}.".replace(" on  ", " "),
            advice="Check this machine's clock; the server needs a new certificate.",
            kind="expired",
        )
    return ConnectionFailed(
        "tls",
        f"the server's certificate was rejected{issuer}: {error.verify_message}.",
        advice="Another server may answer at this address: do not send a password to it.",
    )


def report(mode: TlsMode, context: NamedContext | None, *, host: str, offered: bool) -> TlsReport:
    """Return how the connection is secured, in words."""
    if context is None:
        reason = "the server does not offer TLS"
        if mode == TlsMode.OFF:
            reason = "--tls off, although the server offers TLS" if offered else "--tls off"
        return TlsReport(encrypted=False, verified_name="", description=f"not encrypted: {reason}")
    if mode == TlsMode.VERIFY_CA:
        return TlsReport(
            encrypted=True,
            verified_name="",
            description=f"{context.version}, chain verified, name not checked (--tls verify-ca)",
        )
    name = context.expected_name
    dialled = "" if name == host else f" (host dialled: {host})"
    return TlsReport(
        encrypted=True,
        verified_name=name,
        description=f"{context.version}, certificate verified for {name}{dialled}",
    )
