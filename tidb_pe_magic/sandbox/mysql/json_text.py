"""JSON values as TiDB writes them: sorted keys, a space behind `:` and `,`, and Go's numbers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

#: Go writes other numbers with an exponent (encoding/json).
_LEAST, _MOST = 1e-6, 1e21
_UNSIGNED: Final = 2**64


def json_text(stored: str) -> str:
    """Return a JSON text as TiDB shows it; a text that is not JSON stays the same."""
    try:
        return _text(json.loads(stored))
    except ValueError:
        return stored


def _text(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=str.encode)
        return "{" + ", ".join(f"{_text(key)}: {_text(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, bool | str) or value is None:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and -_UNSIGNED // 2 <= value < _UNSIGNED:
        return str(value)
    return _number(float(value))


def _number(value: float) -> str:
    if value == 0 or _LEAST <= abs(value) < _MOST:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, _, exponent = format(Decimal(repr(value)), "e").partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{exponent[0]}{exponent[1:].lstrip('0')}"
