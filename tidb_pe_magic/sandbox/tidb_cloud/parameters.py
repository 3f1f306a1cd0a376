"""A request's validated query parameters and body fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from flask import request

from tidb_pe_magic.sandbox.tidb_cloud.clusters import Code, RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FieldT = TypeVar("FieldT")

DEFAULT_PAGE, LARGEST_PAGE = 10, 100
_INT32 = 2**31


def single(name: str) -> str:
    """Return a query parameter that may be given once, or an empty string."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise RefusedError(Code.INVALID_ARGUMENT, f"too many values for parameter {name}")
    return values[0] if values else ""


def natural(name: str) -> int:
    """Return a query parameter that is an int32 of 0 or more; 0 if it is not given."""
    text = single(name)
    if name not in request.args:
        return 0
    if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) is None or int(text) >= _INT32:
        raise RefusedError(Code.INVALID_ARGUMENT, f"parameter {name} must be an integer of 0 or more")
    return int(text)


def choice(name: str, choices: Sequence[str]) -> str:
    """Return a query parameter that is one of `choices`, or an empty string."""
    text = single(name)
    if text and text not in choices:
        raise RefusedError(Code.INVALID_ARGUMENT, f"parameter {name} must be one of {', '.join(choices)}")
    return text


def view_is_full() -> bool:
    """Return whether the request wants all fields of a cluster, which is the default."""
    return choice("view", ("BASIC", "FULL")) != "BASIC"


def json_body() -> dict[str, Any]:
    """Return the request's body."""
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise RefusedError(Code.INVALID_ARGUMENT, "the request body must be a JSON object")
    return body


def field(body: Mapping[str, Any], name: str, kind: type[FieldT]) -> FieldT | None:
    """Return a field of the body of this type; None if it is not given."""
    value = body.get(name)
    if value is not None and not isinstance(value, kind):
        raise RefusedError(Code.INVALID_ARGUMENT, f"{name} must be of type {kind.__name__}")
    return value


def roles(body: Mapping[str, Any]) -> list[str] | None:
    """Return the custom roles; None if they are not given."""
    found: list[Any] | None = field(body, "customRoles", list)
    if found is not None and not all(isinstance(role, str) for role in found):
        raise RefusedError(Code.INVALID_ARGUMENT, "customRoles must be a list of strings")
    return found
