"""One endpoint for the clusters of a region: reused at no cost, named everywhere, and deleted by consent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, JAKARTA_VPC, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, cli, errors
from tidb_pe_magic.display import render

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tidb_pe_magic.model import ServedCluster
    from tidb_pe_magic.sandbox import Sandbox

# The sandbox's clusters in Singapore that share its service; two are named twin.
ACTIVE = ("demo", "reporting", "staging-1", "staging-2", "staging-3", "staging-4", "twin", "twin")
PLACE: Any = {"vpc": VPC, "security_group": [GROUP]}


def _names(clusters: Iterable[ServedCluster] | None) -> tuple[str, ...]:
    return tuple(each.display_name for each in clusters or ())


def test_a_second_cluster_reuses_the_endpoint_at_no_cost(runbook: Runbook, sandbox: Sandbox) -> None:
    """Plan and create find the endpoint, bill nothing, and name all of its clusters.

    Both clusters connect.
    """
    made = runbook.create(cluster="demo", **PLACE)
    assert not made.adopted
    planned = runbook.plan(cluster="reporting", **PLACE)
    assert planned.billed_zones == 0
    assert planned.existing is not None
    assert planned.existing.endpoint_id == made.endpoint.endpoint_id
    assert "demo, reporting, staging-1" in render.text(replace(planned, verbose=True))
    reused = runbook.create(cluster="reporting", **PLACE)
    assert (reused.adopted, reused.endpoint.endpoint_id) == (True, made.endpoint.endpoint_id)
    for served in (made.endpoint.clusters, planned.clusters, reused.endpoint.clusters):
        assert _names(served) == (*ACTIVE, "archive")
    first = runbook.connect(cluster="demo", alias="first")
    second = runbook.connect(cluster="reporting", alias="second")
    assert (first.host, first.endpoint_id) == (second.host, second.endpoint_id)
    users = [
        runbook.query("SELECT CURRENT_USER() AS who", alias=each)["who"][0] for each in ("first", "second")
    ]
    assert [user.partition(".")[0] for user in users] == [
        first.cluster.user_prefix,
        second.cluster.user_prefix,
    ]
    assert len(sandbox.world.endpoints) == 1


def test_status_endpoints_and_the_drawing_name_every_cluster(runbook: Runbook) -> None:
    """Text, HTML and the picture name every cluster; clusters with the same name are shown with their IDs."""
    runbook.run("demo", **PLACE)
    results = (
        runbook.status(cluster="demo"),
        runbook.endpoints(cluster="demo"),
        runbook.endpoints(region="ap-southeast-1"),
        runbook.wait(cluster="demo"),
    )
    for result in results:
        for shown in (render.text(replace(result, verbose=True)), render.html(result)):
            flat = " ".join(shown.split())
            for name in ("reporting", "staging-4", "twin (10430185274093617159)"):
                assert name in flat, shown
    for result in results:
        brief = " ".join(render.text(result).split())
        # The list of a region has a column with all of them.
        assert "serves demo, reporting and 7 more" in brief or "archive (RESTORING)" in brief
    status = results[0]
    drawing = render.topology(status.cluster, status.endpoint)
    label = drawing.partition('aria-label="')[2].partition('"')[0]
    assert "cluster demo ACTIVE; also serves reporting, staging-1, staging-2" in label
    assert "archive (RESTORING)" in label
    assert ">reporting<" in drawing


def test_an_endpoint_that_serves_others_is_not_deleted(runbook: Runbook, sandbox: Sandbox) -> None:
    """The refusal names the other ACTIVE clusters and the command that deletes the endpoint anyway."""
    endpoint_id = runbook.create(cluster="demo", **PLACE).endpoint.endpoint_id
    with pytest.raises(
        errors.NotEligible, match=r"also serves 7 other ACTIVE clusters: reporting, "
    ) as refusal:
        runbook.delete(endpoint_id, yes=True)
    assert "archive" not in str(refusal.value)
    assert str(refusal.value.commands[0]) == f"%tidb_pe delete {endpoint_id} --yes --shared"
    with pytest.raises(errors.NotEligible, match=r"serves 8 ACTIVE clusters: demo, reporting, "):
        runbook.delete(endpoint_id, region="ap-southeast-1", yes=True)
    with pytest.raises(errors.InvalidRequest, match=r"serves demo, reporting.*ends every connection"):
        runbook.delete(endpoint_id)
    assert list(sandbox.world.endpoints) == [endpoint_id]
    deletion = runbook.delete(endpoint_id, yes=True, shared=True)
    assert _names(deletion.clusters) == (*ACTIVE, "archive")
    assert not sandbox.world.endpoints


def test_an_endpoint_of_one_cluster_needs_no_agreement(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without other ACTIVE clusters the endpoint is deleted, by its region too."""
    for cluster in sandbox.clusters.clusters.values():
        if cluster.display_name != "demo" and cluster.region_id == "alicloud-ap-southeast-1":
            sandbox.clusters.update(cluster.cluster_id, state="RESTORING")
    assert runbook.delete(runbook.create(cluster="demo", **PLACE).endpoint.endpoint_id, yes=True).found
    made = runbook.create(cluster="jakarta", vpc=JAKARTA_VPC).endpoint.endpoint_id
    assert runbook.delete(made, region="ap-southeast-5", yes=True).found
    assert not sandbox.world.endpoints


def test_where_the_clusters_are_not_known_nothing_is_deleted(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without a TiDB Cloud key the deletion is refused with that reason; listing the region still works."""
    endpoint_id = runbook.create(cluster="demo", **PLACE).endpoint.endpoint_id
    environment = sandbox.environment() | {"TIDBCLOUD_PRIVATE_KEY": "not-the-key"}
    with Runbook(environ=environment) as keyless:
        with pytest.raises(errors.NotEligible, match="cannot tell which clusters ep-"):
            keyless.delete(endpoint_id, region="ap-southeast-1", yes=True)
        assert keyless.endpoints(region="ap-southeast-1").items[0].clusters is None
        assert keyless.delete(endpoint_id, region="ap-southeast-1", yes=True, shared=True).found


@pytest.mark.tidb_pe_sandbox(exclusive=("staging-1", "staging-2"))
def test_an_empty_prefix_means_root(runbook: Runbook, sandbox: Sandbox) -> None:
    """With an empty prefix the user is root: all steps use bare names, and passwords are per cluster."""
    runbook.run("staging-1", **PLACE)
    assert runbook.connections()["tidb"].user == "root"
    text = runbook.connection_string(with_="env", cluster="staging-1").text
    assert "TIDB_USER=root\n" in f"{text}\n".replace("'", "").replace('"', "")
    for name, alias in (("staging-1", "one"), ("staging-2", "two")):
        made = runbook.sql_user("create", "analyst", cluster=name, role="readonly", store="file")
        assert (made.items[0].name, made.items[0].role) == ("analyst", "role_readonly")
        runbook.run(name, **PLACE, user="analyst", alias=alias)
        assert runbook.connections()[alias].user == "analyst"
    assert len({connection.endpoint_id for connection in runbook.connections()}) == 2
    diagnosis = runbook.doctor(cluster="staging-1")
    assert diagnosis.failed is None
    shown = render.text(replace(runbook.cluster("staging-1"), verbose=True))
    assert "none: log in as root" in shown
    assert ".root" not in shown
    assert any(not cluster.user_prefix for cluster in sandbox.clusters.clusters.values())


@pytest.fixture
def console(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the console command at the sandbox."""
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("console")
def test_by_console(sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """tidb-pe creates once, reuses, refuses the deletion, and bills a fleet of three rows once."""
    placement = ("--vpc", VPC, "--security-group", GROUP)
    made = _console(capsys, "create", "--cluster", "demo", *placement)
    reused = _console(capsys, "create", "--cluster", "reporting", *placement)
    assert (made["adopted"], reused["adopted"]) == (False, True)
    (endpoint_id,) = sandbox.world.endpoints
    assert reused["endpoint"]["endpoint_id"] == endpoint_id
    assert {each["display_name"] for each in reused["endpoint"]["clusters"]} >= {"demo", "reporting"}
    logins = [_console(capsys, "connect", "--cluster", name) for name in ("demo", "reporting")]
    assert len({login["host"] for login in logins}) == 1
    assert len({login["user"] for login in logins}) == 2
    assert cli.main(["delete", endpoint_id, "--cluster", "demo", "--yes"]) == cli.Exit.CLOUD
    refusal = capsys.readouterr().err
    assert "also serves 7 other ACTIVE clusters: reporting" in refusal
    assert f"tidb-pe delete {endpoint_id} --cluster demo --yes --shared" in refusal
    file = tmp_path / "fleet.toml"
    file.write_text(
        f'[[endpoint]]\ncluster = ["demo", "reporting", "staging-1"]\nvpc = "{OTHER_VPC}"\n', encoding="utf-8"
    )
    fleet = _console(capsys, "fleet", "plan", str(file))
    assert (fleet["billed_zones"], [row["shares_row"] for row in fleet["rows"]]) == (2, [0, 1, 1])


def _console(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.main([*words, "--output", "json"]) == cli.Exit.DONE, capsys.readouterr().err
    told = json.loads(capsys.readouterr().out)
    assert isinstance(told, dict)
    return told
