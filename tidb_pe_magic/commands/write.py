"""Requests to typed text: what `parser` reads, written."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import Suggestion, typed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tidb_pe_magic.commands.fields import Request

PROG = "%tidb_pe"


def cell(name: str, request: Request, body: str, *, prog: str = f"%{PROG}") -> str:
    """Return the cell that does the operation `name`: a line without the field `body`, which is below it."""
    return command(name, request, prog=prog, without=(body,)) + f"\n{getattr(request, body)}"


def command(name: str, request: Request, *, prog: str = PROG, without: Collection[str] = ()) -> str:
    """Return the line that does the operation `name` with this request; defaults are left out.

    Args:
        name: the operation's.
        request: what is written.
        prog: the program's name, as one types it.
        without: fields that are left out.
    """
    return typed(prog, suggestion(name, request, without=without))


def suggestion(name: str, request: Request, *, without: Collection[str] = ()) -> Suggestion:
    """Return the operation `name` with this request as data; defaults are left out."""
    flags: list[str] = []
    positional: list[str] = []
    options = request.options()
    for field in fields(request):
        value = getattr(request, field.name)
        if value == field.default or field.name in without:
            continue
        described = options[field.name]
        texts = [described.write(each) for each in (value if described.many else (value,))]
        if described.positional:
            positional += texts
        else:
            flags += _flags(request.label(field.name), value, texts)
    # After the separator nothing is taken for a flag.
    separator = ["--"] if any(text.startswith("-") for text in positional) else []
    words = [*flags, *separator, *positional] if separator else [*positional, *flags]
    return Suggestion(name, *words)


def _flags(flag: str, value: Any, texts: list[str]) -> Iterator[str]:
    for text in texts:
        if value is True:
            yield flag
        elif text.startswith("-"):
            yield f"{flag}={text}"  # apart from its flag it would be taken for another one
        else:
            yield from (flag, text)
