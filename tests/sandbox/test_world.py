"""The emulated account's endpoints: states, modes, observers and addresses."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ports import free_port

from tidb_pe_magic.sandbox.alibaba import endpoint_states
from tidb_pe_magic.sandbox.alibaba.network_seed import EndpointService, seed
from tidb_pe_magic.sandbox.alibaba.world import Endpoint, World

if TYPE_CHECKING:
    from collections.abc import Callable

ZONES = [("ap-southeast-1a", "vsw-t4na1"), ("ap-southeast-1b", "vsw-t4nb1")]
SERVICES = {service.service_id: service for service in seed().services}
DEMO = SERVICES["epsrv-t4ndemo7c1x0qk2p9s8e"]
REPORTING = SERVICES["epsrv-t4nreport5w8z2m6k1v0"]


def create(world: World, *, service: EndpointService = DEMO) -> str:
    """Create an endpoint in two zones and return its ID."""
    endpoint = world.create_endpoint(
        service=service, vpc_id="vpc-t4nanalytics0k3m7x", zones=ZONES, security_groups=["sg-t4nanalytics"]
    )
    return endpoint.endpoint_id


def states(endpoint: Endpoint) -> tuple[str, str, str]:
    """Return an endpoint's status, its connection's and its first zone's."""
    zone = endpoint.zones[0].zone_status if endpoint.zones else ""
    return endpoint.endpoint_status, endpoint.connection_status, zone


class ManualClock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        """Start at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_manual_mode_passes_every_documented_state() -> None:
    """Each tick moves an endpoint by one transition, from Creating to Connected."""
    with World(mode="manual", port=free_port()) as world:
        endpoint_id = create(world)
        seen = [states(world.endpoints[endpoint_id])]
        while world.tick():
            seen.append(states(world.endpoints[endpoint_id]))
    assert seen == [
        ("Creating", "Disconnected", "Creating"),
        ("Active", "Disconnected", "Wait"),
        ("Active", "Connecting", "Connecting"),
        ("Active", "Connected", "Connected"),
    ]


def test_immediate_mode_is_connected_before_create_returns() -> None:
    """In mode immediate the answer has the first state and the next read the last one."""
    with World(port=free_port()) as world:
        first = world.create_endpoint(service=DEMO, vpc_id="vpc-t4nanalytics0k3m7x", zones=ZONES)
        assert states(first) == ("Creating", "Disconnected", "Creating")
        assert states(world.endpoints[first.endpoint_id]) == ("Active", "Connected", "Connected")


def test_without_auto_accept_an_endpoint_waits_for_the_owner() -> None:
    """Without auto-accept an endpoint stays Disconnected until its service's owner accepts."""
    with World(port=free_port()) as world:
        endpoint_id = create(world, service=REPORTING)
        assert states(world.endpoints[endpoint_id]) == ("Active", "Disconnected", "Wait")
        assert not world.endpoints[endpoint_id].connected
        world.accept(endpoint_id)
        assert world.endpoints[endpoint_id].connected


@pytest.mark.parametrize("end", [World.disconnect, World.reject])
def test_an_owner_can_end_a_connection_and_accept_again(end: Callable[[World, str], None]) -> None:
    """After the owner ends a connection SQL stops, and acceptance restores it."""
    with World(port=free_port()) as world:
        endpoint_id = create(world)
        end(world, endpoint_id)
        assert states(world.endpoints[endpoint_id]) == ("Active", "Disconnected", "Disconnected")
        assert world.endpoints[endpoint_id].addresses == frozenset()
        world.accept(endpoint_id)
        assert states(world.endpoints[endpoint_id]) == ("Active", "Connected", "Connected")


def test_a_removed_service_leaves_its_endpoints_without_it() -> None:
    """The endpoints of a withdrawn service show ServiceDeleted and carry no traffic."""
    with World(port=free_port()) as world:
        endpoint_id = create(world)
        world.remove_service(DEMO.service_id)
        assert world.endpoints[endpoint_id].connection_status == "ServiceDeleted"
        assert not world.endpoints[endpoint_id].connected
        assert DEMO not in world.services


def test_observers_see_each_change_in_order_and_the_deletion() -> None:
    """Observers receive every state of an endpoint, the last of them Deleted."""
    with World(port=free_port()) as world:
        seen: list[Endpoint] = []
        world.subscribe(seen.append)
        endpoint_id = create(world)
        assert [endpoint.connected for endpoint in seen] == [False, False, False, True]
        for zone_id, _ in ZONES:
            world.remove_zone(endpoint_id, zone_id)
        world.delete_endpoint(endpoint_id)
        assert seen[-2].endpoint_status == "Deleting"
        assert seen[-1].endpoint_status == endpoint_states.DELETED
        assert endpoint_id not in world.endpoints


def test_observers_run_outside_the_lock() -> None:
    """While an observer runs, another thread can read the world."""
    with World(port=free_port()) as world:
        read: list[int] = []

        def observer(_: Endpoint) -> None:
            thread = threading.Thread(target=lambda: read.append(len(world.endpoints)))
            thread.start()
            thread.join()

        world.subscribe(observer)
        create(world)
        assert read == [1, 1, 1, 1]


def test_addresses_follow_the_zones() -> None:
    """The open SQL addresses are the domain and those of the connected zones."""
    with World(port=free_port()) as world:
        endpoint_id = create(world)
        endpoint = world.endpoints[endpoint_id]
        assert endpoint.addresses == {endpoint.domain, *(zone.eni_ip for zone in endpoint.zones)}
        world.remove_zone(endpoint_id, "ap-southeast-1a")
        kept = world.endpoints[endpoint_id]
        assert kept.addresses == {endpoint.domain, endpoint.zones[1].eni_ip}
        world.remove_zone(endpoint_id, "ap-southeast-1b")
        assert world.endpoints[endpoint_id].addresses == frozenset()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have one loopback address")
def test_each_address_is_its_own_loopback_literal() -> None:
    """On Linux every domain and interface has its own loopback address that can be listened on."""
    port = free_port()
    with World(port=port) as world:
        ids = [create(world) for _ in range(20)]
        endpoints = [world.endpoints[endpoint_id] for endpoint_id in ids]
        addresses = [address for endpoint in endpoints for address in endpoint.addresses]
        assert len(addresses) == len(set(addresses)) == 3 * len(endpoints)
        for address in addresses:
            assert address.startswith("127.")
            with socket.create_server((address, port)):
                pass


def test_free_addresses_are_taken_and_given_back() -> None:
    """Each zone takes one address of its vSwitch and returns it when it is removed."""
    with World(mode="manual", port=free_port()) as world:
        before = world.free_addresses("vsw-t4na1")
        endpoint_id = create(world)
        assert world.free_addresses("vsw-t4na1") == before - 1
        world.remove_zone(endpoint_id, "ap-southeast-1a")
        assert world.free_addresses("vsw-t4na1") == before - 1
        world.tick()
        assert world.free_addresses("vsw-t4na1") == before


def test_a_modification_passes_pending_and_keeps_the_connection() -> None:
    """During a modification an endpoint is Pending, and SQL continues."""
    with World(mode="manual", port=free_port()) as world:
        endpoint_id = create(world)
        while world.tick():
            pass
        world.set_security_group(endpoint_id, "sg-t4nclosed", "Attaching")
        pending = world.endpoints[endpoint_id]
        assert (pending.endpoint_status, pending.connected) == ("Pending", True)
        world.tick()
        active = world.endpoints[endpoint_id]
        assert (active.endpoint_status, active.security_groups["sg-t4nclosed"]) == ("Active", "Attached")


def test_a_zone_added_later_follows_the_connection() -> None:
    """A zone added to a connected endpoint passes Creating, Wait and Connecting automatically."""
    with World(mode="manual", port=free_port()) as world:
        endpoint = world.create_endpoint(service=DEMO, vpc_id="vpc-t4nanalytics0k3m7x", zones=ZONES[:1])
        while world.tick():
            pass
        world.add_zone(endpoint.endpoint_id, *ZONES[1])
        seen = [world.endpoints[endpoint.endpoint_id].zones[1].zone_status]
        while world.tick():
            seen.append(world.endpoints[endpoint.endpoint_id].zones[1].zone_status)
    assert seen == ["Creating", "Wait", "Connecting", "Connected"]


def test_time_mode_spreads_the_transitions_over_the_seconds() -> None:
    """In mode time an endpoint is connected after exactly the given seconds, by the clock."""
    clock = ManualClock()
    with World(mode="time", seconds=30.0, clock=clock, port=free_port()) as world:
        endpoint_id = create(world)
        seen = []
        for now in (9.9, 10.0, 19.9, 20.0, 29.9, 30.0):
            clock.now = now
            world.run_due()
            seen.append(states(world.endpoints[endpoint_id])[:2])
    assert seen == [
        ("Creating", "Disconnected"),
        ("Active", "Disconnected"),
        ("Active", "Disconnected"),
        ("Active", "Connecting"),
        ("Active", "Connecting"),
        ("Active", "Connected"),
    ]


def test_time_mode_catches_up_after_a_pause() -> None:
    """After a jump of the clock, all due transitions happen in order."""
    clock = ManualClock()
    with World(mode="time", seconds=3.0, clock=clock, port=free_port()) as world:
        seen: list[str] = []
        world.subscribe(lambda endpoint: seen.append(endpoint.connection_status))
        create(world)
        clock.now = 1000.0
        world.run_due()
    assert seen == ["Disconnected", "Disconnected", "Connecting", "Connected"]


def test_time_mode_runs_by_itself_and_ends() -> None:
    """In mode time one thread makes the transitions, and close joins it."""
    connected, deleted = threading.Event(), threading.Event()
    before = set(threading.enumerate())
    with World(mode="time", seconds=0.03, port=free_port()) as world:

        def observer(endpoint: Endpoint) -> None:
            if endpoint.connected:
                connected.set()
            if endpoint.endpoint_status == endpoint_states.DELETED:
                deleted.set()

        world.subscribe(observer)
        endpoint_id = create(world)
        assert connected.wait(30)
        assert len(set(threading.enumerate()) - before) == 1
        world.delete_endpoint(endpoint_id)
        assert deleted.wait(30)
    assert set(threading.enumerate()) <= before


def test_close_ends_a_timer_that_still_waits() -> None:
    """Close does not wait for future transitions."""
    before = set(threading.enumerate())
    world = World(mode="time", seconds=1e6, port=free_port())
    create(world)
    world.close()
    world.close()
    assert set(threading.enumerate()) <= before


@given(st.lists(st.sampled_from(["tick", "accept", "disconnect", "attach", "remove"]), max_size=12))
def test_every_endpoint_comes_to_rest(actions: list[str]) -> None:
    """Whatever the parties do, the states are documented ones and settle within a few ticks."""
    with World(mode="manual", port=free_port()) as world:
        endpoint_id = create(world)
        steps: dict[str, Callable[[], object]] = {
            "tick": world.tick,
            "accept": lambda: world.accept(endpoint_id),
            "disconnect": lambda: world.disconnect(endpoint_id),
            "attach": lambda: world.set_security_group(endpoint_id, "sg-t4nclosed", "Attaching"),
            "remove": lambda: world.remove_zone(endpoint_id, "ap-southeast-1a"),
        }
        for action in actions:
            steps[action]()
        ticks = 0
        while world.tick():
            ticks += 1
            assert ticks < 8
        endpoint = world.endpoints[endpoint_id]
        assert endpoint.endpoint_status == "Active"
        assert endpoint.connection_status in {"Connected", "Disconnected"}
        assert endpoint.connected == (endpoint.connection_status == "Connected")
        assert {zone.zone_status for zone in endpoint.zones} <= {"Connected", "Wait", "Disconnected"}
