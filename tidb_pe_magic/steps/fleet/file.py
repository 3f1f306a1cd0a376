"""The fleet file: parse TOML into one request per cluster and VPC, with the rules of `plan` and `create`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests import FleetRequest, PlanRequest
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.files import decode_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULTS, _ENDPOINT = "defaults", "endpoint"
# An [[endpoint]] may list several of these; each one gets an endpoint.
_CROSSED = ("cluster", "vpc")
_FIELDS = tuple(PlanRequest.options())
_MANY = tuple(name for name, described in PlanRequest.options().items() if described.many)
_MOST_PROBLEMS = 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One cluster in one VPC, as in the file.

    Attributes:
        number: from 1, in the file's order.
        cluster: name or ID.
        vpc_id: the endpoint's VPC.
        request: the request for `plan`.
        named_by_cluster: the endpoint's name contains the cluster's name, or is the default.
    """

    number: int
    cluster: str
    vpc_id: str
    request: PlanRequest
    named_by_cluster: bool = True

    def __str__(self) -> str:
        """Return the row's name for messages."""
        return f"{self.cluster} in {self.vpc_id}"


def write_template(file: str) -> str:
    """Write a commented template, and return its path.

    Raises:
        InvalidRequest: the file already exists, or cannot be written.
    """
    path = Path(file).expanduser()
    text = files(__package__).joinpath("template.toml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InvalidRequest(_label(), f"{file} exists, and is never overwritten.") from None
    except OSError as error:
        raise InvalidRequest(_label(), f"{file} cannot be written: {error.strerror or error}.") from None
    return str(path)


def read(file: str) -> tuple[Entry, ...]:
    """Return the file's rows.

    Raises:
        InvalidRequest: it cannot be read, or is invalid; the message lists every problem.
    """
    reader = _Reader(_document(file))
    entries = tuple(reader.entries())
    if not entries and not reader.problems:
        reader.problems.append("it has no [[endpoint]]")
    if reader.problems:
        shown = reader.problems[:_MOST_PROBLEMS]
        more = len(reader.problems) - len(shown)
        shown += [f"and {more} more"] if more else []
        raise InvalidRequest(_label(), f"{file} is not valid: {'; '.join(shown)}.")
    return entries


def _label() -> str:
    return FleetRequest.label("file")


def _document(file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(decode_text(Path(file).expanduser().read_bytes()))
    except FileNotFoundError:
        raise InvalidRequest(
            _label(),
            f"the file {file} does not exist.",
            advice=Advice("Write a template first.", Suggestion("fleet", "init", file)),
        ) from None
    except OSError as error:
        raise InvalidRequest(_label(), f"{file} cannot be read: {error.strerror or error}.") from None
    except UnicodeError as error:
        raise InvalidRequest(_label(), f"{file} cannot be read: {error}.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidRequest(_label(), f"{file} is not TOML: {error}.") from None


class _Reader:
    """Creates the rows, and collects errors."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.problems: list[str] = []
        self._document = document
        self._seen: dict[tuple[str, str], str] = {}

    def entries(self) -> Iterator[Entry]:
        """Return the valid rows."""
        self._refuse_unknown("", self._document, (_DEFAULTS, _ENDPOINT))
        defaults = self._table(_DEFAULTS, self._document.get(_DEFAULTS, {}))
        tables = self._document.get(_ENDPOINT, [])
        if not isinstance(tables, list):
            self.problems.append("endpoint has to be [[endpoint]], a list of tables")
            return
        number = 0
        for place, table in enumerate(tables, 1):
            where = f"endpoint {place}"
            row = defaults | self._table(where, table)
            for cluster, vpc in product(*(self._several(where, row, name) for name in _CROSSED)):
                values = row | {"cluster": cluster, "vpc": vpc}
                entry = self._entry(number + 1, f"{where} ({cluster} in {vpc})", values)
                if entry is not None:
                    number += 1
                    yield entry

    def _table(self, where: str, table: Any) -> dict[str, Any]:
        if not isinstance(table, dict):
            self.problems.append(f"{where} has to be a table")
            return {}
        self._refuse_unknown(where, table, _FIELDS)
        kept: dict[str, Any] = {}
        for name, value in table.items():
            if name not in _FIELDS:
                continue
            texts = value if isinstance(value, list) and name in (*_MANY, *_CROSSED) else [value]
            if texts and all(isinstance(text, str) for text in texts):
                kept[name] = texts if name in _MANY else value
            else:
                also = ", or a list of them" if name in (*_MANY, *_CROSSED) else ""
                self.problems.append(f"{where}, {name}: has to be a text in quotes{also}")
        return kept

    def _refuse_unknown(self, where: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
        lead = f"{where}, " if where else ""
        self.problems += [
            f"{lead}{name}: is not known; there are {', '.join(known)}" for name in table if name not in known
        ]

    def _several(self, where: str, row: dict[str, Any], name: str) -> list[str]:
        """Return the values, one for each row; values of the wrong type are already reported."""
        value = row.get(name)
        if value is None:
            if not any(problem.startswith(f"{where}, {name}:") for problem in self.problems):
                self.problems.append(f"{where}, {name}: is missing")
            return []
        return value if isinstance(value, list) else [value]

    def _entry(self, number: int, where: str, values: dict[str, Any]) -> Entry | None:
        cluster, vpc = values["cluster"], values["vpc"]
        named_by_cluster = "{cluster}" in values.get("name", "{cluster}")
        if "name" in values:
            name = values["name"].replace("{cluster}", cluster).replace("{vpc}", vpc)
            values = values | {"name": name}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            try:
                checked[name] = PlanRequest.check_value(name, value)
            except InvalidRequest as error:
                self.problems.append(f"{where}, {name}: {error.reason.rstrip('.')}")
        first = self._seen.setdefault((cluster, vpc), where)
        if first is not where:
            self.problems.append(f"{where}: the same cluster and VPC as {first.partition(' (')[0]}")
        if len(checked) < len(values):
            return None
        request = PlanRequest(**checked)
        return Entry(
            number=number, cluster=cluster, vpc_id=vpc, request=request, named_by_cluster=named_by_cluster
        )
