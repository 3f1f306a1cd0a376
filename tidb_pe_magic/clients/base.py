"""What a text is written from, and what a format is."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import TlsMode
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PASSWORD = "TIDB_PASSWORD"  # noqa: S105 - the name of a variable
"""The environment variable that the texts read the password from, as `connect` does."""


@dataclass(frozen=True, kw_only=True)
class ClientTarget:
    """Where to connect, as whom, and what the server has to prove.

    Attributes:
        database: empty for none.
        tls: off, verify-ca or verify-identity: what `auto` comes to is known by now.
        tls_name: the name that the certificate carries, where it is not the host.
        ca: PEM file of the authorities to trust; empty for the system's.
        system_ca: PEM file of the system's authorities, for clients that do not find them by themselves.
    """

    host: str
    port: int
    user: str
    database: str = ""
    tls: TlsMode = TlsMode.VERIFY_IDENTITY
    tls_name: str = ""
    ca: str = ""
    system_ca: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be shown, and so not copied.

        Raises:
            InvalidRequest: a value holds a control or a direction character.
        """
        for flag, value in (("--user", self.user), ("--database", self.database), ("--ca", self.ca)):
            if not is_visible(value):
                raise InvalidRequest(flag, "holds a character that cannot be seen, and so not copied.")

    @property
    def ca_file(self) -> str:
        """The file to name to a client that has to be given one."""
        return self.ca or self.system_ca

    @property
    def encrypted(self) -> bool:
        """TLS is in use."""
        return self.tls != TlsMode.OFF

    @property
    def by_host(self) -> bool:
        """The certificate is checked against the host that is dialled, which every client can do."""
        return self.tls == TlsMode.VERIFY_IDENTITY and self.tls_name in {"", self.host}

    @property
    def by_other_name(self) -> bool:
        """The certificate is checked against another name than the host's, which few clients can do."""
        return self.tls == TlsMode.VERIFY_IDENTITY and not self.by_host

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ClientText:
    """A connection as a client reads it.

    Attributes:
        text: what to copy; lines end with a line feed, the last one with none.
        notes: what else to do.
        warnings: what this client cannot do.
    """

    text: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClientFormat:
    """A client's format.

    Attributes:
        name: what `--with` takes.
        title: the client, as it calls itself.
        write: makes the text.
        needs_database: the format has no way to leave the database out.
    """

    name: str
    title: str
    write: Callable[[ClientTarget], ClientText]
    needs_database: bool = False


def url_part(text: str) -> str:
    """Return the text as it stands in a part of a URL."""
    return quote(text, safe="")


def is_address(host: str) -> bool:
    """Tell whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def quoted(text: str) -> str:
    """Quote for Go, JavaScript and Rust, which read what is visible as it stands."""
    return json.dumps(text, ensure_ascii=False)


def mysql_url(target: ClientTarget, parameters: Mapping[str, str], password: str = "") -> str:
    """Return a URL with the scheme mysql; `password` is a reference to a variable, which is not encoded."""
    pairs = "&".join(f"{name}={url_part(value)}" for name, value in parameters.items())
    user = url_part(target.user) + (f":{password}" if password else "")
    address = f"mysql://{user}@{target.address}/{url_part(target.database)}"
    return f"{address}?{pairs}" if pairs else address


def ssl_mode(target: ClientTarget) -> str:
    """Return the `ssl-mode` of MySQL's own clients; another name than the host's cannot be told to them."""
    if not target.encrypted:
        return "DISABLED"
    return "VERIFY_IDENTITY" if target.by_host else "VERIFY_CA"


def chain_alone(client: str, target: ClientTarget) -> tuple[str, ...]:
    """Return the warning of a client that checks the chain, but no other name than the host's."""
    if not target.by_other_name:
        return ()
    warning = (
        f"{client} cannot be told to expect {target.tls_name} in the certificate of another host: "
        "it verifies the chain alone (PyMySQL, SQLAlchemy, Go, Node and Prisma 7 can)."
    )
    return (warning,)


def name_as_dialled(client: str, target: ClientTarget) -> tuple[str, ...]:
    """Return the warning of a client that checks chain and name together, the name being the host's."""
    if not target.encrypted or target.by_host:
        return ()
    expected = f", which is for {target.tls_name}" if target.tls_name else ""
    warning = (
        f"{client} verifies chain and name together, and the name is the host that it dials: it refuses the "
        f"server's certificate{expected or ' where that carries another name'}. On a private endpoint "
        "--tls off is possible."
    )
    return (warning,)


def ca_notes(target: ClientTarget) -> tuple[str, ...]:
    """Return the note of a client that had to be given the file of the system's authorities."""
    if not target.encrypted or target.ca:
        return ()
    return (f"{target.system_ca} holds this system's certificate authorities; another one has another file.",)
