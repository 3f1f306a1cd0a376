"""Where the APIs are: the clouds' own hosts, or what an environment variable names instead."""

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

# Nothing that two parsers could read as two hosts: no path, query, fragment, blank or control character.
_PLAIN = re.compile(r"https?://[A-Za-z0-9._@:\[\]-]+", re.IGNORECASE)
DEFAULT_TIDB_CLOUD = "https://serverless.tidbapi.com"
DEFAULT_TIDB_CLOUD_IAM = "https://iam.tidbapi.com"


def override(environ: Mapping[str, str], variable: str) -> str:
    """Return the API host that `variable` names, as `scheme://host[:port]`; empty where it is unset.

    Raises:
        InvalidRequest: it is no such URL, carries user information, or is plain http beyond this machine.
    """
    return checked(environ.get(variable, ""), variable)


def checked(value: str, field: str) -> str:
    """Return the API host as `scheme://host[:port]`, or nothing for nothing.

    Raises:
        InvalidRequest: as in `override`; `field` is where the value stands.
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
        raise InvalidRequest(field, "must not carry a user name or a password.")
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidRequest(field, f"plain http is for this machine only; use https for {host}.")
    return value


def overrides(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return every API host that replaces a cloud's own, once each, so that each result can name it."""
    hosts = (override(environ, variable) for variable in (TIDB_CLOUD, TIDB_CLOUD_IAM, ALIBABA, METADATA))
    return tuple(dict.fromkeys(host for host in hosts if host))


def unreachable_advice(host: str, *, untrusted: bool = False) -> Advice:
    """Return what to do about an API host that gives no usable answer, or is not trusted."""
    if untrusted:
        return Advice(
            "If a proxy of your company inspects TLS, set SSL_CERT_FILE to the file of its authority.",
            Suggestion("whoami"),
        )
    if is_loopback(host):
        return Advice("The environment names this machine as the API's host.", Suggestion("sandbox", "start"))
    return Advice(
        "Check the region's name and this machine's way to the internet (proxy, firewall), then try again."
    )


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
