"""The proxy for a host, from the environment variables that other programs read.

Lower case takes precedence over upper case, as in curl and Python's urllib. NO_PROXY accepts names (including
their subdomains), addresses, IPv4 and IPv6 networks, each with or without a port, and `*`.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import sys
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidb_pe_magic.clouds.hosts import is_loopback
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = {"http": 80, "https": 443}
_SCHEMES = ("http", "https", "socks5", "socks5h")
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_BRACKETS = re.compile(r"\[(?P<address>[^\[\]]+)\](?P<length>/\d+)?(?::(?P<port>\d+))?")
# It answers for the machine that calls it (Alibaba Cloud ECS user guide, "View instance metadata").
_METADATA = "100.100.100.200"


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """An entry of NO_PROXY.

    Attributes:
        name: a host, including its subdomains; empty for every host.
        network: addresses instead of a name.
        port: the only port that is exempt; 0 for every port.
    """

    name: str = ""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    port: int = 0

    @classmethod
    def parse(cls, entry: str) -> Exemption | None:
        """Return the parsed entry; None if it is invalid."""
        if entry == "*":
            return cls()
        address, port = entry, ""
        if brackets := _BRACKETS.fullmatch(entry):
            address, port = brackets["address"] + (brackets["length"] or ""), brackets["port"] or ""
        elif entry.count(":") == 1:  # several colons mean an IPv6 address
            address, port = entry.split(":")
        if (port and not port.isascii()) or (port and not port.isdecimal()) or int(port or 0) > 65535:  # noqa: PLR2004
            return None
        try:
            return cls(network=ipaddress.ip_network(address, strict=False), port=int(port or 0))
        except ValueError:
            pass
        name = address.lower().removeprefix("*").strip(".")
        return cls(name=name, port=int(port or 0)) if _NAME.fullmatch(name) else None

    def covers(self, host: str, port: int) -> bool:
        """Return whether the host needs no proxy."""
        if self.port and self.port != port:
            return False
        if self.network is not None:
            try:
                return ipaddress.ip_address(host) in self.network
            except ValueError:
                return False
        return not self.name or host == self.name or host.endswith(f".{self.name}")


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """The proxies of an environment.

    Attributes:
        named: scheme, variable and value of each.
        exemptions: the entries of NO_PROXY.
        skipped: its invalid entries.
    """

    named: tuple[tuple[str, str, str], ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Proxies:
        """Read the variables; an unusable value becomes an error only when it is needed."""
        found = (
            (scheme, *_variable(environ, f"{kind}_proxy")) for scheme in _PORTS for kind in (scheme, "all")
        )
        entries = [entry for entry in re.split(r"[,\s]+", _variable(environ, "no_proxy")[1]) if entry]
        read = [(entry, Exemption.parse(entry)) for entry in entries]
        return cls(
            named=tuple(each for each in found if each[2]),
            exemptions=tuple(exemption for _, exemption in read if exemption is not None),
            skipped=tuple(entry for entry, exemption in read if exemption is None),
        )

    def proxy(self, url: str) -> str:
        """Return the URL of the proxy for `url`; empty for none.

        Raises:
            InvalidRequest: the variable names a proxy that cannot be used.
        """
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or _PORTS.get(parts.scheme, 0)
        if is_loopback(host) or host == _METADATA or any(each.covers(host, port) for each in self.exemptions):
            return ""
        for scheme, variable, value in self.named:
            if scheme == parts.scheme:
                return _usable(variable, value)
        return _system_proxy(parts.scheme, host)


def without_password(proxy: str) -> str:
    """Return a proxy's URL without its credentials."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if proxy else ""


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    for spelling in (name, name.upper()):
        if spelling in environ:
            return spelling, environ[spelling].strip()
    return name.upper(), ""


def _usable(variable: str, value: str) -> str:
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable:
        raise InvalidRequest(variable, "must be http://HOST:PORT or https://HOST:PORT.")
    packages = {"socksio": "'httpx[socks]'", "socks": "'requests[socks]'"} if "socks" in parts.scheme else {}
    missing = [extra for module, extra in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise InvalidRequest(variable, f"a SOCKS proxy needs a package: pip install {' '.join(missing)}.")
    return url


def _system_proxy(scheme: str, host: str) -> str:
    """Return the proxy, also from the system settings of macOS and Windows."""
    if sys.platform not in {"darwin", "win32"} or urllib.request.proxy_bypass(host):
        return ""
    return urllib.request.getproxies().get(scheme, "")
