"""API hosts: the clouds' own, or those that environment variables set instead."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

TIDB_CLOUD = "TIDBCLOUD_SERVERLESS_ENDPOINT"
TIDB_CLOUD_IAM = "TIDBCLOUD_IAM_ENDPOINT"
ALIBABA = "TIDB_PE_ALIBABA_ENDPOINT"
METADATA = "TIDB_PE_METADATA_ENDPOINT"

# Reject what two parsers could read as two hosts: path, query, fragment, space, control character.
_PLAIN = re.compile(r"https?://[A-Za-z0-9._@:\[\]-]+", re.IGNORECASE)
DEFAULT_TIDB_CLOUD = "https://serverless.tidbapi.com"
DEFAULT_TIDB_CLOUD_IAM = "https://iam.tidbapi.com"


def override(environ: Mapping[str, str], variable: str) -> str:
    """Return the API host that `variable` sets, as `scheme://host[:port]`; empty if unset.

    Raises:
        InvalidRequest: the URL is invalid, contains user information, or is plain http to another machine.
    """
    return check_host(environ.get(variable, ""), variable)


def check_host(value: str, field: str) -> str:
    """Return the API host as `scheme://host[:port]`; empty for an empty value.

    Raises:
        InvalidRequest: as in `override`; `field` names the source of the value.
    """
    value = value.removesuffix("/")
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host or not _PLAIN.fullmatch(value):
        raise InvalidRequest(field, "must be https://HOST or https://HOST:PORT, without a path.")
    if parts.username or parts.password:
        raise InvalidRequest(field, "must not contain a user name or a password.")
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidRequest(field, f"plain http is allowed only for this machine. Use https for {host}.")
    return value


def overrides(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the API hosts that replace the clouds' own, without duplicates, for display in results."""
    hosts = (override(environ, variable) for variable in (TIDB_CLOUD, TIDB_CLOUD_IAM, ALIBABA, METADATA))
    return tuple(dict.fromkeys(host for host in hosts if host))


def unreachable_advice(host: str, *, untrusted: bool = False) -> Advice:
    """Return what to do about an API host that is not trusted or gives no usable answer."""
    if untrusted:
        return Advice(
            "If a company proxy inspects TLS, set SSL_CERT_FILE to the file of its certificate authority.",
            Suggestion("whoami"),
        )
    if is_loopback(host):
        return Advice("The environment sets this machine as the API host.", Suggestion("sandbox", "start"))
    return Advice(
        "Check the region's name and this machine's internet connection (proxy, firewall), then try again."
    )


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
