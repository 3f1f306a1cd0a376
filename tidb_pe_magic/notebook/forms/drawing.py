"""The drawing of the connection from this notebook to the cluster.

Boxes are as wide as their text, and lines fill the rest of the form's width. Results of cells show the same
drawing as SVG (`display.views.topology`). The form uses HTML, so that text keeps its size in a narrow window,
in which the boxes are stacked vertically.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidb_pe_magic.display.html import escape
from tidb_pe_magic.display.views.topology import connection_kind, state_kind, topology
from tidb_pe_magic.notebook.forms import widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic import model
    from tidb_pe_magic.display.view import Kind
    from tidb_pe_magic.notebook.forms.state import FormState, Store

# As in the SVG drawing.
_SIGNS: dict[Kind, str] = {"ok": "✔", "no": "✘", "warn": "!", "busy": "…"}
_MOST_CLUSTERS = 4  # in addition to the chosen one


class FormDrawing:
    """Draws cluster, endpoint and connections whenever one of them changes.

    Attributes:
        box: the widget that shows the drawing.
    """

    def __init__(self, store: Store) -> None:
        """Create the drawing."""
        self.box: Any = widgets.HTML().add_class("tidb-pe-drawing")
        store.observe(self._draw, "cluster", "endpoint", "endpoint_looked_up", "aliases", "plan")
        self._draw(store.state)

    def _draw(self, state: FormState) -> None:
        label = topology(
            state.cluster, state.endpoint, state.aliases, looked_up=state.endpoint_looked_up
        ).label
        endpoint = state.endpoint
        shown = "".join(
            (
                _notebook(state.aliases),
                _link("ok" if state.aliases else "info"),
                _endpoint(state),
                _link(connection_kind(endpoint), endpoint.connection_status if endpoint else ""),
                _service(state.cluster, endpoint),
                _link("info"),
                _cluster(state),
            )
        )
        self.box.value = f'<div class="tidb-pe-way" role="img" aria-label="{escape(label)}">{shown}</div>'


def _notebook(aliases: tuple[str, ...] | None) -> str:
    if aliases is None:
        return _station("Notebook")
    if not aliases:
        return _station("Notebook", state="no SQL yet")
    return _station("Notebook", code=", ".join(aliases), state="SQL open", kind="ok")


def _endpoint(state: FormState) -> str:
    endpoint, plan = state.endpoint, state.plan
    if endpoint is not None:
        kind = state_kind(endpoint.endpoint_status)
        return _station(
            "Endpoint",
            code=endpoint.endpoint_id,
            state=endpoint.endpoint_status,
            kind=kind,
            inner=_zones(endpoint.zones),
        )
    if plan is not None and plan.existing is None:
        # As large as the later endpoint, so that the page does not move when it is created.
        return _station("Endpoint", code=plan.name, state="planned", kind="info", inner=_zones(plan.zones))
    return _station("Endpoint", state="not created yet" if state.endpoint_looked_up else "not known")


def _zones(zones: Sequence[model.EndpointZone]) -> str:
    return f'<div class="tidb-pe-stations">{"".join(map(_zone, zones))}</div>' if zones else ""


def _zone(zone: model.EndpointZone) -> str:
    kind = state_kind(zone.status)
    words = " ".join(filter(None, (zone.eni_ip, zone.status))) or zone.vswitch_id
    return (
        f'<div class="tidb-pe-station tidb-pe-zone tidb-pe-{kind}"><code>{escape(zone.zone_id)}</code> '
        f"<span>{_sign(kind)}{escape(words)}</span></div>"
    )


def _service(cluster: model.Cluster | None, endpoint: model.VpcEndpoint | None) -> str:
    service = endpoint or (cluster.service if cluster else None)
    if service is None:
        return _station("Service")
    return _station("Service", code=service.service_name.rpartition(".")[2], state=service.region_id)


def _cluster(state: FormState) -> str:
    """Draw the cluster, and list the other clusters that the endpoint serves."""
    cluster = state.cluster
    if cluster is None:
        return _station("Cluster", state="not chosen yet")
    kind: Kind = "ok" if state_kind(cluster.state) == "ok" else "warn"
    serving = state.endpoint or state.plan
    served = serving.clusters if serving else None
    others = tuple(each for each in served or () if each.cluster_id != cluster.cluster_id)
    names = [each.name_among(others) for each in others[:_MOST_CLUSTERS]]
    if len(others) > _MOST_CLUSTERS:
        names.append(f"and {len(others) - _MOST_CLUSTERS} more")
    inner = f'<div class="tidb-pe-others tidb-pe-muted">also {_unbroken(names)}</div>' if names else ""
    return _station("Cluster", code=cluster.display_name, state=cluster.state, kind=kind, inner=inner)


def _unbroken(names: list[str]) -> str:
    """Prevent line breaks at a name's hyphens."""
    return ", ".join(f'<span class="tidb-pe-word">{escape(name)}</span>' for name in names)


def _station(title: str, *, code: str = "", state: str = "", kind: Kind = "info", inner: str = "") -> str:
    words = (
        f"<strong>{title}</strong>",
        f"<div><code>{escape(code)}</code></div>" if code else "",
        f"<div>{_sign(kind)}{escape(state)}</div>" if state else "",
        inner,
    )
    return f'<div class="tidb-pe-station tidb-pe-{kind}">{"".join(words)}</div>'


def _link(kind: Kind, words: str = "") -> str:
    label = f"<span>{_sign(kind)}{escape(words)}</span>" if words else ""
    return f'<div class="tidb-pe-link tidb-pe-{kind}">{label}</div>'


def _sign(kind: Kind) -> str:
    sign = _SIGNS.get(kind)
    return f'<span class="tidb-pe-sign tidb-pe-{kind}">{sign}</span> ' if sign else ""
