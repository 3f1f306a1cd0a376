"""TLS: the accepted certificates and names, and their description.

A certificate is verified, or there is no connection. The only unencrypted connections are those to a server
that does not offer TLS, in mode auto, and those requested by mode off.
"""

from __future__ import annotations

import ssl
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.database.certificate import summarize
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest
from tidb_pe_magic.files import FileVersion, file_version
from tidb_pe_magic.model import TlsMode, TlsReport

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

Context = TypeVar("Context", bound="NamedContext")

# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h.
_NAME_MISMATCH = frozenset({62, 64})
_UNKNOWN_CA = frozenset({18, 19, 20, 21})
_EXPIRED = 10


class NamedContext(ssl.SSLContext):
    """A context that verifies a given name, independent of the host.

    A private endpoint's host is not in the gateway's certificate, so this replaces the driver's choice of the
    name (the host); OpenSSL still does the matching.

    Only the name belongs to this object. The handshakes are those of a shared context, because reading
    the system's authorities takes 40 ms. Without it, nothing is trusted.
    """

    expected_name: str = ""
    version: str = ""
    authorities: Callable[[], ssl.SSLContext] | None = None

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Do the handshake with the expected name as the server's name."""
        if self.expected_name:
            options["server_hostname"] = self.expected_name
        wrap = super().wrap_socket if self.authorities is None else self.authorities().wrap_socket
        wrapped = wrap(sock, *arguments, **options)
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


class InspectingContext(NamedContext):
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


def make_inspecting_context(mode: TlsMode, ca: str) -> InspectingContext:
    """Return a context that verifies like that of `make_context`, but prevents a login."""
    return _with_verification(InspectingContext(ssl.PROTOCOL_TLS_CLIENT), mode, ca)


def _with_verification(context: Context, mode: TlsMode, ca: str) -> Context:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = mode != TlsMode.VERIFY_CA
    context.authorities = _verifier(ca, names=context.check_hostname)
    return context


def make_reading_context(ca: str, name: str, *, verify: bool) -> InspectingContext:
    """Return a context to read a certificate, after verifying its chain or before."""
    context = InspectingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.expected_name = name
    context.check_hostname = False
    if verify:
        context.authorities = _verifier(ca, names=False)
    else:
        context.verify_mode = ssl.CERT_NONE
    return context


def _verifier(ca: str, *, names: bool) -> Callable[[], ssl.SSLContext]:
    """Return what returns the shared context of these authorities, which must not be changed.

    A given file is read now, as it can be wrong. The system's store is read for the first handshake: many
    connections need none.
    """
    if ca:
        try:
            path = Path(ca).expanduser()
            given = _verifying(str(path), (file_version(path),), names=names)
        except ssl.SSLError:
            raise InvalidRequest("--ca", f"file {ca} contains no certificate in PEM form.") from None
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InvalidRequest("--ca", f"file {ca} cannot be read: {reason}.") from None
        return lambda: given
    if sys.platform == "win32":  # a change of its store cannot be noticed
        system = _verifying.__wrapped__("", (), names=names)
        return lambda: system
    return lambda: _verifying("", _system_store(), names=names)


def _system_store() -> tuple[str | FileVersion | None, ...]:
    """Return the places of the system's authorities and their versions."""
    paths = ssl.get_default_verify_paths()
    return tuple(part for path in (paths.cafile, paths.capath) if path for part in (path, file_version(path)))


@lru_cache(maxsize=16)
def _verifying(
    ca: str,
    store: tuple[str | FileVersion | None, ...],  # noqa: ARG001 - part of the cache's key
    *,
    names: bool,
) -> ssl.SSLContext:
    """Return a context that verifies the chain, and the name if `names`; an empty `ca` means the system's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = names
    if ca:
        context.load_verify_locations(ca)
    else:
        context.load_default_certs()
    return context


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
