"""The views' common pieces, and the table of views by kind of result."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import Mark, Table, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidb_pe_magic.display.view import Cell


EMULATED = "SANDBOX: nothing is billed"


@singledispatch
def view_of(result: model.Result) -> View:
    """Return the view of a result without its own: its fields as facts, its items as tables."""
    values = {each.name: getattr(result, each.name) for each in fields(result) if each.name not in _COMMON}
    return View(
        title=_label(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(result).__name__)),
        facts=tuple((_label(name), f"{value}") for name, value in values.items() if not _is_table(value)),
        tables=tuple(_table(_label(name), value) for name, value in values.items() if _is_table(value)),
    )


# Fields of every result.
_COMMON = frozenset({"via", "emulated", "verbose"})
# Of the clusters that share an endpoint: how many make it shared, and how many a brief fact names.
_SHARED, _MOST_NAMES = 2, 3


def _label(name: str) -> str:
    """Return a field's name in words."""
    return name.replace("_", " ").capitalize()


def _is_table(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and all(is_dataclass(each) for each in value)


def _table(caption: str, items: Sequence[Any]) -> Table:
    names = [each.name for each in fields(items[0])]
    rows = tuple(tuple(f"{getattr(item, name)}" for name in names) for item in items)
    return Table(caption=caption, header=tuple(map(_label, names)), rows=rows)


def yes_or_no(fact: bool) -> str:  # noqa: FBT001 - the only argument
    """Return the fact as a word."""
    return "yes" if fact else "no"


def who_pays(payer: str) -> str:
    """Return who pays for an endpoint, in words."""
    return {
        "Endpoint": "the endpoint's owner, this account: each zone by the hour, from creation until deletion",
        "EndpointService": "the service's owner",
    }.get(payer, payer)


def served_clusters(clusters: Sequence[model.ServedCluster] | None) -> tuple[tuple[str, Cell], ...]:
    """Return the fact with the clusters that an endpoint serves; empty if they were not looked up."""
    if not clusters:
        return ()
    return (("Serves clusters", served_names(clusters)),)


def served_names(clusters: Sequence[model.ServedCluster]) -> str:
    """Return every cluster's name."""
    return ", ".join(model.cluster_names(clusters))


def serves(clusters: Sequence[model.ServedCluster] | None) -> tuple[Cell, ...]:
    """Return a short fact with the clusters that share an endpoint; empty if it is only one, or not known."""
    if not clusters or len(clusters) < _SHARED:
        return ()
    names = model.cluster_names(clusters)
    if len(names) > _MOST_NAMES:
        names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} more"]
    return (f"serves {', '.join(names[:-1])} and {names[-1]}",)


def missing_permission_notes(missing_actions: Iterable[str]) -> tuple[Mark, ...]:
    """Return a note for each missing RAM action, because information that needs it is omitted."""
    return tuple(
        Mark("warn", f"Some details are unknown: RAM action {action} is missing.", Suggestion("permissions"))
        for action in missing_actions
    )


def for_endpoint(operation: str, endpoint: model.VpcEndpoint) -> Suggestion:
    """Return the command with the endpoint's ID: the cluster may have other endpoints."""
    return Suggestion(operation, "--endpoint", endpoint.endpoint_id)
