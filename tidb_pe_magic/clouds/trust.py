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
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.files import FileVersion, file_version

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
        versions: the version of each file, so that a client with the old content is replaced.
    """

    named: tuple[tuple[str, str], ...] = ()
    versions: tuple[FileVersion | None, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Trust:
        """Read the variables; an unusable value becomes an error only when it is needed."""
        both = tuple((name, environ[name]) for name in _OPENSSL if environ.get(name))
        bundles = tuple((name, environ[name]) for name in _BUNDLES if environ.get(name))
        named = both or bundles[:1]
        return cls(named=named, versions=_versions(named))

    def __str__(self) -> str:
        """The location of the store."""
        if self.named:
            return ", ".join(f"{name}={path}" for name, path in self.named)
        if _uses_truststore():
            return _SYSTEM_STORE
        path = _system_bundle()
        return f"{_SYSTEM_STORE}, {path}" if path else f"certifi's list, {_certifi()}"

    def context(self, library: str) -> ssl.SSLContext:
        """Return a context that verifies chain and name.

        Reading the authorities takes 40 ms, so all clients of one library share a context until the store
        changes. Each library sets it up at each connection, in its own way: urllib3 with LibreSSL compares
        the names itself and turns the check of the context off, which httpx relies on.

        Args:
            library: the HTTP library that uses it, such as `httpx`.

        Raises:
            InvalidRequest: a variable names an unusable store.
        """
        if not self.named and _uses_truststore():
            import truststore  # noqa: PLC0415 - only where it is used

            system: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return system
        stores = self.named or (("", _system_bundle() or _certifi()),)
        return _context(library, stores, _versions(stores))


@lru_cache(maxsize=1)
def empty_context() -> ssl.SSLContext:
    """Return a context that trusts no certificate, for clients of plain http, which read no store."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@lru_cache(maxsize=16)
def _context(
    library: str,  # noqa: ARG001 - part of the cache's key, as is the next
    stores: tuple[tuple[str, str], ...],
    versions: tuple[FileVersion | None, ...],  # noqa: ARG001
) -> ssl.SSLContext:
    """Return a context with the authorities of the stores; each is a variable and its path."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path in stores:
        _load(context, name, path)
    return context


def _load(context: ssl.SSLContext, name: str, path: str) -> None:
    reason = ""
    try:
        if name == "SSL_CERT_DIR":
            directories = _directories(path)
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


def _directories(path: str) -> list[str]:
    """Return the directories of SSL_CERT_DIR as OpenSSL reads it: several, some of which may be missing."""
    return [each for each in path.split(":" if sys.platform != "win32" else ";") if each]


def _versions(stores: tuple[tuple[str, str], ...]) -> tuple[FileVersion | None, ...]:
    paths = (_directories(path) if name == "SSL_CERT_DIR" else (path,) for name, path in stores)
    return tuple(file_version(path) for each in paths for path in each)


def _uses_truststore() -> bool:
    return sys.platform in {"darwin", "win32"}


def _system_bundle() -> str:
    own = ssl.get_default_verify_paths().openssl_cafile
    return next((path for path in (own, *_SYSTEM) if Path(path).is_file()), "")


def _certifi() -> str:
    import certifi  # noqa: PLC0415 - of httpx and requests

    return certifi.where()
