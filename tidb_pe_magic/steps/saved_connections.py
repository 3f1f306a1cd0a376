"""Saved connections: one JSON file each in the user's configuration directory, without secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands import requests
from tidb_pe_magic.commands.fields import one_of
from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.files import ensure_private, write_private
from tidb_pe_magic.model import BrokenConnection, Cluster, EndpointService, Result, SavedConnection, TlsMode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIRECTORY = "TIDB_PE_CONFIG_DIR"
"""The environment variable that sets another configuration directory."""

# Fields of every result that a saved cluster does not need.
_OF_RESULTS = frozenset(field.name for field in dataclasses.fields(Result))
_VERSION = 1
_LARGEST = 100_000  # bytes; this package never writes a larger file
_RULES: dict[str, Callable[[str], object]] = {
    "name": requests.alias_name,
    "host": requests.host_name,
    "tls": one_of(TlsMode),
    "password_from": lambda text: PasswordSource.parse(text) if text else None,
}


def directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of saved connections; it may not exist."""
    given = environ.get(DIRECTORY)
    if given:
        return Path(given).expanduser() / "connections"
    from platformdirs import user_config_path  # noqa: PLC0415 - only saved connections need it

    return user_config_path("tidb_pe_magic", appauthor=False) / "connections"


def names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of all saved connections, including unreadable ones."""
    with contextlib.suppress(OSError):
        return sorted(path.stem for path in directory(environ).glob("*.json"))
    return []


def save(environ: Mapping[str, str], connection: SavedConnection) -> Path:
    """Write the connection to its file, which only its owner can read; replace an existing one.

    Raises:
        InvalidRequest: the file cannot be written.
    """
    path = _path(environ, connection.name)
    content = {"version": _VERSION, **dataclasses.asdict(connection)}
    for name in _OF_RESULTS:
        content["cluster"].pop(name)
    try:
        ensure_private(path.parent)
        write_private(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise errors.InvalidRequest(
            "--save", f"{path} cannot be written: {_reason(error)}.", advice=f"Set {DIRECTORY}."
        ) from None
    return path


def load(environ: Mapping[str, str], name: str) -> SavedConnection:
    """Read a saved connection.

    Raises:
        InvalidRequest: no connection has this name, or its file cannot be used.
    """
    path = _path(environ, name)
    try:
        return _read(path)
    except FileNotFoundError:
        known = ", ".join(f"@{each}" for each in names(environ)) or "none"
        raise errors.UnknownName(
            f"@{name}",
            f"no connection of this name is saved; saved: {known}.",
            advice=Advice("Save one first.", Suggestion("connect", "--alias", name, "--save")),
        ) from None
    except (OSError, ValueError) as error:
        reason = _reason(error)
    # Outside the handler, because a decoding error contains the file's content.
    raise errors.InvalidRequest(
        f"@{name}",
        f"{path} cannot be used: {reason}.",
        advice=Advice("Save it again.", Suggestion("connect", "--alias", name, "--save")),
    )


def saved_at(environ: Mapping[str, str], name: str) -> datetime:
    """Return the time of saving in UTC: the file's modification time."""
    return datetime.fromtimestamp(_path(environ, name).stat().st_mtime, UTC)


def every(environ: Mapping[str, str]) -> tuple[tuple[SavedConnection, ...], tuple[BrokenConnection, ...]]:
    """Return the saved connections by name, and the files that cannot be used."""
    found: list[SavedConnection] = []
    broken: list[BrokenConnection] = []
    for name in names(environ):
        path = directory(environ) / f"{name}.json"
        try:
            found.append(_read(path))
        except (OSError, ValueError) as error:
            broken.append(BrokenConnection(path=str(path), reason=_reason(error)))
    return tuple(found), tuple(broken)


def forget(environ: Mapping[str, str], name: str) -> bool:
    """Delete a saved connection; return False if it does not exist.

    Raises:
        InvalidRequest: the file cannot be deleted.
    """
    path = _path(environ, name)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise errors.InvalidRequest("--forget", f"{path} cannot be deleted: {_reason(error)}.") from None
    return True


def _path(environ: Mapping[str, str], name: str) -> Path:
    return directory(environ) / f"{name}.json"


def _read(path: Path) -> SavedConnection:
    """Read a file.

    Raises:
        OSError: it cannot be opened.
        ValueError: with the reason, but without the file's content.
    """
    with path.open("rb") as file:
        written = file.read(_LARGEST + 1)
    try:
        content = json.loads(written[:_LARGEST]) if len(written) <= _LARGEST else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        msg = "it is not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - an error of the file's content, like the others
    if content.pop("version", None) != _VERSION:
        msg = f"its version is not {_VERSION}"
        raise ValueError(msg)
    content["cluster"] = _cluster(content.get("cluster"))
    saved: SavedConnection = _build(SavedConnection, content)
    for field, rule in _RULES.items():
        _check(field, rule, getattr(saved, field))
    _check("port", requests.port_number, str(saved.port))
    if saved.name != path.stem:
        msg = "its name is not the file's"
        raise ValueError(msg)
    return saved


def _cluster(content: Any) -> Cluster:
    if not isinstance(content, dict):
        msg = "cluster is missing or not an object"
        raise ValueError(msg)  # noqa: TRY004 - a rule about the file, as the others
    service = content.get("service")
    if isinstance(service, dict):
        content["service"] = _build(EndpointService, service)
    cluster: Cluster = _build(Cluster, content)
    return cluster


def _build(kind: type[Any], content: dict[str, Any]) -> Any:
    """Create an instance from exactly its fields, each with its type.

    The types are JSON types, except that lists become tuples and nested objects are already built.
    """
    made: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if field.name in _OF_RESULTS:
            continue
        value = content.get(field.name)
        wanted = str(field.type)
        if wanted == "tuple[str, ...]" and isinstance(value, list):
            value = tuple(value)
        fits = {
            "str": isinstance(value, str),
            "int": isinstance(value, int) and not isinstance(value, bool),
            "tuple[str, ...]": isinstance(value, tuple) and all(isinstance(item, str) for item in value),
            "Cluster": isinstance(value, Cluster),
            "EndpointService | None": value is None or isinstance(value, EndpointService),
        }[wanted]
        if not fits:
            msg = f"{field.name} is missing or of the wrong type"
            raise ValueError(msg)
        made[field.name] = value
    return kind(**made)


def _check(field: str, rule: Callable[[str], object], value: str) -> None:
    try:
        rule(value)
    except ValueError:
        msg = f"{field} is not valid"
        raise ValueError(msg) from None


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
