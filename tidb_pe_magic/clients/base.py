"""The input of a connection text, and the definition of a format."""

from __future__ import annotations

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
    """Host, user, database and TLS verification of a connection.

    Attributes:
        database: empty for none.
        tls: off, verify-ca or verify-identity; `auto` is already resolved.
        tls_name: the name in the certificate, if it differs from the host.
        ca: PEM file of the trusted authorities; empty for the system's.
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
        """Reject values that cannot be displayed, and so cannot be copied.

        Raises:
            InvalidRequest: a value contains a control or a direction character.
        """
        for flag, value in (("--user", self.user), ("--database", self.database), ("--ca", self.ca)):
            if not is_visible(value):
                raise InvalidRequest(flag, "contains an invisible character, which cannot be copied.")

    @property
    def ca_file(self) -> str:
        """The CA file for clients that require one."""
        return self.ca or self.system_ca

    @property
    def encrypted(self) -> bool:
        """Whether TLS is in use."""
        return self.tls != TlsMode.OFF

    @property
    def by_host(self) -> bool:
        """Whether the certificate is checked against the host name; every client can do this."""
        return self.tls == TlsMode.VERIFY_IDENTITY and self.tls_name in {"", self.host}

    @property
    def by_other_name(self) -> bool:
        """Whether the certificate is checked against a name other than the host; few clients can do this."""
        return self.tls == TlsMode.VERIFY_IDENTITY and not self.by_host

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ClientText:
    """A connection in the format of one client.

    Attributes:
        text: what to copy; lines end with a line feed, except the last one.
        notes: further steps.
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
        title: the client's own name.
        write: creates the text.
        needs_database: the format requires a database.
    """

    name: str
    title: str
    write: Callable[[ClientTarget], ClientText]
    needs_database: bool = False


def url_part(text: str) -> str:
    """Return the text encoded as a part of a URL."""
    return quote(text, safe="")


def quote_literal(text: str) -> str:
    """Quote for Go, JavaScript and Rust, which take visible characters literally."""
    return json.dumps(text, ensure_ascii=False)


def mysql_url(target: ClientTarget, parameters: Mapping[str, str], password: str = "") -> str:
    """Return a URL with the scheme mysql; `password` is a reference to a variable, which is not encoded."""
    pairs = "&".join(f"{name}={url_part(value)}" for name, value in parameters.items())
    user = url_part(target.user) + (f":{password}" if password else "")
    address = f"mysql://{user}@{target.address}/{url_part(target.database)}"
    return f"{address}?{pairs}" if pairs else address


def ssl_mode(target: ClientTarget) -> str:
    """Return the `ssl-mode` of MySQL's own clients; they can expect only the host's own name."""
    if not target.encrypted:
        return "DISABLED"
    return "VERIFY_IDENTITY" if target.by_host else "VERIFY_CA"


def chain_alone(client: str, target: ClientTarget) -> tuple[str, ...]:
    """Return the warning of a client that checks the chain, but cannot expect a name other than the host."""
    if not target.by_other_name:
        return ()
    warning = (
        f"{client} cannot expect {target.tls_name} in the certificate of another host, so "
        "it verifies only the chain (PyMySQL, SQLAlchemy, Go, Node and Prisma 7 can expect another name)."
    )
    return (warning,)


def dialed_name_warning(client: str, target: ClientTarget) -> tuple[str, ...]:
    """Return the warning of a client that always checks chain and host name together."""
    if not target.encrypted or target.by_host:
        return ()
    expected = f", which is for {target.tls_name}" if target.tls_name else ""
    warning = (
        f"{client} verifies chain and host name together, so it rejects the "
        f"server's certificate{expected or ' if that has another name'}. On a private endpoint "
        "you can use --tls off."
    )
    return (warning,)


def ca_notes(target: ClientTarget) -> tuple[str, ...]:
    """Return the note for a client that needs the path of the system's authorities."""
    if not target.encrypted or target.ca:
        return ()
    return (f"{target.system_ca} is the CA file of this system; other systems use another path.",)
