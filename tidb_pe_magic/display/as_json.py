"""Results as plain data for JSON, with one rule for every kind of result.

The names are those of the model, and as stable: fields, then properties.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import ShellCommand, Suggestion, magic, spell_advice
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from tidb_pe_magic.advice import Spelling
    from tidb_pe_magic.errors import TidbPeError

_UNSHOWN = frozenset({"args", "spelling", "names"})  # attributes of an error without further information


def plain(value: Any, spelling: Spelling = magic) -> Any:
    """Return `value` as dicts, lists, text, numbers, booleans and None.

    A dataclass becomes a dict of its fields and properties, except fields whose metadata has `plain: False`;
    a secret becomes `***`, and a command becomes its line in the given spelling.

    Raises:
        TypeError: the value has no plain form; add one for a new kind of value.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)  # of an enum, its value
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Suggestion | ShellCommand):
        return spell_advice(value, spelling)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name), spelling) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item, spelling) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item, spelling) for item in value]
    msg = f"no plain form of {type(value).__name__}"
    raise TypeError(msg)


def plain_error(error: TidbPeError, spelling: Spelling = magic) -> dict[str, Any]:
    """Return an expected error as dicts, lists and text: its class, sentences and attributes."""
    words = {"message": error.message, "advice": error.advice, "commands": plain(error.commands, spelling)}
    others = {
        name: plain(value, spelling)
        for name, value in vars(error).items()
        if name not in words and name not in _UNSHOWN and not name.startswith("_")
    }
    return {"class": type(error).__name__, **words, "topic": error.topic, **others}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    fields = [field.name for field in dataclasses.fields(kind) if field.metadata.get("plain", True)]
    bases = reversed(kind.__mro__)
    worked_out = [
        name for base in bases for name, member in vars(base).items() if isinstance(member, property)
    ]
    return tuple(dict.fromkeys([*fields, *worked_out]))
