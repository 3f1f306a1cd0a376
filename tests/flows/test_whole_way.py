"""The tutorial from the first step to a DataFrame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from flows.places import DEMO_ID, GROUP, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.commands.parse import Command, parse
from tidb_pe_magic.commands.table import Skin
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.display import render
from tidb_pe_magic.display.views import view
from tidb_pe_magic.model import FinishedStep, PlanShown, StepFinished, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.commands.fields import Request
    from tidb_pe_magic.model import Event, Result, RunbookStatus
    from tidb_pe_magic.sandbox import Sandbox

STEPS = ("cluster", "verify", "create", "wait", "connect")


def test_each_step_leads_to_a_data_frame(runbook: Runbook, sandbox: Sandbox) -> None:
    """The steps in the tutorial's order end in a DataFrame of the cluster's data."""
    assert "demo" in [cluster.display_name for cluster in runbook.clusters()]
    cluster = runbook.cluster("demo")
    assert cluster.service is not None
    assert cluster.service.zones == ("ap-southeast-1a", "ap-southeast-1b", "ap-southeast-1c")
    assert runbook.networks().usable_vpcs()[0].vpc_id == VPC
    assert runbook.verify().auto_accept
    plan = runbook.plan(vpc=VPC, security_group=[GROUP])
    assert (plan.billed_zones, plan.dry_run) == (2, "passed")
    assert not sandbox.world.endpoints
    created = runbook.create(vpc=VPC, security_group=[GROUP])
    assert not created.adopted
    endpoint = runbook.wait()
    assert endpoint.ready
    assert all(zone.eni_ip for zone in endpoint.zones)
    connection = runbook.connect(database="nycflights13")
    assert connection.host == endpoint.domain
    assert connection.user == f"{cluster.user_prefix}.root"
    assert connection.tls.encrypted
    assert connection.tls.verified_name in cluster.gateway_names
    frame = pd.read_sql("SELECT COUNT(*) AS flights FROM flights", runbook.connection.engine)
    assert frame["flights"].tolist() == [500]


def test_run_does_every_step_in_order(runbook: Runbook, events: list[Event]) -> None:
    """`run` shows the plan before it creates, and reports each step with its seconds."""
    report = runbook.run("demo", vpc=VPC, security_group=[GROUP], database="nycflights13")
    assert tuple(step.step for step in report.steps) == STEPS
    assert not any(step.skipped for step in report.steps[:3])
    kinds = [type(event) for event in events]
    assert kinds.index(PlanShown) < [
        isinstance(event, StepStarted) and event.step == "create" for event in events
    ].index(True)
    finished = [event.finished for event in events if isinstance(event, StepFinished)]
    assert tuple(finished) == report.steps
    assert all(isinstance(step, FinishedStep) and step.seconds >= 0 for step in finished)


def test_run_again_skips_completed_steps(runbook: Runbook, sandbox: Sandbox) -> None:
    """A second `run` creates nothing and keeps the connection."""
    first = runbook.run("demo", vpc=VPC, security_group=[GROUP])
    second = runbook.run("demo", vpc=VPC, security_group=[GROUP])
    assert [step.step for step in second.steps if step.skipped] == ["create", "wait", "connect"]
    assert second.connection.engine is first.connection.engine
    assert list(sandbox.world.endpoints) == [first.endpoint.endpoint_id]


def test_run_replaces_a_connection_that_is_dead(runbook: Runbook, sandbox: Sandbox) -> None:
    """`run` keeps an open connection only if it still answers."""
    first = runbook.run("demo", vpc=VPC, security_group=[GROUP])
    runbook.delete(first.endpoint.endpoint_id, yes=True, shared=True)
    second = runbook.run("demo", vpc=VPC, security_group=[GROUP])
    assert second.endpoint.endpoint_id != first.endpoint.endpoint_id
    assert not second.steps[-1].skipped
    assert pd.read_sql("SELECT 1 AS one", second.connection.engine)["one"].tolist() == [1]
    assert list(sandbox.world.endpoints) == [second.endpoint.endpoint_id]


def test_every_step_works_in_a_new_kernel(sandbox: Sandbox) -> None:
    """In a new kernel each step continues from the clouds' state once the cluster is named."""
    placement: dict[str, Any] = {"vpc": VPC, "security_group": [GROUP]}
    steps: tuple[Callable[[Runbook], object], ...] = (
        lambda runbook: runbook.cluster("demo"),
        lambda runbook: runbook.networks(cluster="demo"),
        lambda runbook: runbook.verify(cluster="demo"),
        lambda runbook: runbook.plan(cluster="demo", **placement),
        lambda runbook: runbook.create(cluster="demo", **placement),
        lambda runbook: runbook.create(cluster="demo", **placement),
        lambda runbook: runbook.wait(cluster=DEMO_ID),
        lambda runbook: runbook.status(cluster="demo"),
        lambda runbook: runbook.connect(cluster="demo", database="nycflights13"),
        lambda runbook: runbook.endpoints(cluster="demo"),
    )
    for step in steps:
        with Runbook(environ=sandbox.environment()) as runbook:
            step(runbook)
    assert len(sandbox.world.endpoints) == 1


def _seen(status: RunbookStatus) -> tuple[int, str]:
    return sum(step.done is True for step in status.steps), str(status.next_command)


def test_status_shows_the_completed_steps(runbook: Runbook) -> None:
    """After each step, `status` counts it as done and names the next command."""
    assert _seen(runbook.status()) == (0, "%tidb_pe clusters")
    runbook.cluster("demo")
    assert _seen(runbook.status()) == (2, "%tidb_pe networks")
    endpoint_id = runbook.create(vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    assert _seen(runbook.status()) == (4, "%tidb_pe connect")
    runbook.connect()
    assert _seen(runbook.status()) == (5, "%%sql tidb")
    runbook.disconnect()
    assert _seen(runbook.status()) == (4, "%tidb_pe connect")
    runbook.delete(endpoint_id, yes=True, shared=True)
    assert _seen(runbook.status()) == (2, "%tidb_pe networks")


def test_status_of_an_endpoint_that_is_not_ready_names_wait(manual: Sandbox) -> None:
    """While the endpoint is Creating, `status` names `wait` as the next command."""
    with Runbook(environ=manual.environment()) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        status = runbook.status()
        assert _seen(status) == (3, "%tidb_pe wait")
        assert status.cluster
        assert status.endpoint
        shown = render.text(replace(status, verbose=True))
        for zone in status.endpoint.zones:
            assert zone.eni_ip in shown


@pytest.mark.tidb_pe_sandbox(exclusive=("staging-1",))
@pytest.mark.parametrize("name", ["reporting", "jakarta", "staging-1"])
def test_other_clusters_go_the_same_way(sandbox: Sandbox, name: str) -> None:
    """A cluster with another plan, region or service needs only a network."""
    vpc, group = {
        "reporting": (VPC, GROUP),
        "staging-1": (VPC, GROUP),
        "jakarta": ("vpc-k1ajakarta4h8n2v", "sg-k1ajakarta"),
    }[name]
    with Runbook(environ=sandbox.environment(), sleep=lambda _: _accept_all(sandbox)) as runbook:
        report = runbook.run(name, vpc=vpc, security_group=[group], database="nycflights13")
        frame = pd.read_sql("SELECT COUNT(*) AS n FROM airlines", report.connection.engine)
    assert frame["n"].tolist() == [16]


def _accept_all(sandbox: Sandbox) -> bool:
    """Act as the service's owner, who accepts while the endpoint's owner waits."""
    for endpoint_id, endpoint in sandbox.world.endpoints.items():
        if endpoint.connection_status == "Disconnected":
            sandbox.accept(endpoint_id)
    return False


def test_the_engine_commits_each_statement(runbook: Runbook) -> None:
    """An INSERT through the engine is visible to another connection immediately."""
    engine = runbook.run("demo", vpc=VPC, security_group=[GROUP], database="test").connection.engine
    with engine.connect() as writer, engine.connect() as reader:
        writer.exec_driver_sql("CREATE TABLE notes (id INTEGER, body VARCHAR(20))")
        writer.exec_driver_sql("INSERT INTO notes VALUES (1, 'kept')")
        assert reader.exec_driver_sql("SELECT body FROM notes").scalar_one() == "kept"


def test_every_result_names_an_api_host_that_is_not_the_clouds_own(
    runbook: Runbook, sandbox: Sandbox
) -> None:
    """Each result names the hosts that replace the clouds' own."""
    environment = sandbox.environment()
    variables = ("TIDBCLOUD_SERVERLESS_ENDPOINT", "TIDB_PE_ALIBABA_ENDPOINT", "TIDB_PE_METADATA_ENDPOINT")
    hosts = {environment[variable] for variable in variables}
    runbook.run("demo", vpc=VPC, security_group=[GROUP])
    results = (runbook.clusters(), runbook.status(), runbook.connect(), runbook.connection)
    assert all(set(result.via) == hosts for result in results)


@pytest.mark.parametrize(
    "asked", [{"tls": "verify-identity"}, {"tls": "verify-ca"}, {"tls": "off"}, {"tls_name": "gateway"}]
)
def test_run_keeps_no_connection_that_is_secured_in_another_way(
    runbook: Runbook, sandbox: Sandbox, asked: dict[str, Any]
) -> None:
    """`run` opens the connection that `--tls` requires or fails, and does not reuse an unencrypted one."""
    sandbox.stage("no-tls")
    first = runbook.run("demo", vpc=VPC, security_group=[GROUP])
    placement: dict[str, Any] = {"vpc": VPC, "security_group": [GROUP]}
    if asked.get("tls", "").startswith("verify"):
        with pytest.raises(errors.ConnectionFailed, match="does not offer TLS"):
            runbook.run("demo", **placement, **asked)
    else:
        again = runbook.run("demo", **placement, **asked)
        assert again.connection.engine is not first.connection.engine
        assert not again.steps[-1].skipped


def _typed(line: str) -> tuple[str, Request]:
    command = parse(words(line.removeprefix("%tidb_pe ")), prog="%tidb_pe", skin=Skin.LINE)
    assert isinstance(command, Command)
    return command.operation.name, command.request


def test_the_next_command_works_as_it_is_written(runbook: Runbook) -> None:
    """The next command can be run as written, even with several VPCs and several endpoints."""
    results: list[Result] = [runbook.cluster("demo")]
    results.append(runbook.status())
    runbook.create(vpc=OTHER_VPC)
    results.append(runbook.endpoints(cluster="jakarta"))
    results.append(runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]))
    results.append(runbook.plan(vpc=VPC))
    endpoint_id = results[-2].endpoint.endpoint_id  # type: ignore[attr-defined]  # what `create` made
    results.append(runbook.wait(endpoint=endpoint_id))
    results.append(runbook.status(endpoint=endpoint_id))
    for result in results:
        line = str(view(result).next_command)
        assert line.startswith("%tidb_pe ")
        runbook.perform(*_typed(line))
