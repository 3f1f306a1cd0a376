"""Creating, adopting, waiting for and deleting endpoints."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypedDict

import pytest
from flows.detour import detour
from flows.places import DEMO_ID, GROUP, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.model import OUR_TAG, EndpointObserved, RetryScheduled
from tidb_pe_magic.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox


class Placement(TypedDict):
    """The location of an endpoint."""

    cluster: str
    vpc: str
    security_group: list[str]


def test_two_zones_are_the_default(runbook: Runbook) -> None:
    """Without --zone the endpoint is in two zones, each in its vSwitch with the most free addresses."""
    plan = runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP])
    assert [(zone.zone_id, zone.vswitch_id) for zone in plan.zones] == [
        ("ap-southeast-1a", "vsw-t4na1"),
        ("ap-southeast-1b", "vsw-t4nb1"),
    ]


def test_zones_and_vswitches_can_be_chosen(runbook: Runbook) -> None:
    """`ZONE=VSWITCH` names the vSwitch; `all` uses every zone with a usable one."""
    plan = runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP], zone=["ap-southeast-1a=vsw-t4na2"])
    assert [(zone.zone_id, zone.vswitch_id) for zone in plan.zones] == [("ap-southeast-1a", "vsw-t4na2")]
    assert plan.billed_zones == 1
    every = runbook.plan(vpc=VPC, security_group=[GROUP], zone=["all"])
    assert [zone.zone_id for zone in every.zones] == ["ap-southeast-1a", "ap-southeast-1b"]


def test_a_created_endpoint_has_the_tag_and_the_name(runbook: Runbook, sandbox: Sandbox) -> None:
    """A created endpoint has the product's tag, and the cluster's name if none was given."""
    endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    made = sandbox.world.endpoints[endpoint_id]
    assert OUR_TAG in made.tags.items()
    assert made.name == "tidb-demo"
    assert runbook.wait().ours


def test_an_endpoint_that_exists_is_adopted_with_its_differences(runbook: Runbook, sandbox: Sandbox) -> None:
    """Another `create` for the same service and VPC adopts the endpoint, and lists the differences."""
    first = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP], zone=["ap-southeast-1a"])
    before = sandbox.world.endpoints
    second = runbook.create(
        vpc=VPC,
        security_group=["sg-t4nclosed"],
        zone=["ap-southeast-1a=vsw-t4na2", "ap-southeast-1b"],
        name="n2",
    )
    assert second.adopted
    assert second.endpoint.endpoint_id == first.endpoint.endpoint_id
    assert dict(sandbox.world.endpoints) == dict(before)
    differences = "\n".join(second.differences)
    for words in (
        "zone ap-southeast-1b was requested but is not in it",
        "zone ap-southeast-1a is in vSwitch vsw-t4na1, not vsw-t4na2",
        "security group sg-t4nclosed was requested but is not attached",
        f"security group {GROUP} is attached but was not requested",
        "its name is tidb-demo, not n2",
    ):
        assert words in differences
    plan = runbook.plan(vpc=VPC, security_group=["sg-t4nclosed"])
    assert plan.existing is not None
    assert plan.billed_zones == 0


def test_an_endpoint_of_the_console_is_adopted_and_protected(runbook: Runbook, sandbox: Sandbox) -> None:
    """An endpoint without the product's tag is used, and deleted only with --adopted."""
    endpoint_id = _console_endpoint(sandbox)
    created = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    assert created.adopted
    assert not created.endpoint.ours
    with pytest.raises(errors.NotEligible, match="--adopted"):
        runbook.delete(endpoint_id, yes=True, shared=True)
    assert endpoint_id in sandbox.world.endpoints
    runbook.delete(endpoint_id, yes=True, shared=True, adopted=True)
    assert endpoint_id not in sandbox.world.endpoints


def _console_endpoint(sandbox: Sandbox) -> str:
    world = sandbox.world
    service = next(s for s in world.services if s.service_id == "epsrv-t4ndemo7c1x0qk2p9s8e")
    zones = [("ap-southeast-1a", "vsw-t4na1")]
    made = world.create_endpoint(service=service, vpc_id=VPC, zones=zones, security_groups=[GROUP])
    return made.endpoint_id


def _ticking(sandbox: Sandbox) -> Callable[[float], bool]:
    """Let the emulated cloud advance one transition at each pause of a wait."""

    def sleep(_: float) -> bool:
        sandbox.tick()
        return False

    return sleep


def test_wait_shows_each_state_until_connected(manual: Sandbox, events: list[Event]) -> None:
    """A wait reports every state in order, the last being Active and Connected."""
    with Runbook(environ=manual.environment(), on_event=events.append, sleep=_ticking(manual)) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        waited = runbook.wait()
    assert waited.ready
    seen = [
        (event.endpoint.endpoint_status, event.endpoint.connection_status)
        for event in events
        if isinstance(event, EndpointObserved) and event.endpoint
    ]
    assert list(dict.fromkeys(seen)) == [
        ("Creating", "Disconnected"),
        ("Active", "Disconnected"),
        ("Active", "Connecting"),
        ("Active", "Connected"),
    ]
    told = [(change.endpoint_status, change.connection_status) for change in waited.changes]
    assert told == list(dict.fromkeys(seen))
    assert all(zone.eni_ip for zone in waited.zones)


def test_a_wait_that_is_stopped_leaves_the_clouds_work(manual: Sandbox) -> None:
    """The stop button ends the wait as an error; another wait resumes it."""

    def stop(_: float) -> bool:
        raise KeyboardInterrupt

    with Runbook(environ=manual.environment(), sleep=stop) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        with pytest.raises(errors.WaitCancelled, match=r"work continues.*Try: runbook\.wait\(\)") as stopped:
            runbook.wait()
        assert stopped.value.last is not None
    assert len(manual.world.endpoints) == 1
    with Runbook(environ=manual.environment(), sleep=_ticking(manual)) as runbook:
        assert runbook.wait(cluster="demo").ready


def test_a_wait_ends_at_its_time_limit(manual: Sandbox) -> None:
    """A timed-out wait reports the last state."""
    seconds = iter(range(1000))
    with Runbook(
        environ=manual.environment(), sleep=lambda _: False, clock=lambda: float(next(seconds))
    ) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        with pytest.raises(errors.WaitTimeout, match=r"last seen: ep-.* Creating"):
            runbook.wait(timeout=10)


WAITING = """
import sys
from tidb_pe_magic import Runbook, WaitCancelled
with Runbook(on_event=lambda event: print("waiting", flush=True)) as runbook:
    try:
        runbook.wait(cluster="demo")
    except WaitCancelled as error:
        print(error)
"""


def test_a_real_interrupt_ends_a_wait(manual: Sandbox, tmp_path: Path) -> None:
    """SIGINT, as the stop button sends it, ends the wait in a process of its own."""
    environment = manual.environment() | {"HOME": str(tmp_path)}
    with Runbook(environ=environment) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    process = _python(WAITING, environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "detached while waiting" in output
    assert process.returncode == 0


def _python(code: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], env=dict(environment), stdout=subprocess.PIPE, text=True
    )


def test_an_endpoint_that_cannot_be_connected_ends_the_wait(runbook: Runbook, sandbox: Sandbox) -> None:
    """A deleted service and an unpaid bill end the wait with that reason."""
    endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    sandbox.world.set_business_status(endpoint_id, "FinancialLocked")
    with pytest.raises(errors.EndpointFailed, match="overdue"):
        runbook.wait()
    sandbox.world.set_business_status(endpoint_id, "Normal")
    sandbox.world.remove_service("epsrv-t4ndemo7c1x0qk2p9s8e")
    with pytest.raises(errors.EndpointFailed, match="ServiceDeleted"):
        runbook.wait()


def test_delete_removes_zones_then_the_endpoint(manual: Sandbox) -> None:
    """A deletion removes the zones one after the other, and returns when the endpoint is deleted."""
    with Runbook(environ=manual.environment(), sleep=_ticking(manual)) as runbook:
        endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
        runbook.wait()
        deletion = runbook.delete(endpoint_id, yes=True, shared=True)
    assert deletion.zones == ("ap-southeast-1a", "ap-southeast-1b")
    assert endpoint_id not in manual.world.endpoints


def test_delete_needs_a_yes(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without --yes nothing is deleted."""
    endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    with pytest.raises(errors.InvalidRequest, match="--yes"):
        runbook.delete(endpoint_id)
    assert endpoint_id in sandbox.world.endpoints


def test_delete_again_finds_nothing_to_do(runbook: Runbook) -> None:
    """Deleting an endpoint that has been deleted is not an error."""
    endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    assert runbook.delete(endpoint_id, yes=True, shared=True).found
    assert not runbook.delete(endpoint_id, yes=True, shared=True).found


def test_delete_of_an_unknown_endpoint_is_refused(runbook: Runbook, sandbox: Sandbox) -> None:
    """A mistyped ID is an error that lists the existing endpoints, as the intended one is still billed."""
    runbook.cluster("demo")
    with pytest.raises(
        errors.InvalidRequest,
        match=r"ep-typo does not exist in ap-southeast-1.*no endpoint created here exists",
    ):
        runbook.delete("ep-typo", yes=True, shared=True)
    made = runbook.create(vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    with pytest.raises(errors.InvalidRequest, match=f"existing endpoints: {made} .Active.*runbook.endpoints"):
        runbook.delete("ep-typo", yes=True, shared=True)
    with pytest.raises(errors.InvalidRequest, match=rf"did you mean {made}\?.*region=.ap-southeast-1"):
        runbook.delete(f"{made}x", region="ap-southeast-1", yes=True, shared=True)
    again = rf'"{made}", yes=True, shared=True, region="ap-southeast-1"\)'
    with pytest.raises(errors.InvalidRequest, match=f"the journal, it is in ap-southeast-1.*{again}"):
        runbook.delete(made, cluster="jakarta", yes=True, shared=True)
    assert list(sandbox.world.endpoints) == [made]


def test_delete_of_a_known_missing_endpoint_is_a_success(
    runbook: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """An endpoint from the journal that was deleted may be deleted again."""
    made = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    with Runbook(environ=sandbox.environment() | {"TIDB_PE_STATE_DIR": str(tmp_path)}) as elsewhere:
        elsewhere.delete(made, cluster="demo", yes=True, shared=True)
    adopted = _console_endpoint(sandbox)
    for _ in range(2):
        runbook.delete(adopted, yes=True, shared=True, adopted=True)
        assert not runbook.delete(made, yes=True, shared=True).found


@pytest.mark.parametrize("content", ["no record\n", None], ids=["corrupt", "unreadable"])
def test_an_unreadable_journal_refuses_no_deletion(
    sandbox: Sandbox, tmp_path: Path, content: str | None
) -> None:
    """If the journal is unreadable, a missing endpoint counts as deleted."""
    journal = tmp_path / "journal.jsonl"
    journal.mkdir() if content is None else journal.write_text(content, encoding="utf-8")
    with Runbook(environ=sandbox.environment() | {"TIDB_PE_STATE_DIR": str(tmp_path)}) as runbook:
        assert not runbook.delete("ep-typo", cluster="demo", yes=True, shared=True).found


def test_delete_closes_the_connections_over_the_endpoint(runbook: Runbook) -> None:
    """A deletion closes the connections over the endpoint, and leaves others open."""
    first = runbook.run("demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    runbook.run("staging-1", vpc=OTHER_VPC, alias="other")
    deletion = runbook.delete(first, yes=True, shared=True)
    assert deletion.aliases == ("tidb",)
    assert [connection.alias for connection in runbook.connections()] == ["other"]


def test_a_stopped_deletion_can_be_taken_up(manual: Sandbox) -> None:
    """The same command completes an interrupted deletion."""
    with Runbook(environ=manual.environment(), sleep=_ticking(manual)) as runbook:
        endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
        runbook.wait()

    def stop(_: float) -> bool:
        raise KeyboardInterrupt

    words = rf'still exists and is billed.*Try: runbook\.delete\("{endpoint_id}", yes=True, shared=True\)'
    with (
        Runbook(environ=manual.environment(), sleep=stop) as runbook,
        pytest.raises(errors.WaitCancelled, match=words),
    ):
        runbook.delete(endpoint_id, cluster="demo", yes=True, shared=True)
    with Runbook(environ=manual.environment(), sleep=_ticking(manual)) as runbook:
        assert runbook.delete(endpoint_id, cluster="demo", yes=True, shared=True).found
    assert endpoint_id not in manual.world.endpoints


def test_disconnect_twice_is_not_an_error(runbook: Runbook) -> None:
    """The second `disconnect` reports that the connection was already closed."""
    runbook.run("demo", vpc=VPC, security_group=[GROUP])
    assert runbook.disconnect().closed
    assert not runbook.disconnect().closed


def test_threads_that_create_at_once_make_one_endpoint(sandbox: Sandbox) -> None:
    """A second thread's `create` lists the endpoints only after the first thread has created one."""
    both_about_to_make = threading.Barrier(2)

    def meet() -> None:
        # Two simultaneous calls would meet here; a single call continues alone.
        with contextlib.suppress(threading.BrokenBarrierError):
            both_about_to_make.wait(1)

    with (
        detour(sandbox, "CreateVpcEndpoint", before=meet) as environ,
        Runbook(environ=environ) as runbook,
        ThreadPoolExecutor(2) as pool,
    ):
        calls = [
            pool.submit(runbook.create, cluster="demo", vpc=VPC, security_group=[GROUP]) for _ in range(2)
        ]
        made = {call.result().endpoint.endpoint_id for call in calls}
    assert list(sandbox.world.endpoints) == list(made)
    assert len(made) == 1


def test_a_creation_whose_answer_was_lost_is_adopted(sandbox: Sandbox) -> None:
    """With every answer lost, the error says that an endpoint may exist; the same command adopts it."""
    placement: Placement = {"cluster": "demo", "vpc": VPC, "security_group": [GROUP]}
    with (
        detour(sandbox, "CreateVpcEndpoint", lose_answers=6) as environ,
        Runbook(environ=environ, sleep=lambda _: False) as runbook,
    ):
        with pytest.raises(
            errors.ServiceUnavailable,
            match=r"may exist now, and is billed.*Run the same command again to adopt it",
        ):
            runbook.create(**placement)
        again = runbook.create(**placement)
    assert again.adopted
    assert again.endpoint.ours
    assert list(sandbox.world.endpoints) == [again.endpoint.endpoint_id]


def test_a_lost_answer_is_asked_for_again_with_the_same_token(sandbox: Sandbox, events: list[Event]) -> None:
    """After two lost answers one command creates one endpoint, and reports both pauses."""
    with (
        detour(sandbox, "CreateVpcEndpoint", lose_answers=2) as environ,
        Runbook(environ=environ, on_event=events.append, sleep=lambda _: False) as runbook,
    ):
        created = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    assert not created.adopted
    assert list(sandbox.world.endpoints) == [created.endpoint.endpoint_id]
    retried = [event.operation for event in events if isinstance(event, RetryScheduled)]
    assert retried == ["CreateVpcEndpoint"] * 2
    tokens = {
        call.params["ClientToken"]
        for call in sandbox.requests.to("alibaba")
        if call.params.get("ClientToken")
    }
    assert len(tokens) == 1


def test_a_creation_cancelled_in_time_does_not_happen(sandbox: Sandbox) -> None:
    """A creation cancelled before its request says that the endpoint does not exist."""
    cancel = threading.Event()
    cancel.set()
    with (
        Runbook(environ=sandbox.environment(), cancel=cancel) as runbook,
        pytest.raises(errors.WaitCancelled, match="Nothing was created"),
    ):
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    assert not sandbox.world.endpoints


def test_the_cancel_event_ends_a_pause(sandbox: Sandbox) -> None:
    """A cancel event during a retry's pause says that the endpoint may exist."""
    cancel = threading.Event()
    with (
        detour(sandbox, "CreateVpcEndpoint", lose_answers=6) as environ,
        Runbook(environ=environ, cancel=cancel, on_event=lambda _: cancel.set()) as runbook,
        pytest.raises(
            errors.WaitCancelled,
            match=r"may exist now, and is billed.*Run the same command again to adopt it",
        ),
    ):
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])


def test_a_creation_that_is_stopped_says_what_may_be_there(sandbox: Sandbox) -> None:
    """The stop button during a creation gives one line, and the same command resumes it."""
    interrupted = threading.Event()
    main = threading.main_thread().ident or 0

    def stop() -> None:
        if not interrupted.is_set():
            interrupted.set()
            signal.pthread_kill(main, signal.SIGINT)

    with detour(sandbox, "CreateVpcEndpoint", before=stop) as environ, Runbook(environ=environ) as runbook:
        with pytest.raises(
            errors.WaitCancelled,
            match=r"may exist now, and is billed.*Run the same command again to adopt it",
        ):
            runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        assert interrupted.is_set()


def test_a_zone_that_goes_by_itself_does_not_end_the_deletion_early(sandbox: Sandbox) -> None:
    """A zone that disappears before its removal does not end the deletion: the other zones follow."""
    world = sandbox.world

    def remove_first() -> None:
        endpoint = next(iter(world.endpoints.values()))
        if len(endpoint.zones) > 1:
            world.remove_zone(endpoint.endpoint_id, endpoint.zones[0].zone_id)

    def one_pause(_: float) -> bool:
        pauses.append(1)
        return len(pauses) > 5

    pauses: list[int] = []
    with (
        detour(sandbox, "RemoveZoneFromVpcEndpoint", before=remove_first) as environ,
        Runbook(environ=environ, sleep=one_pause) as runbook,
    ):
        endpoint_id = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
        runbook.delete(endpoint_id, yes=True, shared=True)
    assert not world.endpoints


def test_an_endpoint_outlives_its_cluster(runbook: Runbook, sandbox: Sandbox) -> None:
    """The endpoint of a deleted cluster is still billed: it is found and deleted by its region."""
    runbook.cluster("demo")
    made = runbook.create(vpc=VPC, security_group=[GROUP]).endpoint
    sandbox.clusters.remove(DEMO_ID)
    with pytest.raises(errors.StepOrderError, match="is not visible"):
        runbook.endpoints()
    listed = runbook.endpoints(region="ap-southeast-1")
    assert [endpoint.endpoint_id for endpoint in listed] == [made.endpoint_id]
    assert list(runbook.endpoints(region="ap-southeast-5")) == []
    with pytest.raises(errors.InvalidRequest, match=r"--region: use either --region or --cluster"):
        runbook.delete(made.endpoint_id, cluster="reporting", region="ap-southeast-1", yes=True, shared=True)
    runbook.delete(made.endpoint_id, region="ap-southeast-1", yes=True, shared=True)
    assert not sandbox.world.endpoints


def test_an_endpoint_created_meanwhile_is_reused(sandbox: Sandbox, events: list[Event]) -> None:
    """A conflicting call is waited for; if an endpoint then exists, it is reused."""
    sandbox.world.single_endpoints = True
    sandbox.faults.add(Fault(kind=Kind.REFUSED, operation="CreateVpcEndpoint"))
    elsewhere: list[str] = []

    def sleep(_: float) -> bool:
        name = sandbox.clusters.cluster(DEMO_ID).service_name
        service = next(each for each in sandbox.world.services if each.service_name == name)
        zones = [("ap-southeast-1a", "vsw-t4na1")]
        made = sandbox.world.create_endpoint(
            service=service, vpc_id=VPC, zones=zones, security_groups=[GROUP]
        )
        elsewhere.append(made.endpoint_id)
        return False

    environ = sandbox.environment()
    with Runbook(environ=environ, on_event=events.append, sleep=sleep) as runbook:
        created = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    waited = [event for event in events if isinstance(event, RetryScheduled)]
    assert ["IdempotentTokenProcessing" in event.error for event in waited] == [True]
    assert created.adopted
    assert [created.endpoint.endpoint_id] == elsewhere == list(sandbox.world.endpoints)


@pytest.mark.parametrize("code", ["EndpointDuplicated", "EndpointExist"])
def test_an_unlisted_endpoint_is_not_created_again(sandbox: Sandbox, code: str) -> None:
    """If the list stays empty after a conflict, the conflict is the error, and the next step is a repeat."""
    sandbox.faults.add(Fault(kind=Kind.REFUSED, operation="CreateVpcEndpoint", code=code))
    with (
        Runbook(environ=sandbox.environment(), sleep=lambda _: False) as runbook,
        pytest.raises(errors.Conflict, match=rf"{code}.*it finds the endpoint and reuses it"),
    ):
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
    assert not sandbox.world.endpoints
