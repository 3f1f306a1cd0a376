"""Requests to typed text: the inverse of `parse`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import Suggestion, shell_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tidb_pe_magic.commands.fields import Request

PROG = "%tidb_pe"


def cell(name: str, request: Request, body: str) -> str:
    """Return the cell of the operation `name`: a line without the field `body`, which follows below it."""
    return command(name, request, prog=f"%{PROG}", without=(body,)) + f"\n{getattr(request, body)}"


def command(name: str, request: Request, *, prog: str = PROG, without: Collection[str] = ()) -> str:
    """Return the command line of the operation `name` with this request; defaults are omitted.

    Args:
        name: the operation's.
        request: the request to write.
        prog: the program's name, as typed.
        without: fields to omit.
    """
    return shell_words(prog, suggestion(name, request, without=without))


def suggestion(name: str, request: Request, *, without: Collection[str] = ()) -> Suggestion:
    """Return the operation `name` with this request as data; defaults are omitted."""
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
    # After the separator, nothing is taken as a flag.
    separator = ["--"] if any(text.startswith("-") for text in positional) else []
    words = [*flags, *separator, *positional] if separator else [*positional, *flags]
    return Suggestion(name, *words)


def _flags(flag: str, value: Any, texts: list[str]) -> Iterator[str]:
    for text in texts:
        if value is True:
            yield flag
        elif text.startswith("-"):
            yield f"{flag}={text}"  # as a separate word, it would be taken as another flag
        else:
            yield from (flag, text)
