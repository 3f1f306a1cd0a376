"""Connection files: a connection as JSON next to the notebook, for colleagues with their own password.

Another person wrote the file, so it is not trusted. The file alone cannot send a password to a host that is
not a private endpoint, and cannot weaken the verification of the server.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clouds.hosts import is_loopback
from tidb_pe_magic.commands import requests
from tidb_pe_magic.commands.fields import one_of
from tidb_pe_magic.commands.requests.values import certificate_name, sql_name
from tidb_pe_magic.files import TextFile, decode_text
from tidb_pe_magic.model import Cluster, SavedConnection, TlsMode
from tidb_pe_magic.text import is_visible, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FORMAT, VERSION = "tidb_pe connection", 1
SUFFIX = ".json"
_LARGEST = 100_000  # bytes; a file from `connect --save-to` has about 700
_SHOWN = 40  # characters of a field's name
# EndpointDomain of ListVpcEndpoints (Alibaba Cloud API reference, PrivateLink 2020-04-15).
_ENDPOINTS = ".privatelink.aliyuncs.com"
# endpoints.private.host and endpoints.public.host of a cluster (TiDB Cloud's API v1beta1).
_GATEWAYS = ".tidbcloud.com"
_WEAKER = {
    TlsMode.OFF: "turns TLS off",
    TlsMode.VERIFY_CA: "does not check the name in the server's certificate (verify-ca)",
}
_TLS = {
    TlsMode.AUTO: "TLS auto, which verifies wherever the server offers TLS",
    TlsMode.OFF: "without TLS",
    TlsMode.VERIFY_CA: "TLS verify-ca, which does not check the name",
    TlsMode.VERIFY_IDENTITY: "TLS verify-identity",
}
# Each field with its rule; a text, except for the two below.
_REQUIRED: dict[str, Callable[[str], object]] = {
    "alias": requests.alias_name,
    "cluster_id": requests.cluster_name,
    "cluster_name": requests.cluster_name,
    "region": requests.region_id,
    "endpoint_id": requests.endpoint_id,
    "host": requests.host_name,
    "port": requests.port_number,
    "user": sql_name,
}
_OPTIONAL: dict[str, Callable[[str], object]] = {
    "saved": datetime.fromisoformat,
    "user_prefix": sql_name,
    "database": sql_name,
    "tls": one_of(TlsMode),
    "tls_name": certificate_name,
    "gateway_names": certificate_name,
}
_NUMBER, _LIST = "port", "gateway_names"
_HEAD = ("format", "version")


class _UnusableError(ValueError):
    """An unusable file; the message contains none of its values."""


@dataclass(frozen=True, kw_only=True)
class ConnectionFile:
    """A file that was read.

    Attributes:
        path: the path as given.
        connection: its content; the name is the alias; `ca` and `password_from` are empty.
        saved: time of writing, as an ISO time; empty if it is missing.
    """

    path: str
    connection: SavedConnection
    saved: str


def is_path(name: str) -> bool:
    """Return whether the name after @ is a connection file's path, not a saved connection's name."""
    return name.lower().endswith(SUFFIX)


def names() -> list[str]:
    """Return the JSON files of the working directory (the notebook's), for completion."""
    try:
        return sorted(each.name for each in Path().glob(f"*{SUFFIX}") if not each.name.startswith("."))
    except OSError:
        return []


def file_at(path: str) -> TextFile:
    """Return the file to write a connection to; only a connection file is replaced."""
    return TextFile(
        path,
        mine=lambda text: f'"format": "{FORMAT}"' in text,
        field="--save-to",
        kind="a connection file",
        advice="Name another file.",
    )


def write(path: str, connection: SavedConnection, now: float) -> str:
    """Write the connection without the author's own files and password; return the file's path.

    Args:
        path: path of the file; a relative one starts at the working directory.
        connection: the connection.
        now: the time to write, in seconds since 1970.

    Raises:
        InvalidRequest: the file cannot be written, or it exists and is not a connection file.
    """
    cluster = connection.cluster
    content = {
        "format": FORMAT,
        "version": VERSION,
        "saved": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "alias": connection.name,
        "cluster_id": cluster.cluster_id,
        "cluster_name": cluster.display_name,
        "region": cluster.region_id,
        "endpoint_id": connection.endpoint_id,
        "host": connection.host,
        "port": connection.port,
        "user": connection.user,
        "user_prefix": cluster.user_prefix,
        "database": connection.database,
        "tls": connection.tls,
        "tls_name": connection.tls_name,
        "gateway_names": list(cluster.gateway_names),
    }
    written = {name: value for name, value in content.items() if value or name not in _OPTIONAL}
    return file_at(path).write(json.dumps(written, indent=2, ensure_ascii=False) + "\n")


def read(path: str) -> ConnectionFile:
    """Read a connection file.

    Raises:
        InvalidRequest: it does not exist, cannot be read, or is not a connection file of this version.
    """
    place = Path(path).expanduser()
    try:
        content = _content(place)
        connection = _connection(content)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or str(error)) from None
    else:
        return ConnectionFile(path=path, connection=connection, saved=content.get("saved", ""))
    found = [] if place.parent != Path() else difflib.get_close_matches(place.name, names(), n=1)
    hint = f"Did you mean @{found[0]}?" if found else "Ask for the file, or write it."
    raise errors.UnknownName(
        f"@{path}",
        f"{place.absolute()} does not exist.",
        advice=Advice(hint, Suggestion("connect", "--save-to", path)),
    )


def _unusable(path: str, reason: str) -> errors.InvalidRequest:
    return errors.InvalidRequest(
        f"@{path}",
        f"the connection file cannot be used: {reason}.",
        advice=Advice("Correct it, or write it again.", Suggestion("connect", "--save-to", path)),
    )


def check(
    file: ConnectionFile, login: requests.ConnectRequest, asked: requests.ConnectRequest, *, emulated: bool
) -> None:
    """Refuse a file's host that is not a private endpoint, and less TLS than `auto`.

    Args:
        file: the file.
        login: the file's values, overridden by the request.
        asked: the request; its options are the user's own decision.
        emulated: the clouds of this kernel are on this machine, and so are their endpoints.

    Raises:
        InvalidRequest: with the option that accepts it.
    """
    if asked.trust_file:
        return
    host, name = _plain(file.connection.host), f"@{file.path}"
    trusting = Advice(
        "Continue only if you trust the file's author and know this host.",
        Suggestion("connect", name, "--trust-file"),
    )
    if not (host.endswith(_ENDPOINTS) or (emulated and is_loopback(host))):
        raise errors.InvalidRequest(
            name,
            f"the file's host {host} is not a private endpoint on Alibaba Cloud, whose names end with "
            f"{_ENDPOINTS}. Your password would be sent to that host.",
            advice=trusting,
        )
    expected = (
        () if asked.tls_name else filter(None, (login.tls_name, *file.connection.cluster.gateway_names))
    )
    for each in expected:
        if _plain(each) != host and not _plain(each).endswith(_GATEWAYS):
            raise errors.InvalidRequest(
                name,
                f"the file accepts a server's certificate for {each}, which is neither the endpoint's host "
                f"nor a name below {_GATEWAYS}.",
                advice=trusting,
            )
    weaker = _WEAKER.get(TlsMode(login.tls))
    if weaker and login.tls != asked.tls:
        raise errors.InvalidRequest(
            name,
            f"the file {weaker}, which is weaker than the default, auto.",
            advice=Advice(
                "To accept it, set --tls yourself.", Suggestion("connect", name, "--tls", login.tls)
            ),
        )


def _plain(host: str) -> str:
    return host.lower().removesuffix(".")


def summary(file: ConnectionFile, login: requests.ConnectRequest) -> str:
    """Return the destination of a password and its TLS mode, to show before the prompt."""
    connection = file.connection
    return (
        f"{file.path}: connecting to {connection.host}, port {connection.port}, as {login.user}, "
        f"{_TLS[TlsMode(login.tls)]}."
    )


def _content(path: Path) -> dict[str, Any]:
    """Return the file's fields, with valid types and values.

    Raises:
        OSError: it cannot be opened.
        ValueError: with the reason, but without the file's values.
    """
    if path.exists() and not path.is_file():  # a pipe would block the kernel
        msg = "it is not a regular file"
        raise _UnusableError(msg)
    with path.open("rb") as file:
        written = file.read(_LARGEST + 1)
    try:
        content = (
            json.loads(decode_text(written), object_pairs_hook=_unique) if len(written) <= _LARGEST else None
        )
    except _UnusableError:
        raise
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        msg = "it is not a JSON object"
        raise _UnusableError(msg)
    _check_head(content)
    for name in content:
        if name not in {*_HEAD, *_REQUIRED, *_OPTIONAL}:
            msg = f"unknown field {one_line(name)[:_SHOWN]}"
            raise _UnusableError(msg)
    for name, rule in (_REQUIRED | _OPTIONAL).items():
        if name in content:
            _check_field(name, rule, content[name])
        elif name in _REQUIRED:
            msg = f"the field {name} is missing"
            raise _UnusableError(msg)
    return content


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a duplicate field, because a person might read only the first one."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            msg = f"the field {one_line(name)[:_SHOWN]} appears twice"
            raise _UnusableError(msg)
        content[name] = value
    return content


def _check_head(content: dict[str, Any]) -> None:
    if content.get("format") != FORMAT:
        msg = f'its format is not "{FORMAT}"'
        raise _UnusableError(msg)
    version = content.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        msg = f"it has version {version}, and this tidb_pe_magic reads version {VERSION}: update the package"
        raise _UnusableError(msg)
    if version != VERSION or isinstance(version, bool):
        msg = f"its version is not {VERSION}"
        raise _UnusableError(msg)


def _check_field(name: str, rule: Callable[[str], object], value: Any) -> None:
    kind = {_NUMBER: int, _LIST: list}.get(name, str)
    if not isinstance(value, kind) or isinstance(value, bool):
        words = {int: "a number", list: "a list of texts", str: "a text"}
        msg = f"the field {name} is not {words[kind]}"
        raise _UnusableError(msg)
    for each in value if isinstance(value, list) else (value,):
        if not _fits(each, rule, str if kind is list else kind):
            msg = f"the field {name} is not valid"
            raise _UnusableError(msg)


def _fits(value: Any, rule: Callable[[str], object], kind: type) -> bool:
    """Return whether a value is valid, and has no terminal control characters."""
    if not isinstance(value, kind) or not is_visible(str(value)):
        return False
    try:
        rule(str(value))
    except ValueError:
        return False
    return True


def _connection(content: dict[str, Any]) -> SavedConnection:
    cluster = Cluster(
        cluster_id=content["cluster_id"],
        display_name=content["cluster_name"],
        provider="alicloud",
        region_id=content["region"],
        plan="",
        state="",
        user_prefix=content.get("user_prefix", ""),
        service=None,
        gateway_names=tuple(content.get("gateway_names", ())),
    )
    return SavedConnection(
        name=content["alias"],
        cluster=cluster,
        endpoint_id=content["endpoint_id"],
        host=content["host"],
        port=content["port"],
        user=content["user"],
        database=content.get("database", ""),
        tls=content.get("tls", TlsMode.AUTO.value),
        tls_name=content.get("tls_name", ""),
        ca="",
        password_from="",
    )
