"""Faults by name, by number and by seed, and the log of the calls that they struck."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.faults import KINDS, Fault, Faults, Kind, Point, Service, parse, schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATIONS = {
    Service.ALIBABA: frozenset({"CreateVpcEndpoint", "ListVpcEndpoints"}),
    Service.TIDB_CLOUD: frozenset({"ListClusters"}),
}


def struck(faults: Faults, calls: Sequence[tuple[Service, str]]) -> list[Kind | None]:
    """Return the kind of fault that strikes each of the calls."""
    found = [faults.arrived(service, operation)[0].fault for service, operation in calls]
    return [fault.kind if fault else None for fault in found]


def test_the_same_seed_is_the_same_schedule() -> None:
    """Each of a thousand seeds repeats its faults, and nearly all of them differ from each other."""
    schedules = [schedule(seed) for seed in range(1000)]
    assert schedules == [schedule(seed) for seed in range(1000)]
    assert len(set(schedules)) > 990
    assert all(1 <= len(faults) <= 8 for faults in schedules)
    # Fixed values, so that a seed keeps its meaning.
    assert [str(fault) for fault in schedule(6)] == SIX


SIX = [
    "endpoint-locked:CreateVpcEndpoint:before",
    "cut:COMMIT:after",
    "unknown-fields:CreateVpcEndpoint:during",
    "drip:GetVpcEndpointAttribute:during",
    "missing-fields:CreateVpcEndpoint:during",
    "missing-fields:CreateVpcEndpoint:during",
    "cut:PING:before",
    "unknown-state:CreateVpcEndpoint:during",
]


def test_seeds_reach_every_kind_and_point() -> None:
    """Every kind of fault occurs at every point where it is possible."""
    reached = {(fault.kind, fault.point) for seed in range(2000) for fault in schedule(seed)}
    assert reached == {(kind, point) for kind in Kind for point in KINDS[kind].points}


def test_a_sandbox_with_a_seed_stages_that_schedule() -> None:
    """`fault_seed` equals `schedule`."""
    assert Sandbox(flights=0, fault_seed=11).faults.pending == schedule(11)
    assert Sandbox(flights=0).faults.pending == ()


def test_a_fault_strikes_its_operation_so_often_after_so_many() -> None:
    """Calls of another operation or service do not count."""
    faults = Faults()
    faults.add(Fault(kind=Kind.RESET, operation="List*", skip=1, times=2))
    calls = [
        (Service.ALIBABA, "CreateVpcEndpoint"),
        (Service.SQL, "List"),
        *[(Service.ALIBABA, "ListVpcEndpoints"), (Service.TIDB_CLOUD, "ListClusters")] * 2,
    ]
    assert struck(faults, calls) == [None, None, None, Kind.RESET, Kind.RESET, None]
    assert faults.pending == ()


def test_a_fault_for_any_operation_strikes_where_it_makes_sense() -> None:
    """A lock concerns a change, a page a list, an STS token Alibaba Cloud."""
    faults = Faults()
    faults.add(*(Fault(kind=kind, times=99) for kind in (Kind.ENDPOINT_LOCKED, Kind.REPEATED_PAGE)))
    calls = [
        (Service.ALIBABA, "GetVpcEndpointAttribute"),
        (Service.ALIBABA, "DeleteVpcEndpoint"),
        (Service.TIDB_CLOUD, "ListClusters"),
    ]
    assert struck(faults, calls) == [None, Kind.ENDPOINT_LOCKED, Kind.REPEATED_PAGE]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reset", Fault(kind=Kind.RESET)),
        ("reset:CreateVpcEndpoint", Fault(kind=Kind.RESET, operation="CreateVpcEndpoint")),
        (
            "reset:CreateVpcEndpoint:after",
            Fault(kind=Kind.RESET, operation="CreateVpcEndpoint", point=Point.AFTER),
        ),
        (
            "refused=QuotaMisMatched:CreateVpcEndpoint",
            Fault(kind=Kind.REFUSED, operation="CreateVpcEndpoint", code="QuotaMisMatched"),
        ),
        ("drip::during", Fault(kind=Kind.DRIP)),
        ("cut:INSERT:after", Fault(kind=Kind.CUT, operation="INSERT", point=Point.AFTER)),
    ],
)
def test_a_fault_has_a_name(text: str, fault: Fault) -> None:
    """NAME[:OPERATION[:POINT]] reads as a fault, and a fault is written the same way."""
    assert parse(text) == fault
    assert parse(str(fault)) == fault
    Faults(OPERATIONS).add(fault)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rest", "unknown fault 'rest': did you mean reset?"),
        ("nonsense", "--list-faults shows them all"),
        ("reset:CreateVpcEndpoint:later", "did you mean after?"),
        ("drip:ListClusters:before", "drip strikes during"),
        ("a:b:c:d", "is not NAME"),
        ("reset:CreateVpcEndpont", "did you mean CreateVpcEndpoint?"),
        ("nonce-expired:CreateVpcEndpoint", "nonce-expired does not apply to it"),
        ("cut:insert", "capital letters: INSERT"),
    ],
)
def test_a_mistyped_fault_is_refused(text: str, words: str) -> None:
    """A fault that could never strike is an error with the closest name."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Faults(OPERATIONS).add(parse(text))


def test_a_kind_has_its_points() -> None:
    """A drip before the execution of a call is refused as a contradiction."""
    with pytest.raises(ValueError, match="drip does not strike before"):
        Fault(kind=Kind.DRIP, point=Point.BEFORE)


def test_the_log_is_bounded_and_in_order() -> None:
    """The log of a long-running sandbox is bounded, and keeps the newest entries."""
    faults = Faults()
    for _ in range(10_010):
        faults.arrived(Service.ALIBABA, "CheckProductOpen")
    numbers = [call.number for call in faults.requests]
    assert numbers == list(range(11, 10_011))


def test_a_hold_stops_the_call_of_its_number() -> None:
    """The second call from now on is held, and only that one; the end of the hold releases it."""
    faults = Faults()
    faults.arrived(Service.ALIBABA, "CheckProductOpen")
    with faults.hold(2, Point.BEFORE) as hold:
        held = [faults.arrived(Service.ALIBABA, "CheckProductOpen")[1] for _ in range(3)]
        assert held == [None, hold, None]
        stopped = threading.Thread(target=hold.block)
        stopped.start()
        assert hold.reached.wait(10)
    stopped.join(10)
    assert not stopped.is_alive()


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tidb_pe_magic.sandbox", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_line_lists_the_faults() -> None:
    """Each kind takes one line that starts with its name."""
    listed = _run("--list-faults")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(Kind)


def test_the_command_line_refuses_a_mistyped_fault() -> None:
    """The error is one line on standard error, before any port is opened."""
    refused = _run("--flights", "0", "--fault", "reset:CreateVpcEndpont")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert "did you mean CreateVpcEndpoint" in refused.stderr
