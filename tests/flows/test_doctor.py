"""The doctor within a run: the clouds' information helps it, and `connect` uses it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.connector import Target
from tidb_pe_magic.display import render
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest, ServiceUnavailable, StepOrderError
from tidb_pe_magic.model import Outcome
from tidb_pe_magic.sandbox.network.black_hole import BlackHole
from tidb_pe_magic.sandbox.scenarios import SCENARIOS
from tidb_pe_magic.steps import doctor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.sandbox import Sandbox

SECRET = Secret("")


@pytest.fixture
def staged(lend: Callable[..., Sandbox]) -> Iterator[Callable[[str], tuple[Sandbox, Runbook]]]:
    """Return a function that starts a scenario with an endpoint in it."""
    with contextlib.ExitStack() as stack:

        def stage(name: str) -> tuple[Sandbox, Runbook]:
            sandbox = lend(scenario=name)
            runbook = stack.enter_context(Runbook(environ=sandbox.environment()))
            runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP], force=True)
            return sandbox, runbook

        yield stage


@pytest.mark.parametrize(
    ("scenario", "advice"),
    [
        ("tls-name-mismatch", "do not send a password to it. %tidb_pe endpoints"),
        ("tls-unknown-authority", "do not send a password to it. %tidb_pe endpoints"),
        ("not-mysql", "%tidb_pe status"),
        ("port-refused", "%tidb_pe status"),
        ("name-does-not-resolve", "%tidb_pe endpoints"),
    ],
)
def test_connect_asks_the_doctor(
    staged: Callable[[str], tuple[Sandbox, Runbook]], scenario: str, advice: str
) -> None:
    """The error keeps its stage, includes the diagnosis, and ends with the likeliest cause and a command."""
    sandbox, runbook = staged(scenario)
    with pytest.raises(ConnectionFailed) as caught:
        runbook.connect(ca=sandbox.ca or None)
    diagnosis = caught.value.diagnosis
    assert diagnosis is not None
    assert diagnosis.failed is not None
    assert f"doctor:{diagnosis.failed.name}" == SCENARIOS[scenario].expected
    line = str(caught.value)
    assert "\n" not in line
    assert diagnosis.causes[0] in line
    assert caught.value.commands == (diagnosis.next_command,)
    assert advice in f"{caught.value.prose} {diagnosis.next_command}"
    assert [stage.name for stage in diagnosis.stages][-1] == "tls"
    secret = sandbox.environment()["TIDB_PASSWORD"]
    assert secret not in line + repr(diagnosis) + render.text(diagnosis) + render.html(diagnosis)


def test_connect_does_not_try_a_refused_login_again(
    staged: Callable[[str], tuple[Sandbox, Runbook]],
) -> None:
    """A refused login is not repeated, because a second attempt could lock the user out."""
    _, runbook = staged("wrong-password")
    with pytest.raises(ConnectionFailed, match="Authorized Networks") as caught:
        runbook.connect()
    assert caught.value.diagnosis is None
    assert "Likely: The password is wrong" in caught.value.advice
    assert "prefix" not in caught.value.advice


@pytest.mark.parametrize(
    ("scenario", "cause", "command"),
    [
        ("login-wrong-password", "The password is wrong", "--password-from prompt"),
        ("login-wrong-user", "The password is wrong, or the user does not exist", "--password-from prompt"),
        ("login-missing-prefix", "does not belong to the cluster behind this host", "%tidb_pe cluster"),
        ("login-quota-exhausted", "spending limit in the TiDB Cloud console", "%tidb_pe connect"),
        ("login-insecure-transport", "accepts only encrypted connections", "%tidb_pe doctor"),
        ("login-connection-limit", "5,000 with a spending limit", "%tidb_pe connections"),
        ("login-user-locked", "is locked", "--user OTHER"),
        ("login-password-expired", "has expired", "%tidb_pe sql-user rotate root"),
    ],
)
def test_a_refused_login_has_one_cause_for_connect_and_doctor(
    staged: Callable[[str], tuple[Sandbox, Runbook]], scenario: str, cause: str, command: str
) -> None:
    """Both name the same first cause and next step, and do not blame a correct prefix."""
    _, runbook = staged(scenario)
    with pytest.raises(ConnectionFailed) as caught:
        runbook.connect()
    diagnosis = runbook.doctor()
    assert cause in diagnosis.causes[0]
    assert command in str(diagnosis.next_command)
    assert f"Likely: {diagnosis.causes[0]}" in caught.value.advice
    assert caught.value.commands == (diagnosis.next_command,)
    if scenario != "login-missing-prefix":
        assert "prefix" not in caught.value.advice


@pytest.mark.parametrize(
    ("scenario", "cause", "command"),
    [
        (
            "security-group-blocks-port",
            f"The endpoint's security group ({GROUP}) does not allow inbound TCP",
            f"%tidb_pe plan --vpc {VPC} --security-group {GROUP}",
        ),
        ("notebook-in-another-vpc", "outside the endpoint's VPC without a route", "%tidb_pe networks"),
        ("financially-locked", "The endpoint's billing status is FinancialLocked", "%tidb_pe endpoints"),
        ("auto-accept-off", "its owner has to accept it first", "%tidb_pe wait"),
    ],
)
def test_silence_and_refusal_have_their_first_cause(
    staged: Callable[[str], tuple[Sandbox, Runbook]], scenario: str, cause: str, command: str
) -> None:
    """For a TCP failure, the cause that the clouds' answers suggest comes first, with its command."""
    _, runbook = staged(scenario)
    diagnosis = runbook.doctor()
    assert diagnosis.failed is not None
    assert diagnosis.failed.name == "tcp"
    assert cause in diagnosis.causes[0]
    assert str(diagnosis.next_command) == command


def test_an_endpoint_that_is_not_connected_is_the_first_cause(manual: Sandbox) -> None:
    """A cause that the clouds report comes before likely causes."""
    with Runbook(environ=manual.environment()) as runbook:
        with pytest.raises(StepOrderError, match=r"runbook\.create\(\)"):
            runbook.doctor(cluster="demo")
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        diagnosis = runbook.doctor()
    assert diagnosis.failed is not None
    assert diagnosis.failed.name == "tcp"
    assert "is still connecting (Creating, Disconnected)" in diagnosis.causes[0]
    assert not any("accept" in cause for cause in diagnosis.causes[:2])
    assert str(diagnosis.next_command) == "%tidb_pe wait"


def test_a_connection_that_its_owner_ended_is_not_still_connecting(manual: Sandbox) -> None:
    """An old auto-accepted endpoint that is Disconnected was disconnected by its owner, not just created."""
    manual.clock.ahead = -600.0
    with Runbook(environ=manual.environment()) as runbook:
        made = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint
        while manual.tick():
            pass
        manual.world.disconnect(made.endpoint_id)
        while manual.tick():
            pass
        diagnosis = runbook.doctor()
    assert "its owner may have ended the connection" in diagnosis.causes[0]


def test_a_dead_zone_behind_a_connected_endpoint_is_the_providers(
    staged: Callable[[str], tuple[Sandbox, Runbook]],
) -> None:
    """If the cloud shows everything as Connected, the provider's load balancer is the first cause."""
    _, runbook = staged("zone-black-hole")
    diagnosis = runbook.doctor()
    assert diagnosis.failed is not None
    assert diagnosis.failed.name == "tcp"
    assert "provider's load balancer" in diagnosis.causes[0]
    assert str(diagnosis.next_command) == "%tidb_pe endpoints"


def test_a_missing_prefix_is_named(staged: Callable[[str], tuple[Sandbox, Runbook]]) -> None:
    """A user without the cluster's prefix is the first cause, with the corrected name."""
    _, runbook = staged("clean")
    diagnosis = runbook.doctor(user="root", no_prefix=True)
    assert diagnosis.failed is not None
    assert diagnosis.failed.name == "login"
    assert "2vKmPqRsTuWxYzA.root" in diagnosis.causes[0]
    assert "--user 2vKmPqRsTuWxYzA.root" in str(diagnosis.next_command)


def test_clouds_that_hang_are_not_waited_for(sandbox: Sandbox) -> None:
    """If TiDB Cloud is silent or refuses connections, the doctor shows how to continue without it."""
    with BlackHole(("127.81.1.1", sandbox.world.port)):
        environ = sandbox.environment() | {
            "TIDBCLOUD_SERVERLESS_ENDPOINT": f"http://127.81.1.1:{sandbox.world.port}"
        }
        with Runbook(environ=environ) as runbook:
            with pytest.raises(ServiceUnavailable) as silent:
                runbook.doctor(cluster="demo")
            known_host = runbook.doctor(cluster="demo", host="127.0.0.1", port=1)
    with Runbook(environ=environ) as runbook, pytest.raises(ServiceUnavailable) as refused:
        runbook.doctor(cluster="demo")
    for caught in (silent, refused):
        assert 'host="HOST"' in caught.value.text()
    assert known_host.stages[1].outcome == Outcome.UNKNOWN
    # Whichever limit of time ends first: the one for the clouds or the one for a connection.
    assert re.search("no answer|did not answer", known_host.stages[1].detail)


@pytest.mark.parametrize("host", ["user:secret@db.example.com", "db.example.com:4000", "https://db", "a b"])
def test_a_host_with_more_in_it_is_refused_unseen(host: str) -> None:
    """An invalid host may contain a password, so the error does not repeat it."""
    with Runbook(environ={}) as runbook, pytest.raises(InvalidRequest, match="--host") as caught:
        runbook.doctor(host=host)
    assert host not in str(caught.value)


def test_the_doctor_of_a_failed_connect_has_the_remaining_time(sandbox: Sandbox, runbook: Runbook) -> None:
    """After a failed connect the stages share the remaining time, shortened but sufficient."""
    made = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint
    cluster = runbook.cluster("demo")
    failure = ConnectionFailed("tcp", "no answer.", kind="timeout")
    with BlackHole(("127.81.1.2", sandbox.world.port)):
        target = Target(host="127.81.1.2", port=sandbox.world.port, user="", database="", password=Secret(""))
        context = replace(runbook._context, clock=lambda: 100.0)
        explained = doctor.with_diagnosis(context, failure, target, cluster, made, end=101.0)
    assert explained.diagnosis is not None
    assert explained.diagnosis.failed is not None
    assert "127.81.1.2: no answer in 1.4 s" in explained.diagnosis.failed.detail
    assert explained.commands == (explained.diagnosis.next_command,)


def test_a_query_without_an_answer_has_a_cause_too(sandbox: Sandbox, runbook: Runbook) -> None:
    """A query without an answer is not repeated; the error has a cause and a command."""
    made = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint
    cluster = runbook.cluster("demo")
    target = Target(
        host=made.domain,
        port=sandbox.world.port,
        user="2vKmPqRsTuWxYzA.root",
        database="",
        password=Secret(""),
    )
    failure = ConnectionFailed("query", "no answer to SELECT VERSION() in 8 s.")
    told = doctor.with_diagnosis(runbook._context, failure, target, cluster, made, end=0.0)
    assert told.diagnosis is None
    assert "Likely: The cluster is overloaded" in str(told)
    assert "Try: %tidb_pe doctor --cluster" in str(told)
