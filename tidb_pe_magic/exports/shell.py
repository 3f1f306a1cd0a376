"""Quotes words for a POSIX shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.exports.base import writable
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def quote(text: str) -> str:
    """Return any text as one word without expansions, with invisible characters escaped.

    Raises:
        InvalidRequest: it contains NUL, which an argument of a program cannot contain, half of a surrogate
            pair, or a line feed at its end, which a shell removes.
    """
    writable(text)
    if "\0" in text or text.endswith("\n"):
        raise InvalidRequest("FORMAT", f"{text!r} cannot be an argument of a command.")
    if is_visible(text):
        return "'" + text.replace("'", "'\\''") + "'"
    return f"\"$(printf '{''.join(map(_octal, text))}')\""


def _octal(character: str) -> str:
    """Return a character for printf's format: every character except plain ones, byte by byte."""
    if character.isascii() and (character.isalnum() or character in " _.:/"):
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def command(words: Iterable[str], parameters: Iterable[tuple[str, str]], indent: str = "") -> Iterator[str]:
    """Yield a command over several lines, one for each parameter; the values are already quoted."""
    lines = [" ".join(words), *(f"  --{name} {value}" for name, value in parameters)]
    for line in lines[:-1]:
        yield f"{indent}{line} \\"
    yield indent + lines[-1]
