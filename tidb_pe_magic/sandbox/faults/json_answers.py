"""JSON answers that deviate from the API."""

from __future__ import annotations

import json
import random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox.faults.fault import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STATES = frozenset(
    {
        "BusinessStatus",
        "ConnectionStatus",
        "EndpointStatus",
        "SecurityGroupStatus",
        "Status",
        "ZoneStatus",
        "state",
    }
)
_UNKNOWN_STATE = "Hibernating"
_NEW_FIELDS: Mapping[str, object] = MappingProxyType(
    {"FutureField": {"Nested": [1, None, True, "text"]}, "futureField": -1.5}
)
_REPEATED_TOKEN = "cmVwZWF0ZWQ="  # noqa: S105 - a page's token
_MANY = 1_000_000
_MISSING_SHARE = 0.25


def rewritten(fault: Fault, body: bytes) -> bytes:
    """Return the body with the fault applied; a body that is not JSON is unchanged."""
    if fault.kind is Kind.TRUNCATED:
        return body[: len(body) // 2]
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_REWRITES[fault.kind](answer, fault)).encode()


def _each_object(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return the value with every object changed, inner objects first."""
    if isinstance(value, dict):
        return change({name: _each_object(inner, change) for name, inner in value.items()})
    if isinstance(value, list):
        return [_each_object(inner, change) for inner in value]
    return value


def _unknown_state(answer: Any, _fault: Fault) -> Any:
    return _each_object(
        answer,
        lambda found: {
            name: _UNKNOWN_STATE if name in _STATES and isinstance(value, str) else value
            for name, value in found.items()
        },
    )


def _unknown_fields(answer: Any, _fault: Fault) -> Any:
    return _each_object(answer, lambda found: {**_NEW_FIELDS, **found})


def _missing_fields(answer: Any, fault: Fault) -> Any:
    draw = random.Random(fault.seed)  # noqa: S311 - the missing fields are not secret
    # Remove at least one field of each object, so that the fault is always visible.
    return _each_object(
        answer,
        lambda found: {
            name: value
            for index, (name, value) in enumerate(found.items())
            if draw.random() >= _MISSING_SHARE and index != _first_missing(fault, len(found))
        },
    )


def _first_missing(fault: Fault, fields: int) -> int:
    return fault.seed % fields if fields else 0


def _repeated_page(answer: Any, _fault: Fault) -> Any:
    if not isinstance(answer, dict):
        return answer
    if "PageNumber" in answer:
        return {**answer, "PageNumber": 1, "TotalCount": _MANY}
    if "nextPageToken" in answer:
        return {**answer, "nextPageToken": _REPEATED_TOKEN}
    return {**answer, "NextToken": _REPEATED_TOKEN}


_REWRITES: Mapping[Kind, Callable[[Any, Fault], Any]] = MappingProxyType(
    {
        Kind.UNKNOWN_STATE: _unknown_state,
        Kind.UNKNOWN_FIELDS: _unknown_fields,
        Kind.MISSING_FIELDS: _missing_fields,
        Kind.REPEATED_PAGE: _repeated_page,
    }
)
