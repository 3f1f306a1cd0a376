"""The number of requests per command: the clouds count them, and the sandbox logs them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import RetryScheduled

if TYPE_CHECKING:
    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox

_BEFORE_THE_FIRST_POLL = 13


def asked(sandbox: Sandbox) -> list[str]:
    """Return the operations that both clouds have answered, including refused challenges."""
    return [
        *(
            call.operation if call.status == 200 else "challenge"
            for call in sandbox.requests.to("tidb-cloud")
        ),
        *(call.operation for call in sandbox.requests.to("alibaba")),
    ]


@pytest.mark.parametrize("times", [1, 2])
def test_a_full_run_is_within_its_budget(sandbox: Sandbox, times: int) -> None:
    """A run, new or reusing, sends at most thirteen requests before it polls the endpoint."""
    for _ in range(times):
        with Runbook(environ=sandbox.environment()) as runbook:
            known = len(sandbox.requests.to("tidb-cloud")), len(sandbox.requests.to("alibaba"))
            runbook.run("demo", vpc=VPC, security_group=[GROUP])
    tidb_cloud = sandbox.requests.to("tidb-cloud")[known[0] :]
    actions = [call.operation for call in sandbox.requests.to("alibaba")[known[1] :]]
    assert len(tidb_cloud) + actions.index("GetVpcEndpointAttribute") <= _BEFORE_THE_FIRST_POLL


def test_a_cluster_is_found_by_its_name_in_one_request(runbook: Runbook, sandbox: Sandbox) -> None:
    """The server filters by name: for a thousand clusters one page is read after one challenge."""
    demo = next(c for c in sandbox.clusters.clusters.values() if c.display_name == "demo")
    for number in range(1000):
        name = f"other-{number}"
        sandbox.clusters.add(replace(demo, cluster_id=str(number), display_name=name, user_prefix=name))
    assert runbook.cluster("demo").cluster_id == demo.cluster_id
    assert asked(sandbox) == ["challenge", "ListClusters"]
    assert sandbox.requests.to("tidb-cloud")[-1].params["filter"] == 'displayName="demo"'
    assert len(runbook.clusters()) == len(sandbox.clusters.clusters)
    assert asked(sandbox).count("ListClusters") == 1 + -(-len(sandbox.clusters.clusters) // 100)
    with pytest.raises(InvalidRequest, match="did you mean other-41"):
        runbook.cluster("other-41x")


def test_ten_thousand_clusters_wait_for_the_rate_limit(sandbox: Sandbox) -> None:
    """A hundred pages and a challenge exceed a minute's limit by one: the rest waits, and says so."""
    events: list[Event] = []
    demo = next(c for c in sandbox.clusters.clusters.values() if c.display_name == "demo")
    for number in range(10_000 - len(sandbox.clusters.clusters)):
        name = f"other-{number}"
        sandbox.clusters.add(replace(demo, cluster_id=str(number), display_name=name, user_prefix=name))
    # At the start of a minute, so that the hundred pages fit into it.
    sandbox.clock.ahead = 60 - sandbox.clock() % 60 + 1

    def sleep(seconds: float) -> bool:
        sandbox.clock.ahead += seconds
        return False

    with Runbook(environ=sandbox.environment(), on_event=events.append, sleep=sleep) as runbook:
        assert len(runbook.clusters()) == 10_000
    waits = [event.pause for event in events if isinstance(event, RetryScheduled)]
    assert 1 <= len(waits) <= 2
    assert all(0 < pause <= 62 for pause in waits)
    assert sum(call.status == 200 for call in sandbox.requests.to("tidb-cloud")) == 100


def test_the_challenge_is_answered_once(runbook: Runbook, sandbox: Sandbox) -> None:
    """One challenge serves every later call of the kernel."""
    for _ in range(5):
        runbook.cluster("demo")
    assert asked(sandbox).count("challenge") == 1


def test_the_states_of_a_thousand_endpoints_take_one_request(manual: Sandbox) -> None:
    """The list has pages of a thousand; zones and groups are requested for the first twenty only."""
    demo = next(service for service in manual.world.services if "demo" in service.service_id)
    for number in range(1001):
        manual.world.create_endpoint(service=demo, vpc_id=VPC, zones=[], name=f"endpoint-{number}")
    with Runbook(environ=manual.environment()) as runbook:
        found = runbook.endpoints(cluster="demo")
    assert len(found) == 1001
    assert {endpoint.endpoint_status for endpoint in found} == {"Creating"}
    counts = {action: asked(manual).count(action) for action in set(asked(manual))}
    assert counts["ListVpcEndpoints"] == 2
    assert counts["ListVpcEndpointZones"] == 20
