"""Results as plain data, for JSON: one rule for every kind of result.

The names are the model's own, and as stable: fields, then what is worked out of them (properties).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from tidb_pe_magic.credentials import Secret


def plain(value: Any) -> Any:
    """Return dicts, lists, text, numbers, booleans and None in the place of `value`.

    A dataclass becomes a dict of its fields and properties, without the fields whose metadata says
    `plain: False`; a secret becomes `***`.

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
        return {name: plain(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    msg = f"no plain form of {type(value).__name__}"
    raise TypeError(msg)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    fields = [field.name for field in dataclasses.fields(kind) if field.metadata.get("plain", True)]
    bases = reversed(kind.__mro__)
    worked_out = [
        name for base in bases for name, member in vars(base).items() if isinstance(member, property)
    ]
    return tuple(dict.fromkeys([*fields, *worked_out]))
