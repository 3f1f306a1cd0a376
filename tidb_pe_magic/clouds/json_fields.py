"""Readers for JSON in which any field may be missing or have another type: an API may change at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def text(wire: Mapping[str, Any], key: str) -> str:
    """Return the string at `key`; empty if there is none."""
    value = wire.get(key)
    return value if isinstance(value, str) else ""


def number(wire: Mapping[str, Any], key: str) -> int:
    """Return the integer at `key`, which some operations write as a string; 0 if there is none."""
    value = wire.get(key)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else 0


def string_at(wire: Mapping[str, Any], key: str) -> str | None:
    """Return the string at `key`; None if there is none."""
    value = wire.get(key)
    return value if isinstance(value, str) else None


def whole(wire: Mapping[str, Any], key: str) -> int | None:
    """Return the integer at `key`; None if there is none."""
    value = wire.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def truth(wire: Mapping[str, Any], key: str) -> bool | None:
    """Return the boolean at `key`; None if there is none."""
    value = wire.get(key)
    return value if isinstance(value, bool) else None


def mapping(value: object) -> dict[str, Any]:
    """Return the object; empty if the value is not an object."""
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; empty if the value is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(value: object) -> tuple[str, ...]:
    """Return the strings of a list; empty if the value is not a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
