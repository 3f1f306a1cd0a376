"""Writes HCL, the language of Terraform, as formatted by `terraform fmt`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from tidb_pe_magic.exports.base import writable
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# The beginning of a template in a string.
_TEMPLATE = re.compile(r"([$%]+)\{")
_BASIC_PLANE = 0xFFFF


@dataclass(frozen=True)
class Argument:
    """A line `name = expression`, and the source of the value, on one line."""

    name: str
    expression: str
    origin: str = ""


def literal(value: str | int | bool) -> str:  # noqa: FBT001 - the only argument
    """Return a value as an expression."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else string(value)


def string(text: str) -> str:
    """Return any text as a quoted string without templates, with invisible characters escaped.

    Raises:
        InvalidRequest: it contains half of a surrogate pair.
    """
    escaped = "".join(map(_escape, writable(text)))
    return f'"{_TEMPLATE.sub(_escape_template, escaped)}"'


def _escape(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    if is_visible(character):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\U{code:08x}"


def _escape_template(begins: re.Match[str]) -> str:
    """Double a sign before a brace, as the language requires; readers disagree about several signs."""
    signs = begins[1]
    return f"{signs}{signs}{{" if len(signs) == 1 else f"{signs}\\u007b"


def strings(texts: Iterable[str]) -> str:
    """Return a list of strings on one line."""
    return f"[{', '.join(map(string, texts))}]"


def label(text: str) -> str:
    """Return a block name derived from any text; different texts may give the same name."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def align(arguments: Iterable[Argument], *, indent: str = "  ") -> Iterator[str]:
    """Yield consecutive lines with aligned equals signs and comments."""
    rows = tuple(arguments)
    name_width = max((len(row.name) for row in rows), default=0)
    for commented, run in groupby(rows, key=lambda row: bool(row.origin)):
        together = tuple(run)
        width = max(len(row.expression) for row in together)
        for row in together:
            line = f"{indent}{row.name:<{name_width}} = "
            yield f"{line}{row.expression:<{width}} # {row.origin}" if commented else line + row.expression


def block(header: str, arguments: Iterable[Argument], *further: Iterable[str]) -> Iterator[str]:
    """Yield a block: its arguments, then further lines, each group after an empty line."""
    yield f"{header} {{"
    yield from align(arguments)
    for lines in further:
        yield ""
        yield from lines
    yield "}"


def mapping(name: str, values: Mapping[str, str]) -> Iterator[str]:
    """Yield an argument that is a map of strings."""
    yield f"  {name} = {{"
    rows = (Argument(string(key), string(value)) for key, value in values.items())
    yield from align(rows, indent="    ")
    yield "  }"
