"""Every scenario of the sandbox is found by `plan` or `doctor`, under the right name."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook
from tidb_pe_magic.errors import NotEligible, TidbPeError
from tidb_pe_magic.model import Severity
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.pytest_plugin import Sandboxes
from tidb_pe_magic.sandbox.scenarios import SCENARIOS, Scenario, cloud, connection, find, logins, place

if TYPE_CHECKING:
    from collections.abc import Iterable

# Most of the time is spent waiting for silent servers.
AT_ONCE = 4
# In these the cloud itself allows no endpoint, so there is nothing to examine.
NO_ENDPOINT = {"not-activated", "service-invisible", "clock-skew"}


class Row(NamedTuple):
    """One line of the table."""

    scenario: str
    expected: str
    found: str
    doctor: str
    seconds: float


def planned(runbook: Runbook) -> str:
    """Return the first finding of `plan`, or an empty text."""
    try:
        plan = runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP])
    except NotEligible as error:
        return error.restriction
    return next((finding.check for finding in plan.findings if finding.severity != Severity.OK), "")


def examined(runbook: Runbook) -> tuple[str, float]:
    """Return the stage at which `doctor` reports a failure, and the time taken."""
    started = time.monotonic()
    try:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP], force=True)
        started = time.monotonic()
        diagnosis = runbook.doctor(cluster="demo")
    except TidbPeError as error:
        return f"({type(error).__name__})", time.monotonic() - started
    return diagnosis.failed.name if diagnosis.failed else "", time.monotonic() - started


def through(sandboxes: SimpleQueue[Sandboxes], scenario: Scenario) -> Row:
    """Run `plan` and `doctor` in one scenario."""
    # An idle sandbox: as many exist as are at work at once.
    free = sandboxes.get()
    try:
        sandbox = free.lend(flights=20, upstream=None, fleet=0, scenario=scenario.name)
        # No scenario has a silent metadata service, and a busy machine should still get its answer.
        with Runbook(environ=sandbox.environment(), metadata_timeout=10) as runbook:
            found = planned(runbook)
            doctor, seconds = examined(runbook)
    finally:
        sandboxes.put(free)
    first = found or (f"doctor:{doctor}" if doctor else "")
    return Row(scenario.name, scenario.expected, first, doctor, seconds)


def table(rows: Iterable[Row]) -> str:
    """Return the rows, aligned."""
    head = f"{'scenario':<36}{'expected':<20}{'found':<20}{'doctor':<24}{'s':>5}"
    lines = (
        f"{row.scenario:<36}{row.expected or '-':<20}{row.found or '-':<20}{row.doctor or '-':<24}"
        f"{row.seconds:>5.1f}"
        for row in rows
    )
    return "\n".join(("", head, *lines))


def test_every_scenario_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    """The first finding of `plan`, and the stage that fails in `doctor`, are the expected ones."""
    sandboxes: SimpleQueue[Sandboxes] = SimpleQueue()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(AT_ONCE):
            sandboxes.put(Sandboxes(stack))
        rows = list(pool.map(partial(through, sandboxes), SCENARIOS.values()))
    with capsys.disabled():
        print(table(rows))  # noqa: T201 - the table is what this test is read for
    assert [row for row in rows if row.found != row.expected] == []
    assert {row.scenario: row.doctor for row in rows if not row.doctor.startswith("(")} == {
        name: scenario.doctor for name, scenario in SCENARIOS.items() if name not in NO_ENDPOINT
    }


def test_there_are_thirty_scenarios_and_a_control() -> None:
    """Thirty scenarios and a control each have a unique name, a summary and an expectation."""
    assert len(SCENARIOS) >= 30
    assert len(SCENARIOS) == sum(len(module.SCENARIOS) for module in (cloud, connection, logins, place))
    assert SCENARIOS["clean"].expected == ""
    for name, scenario in SCENARIOS.items():
        assert name == scenario.name
        assert name.replace("-", "").isalnum()
        assert scenario.summary.endswith(".")


def test_an_unknown_scenario_is_refused_by_the_closest_name() -> None:
    """A mistyped name starts nothing, and the error suggests the closest one."""
    with pytest.raises(ValueError, match="did you mean tls-expired"):
        Sandbox(scenario="tls-expird")
    assert find("tls-expired").expected == "doctor:tls"
