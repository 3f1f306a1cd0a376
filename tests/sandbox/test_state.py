"""Snapshots of a sandbox, which it or another sandbox can restore."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import warm
from support.cloud_users import DEMO, GROUP, PREFIX, SERVICE, VPC, VPC_API, Clouds, make_endpoint

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS
from tidb_pe_magic.sandbox.alibaba.world import World
from tidb_pe_magic.sandbox.faults import Fault, Kind
from tidb_pe_magic.sandbox.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def started() -> Iterator[tuple[Sandbox, Snapshot]]:
    """Provide a running sandbox, and its initial state."""
    with Sandbox(flights=5) as sandbox:
        yield sandbox, sandbox.snapshot()


@pytest.fixture
def sandbox(started: tuple[Sandbox, Snapshot]) -> Sandbox:
    """Provide the sandbox in its initial state."""
    started[0].renew(started[1])
    return started[0]


ZONE = {"ZoneId": "ap-southeast-1a", "VSwitchId": "vsw-t4na1"}
USERS = f"/{DEMO}/sqlUsers"


def create(clouds: Clouds, token: str) -> Any:
    """Return CreateVpcEndpoint's answer."""
    query = {"ServiceName": SERVICE, "VpcId": VPC, "Zone": [ZONE], "SecurityGroupId": [GROUP]}
    return clouds.alibaba("CreateVpcEndpoint", **query, ClientToken=token)


def change(action: str, **query: object) -> Callable[[Clouds, str], object]:
    """Return a function that makes a call about the first endpoint."""
    return lambda clouds, word: clouds.alibaba(
        action,
        EndpointId=next(iter(clouds.sandbox.world.endpoints), "ep-none"),
        **{name: word if value == "WORD" else value for name, value in query.items()},
    )


def tag(clouds: Clouds, word: str) -> None:
    """Tag all endpoints."""
    resources, tags = list(clouds.sandbox.world.endpoints), [{"Key": word, "Value": "v"}]
    clouds.alibaba("TagResources", ResourceType="VpcEndpoint", ResourceId=resources, Tag=tags)


def create_user(clouds: Clouds, word: str) -> None:
    """Create a SQL user."""
    body = {"userName": f"{PREFIX}.{word}", "password": word * 3, "builtinRole": "role_admin"}
    clouds.tidb_cloud("POST", USERS, **body, authMethod="mysql_native_password")


def rename_cluster(clouds: Clouds, word: str) -> None:
    """Change the cluster's name, as the console does."""
    clouds.sandbox.clusters.update(DEMO, display_name=word, update_time="2026-04-01T00:00:00Z")


def deny(clouds: Clouds, _: str) -> None:
    """Remove a permission, or restore it."""
    clouds.sandbox.world.denied_actions ^= {"ecs:DescribeSecurityGroups"}


def activate(clouds: Clouds, _: str) -> None:
    """Allow or refuse the activation of PrivateLink."""
    clouds.sandbox.world.product_open = not clouds.sandbox.world.product_open


#: Requests of both clouds' users and of the provider; refused ones are harmless.
CHANGES: tuple[Callable[[Clouds, str], object], ...] = (
    create,
    change("RemoveZoneFromVpcEndpoint", ZoneId=ZONE["ZoneId"]),
    change("DeleteVpcEndpoint"),
    change("UpdateVpcEndpointAttribute", EndpointName="WORD"),
    tag,
    create_user,
    lambda clouds, word: clouds.tidb_cloud("PATCH", f"{USERS}/{PREFIX}.{word}", password=word * 4),
    lambda clouds, word: clouds.tidb_cloud("DELETE", f"{USERS}/{PREFIX}.{word}"),
    rename_cluster,
    lambda clouds, _: clouds.sandbox.world.set_rules(GROUP),
    deny,
    activate,
    lambda clouds, _: clouds.sandbox.tick(),
)
SEQUENCES = st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from(["abcd", "efgh"])), max_size=6)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=SEQUENCES, after=SEQUENCES, mode=st.sampled_from(["immediate", "manual"]))
def test_after_a_restore_every_answer_is_as_at_the_snapshot(
    started: tuple[Sandbox, Snapshot],
    before: list[tuple[Callable[[Clouds, str], object], str]],
    after: list[tuple[Callable[[Clouds, str], object], str]],
    mode: Any,
) -> None:
    """After a restore, and after a second one, both clouds and the gate are as at the snapshot."""
    sandbox, fresh = started
    sandbox.renew(fresh, mode=mode)
    clouds = Clouds(sandbox)
    for act, word in before:
        act(clouds, word)
    snapshot = sandbox.snapshot()
    expected = clouds.everything()
    for _ in range(2):
        for act, word in after:
            act(clouds, word)
        sandbox.restore(snapshot)
        assert sandbox.snapshot() == snapshot
        assert clouds.everything() == expected


def test_tables_rows_and_generated_ids_come_back(sandbox: Sandbox) -> None:
    """Later changes, drops and new tables are undone, and AUTO_INCREMENT continues at its old value."""
    clouds, endpoint = Clouds(sandbox), make_endpoint(sandbox)
    clouds.sql(endpoint, "CREATE DATABASE mine")
    clouds.sql(
        endpoint, "CREATE TABLE mine.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9), b BLOB, d DOUBLE)"
    )
    clouds.sql(endpoint, "INSERT INTO mine.t (v, b, d) VALUES ('a', x'00ff5c27', 0.1), (NULL, NULL, 1e300)")
    clouds.sql(endpoint, "CREATE VIEW mine.w AS SELECT v FROM mine.t")
    clouds.sql(endpoint, "DELETE FROM nycflights13.airlines WHERE carrier = 'AA'")
    reads = (
        "SELECT * FROM mine.t",
        "SELECT * FROM mine.w",
        "SELECT * FROM nycflights13.airlines",
        "SHOW CREATE TABLE mine.t",
    )
    expected = [clouds.sql(endpoint, read) for read in reads]
    snapshot = sandbox.snapshot()
    for _ in range(2):
        clouds.sql(endpoint, "DROP VIEW mine.w")
        clouds.sql(endpoint, "DROP TABLE mine.t")
        clouds.sql(endpoint, "DELETE FROM nycflights13.airlines")
        clouds.sql(endpoint, "CREATE TABLE test.more (a INT)")
        sandbox.restore(snapshot)
        assert [clouds.sql(endpoint, read) for read in reads] == expected
        with pytest.raises(pymysql.err.ProgrammingError):
            clouds.sql(endpoint, "SELECT * FROM test.more")
        clouds.sql(endpoint, "INSERT INTO mine.t (v) VALUES ('next')")
        assert clouds.sql(endpoint, "SELECT id FROM mine.t WHERE v = 'next'") == ((3,),)


def test_the_doors_follow(sandbox: Sandbox) -> None:
    """After a restore a removed endpoint refuses, a restored one accepts, and connections end."""
    clouds, endpoint = Clouds(sandbox), make_endpoint(sandbox)
    with_endpoint = sandbox.snapshot()
    connection = pymysql.connect(
        host=endpoint.domain,
        port=endpoint.port,
        user=f"{PREFIX}.root",
        password=sandbox.environment()["TIDB_PASSWORD"],
    )
    later = make_endpoint(sandbox)
    sandbox.world.delete_endpoint(endpoint.endpoint_id)
    sandbox.restore(with_endpoint)
    with pytest.raises(pymysql.err.OperationalError), closing(connection):
        connection.query("SELECT 1")
    assert clouds.sql(endpoint, "SELECT 1") == ((1,),)
    with pytest.raises(pymysql.err.OperationalError, match="refused"):
        clouds.sql(later, "SELECT 1")


def test_transitions_continue_after_a_restore() -> None:
    """In mode "time" a transition is as far away as it was at the snapshot."""
    now = 100.0
    with World(mode="time", seconds=30, port=4000, clock=lambda: now) as world:
        made = world.create_endpoint(
            service=world.services[0], vpc_id=VPC, zones=[(ZONE["ZoneId"], ZONE["VSwitchId"])]
        )
        now += 4
        state = world.state()
        assert dict(state.due) == {made.endpoint_id: 6.0}
        now += 1000
        world.run_due()
        assert world.endpoints[made.endpoint_id].connected
        world.restore(state)
        now += 5.9
        world.run_due()
        assert world.endpoints[made.endpoint_id] == made
        now += 0.2
        world.run_due()
        assert world.endpoints[made.endpoint_id].endpoint_status == "Active"


def test_a_remembered_creation_is_not_repeated(started: tuple[Sandbox, Snapshot], sandbox: Sandbox) -> None:
    """A ClientToken used before the snapshot still returns its first answer after the restore."""
    clouds = Clouds(sandbox)
    made = create(clouds, "once")
    snapshot = sandbox.snapshot()
    sandbox.renew(started[1])
    assert create(Clouds(sandbox), "once") != made
    sandbox.renew(snapshot)
    assert create(Clouds(sandbox), "once") == made
    assert list(sandbox.world.endpoints) == [made["EndpointId"]]


def test_location_clock_faults_and_blocks_are_restored(sandbox: Sandbox) -> None:
    """Location, clock, faults and blocks around the clouds are restored."""
    sandbox.faults.add(Fault(kind=Kind.RESET, operation="ListClusters", times=3))
    snapshot = sandbox.snapshot()
    sandbox.stage("query-hangs")
    sandbox.stage("port-refused")
    sandbox.stage("no-tls")
    sandbox.clock.ahead = 1200
    sandbox.place, sandbox.routed = replace(ANALYTICS, vpc_id="vpc-t4nother5d9r1z"), False
    sandbox.faults.clear()
    sandbox.restore(snapshot)
    assert sandbox.snapshot() == snapshot
    assert (sandbox.clock.ahead, sandbox.place, sandbox.routed) == (0, ANALYTICS, True)
    assert sandbox.ca
    assert sandbox.route.gate.tls is not None
    assert sandbox.faults.pending[0].times == 3
    assert Clouds(sandbox).sql(make_endpoint(sandbox), "SELECT 1") == ((1,),)


def test_a_list_that_never_ends_ends_with_a_restore(sandbox: Sandbox) -> None:
    """A restore removes a fault that repeats a page, and the list is correct again."""
    clouds, snapshot = Clouds(sandbox), sandbox.snapshot()
    page = {"PageNumber": 2, "PageSize": 1}
    second = clouds.alibaba("DescribeVpcs", VPC_API, **page)
    sandbox.faults.add(Fault(kind=Kind.REPEATED_PAGE, operation="DescribeVpcs"))
    clouds.alibaba("DescribeVpcs", VPC_API, PageNumber=1, PageSize=1)
    assert clouds.alibaba("DescribeVpcs", VPC_API, **page) != second
    sandbox.restore(snapshot)
    assert clouds.alibaba("DescribeVpcs", VPC_API, **page) == second


def test_a_renewed_sandbox_knows_nothing_of_its_last_user(sandbox: Sandbox) -> None:
    """A renewed sandbox refuses old keys, has no observers, and an empty log."""
    old, told = Clouds(sandbox), list[str]()
    sandbox.world.subscribe(lambda endpoint: told.append(endpoint.endpoint_id))
    sandbox.renew(sandbox.snapshot(), scenario="endpoint-exists", fault_seed=7)
    assert (list(sandbox.requests), told) == ([], [])
    assert sandbox.faults.pending
    assert sandbox.world.endpoints
    sandbox.faults.clear()
    assert old.tidb_cloud("GET", "")[0] == 401
    assert old.alibaba("CheckProductOpen") == "InvalidAccessKeyId.NotFound"


def test_a_file_holds_all_of_it(sandbox: Sandbox, tmp_path: Path) -> None:
    """A file restores the same state in another sandbox on another port; only the user can read it."""
    clouds, endpoint = Clouds(sandbox), make_endpoint(sandbox)
    clouds.sql(endpoint, "CREATE TABLE test.t (a INT)")
    clouds.sql(endpoint, "INSERT INTO test.t VALUES (7)")
    snapshot, file = sandbox.snapshot(), tmp_path / "state.json"
    snapshot.save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Snapshot.load(file) == snapshot
    # Two servers can listen on their addresses, at different ports.
    with Sandbox(flights=0) as other:
        other.restore(Snapshot.load(file))
        there = other.world.endpoints[endpoint.endpoint_id]
        assert there == replace(endpoint, port=other.world.port)
        both = "SELECT a, (SELECT count(*) FROM nycflights13.flights) FROM test.t"
        assert Clouds(other).sql(there, both) == ((7, 5),)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (("version",), 99, "is of format 99, and this sandbox reads format 1"),
        (("format",), "x", "is not a snapshot of this sandbox"),
        (("snapshot", "world", "endpoints", 0, "port"), "4000", "world.endpoints.0.port"),
        (("snapshot", "world", "mode"), "never", "world.mode"),
        (("snapshot", "clusters"), None, "clusters"),
        (("snapshot", "world", "endpoints", 0, "domain"), "0.0.0.0", "not a loopback address"),  # noqa: S104 - refused
        (
            ("snapshot", "world", "endpoints", 0, "zones", 0, "eni_ip"),
            "10.0.0.1",
            "not a loopback address",
        ),
        (("snapshot", "world", "endpoints", 0, "connection_status"), "Odd", "unknown status Odd"),
        (("snapshot", "world", "due"), {"ep-x": 1.0}, "ep-x does not exist"),
        (("snapshot", "clusters", "sql_users", 0, "cluster_id"), "1", "of a cluster that does not exist"),
        (("snapshot", "clusters", "clusters", 0, "region_id"), "mars", "a region that does not exist"),
    ],
)
def test_a_file_that_cannot_be_is_refused(
    sandbox: Sandbox, tmp_path: Path, where: tuple[str | int, ...], value: object, words: str
) -> None:
    """An invalid file is refused in one line with its field, and opens no address to other machines."""
    make_endpoint(sandbox)
    file = tmp_path / "state.json"
    sandbox.snapshot().save(file)
    content = place = json.loads(file.read_text(encoding="utf-8"))
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=words) as caught:
        Snapshot.load(file)
    assert "\n" not in str(caught.value)


def test_a_files_database_that_cannot_be_created_is_refused(sandbox: Sandbox) -> None:
    """If the file's database cannot be created, the sandbox keeps its own."""
    clouds, endpoint = Clouds(sandbox), make_endpoint(sandbox)
    clouds.sql(endpoint, "CREATE TABLE test.t (a INT)")
    snapshot = sandbox.snapshot()
    assert snapshot.database is not None
    broken = replace(snapshot.database, tables=(replace(snapshot.database.tables[0], sql="CREATE NONSENSE"),))
    with pytest.raises(ValueError, match="the snapshot's database cannot be created: Parser Error"):
        sandbox.restore(replace(snapshot, database=broken))
    sandbox.restore(snapshot)
    assert clouds.sql(endpoint, "SELECT count(*) FROM test.t") == ((0,),)


def test_an_upstreams_content_is_not_in_it(sandbox: Sandbox) -> None:
    """A snapshot excludes an upstream's content, says so, and does not replace a database."""
    assert sandbox.database is not None
    host, port = sandbox.database.address
    with Sandbox(upstream=f"{host}:{port}") as other:
        make_endpoint(other)
        snapshot = other.snapshot()
        assert snapshot.database is None
        other.restore(snapshot)
        with pytest.raises(ValueError, match="was taken with an upstream, and this sandbox has the embedded"):
            sandbox.restore(snapshot)
    with pytest.raises(RuntimeError, match="is not running"):
        other.snapshot()


def test_the_command_line_begins_with_a_file_and_ends_with_one(sandbox: Sandbox, tmp_path: Path) -> None:
    """With --restore and --snapshot the process starts from a file and ends with the same state."""
    make_endpoint(sandbox)
    first, last = tmp_path / "first.json", tmp_path / "last.json"
    sandbox.stage("no-tls")
    sandbox.snapshot().save(first)
    expected = Snapshot.load(first)
    command = [sys.executable, "-m", "tidb_pe_magic.sandbox", "--restore", str(first)]
    with warm.Popen([*command, "--snapshot", str(last)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = list(iter(process.stdout.readline, "# Ready.\n"))
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert not any("TIDB_CA=" in line for line in lines)
    found = Snapshot.load(last)
    port = found.world.port
    assert list(found.world.endpoints) == [replace(e, port=port) for e in expected.world.endpoints]
    assert (found.scenario, found.database) == ("no-tls", expected.database)
    refused = warm.run([*command, "--mode", "time"])
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--mode comes from the snapshot that --restore names" in refused.stderr
