"""Filters and orders of the list of clusters, as AIP expressions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.tidb_cloud.clusters import PROJECT_LABEL, STATES, Code, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.tidb_cloud.clusters import Cluster

CLOUD_PROVIDERS = ("aws", "gcp", "azure", "alicloud")

_FIELDS: Mapping[str, Callable[[Cluster], str]] = {
    "region.provider": lambda cluster: cluster.region.cloud_provider,
    "region.cloudProvider": lambda cluster: cluster.region.cloud_provider,
    "region.name": lambda cluster: f"regions/{cluster.region_id}",
    "region.regionId": lambda cluster: cluster.region_id,
    "state": lambda cluster: cluster.state,
    "projectId": lambda cluster: cluster.labels.get(PROJECT_LABEL, ""),
    "clusterId": lambda cluster: cluster.cluster_id,
    "displayName": lambda cluster: cluster.display_name,
}
_ENUMS = {"region.provider": CLOUD_PROVIDERS, "region.cloudProvider": CLOUD_PROVIDERS, "state": STATES}
_LISTS = ("projectId", "clusterId")
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_TERM = re.compile(rf"(labels\.{_STRING}|[A-Za-z][\w./-]*)\s*=\s*({_STRING}|[^\s\"'()=<>!]+)", re.ASCII)
_AND = re.compile(r"\s+AND\s+")


def parse_filter(expression: str) -> Callable[[Cluster], bool]:
    """Return the predicate for a filter of the AIP form `name = value AND ...`."""
    terms: list[Callable[[Cluster], bool]] = []
    expression = expression.strip()
    position = 0
    while position < len(expression):
        term = _TERM.match(expression, position)
        if term is None:
            raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter at position {position}")
        terms.append(_term(term[1], _unquote(term[2])))
        position = term.end()
        separator = _AND.match(expression, position)
        if separator is None and position < len(expression):
            raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter at position {position}: AND expected")
        position = separator.end() if separator else position
    return lambda cluster: all(term(cluster) for term in terms)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[0] in "'\"" else text


def _term(name: str, value: str) -> Callable[[Cluster], bool]:
    if name.startswith("labels.") and name != "labels.":
        label = _unquote(name.removeprefix("labels."))
        return lambda cluster: cluster.labels.get(label) == value
    if name not in _FIELDS:
        raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter: unknown field {name}")
    if name in _ENUMS and value not in _ENUMS[name]:
        raise RefusedError(Code.INVALID_ARGUMENT, f"invalid filter: unknown {name} {value}")
    values = [part.strip() for part in value.split(",")] if name in _LISTS else [value]
    return lambda cluster: _FIELDS[name](cluster) in values


_ORDERS: Mapping[str, Callable[[Cluster], str]] = {
    "displayName": lambda cluster: cluster.display_name,
    "createTime": lambda cluster: cluster.create_time,
}


def sort(clusters: list[Cluster], order: str) -> list[Cluster]:
    """Return the clusters in the order of an AIP expression such as `displayName, createTime desc`."""
    terms = [term.split() for term in order.split(",")] if order else []
    # Sort stably by each term, from the last to the first, so that the first term has the highest priority.
    for term in reversed(terms):
        if not term or term[0] not in _ORDERS or term[1:] not in ([], ["asc"], ["desc"]):
            raise RefusedError(Code.INVALID_ARGUMENT, f"invalid orderBy: {order}")
        clusters = sorted(clusters, key=_ORDERS[term[0]], reverse=term[1:] == ["desc"])
    return clusters
