"""`run CLUSTER` alone: its choices, its question, and its stops."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, OTHER_VPC, VPC
from support.inspecting_proxy import InspectingProxy

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.advice import magic
from tidb_pe_magic.credentials.prompt import ask_yes_no
from tidb_pe_magic.model import PlanShown
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.model import Event

_HOSTS = {
    "aliyuncs.com": "TIDB_PE_ALIBABA_ENDPOINT",
    "iam.tidbapi.com": "TIDBCLOUD_IAM_ENDPOINT",
    "serverless.tidbapi.com": "TIDBCLOUD_SERVERLESS_ENDPOINT",
}


def _never(question: str) -> bool:
    raise AssertionError(question)


def test_the_name_is_enough(sandbox: Sandbox, events: list[Event]) -> None:
    """The cluster's name is enough: VPC, security group and two zones are chosen, without a question."""
    with Runbook(environ=sandbox.environment(), on_event=events.append, confirm=_never) as runbook:
        report = runbook.run("demo", database="nycflights13")
    (plan,) = (event.plan for event in events if isinstance(event, PlanShown))
    assert (plan.vpc.vpc_id, plan.security_group_ids, len(plan.zones)) == (VPC, (GROUP,), 2)
    assert (plan.billed, plan.here) == (False, True)
    assert report.endpoint.ready


def test_an_open_choice_lists_the_complete_commands(sandbox: Sandbox, runbook: Runbook) -> None:
    """If the notebook's VPC is unknown, each usable VPC gets a complete command that works."""
    sandbox.place = None
    with pytest.raises(errors.ChoiceRequired) as choice:
        runbook.run("demo", alias="mine")
    assert not sandbox.world.endpoints
    commands = [shlex.split(str(command)) for command in choice.value.commands]
    assert commands == [
        ["%tidb_pe", "run", "demo", "--vpc", vpc, "--alias", "mine"] for vpc in (VPC, OTHER_VPC)
    ]
    shown = choice.value.text(magic).splitlines()
    assert [line[len("Try: ") :] for line in shown[-2:]] == [
        str(command) for command in choice.value.commands
    ]
    runbook.run("demo", vpc=OTHER_VPC)
    assert runbook.run("demo").endpoint.vpc_id == OTHER_VPC, "this VPC has the only endpoint"


def test_a_group_that_does_not_allow_this_notebook_is_not_a_default(
    sandbox: Sandbox, runbook: Runbook
) -> None:
    """If no group's rules allow this notebook, the groups are listed with their rules."""
    sandbox.place = replace(sandbox.place, private_ip="172.16.0.9")  # type: ignore[type-var]  # it is a Place
    with pytest.raises(errors.ChoiceRequired, match=r"no security group of .* is known to allow") as choice:
        runbook.run("demo")
    described = dict(choice.value.candidates)
    assert described[GROUP] == "analytics: cannot tell whether it allows this notebook"
    assert described["sg-t4nenterprise"] == "enterprise: does not allow this notebook"
    assert "sg-t4nmanaged" not in described


@pytest.fixture(scope="module")
def clouds() -> Iterator[Sandbox]:
    """Provide clouds that are reached as the real ones are."""
    with Sandbox(flights=20) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def real(clouds: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Provide the environment of a machine that reaches the clouds by their own names."""

    def upstream(host: str) -> str:
        return clouds.environment()[next(_HOSTS[end] for end in _HOSTS if host.endswith(end))]

    with InspectingProxy(tmp_path_factory.mktemp("real"), upstream) as proxy:
        own = {name: value for name, value in clouds.environment().items() if name not in _HOSTS.values()}
        yield own | {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": proxy.authority}


@pytest.mark.parametrize(
    ("confirm", "reason"),
    [(lambda _: False, "you answered no"), (ask_yes_no, "has no terminal or notebook for the question")],
)
def test_without_a_yes_nothing_is_created(
    real: dict[str, str], clouds: Sandbox, confirm: Callable[[str], bool], reason: str
) -> None:
    """A no, and a process without input, create nothing, and show the command with --yes."""
    with Runbook(environ=real, confirm=confirm) as runbook:
        with pytest.raises(errors.NotConfirmed, match=reason) as refusal:
            runbook.run("demo", database="nycflights13")
        assert [*map(str, refusal.value.commands)] == ["%tidb_pe run demo --database nycflights13 --yes"]
    assert not clouds.world.endpoints


@pytest.mark.parametrize("options", [{}, {"yes": True}])
def test_a_billed_creation_is_asked_for_once(
    real: dict[str, str], clouds: Sandbox, options: dict[str, Any]
) -> None:
    """One question names the billed zones; --yes and an existing endpoint skip it."""
    questions: list[str] = []

    def confirm(question: str) -> bool:
        questions.append(question)
        return True

    with Runbook(environ=real, confirm=confirm) as runbook:
        made = runbook.run("demo", **options).endpoint
        assert len(questions) == (0 if options else 1)
        assert all("2 zones billed by the hour" in question for question in questions)
        runbook.run("demo")
        assert len(questions) == (0 if options else 1)
        runbook.delete(made.endpoint_id, yes=True, shared=True)
    assert not clouds.world.endpoints


def test_where_the_owner_has_to_accept_run_stops_and_says_so(sandbox: Sandbox, runbook: Runbook) -> None:
    """If the owner must accept, run creates the endpoint, then stops with its ID and a command that works."""
    sandbox.stage("auto-accept-off")
    with pytest.raises(errors.StepOrderError, match="owner of the service has to accept") as stop:
        runbook.run("demo")
    (endpoint_id,) = sandbox.world.endpoints
    assert endpoint_id in stop.value.message
    assert stop.value.advice.endswith("run %tidb_pe run demo")
    sandbox.accept(endpoint_id)
    assert runbook.run("demo").endpoint.endpoint_id == endpoint_id


def test_wait_means_the_endpoint_of_this_kernel(runbook: Runbook, sandbox: Sandbox) -> None:
    """Of several endpoints, `wait` and `connect` use the one that this kernel created or used last."""
    runbook.create(cluster="demo", vpc=OTHER_VPC)
    last = runbook.create(cluster="demo", vpc=VPC).endpoint.endpoint_id
    assert runbook.wait().endpoint_id == last
    assert runbook.connect().endpoint_id == last
    with (
        Runbook(environ=sandbox.environment()) as other,
        pytest.raises(errors.InvalidRequest, match="several endpoints"),
    ):
        other.wait(cluster="demo")
