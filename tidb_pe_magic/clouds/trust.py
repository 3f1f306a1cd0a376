"""The certificate authorities that are trusted for the clouds' APIs.

An environment variable takes precedence: SSL_CERT_FILE and SSL_CERT_DIR (OpenSSL, httpx, Go), else
REQUESTS_CA_BUNDLE (requests), else CURL_CA_BUNDLE (curl). People set the one that their other programs read,
and a proxy that inspects TLS then has to be configured only once for both clouds. Otherwise the system's own
store is used, where a company's authority is installed once for every program: on macOS and Windows through
`truststore`, as pip does; on Linux the distribution's bundle. certifi's list does not contain company
authorities: it is used only if a machine has no store, such as a minimal container.

SSLKEYLOGFILE is ignored: the logged session keys would decrypt the traffic.
"""

from __future__ import annotations

import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
VARIABLES = (*_OPENSSL, *_BUNDLES)
# Bundle paths of distributions: Debian and Alpine, Fedora, openSUSE, Alpine and the BSDs.
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_SYSTEM_STORE = "the system's store"
_ADVICE = "Correct it, or unset it to use the system's store."


@dataclass(frozen=True, kw_only=True)
class Trust:
    """A trust store.

    Attributes:
        named: each variable with its value; empty for the machine's own store.
        versions: modification time of each file, so that a client with the old content is replaced.
    """

    named: tuple[tuple[str, str], ...] = ()
    versions: tuple[int, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Trust:
        """Read the variables; an unusable value becomes an error only when it is needed."""
        both = tuple((name, environ[name]) for name in _OPENSSL if environ.get(name))
        bundles = tuple((name, environ[name]) for name in _BUNDLES if environ.get(name))
        named = both or bundles[:1]
        return cls(named=named, versions=tuple(_version(path) for _, path in named))

    def __str__(self) -> str:
        """The location of the store."""
        if self.named:
            return ", ".join(f"{name}={path}" for name, path in self.named)
        if _uses_truststore():
            return _SYSTEM_STORE
        path = _system_bundle()
        return f"{_SYSTEM_STORE}, {path}" if path else f"certifi's list, {_certifi()}"

    def context(self) -> ssl.SSLContext:
        """Return a new context that verifies chain and name; a new one, as HTTP libraries modify it.

        Raises:
            InvalidRequest: a variable names an unusable store.
        """
        if not self.named and _uses_truststore():
            import truststore  # noqa: PLC0415 - only where it is used

            system: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return system
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for name, path in self.named:
            _load(context, name, path)
        if not self.named:
            context.load_verify_locations(_system_bundle() or _certifi())
        return context


def _load(context: ssl.SSLContext, name: str, path: str) -> None:
    reason = ""
    try:
        if name == "SSL_CERT_DIR":
            # As OpenSSL reads it: several directories, some of which may be missing.
            directories = [each for each in path.split(":" if sys.platform != "win32" else ";") if each]
            if not any(map(_is_directory, directories)):
                reason = f"{path} is not a directory"
            for directory in filter(_is_directory, directories):
                context.load_verify_locations(capath=directory)
        elif _is_directory(path) and name in _BUNDLES:
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        reason = f"file {path} contains no certificate in PEM form"
    except (OSError, ValueError) as error:
        reason = f"file {path} cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
    if reason:
        raise InvalidRequest(name, f"{reason}.", advice=_ADVICE)


def _is_directory(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _version(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def _uses_truststore() -> bool:
    return sys.platform in {"darwin", "win32"}


def _system_bundle() -> str:
    own = ssl.get_default_verify_paths().openssl_cafile
    return next((path for path in (own, *_SYSTEM) if Path(path).is_file()), "")


def _certifi() -> str:
    import certifi  # noqa: PLC0415 - of httpx and requests

    return certifi.where()
