"""The path from the notebook to the cluster as a small picture: its stations and their states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tidb_pe_magic import model
from tidb_pe_magic.display.svg import NARROW, Box, Drawing, Line, Shape, Sign, TextLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidb_pe_magic.display.view import Kind

_GOOD = {"Active", "Connected", "ACTIVE"}
_BUSY = {"Creating", "Pending", "Wait", "Connecting", "Migrating"}
_LEAVING = {"Deleting", "Disconnecting"}
_GONE = {"ServiceDeleted", "Deleted"}

_PAD, _SIGN = 9.0, 16.0  # inside a box; from a sign's left edge to its words
_STATION_HEIGHT, _LINE = 64.0, 17.0
# Inside the endpoint's box: its own words, then a box for each zone.
_HEAD, _ZONE_HEIGHT, _ZONE_STEP, _INDENT = 42.0, 40.0, 46.0, 6.0
# Between two stations, one below the other; the wider gap has words.
_GAP, _WORDS_GAP = 14.0, 26.0
_MOST_ZONES = 4
_MOST_OTHERS = 4  # clusters in addition to the selected one


@dataclass(frozen=True)
class _Column:
    """The position of a station, from left to right."""

    left: float
    width: float

    @property
    def right(self) -> float:
        return self.left + self.width


_NOTEBOOK, _ENDPOINT, _SERVICE, _CLUSTER = (
    _Column(1, 102),
    _Column(129, 200),
    _Column(399, 118),
    _Column(541, 98),
)


@dataclass(frozen=True, kw_only=True)
class _Station:
    """One box: a title, its subject, and a note, with a sign if the note is a state."""

    title: str
    code: str = ""
    note: str = ""
    kind: Kind | None = None

    @property
    def _lines(self) -> int:
        return 1 + bool(self.code) + bool(self.note)

    @property
    def height(self) -> float:
        """The minimum height for its words."""
        return self._lines * _LINE + 13

    def shapes(
        self,
        column: _Column,
        middle: float,
        *,
        height: float = _STATION_HEIGHT,
        after: Literal["→", "·", ""] = "→",
    ) -> Iterator[Shape]:
        """Draw it, centered at a height, as high as adjacent stations or as given."""
        x, room = column.left + _PAD, column.width - 2 * _PAD
        top = middle - height / 2
        yield Box(x=column.left, y=top, width=column.width, height=height, kind=self.kind or "info")
        y = middle + 4 - (self._lines - 1) * _LINE / 2
        yield TextLine(x=x, y=y, text=self.title, room=room, face="title")
        if self.code:
            y += _LINE
            yield TextLine(x=x, y=y, text=self.code, room=room, face="code")
        lead = _SIGN if self.kind else 0
        if self.kind:
            yield Sign(x=x + 6, y=y + _LINE - 4, kind=self.kind)
        yield TextLine(x=x + lead, y=y + _LINE, text=self.note, room=room - lead, after=after)


def state_kind(status: str) -> Kind:
    """Return how a state is drawn; an unknown state is drawn as neutral."""
    if status in _GOOD:
        return "ok"
    if status in _BUSY:
        return "busy"
    if status in _LEAVING:
        return "warn"
    return "no" if status in _GONE else "info"


def topology(
    cluster: model.Cluster | None,
    endpoint: model.VpcEndpoint | None,
    aliases: Sequence[str] | None = None,
    *,
    looked_up: bool = True,
) -> Drawing:
    """Draw notebook, endpoint with its zones, service and cluster, and the lines between them.

    Args:
        cluster: None if it is unknown which cluster the endpoint's service belongs to.
        endpoint: None if there is none yet, or if it was not `looked_up`.
        aliases: SQL connections of this kernel over the endpoint; None if unknown.
        looked_up: whether the existence of an endpoint is known.
    """
    known = _Topology(cluster=cluster, endpoint=endpoint, aliases=aliases, looked_up=looked_up)
    label = _description(cluster, endpoint, aliases, looked_up=looked_up)
    return replace(_from_left(known, label), narrow=_from_top(known, label))


@dataclass(frozen=True, kw_only=True)
class _Topology:
    """The content of the picture; the arguments of `topology`."""

    cluster: model.Cluster | None
    endpoint: model.VpcEndpoint | None
    aliases: Sequence[str] | None
    looked_up: bool

    @property
    def zones(self) -> Sequence[model.EndpointZone]:
        """The endpoint's zones that fit."""
        return self.endpoint.zones[:_MOST_ZONES] if self.endpoint else ()

    @property
    def height(self) -> float:
        """The height of the endpoint's box."""
        return _HEAD + max(len(self.zones), 1) * _ZONE_STEP + 4

    @property
    def line_kind(self) -> Kind:
        """How the lines between notebook and endpoint are drawn."""
        return "ok" if self.aliases else "info"


def _from_left(known: _Topology, label: str) -> Drawing:
    cluster, endpoint, zones = known.cluster, known.endpoint, known.zones
    middles = [_HEAD + number * _ZONE_STEP + _ZONE_HEIGHT / 2 for number in range(len(zones))]
    middle = sum(middles) / len(middles) if middles else _HEAD + _ZONE_HEIGHT / 2
    # The lines end at the zones' boxes, or at the endpoint's own box if it has no zones.
    inside = _INDENT if zones else 0
    way_out = connection_kind(endpoint)
    state = (_ENDPOINT.right + 14, 18.0)
    shapes = (
        *_notebook(known.aliases).shapes(_NOTEBOOK, middle),
        *_endpoint(known, _ENDPOINT, 1),
        *_connection(endpoint, way_out, state, _CLUSTER.left - _ENDPOINT.right),
        *_service(cluster, endpoint).shapes(_SERVICE, middle),
        *_clusters(cluster, endpoint, _CLUSTER, middle),
        *_fan(
            (_NOTEBOOK.right, middle),
            [(_ENDPOINT.left + inside, y) for y in middles or [middle]],
            known.line_kind,
        ),
        *_fan((_SERVICE.left, middle), [(_ENDPOINT.right - inside, y) for y in middles or [middle]], way_out),
        Line(start=(_SERVICE.right, middle), end=(_CLUSTER.left, middle)),
    )
    # With at most one zone, the neighboring stations are taller than the endpoint.
    bottom = max(known.height + 1, middle + _STATION_HEIGHT / 2, _clusters_bottom(cluster, endpoint, middle))
    return Drawing(label=label, height=bottom + 1, shapes=shapes)


def _from_top(known: _Topology, label: str) -> Drawing:
    cluster, endpoint = known.cluster, known.endpoint
    column = _Column(1, NARROW - 2)
    x = NARROW / 2
    way_out = connection_kind(endpoint)
    notebook, service, own = _notebook(known.aliases), _service(cluster, endpoint), _cluster(cluster)
    top = 1 + notebook.height + _GAP
    bottom = top + known.height
    below = bottom + (_WORDS_GAP if endpoint else _GAP)
    last = below + service.height + _GAP
    shapes = (
        *notebook.shapes(column, 1 + notebook.height / 2, height=notebook.height),
        Line(start=(x, 1 + notebook.height), end=(x, top), kind=known.line_kind),
        *_endpoint(known, column, top),
        *_connection(endpoint, way_out, (x + 14, bottom + _WORDS_GAP / 2 + 4), x - 14),
        Line(start=(x, bottom), end=(x, below), kind=way_out),
        *service.shapes(column, below + service.height / 2, height=service.height),
        Line(start=(x, below + service.height), end=(x, last)),
        *_clusters(cluster, endpoint, column, last + own.height / 2, height=own.height),
    )
    height = _clusters_bottom(cluster, endpoint, last + own.height / 2, height=own.height) + 2
    return Drawing(label=label, height=height, shapes=shapes, width=NARROW)


def _notebook(aliases: Sequence[str] | None) -> _Station:
    if aliases is None:
        return _Station(title="Notebook")
    if not aliases:
        return _Station(title="Notebook", note="no SQL yet", kind="info")
    return _Station(title="Notebook", code=", ".join(aliases), note="SQL open", kind="ok")


def _service(cluster: model.Cluster | None, endpoint: model.VpcEndpoint | None) -> _Station:
    service = endpoint or (cluster.service if cluster else None)
    if service is None:
        return _Station(title="Service")
    return _Station(title="Service", code=service.service_name.rpartition(".")[2], note=service.region_id)


def _cluster(cluster: model.Cluster | None) -> _Station:
    if cluster is None:
        return _Station(title="Cluster")
    kind: Kind = "ok" if cluster.state in _GOOD else "warn"
    return _Station(title="Cluster", code=cluster.display_name, note=cluster.state, kind=kind)


def _others(
    cluster: model.Cluster | None, endpoint: model.VpcEndpoint | None
) -> tuple[model.ServedCluster, ...]:
    """Return the other clusters that the endpoint serves."""
    served = endpoint.clusters if endpoint else None
    own = cluster.cluster_id if cluster else ""
    return tuple(each for each in served or () if each.cluster_id != own)


def _other_lines(others: Sequence[model.ServedCluster]) -> list[tuple[Kind, str]]:
    """Return a line for each other cluster; for many, the first ones and the number of the rest."""
    shown = others if len(others) <= _MOST_OTHERS else others[: _MOST_OTHERS - 1]
    lines: list[tuple[Kind, str]] = [
        ("ok" if each.active else "warn", each.name_among(others)) for each in shown
    ]
    more = len(others) - len(shown)
    return [*lines, ("info", f"+{more} more")] if more else lines


def _clusters_bottom(
    cluster: model.Cluster | None,
    endpoint: model.VpcEndpoint | None,
    middle: float,
    *,
    height: float = _STATION_HEIGHT,
) -> float:
    lines = len(_other_lines(_others(cluster, endpoint)))
    return middle + height / 2 + (lines * _LINE + _PAD if lines else 0)


def _clusters(
    cluster: model.Cluster | None,
    endpoint: model.VpcEndpoint | None,
    column: _Column,
    middle: float,
    *,
    height: float = _STATION_HEIGHT,
) -> Iterator[Shape]:
    """Draw the cluster, and below it the other clusters whose logins the endpoint also carries."""
    lines = _other_lines(_others(cluster, endpoint))
    yield from _cluster(cluster).shapes(column, middle, height=height, after="·" if lines else "")
    if lines:
        top = middle + height / 2
        x, room = column.left + _PAD, column.width - 2 * _PAD
        below = len(lines) * _LINE + _PAD
        yield Box(x=column.left, y=top, width=column.width, height=below, kind="info")
        for number, (kind, text) in enumerate(lines, 1):
            y = top + number * _LINE
            yield Sign(x=x + 6, y=y - 4, kind=kind)
            after: Literal["·", ""] = "·" if number < len(lines) else ""
            yield TextLine(x=x + _SIGN, y=y, text=text, room=room - _SIGN, face="code", after=after)


def _endpoint(known: _Topology, column: _Column, top: float) -> Iterator[Shape]:
    endpoint, zones = known.endpoint, known.zones
    left, room = column.left + _PAD, column.width - 2 * _PAD
    kind = state_kind(endpoint.endpoint_status) if endpoint else "info"
    yield Box(x=column.left, y=top, width=column.width, height=known.height, kind=kind)
    yield TextLine(x=left, y=top + 17, text="Endpoint", room=room, face="title")
    if endpoint is None:
        text = "not created yet" if known.looked_up else "unknown"
        yield TextLine(x=left, y=top + 34, text=text, room=room, after="→")
        return
    yield Sign(x=left + 76, y=top + 13, kind=kind)
    yield TextLine(x=left + 86, y=top + 17, text=endpoint.endpoint_status, room=room - 86, after="·")
    yield TextLine(x=left, y=top + 33, text=endpoint.endpoint_id, room=room, face="code", after="·")
    for number, zone in enumerate(zones):
        more = len(endpoint.zones) - len(zones) if number + 1 == len(zones) else 0
        yield from _zone(zone, column, top - 1 + _HEAD + number * _ZONE_STEP, more)


def _zone(zone: model.EndpointZone, column: _Column, top: float, more: int) -> Iterator[Shape]:
    left, width = column.left + _INDENT, column.width - 2 * _INDENT
    kind, room = state_kind(zone.status), width - 16
    name = f"{zone.zone_id} +{more} more" if more else zone.zone_id
    state = " ".join(filter(None, (zone.eni_ip, zone.status))) or "state not known"
    yield Box(x=left, y=top, width=width, height=_ZONE_HEIGHT, kind=kind)
    yield TextLine(x=left + 8, y=top + 16, text=name, room=room, face="code")
    yield Sign(x=left + 14, y=top + 28, kind=kind)
    yield TextLine(x=left + 8 + _SIGN, y=top + 32, text=state, room=room - _SIGN, after="·")


def _connection(
    endpoint: model.VpcEndpoint | None, kind: Kind, place: tuple[float, float], room: float
) -> Iterator[Shape]:
    """Draw the state next to the lines."""
    if endpoint is not None:
        x, y = place
        yield Sign(x=x, y=y - 4, kind=kind)
        yield TextLine(x=x + 10, y=y, text=endpoint.connection_status, room=room - 24, after="→")


def connection_kind(endpoint: model.VpcEndpoint | None) -> Kind:
    """Return how the connection's state is drawn: Disconnected is a warning if the endpoint is Active."""
    if endpoint is None:
        return "info"
    late = (
        endpoint.endpoint_status == model.EndpointStatus.ACTIVE
        and endpoint.connection_status == model.ConnectionStatus.DISCONNECTED
    )
    return "warn" if late else state_kind(endpoint.connection_status)


def _fan(one: tuple[float, float], many: Sequence[tuple[float, float]], kind: Kind) -> Iterator[Shape]:
    for other in many:
        start, end = sorted((one, other))
        yield Line(start=start, end=end, kind=kind)


def _description(
    cluster: model.Cluster | None,
    endpoint: model.VpcEndpoint | None,
    aliases: Sequence[str] | None,
    *,
    looked_up: bool,
) -> str:
    words = ["The path to the cluster: this notebook"]
    if aliases is not None:
        words[0] += f", connected as {', '.join(aliases)}" if aliases else ", without a SQL connection"
    if endpoint is None:
        words.append("no endpoint yet" if looked_up else "endpoint not known")
    else:
        zones = ", ".join(f"{zone.zone_id} {zone.eni_ip} {zone.status}" for zone in endpoint.zones)
        words.append(f"endpoint {endpoint.endpoint_id} {endpoint.endpoint_status}")
        words += [f"its zones {zones}"] if zones else []
        words.append(f"connection {endpoint.connection_status}")
        words.append(f"service {endpoint.service_name}")
    if cluster is not None:
        words.append(f"cluster {cluster.display_name} {cluster.state}")
    others = _others(cluster, endpoint)
    if others:
        words.append(f"{'also ' if cluster else ''}serves {', '.join(e.name_among(others) for e in others)}")
    return "; ".join(words)
