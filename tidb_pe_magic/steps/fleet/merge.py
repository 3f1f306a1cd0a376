"""Rows of a fleet that share an endpoint: merge their options, and find contradictions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from tidb_pe_magic.steps.fleet.file import Entry


def _zones(entry: Entry) -> Hashable:
    return frozenset(entry.request.zone)


def _groups(entry: Entry) -> Hashable:
    return frozenset(entry.request.security_group)


def _name(entry: Entry) -> Hashable:
    # A name that contains the cluster's name differs in each row; the first row's name is used.
    return "" if entry.named_by_cluster else entry.request.name


_OPTIONS: dict[str, Callable[[Entry], Hashable]] = {
    "zone": _zones,
    "security_group": _groups,
    "name": _name,
}


def contradictions(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield each option in which rows of one endpoint differ; a row without the option agrees with all."""
    for option, value_of in _OPTIONS.items():
        given = [entry for entry in entries if value_of(entry)]
        differing = next((entry for entry in given if value_of(entry) != value_of(given[0])), None)
        if differing is not None:
            first = given[0]
            rows = f"rows {first.number} ({first}) and {differing.number} ({differing})"
            yield f"{rows} give different values of {option}"


def merge_rows(entries: Sequence[Entry]) -> Entry:
    """Return the first row, with the options of all rows."""
    first = entries[0]
    changes = {}
    for option, value_of in _OPTIONS.items():
        given = next((entry for entry in entries if value_of(entry)), None)
        if given is not None:
            changes[option] = getattr(given.request, option)
    return replace(first, request=replace(first.request, **changes))
