"""The pictures of the route and of a wait: harmless, and readable without colors and in words."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.results import CLUSTER, ENDPOINT, hostile

from tidb_pe_magic import model
from tidb_pe_magic.display import render
from tidb_pe_magic.display.svg import NARROW, WIDTH
from tidb_pe_magic.display.views.timeline import timeline
from tidb_pe_magic.display.views.topology import topology

_patient = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
_NUMBER = r"-?\d+(\.\d+)?(e-\d+)?"
# Every attribute of a picture except the label, which is text, and its allowed values.
_ATTRIBUTES = {
    **dict.fromkeys(("x", "y", "width", "height", "rx"), _NUMBER),
    "viewBox": rf"0 0 ({WIDTH}|{NARROW}) {_NUMBER}",
    "transform": rf"translate\({_NUMBER} {_NUMBER}\)",
    "d": r"[MLCVaclhvz\d. -]+",
    "role": "img",
    "fill": "none",
    "style": r"((display|width|max-width|height|overflow|fill|fill-opacity|stroke|stroke-width|stroke-opacity"
    r"|stroke-dasharray|font-size|font-weight|font-family):"
    r"(var\(--jp-[a-z0-9-]+,(#[0-9a-f]{6}|monospace)\)|currentColor|block|auto|visible|[\d. ]+(px|%)?);?)+",
}
_TAGS = {"svg", "rect", "path", "text"}
CHANGES = (
    model.StateChange(elapsed=0.1, endpoint_status="Creating", connection_status="Disconnected"),
    model.StateChange(elapsed=2.3, endpoint_status="Active", connection_status="Disconnected"),
    model.StateChange(elapsed=4.0, endpoint_status="Active", connection_status="Connecting"),
    model.StateChange(elapsed=6.42, endpoint_status="Active", connection_status="Connected"),
)
_STATES = (*model.EndpointStatus, *model.ConnectionStatus, "Hibernating", "")


def _words(svg: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(svg).iter("text")]  # noqa: S314 - our own


def _sanitised(svg: str) -> str:
    """Return the text that remains when every element is removed."""
    return " ".join("".join(ET.fromstring(svg).itertext()).split())  # noqa: S314 - our own


def _colourless(svg: str) -> str:
    """Return only the shapes, without words and colors."""
    shapes = re.sub(r"<text.*?</text>[^<]*", "", svg)
    return re.sub(
        r'aria-label="[^"]*"|(stroke|fill):(var\([^)]*\)|currentColor)|;[a-z]+-opacity:\S+', "", shapes
    )


def _check(svg: str) -> None:
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.tag == "svg"
    assert root.get("aria-label")
    for node in root.iter():
        assert node.tag in _TAGS
        for name, value in node.attrib.items():
            if (node.tag, name) != ("svg", "aria-label"):
                assert re.fullmatch(_ATTRIBUTES[name], value), (name, value)


@_patient
@given(
    cluster=st.none() | hostile(model.Cluster),
    endpoint=st.none() | hostile(model.VpcEndpoint),
    aliases=st.none() | st.lists(st.text(), max_size=2),
)
def test_no_name_becomes_a_part_of_the_topology(
    cluster: model.Cluster | None, endpoint: model.VpcEndpoint | None, aliases: list[str] | None
) -> None:
    """Whatever the names contain, the topology is well-formed with only the product's elements."""
    _check(render.topology(cluster, endpoint, aliases))


@_patient
@given(changes=st.lists(hostile(model.StateChange), max_size=9))
def test_no_state_becomes_a_part_of_the_timeline(changes: list[model.StateChange]) -> None:
    """Whatever the states contain, the timeline is well-formed with only the product's elements."""
    _check(render.timeline(changes))


@pytest.mark.parametrize("noncharacter", ["\ufffe", "\uffff", "\x00", "\ud800"])
def test_characters_that_xml_forbids_are_replaced(noncharacter: str) -> None:
    """Characters that XML forbids do not break the picture."""
    name = f"a{noncharacter}b"
    _check(render.topology(replace(CLUSTER, display_name=name), replace(ENDPOINT, endpoint_id=name), [name]))


def test_without_its_elements_the_topology_still_reads_as_the_route() -> None:
    """A sanitizer that removes SVG leaves the stations in order, with arrows between them."""
    assert _sanitised(render.topology(CLUSTER, ENDPOINT, ["tidb"])) == (
        "Notebook tidb SQL open → Endpoint Active · ep-t4nabc123 · ap-southeast-1a 10.0.1.7 Connected · "
        "Connected → Service epsrv-t4ndemo ap-southeast-1 → Cluster demo ACTIVE"
    )


def test_without_its_elements_the_timeline_still_reads_in_order() -> None:
    """A sanitizer that removes SVG leaves the times and both lanes, named and in order."""
    assert _sanitised(render.timeline(CHANGES)) == (
        "Seen after 0.1 s · 2.3 s · 4.0 s · 6.4 s · Endpoint Creating · Active · "
        "Connection Disconnected · Connecting · Connected ·"
    )


def test_states_are_distinct_without_colors() -> None:
    """Good, busy, gone and unknown states differ in shape, and each has its word."""
    drawn = {}
    for state in ("Active", "Creating", "Deleting", "Hibernating"):
        svg = render.timeline([model.StateChange(elapsed=1, endpoint_status=state, connection_status="")])
        assert state in _words(svg)
        drawn[state] = _colourless(svg)
    for one, other in itertools.combinations(drawn, 2):
        assert drawn[one] != drawn[other], (one, other)


@pytest.mark.parametrize("status", _STATES)
def test_every_state_is_drawn_in_both_places(status: str) -> None:
    """Each documented state, an unknown one and a missing one are drawn with the whole word."""
    endpoint = replace(ENDPOINT, endpoint_status=status, connection_status=status)
    assert _words(render.topology(CLUSTER, endpoint, [])).count(status) == (2 if status else 0)


def test_a_connection_that_should_be_there_is_a_warning() -> None:
    """Disconnected is drawn as usual while the endpoint is created, and as a warning once it is Active."""
    late = render.topology(CLUSTER, replace(ENDPOINT, connection_status="Disconnected"), [])
    early = replace(ENDPOINT, endpoint_status="Creating", connection_status="Disconnected")
    assert "--jp-warn-color1" in late
    assert "--jp-warn-color1" not in render.topology(CLUSTER, early, [])


@pytest.mark.parametrize("zones", [None, 0, 1, 2, 3])
def test_nothing_is_cut_off_at_the_bottom(zones: int | None) -> None:
    """Without an endpoint and with any number of zones, every box ends within the picture."""
    endpoint = None if zones is None else replace(ENDPOINT, zones=ENDPOINT.zones[:1] * zones)
    root = ET.fromstring(render.topology(CLUSTER, endpoint, []))  # noqa: S314 - our own
    bottoms = [float(box.get("y", "")) + float(box.get("height", "")) for box in root.iter("rect")]
    assert max(bottoms) < float(root.get("viewBox", "").split()[3])


def test_before_there_is_an_endpoint_the_picture_says_so() -> None:
    """Without an endpoint the picture shows the cluster's service, and claims no connection."""
    shown = _sanitised(render.topology(CLUSTER, None, ()))
    assert "Notebook no SQL yet → Endpoint not created yet → Service epsrv-t4ndemo" in shown
    assert "onnected" not in shown
    unknown = render.topology(CLUSTER, None, (), looked_up=False)
    assert "Endpoint unknown" in _sanitised(unknown)
    assert "no endpoint" not in unknown, "the label says no more than the picture"


def test_long_names_keep_both_ends() -> None:
    """A long name is shortened in its middle, and the label has the full name."""
    name = "analytics-of-the-whole-company-in-production"
    svg = render.topology(replace(CLUSTER, display_name=name), ENDPOINT, ())
    (short,) = (words for words in _words(svg) if "…" in words)
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert len(head) >= len(tail) > 3
    assert name in svg


def test_many_zones_are_counted() -> None:
    """If the zones do not fit, the first are drawn and the others counted."""
    zones = tuple(replace(ENDPOINT.zones[0], zone_id=f"zone-{number}") for number in range(6))
    words = _words(render.topology(CLUSTER, replace(ENDPOINT, zones=zones), ()))
    assert [word for word in words if word.startswith("zone-")] == [
        "zone-0",
        "zone-1",
        "zone-2",
        "zone-3 +2 more",
    ]


def test_many_states_are_shortened_in_the_middle() -> None:
    """If the states do not fit, the first and the last are drawn."""
    changes = [replace(CHANGES[0], elapsed=number, endpoint_status=f"S{number}") for number in range(9)]
    words = _words(render.timeline(changes))
    assert [word for word in words if re.fullmatch(r"S\d", word)] == ["S0", "S6", "S7", "S8"]
    assert "…" in words


def test_an_unchanged_state_is_shown_once() -> None:
    """A lane has a word only where its state changes."""
    assert _words(render.timeline(CHANGES)).count("Active") == 1


def test_a_wait_shows_both_pictures_and_describes_them() -> None:
    """The result of `wait` is drawn on the page, and its details list each state with its time."""
    waited = replace(ENDPOINT, changes=CHANGES)
    # Each has a narrow form, which screen readers skip.
    assert render.html(waited).count("<svg") == 2 * render.html(waited).count('aria-hidden="true"') == 4
    assert "<svg" not in render.html(ENDPOINT)
    shown = " ".join(render.text(replace(waited, verbose=True)).split())
    for change in CHANGES:
        words = f"{change.elapsed:.1f} s: {change.endpoint_status}, connection {change.connection_status}"
        assert words in shown
    once = replace(ENDPOINT, changes=CHANGES[-1:], verbose=True)
    assert "Seen while waiting" not in render.text(once)
    assert render.html(once).count("<svg") == 2, "one state does not make a timeline"


def test_a_narrow_picture_has_every_word_from_top_to_bottom() -> None:
    """A narrow picture has every word of the wide one, arranged vertically."""
    for wide in (topology(CLUSTER, ENDPOINT, ["db"]), timeline(CHANGES)):
        assert wide.narrow is not None
        _check(wide.narrow.svg())
        assert set(_words(wide.svg())) - {"Seen after"} <= {*_words(wide.narrow.svg()), "…"}
    stations = ("Notebook", "Endpoint", "Service", "Cluster")
    narrow = topology(CLUSTER, ENDPOINT, ["db"]).narrow
    root = ET.fromstring(narrow.svg() if narrow else "")  # noqa: S314 - our own
    heights = {text.text: float(text.get("y", "")) for text in root.iter("text")}
    assert sorted(stations, key=lambda station: heights[station]) == list(stations)


def test_a_status_shows_the_topology_of_its_cluster() -> None:
    """A status with a cluster has the picture; a status without one has none."""
    status = model.RunbookStatus(
        steps=(), next_command=None, cluster=CLUSTER, endpoint=ENDPOINT, aliases=("db",)
    )
    assert render.topology(CLUSTER, ENDPOINT, ("db",)) in render.html(status)
    assert "<svg" not in render.html(replace(status, cluster=None))
