"""Results as plain data, for JSON: one rule for every kind of result.

The names are the model's own, and as stable: fields, then what is worked out of them (properties).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable


def plain(value: Any, say: Callable[[str], str] = str) -> Any:
    """Return dicts, lists, text, numbers, booleans and None in the place of `value`.

    A dataclass becomes a dict of its fields and properties, without the fields whose metadata says
    `plain: False`; a secret becomes `***`. Sentences of the fields whose metadata says `worded: True` are as
    `say` returns them; names and texts of others are never changed.

    Raises:
        TypeError: there is no plain form; a new kind of value has to be given one.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)  # of an enum, its value
    if isinstance(value, Secret):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        worded = _worded(type(value))
        return {
            name: _said(getattr(value, name), say) if name in worded else plain(getattr(value, name), say)
            for name in _names(type(value))
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item, say) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item, say) for item in value]
    msg = f"no plain form of {type(value).__name__}"
    raise TypeError(msg)


def _said(sentences: str | tuple[str, ...], say: Callable[[str], str]) -> str | list[str]:
    return say(sentences) if isinstance(sentences, str) else [say(each) for each in sentences]


@cache
def _worded(kind: Any) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind) if field.metadata.get("worded"))


@cache
def _names(kind: Any) -> tuple[str, ...]:
    fields = [field.name for field in dataclasses.fields(kind) if field.metadata.get("plain", True)]
    bases = reversed(kind.__mro__)
    worked_out = [
        name for base in bases for name, member in vars(base).items() if isinstance(member, property)
    ]
    return tuple(dict.fromkeys([*fields, *worked_out]))
