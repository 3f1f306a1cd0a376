"""Parsing a fault's name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.faults.fault import KINDS, Fault, Kind, Point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidb_pe_magic.sandbox.service import Service

_MOST_PARTS = 3


def parse(text: str) -> Fault:
    """Return the fault of `NAME[=CODE][:OPERATION[:POINT]]`, such as `reset:CreateVpcEndpoint:after`.

    Raises:
        ValueError: the kind or point does not exist; the closest name is shown.
    """
    first, *rest = text.split(":")
    name, _, code = first.partition("=")
    if len(rest) >= _MOST_PARTS:
        raise ValueError(f"{text!r} is not NAME[=CODE][:OPERATION[:POINT]]")
    if name not in list(Kind):
        raise ValueError(_unknown("fault", name, list(Kind), "--list-faults shows them all"))
    operation, point = (*rest, "", "")[:2]
    points = KINDS[Kind(name)].points
    if point and point not in points:
        raise ValueError(_unknown("point", point, points, f"{name} strikes {', '.join(points)}"))
    return Fault(
        kind=Kind(name), operation=operation or "*", point=Point(point) if point else points[0], code=code
    )


def check_operation(fault: Fault, known: Mapping[Service, frozenset[str]]) -> None:
    """Refuse an unknown operation; SQL statements may start with any word.

    Raises:
        ValueError: the operation does not exist; the closest name is shown.
    """
    if fault.kind is Kind.CUT:
        if fault.operation != fault.operation.upper():
            raise ValueError(f"a statement's first word is in capital letters: {fault.operation.upper()}")
        return
    names = [(service, name) for service in KINDS[fault.kind].services for name in known[service]]
    if not any(fault.strikes(service, name) for service, name in names):
        hint = f"{fault.kind} does not apply to it, or no API has an operation of this name"
        raise ValueError(_unknown("operation", fault.operation, sorted({name for _, name in names}), hint))


def _unknown(what: str, name: str, known: Sequence[str], hint: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown {what} {name!r}: " + (f"did you mean {close[0]}?" if close else hint)
