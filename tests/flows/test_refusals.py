"""Impossible requests are refused in one line, before any change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flows.places import DEMO_ID, GROUP, JAKARTA_VPC, LEGACY_VPC, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display import render

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox import Sandbox

MUTATIONS = ("Create", "Delete", "Remove", "Add", "Attach", "Detach", "Update", "Tag", "Untag")


def mutations(sandbox: Sandbox) -> list[str]:
    """Return the calls that change something, except dry runs."""
    return [
        call.operation
        for call in sandbox.requests.to("alibaba")
        if call.operation.startswith(MUTATIONS) and call.params.get("DryRun", "").lower() != "true"
    ]


@pytest.mark.parametrize(
    ("name", "restriction"),
    [("aws-sales", "provider"), ("premium-hr", "plan"), ("archive", "state"), ("no-private", "service")],
)
def test_a_restricted_cluster_is_refused_by_the_restrictions_name(
    runbook: Runbook, name: str, restriction: str
) -> None:
    """A cluster that the tutorial excludes is refused, and does not become the next step's default."""
    with pytest.raises(errors.NotEligible) as refusal:
        runbook.cluster(name)
    assert refusal.value.restriction == restriction
    assert name in str(refusal.value)
    with pytest.raises(errors.StepOrderError, match="no cluster has been chosen"):
        runbook.verify()


def test_a_plan_for_a_restricted_cluster_leaves_the_default_alone(runbook: Runbook) -> None:
    """A plan for a restricted cluster does not replace the remembered cluster."""
    runbook.cluster("demo")
    for name in ("aws-sales", "no-private"):
        with pytest.raises(errors.NotEligible):
            runbook.plan(cluster=name)
    assert runbook.verify().service_name in str(runbook.cluster("demo").service)
    assert runbook.plan(cluster="archive", vpc=VPC, security_group=[GROUP]).stops
    assert runbook.networks().cluster.display_name == "demo"


def test_the_environment_is_the_last_source_of_the_cluster(sandbox: Sandbox) -> None:
    """TIDB_PE_CLUSTER is the last source of the cluster, and a wrong value is reported with its name."""
    with Runbook(environ=sandbox.environment() | {"TIDB_PE_CLUSTER": "demo"}) as runbook:
        assert runbook.networks().cluster.display_name == "demo"
        runbook.cluster("jakarta")
        assert runbook.networks().cluster.display_name == "jakarta"
    wrong = sandbox.environment() | {"TIDB_PE_CLUSTER": "dmo"}
    with (
        Runbook(environ=wrong) as runbook,
        pytest.raises(errors.InvalidRequest, match=r"^TIDB_PE_CLUSTER: dmo"),
    ):
        runbook.networks()


def test_clusters_lists_why_each_other_one_is_unusable(runbook: Runbook) -> None:
    """The list gives the restriction of each unusable cluster."""
    restricted = {c.display_name: c.restriction.name for c in runbook.clusters() if c.restriction}
    assert restricted == {
        "aws-sales": "provider",
        "premium-hr": "plan",
        "archive": "state",
        "no-private": "service",
    }


def test_an_ambiguous_name_is_refused_with_the_ids(runbook: Runbook) -> None:
    """Two clusters with the same name are refused with their IDs."""
    with pytest.raises(errors.InvalidRequest, match="10430185274093617159, 10430185274093617160"):
        runbook.cluster("twin")
    assert runbook.cluster("10430185274093617160").display_name == "twin"


def test_an_unknown_name_is_refused_with_the_closest(runbook: Runbook) -> None:
    """A misspelled name gets the closest name as a suggestion."""
    with pytest.raises(errors.InvalidRequest, match="did you mean demo"):
        runbook.cluster("dmeo")


def test_a_step_without_a_cluster_names_the_command(runbook: Runbook) -> None:
    """The first step that needs a cluster shows how to name one."""
    with pytest.raises(
        errors.StepOrderError, match=r"Give --cluster, or set TIDB_PE_CLUSTER\. Try: runbook\.clusters\(\)"
    ):
        runbook.networks()


@pytest.mark.parametrize("step", ["wait", "connect"])
def test_a_step_without_an_endpoint_names_the_command(runbook: Runbook, step: str) -> None:
    """A step that needs an endpoint names `create`."""
    with pytest.raises(errors.StepOrderError, match=r"Try: runbook\.create\(\)"):
        getattr(runbook, step)(cluster="demo")


def test_connect_before_connected_names_wait(manual: Sandbox) -> None:
    """An endpoint in creation has no host yet, and `connect` names `wait`."""
    with Runbook(environ=manual.environment()) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        with pytest.raises(errors.StepOrderError, match=r"Try: runbook\.wait\(\)"):
            runbook.connect()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"vpc": JAKARTA_VPC}, errors.NotEligible, "region"),
        ({"zone": ["ap-southeast-1a=vsw-k1aa1"]}, errors.NotEligible, "region"),
        ({"zone": ["ap-southeast-5a"]}, errors.NotEligible, "the service is not in ap-southeast-5a"),
        ({"zone": ["ap-southeast-1c"]}, errors.InvalidRequest, "no free address"),
        ({"zone": ["ap-southeast-1a=vsw-t4nb1"]}, errors.InvalidRequest, "is in ap-southeast-1b"),
        ({"zone": ["ap-southeast-1a=vsw-t4noa1"]}, errors.InvalidRequest, f"is in {OTHER_VPC}"),
        ({"zone": ["ap-southeast-1a", "ap-southeast-1a"]}, errors.InvalidRequest, "given twice"),
        ({"zone": ["ap-southeast-1a", "ap-southeast-1a=vsw-t4na2"]}, errors.InvalidRequest, "given twice"),
        ({"zone": ["all", "ap-southeast-1a"]}, errors.InvalidRequest, "cannot be combined"),
        ({"zone": ["somewhere!"]}, errors.InvalidRequest, "--zone"),
        ({"vpc": LEGACY_VPC, "security_group": ["sg-t4nlegacy"]}, errors.NotEligible, "no free address"),
        ({"security_group": []}, errors.InvalidRequest, "sg-t4nclosed"),
        ({"security_group": ["sg-t4nother"]}, errors.InvalidRequest, f"is in {OTHER_VPC}"),
        ({"security_group": ["sg-t4nmanaged"]}, errors.InvalidRequest, "managed by a cloud service"),
        ({"security_group": ["sg-nowhere"]}, errors.InvalidRequest, "sg-nowhere does not exist"),
        ({"security_group": ["group"]}, errors.InvalidRequest, "--security-group"),
        ({"vpc": None}, errors.ChoiceRequired, "2 VPCs in ap-southeast-1 are usable"),
        ({"vpc": "analytics"}, errors.InvalidRequest, "--vpc"),
        ({"name": "-x"}, errors.InvalidRequest, "--name"),
    ],
)
@pytest.mark.parametrize("step", ["plan", "create"])
def test_a_placement_that_cannot_be_is_refused_before_any_change(  # noqa: PLR0913, PLR0917 - the table's columns
    runbook: Runbook,
    sandbox: Sandbox,
    step: str,
    options: dict[str, Any],
    error: type[errors.TidbPeError],
    words: str,
) -> None:
    """A wrong VPC, zone, vSwitch, group or name is refused by name, and nothing is created."""
    sandbox.place = None  # Otherwise this notebook's VPC would be the default.
    placement = {"cluster": "demo", "vpc": VPC, "security_group": [GROUP], **options}
    with pytest.raises(error, match=words):
        getattr(runbook, step)(**placement)
    assert not sandbox.world.endpoints
    assert mutations(sandbox) == []


def test_an_invisible_service_is_reported_with_three_causes(runbook: Runbook, sandbox: Sandbox) -> None:
    """For an invisible service the error lists three possible causes."""
    sandbox.world.remove_service("epsrv-t4ndemo7c1x0qk2p9s8e")
    with pytest.raises(errors.NotFound, match=r"allow-list.*region.*deleted"):
        runbook.verify(cluster="demo")


@pytest.mark.parametrize(
    ("variable", "error"),
    [
        ("TIDBCLOUD_PUBLIC_KEY", errors.AuthenticationFailed),
        ("TIDBCLOUD_PRIVATE_KEY", errors.AuthenticationFailed),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", errors.AuthenticationFailed),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", errors.AuthenticationFailed),
    ],
)
def test_a_wrong_key_is_one_line_that_leads_to_where_it_comes_from(
    sandbox: Sandbox, variable: str, error: type[errors.TidbPeError]
) -> None:
    """A refused key leads to the command that lists its variables, without the key."""
    environment = sandbox.environment() | {variable: "canary-wrong-key"}
    with Runbook(environ=environment) as runbook:
        with pytest.raises(error) as refusal:
            runbook.verify(cluster="demo")
        told = render.text(runbook.whoami())
    line = str(refusal.value)
    assert line.endswith("Try: runbook.whoami()")
    assert variable in told
    assert "\n" not in line
    assert "canary-wrong-key" not in line + told


def test_a_wrong_sql_password_is_refused_and_leaves_an_older_connection(sandbox: Sandbox) -> None:
    """A failed login does not close connections that were already open."""
    environment = sandbox.environment() | {"WRONG": "canary-wrong-password"}
    with Runbook(environ=environment) as runbook:
        kept = runbook.run("demo", vpc=VPC, security_group=[GROUP]).connection
        with pytest.raises(errors.ConnectionFailed, match="login") as refusal:
            runbook.connect(password_from="env:WRONG")
        assert "canary" not in str(refusal.value)
        assert runbook.connection is kept
        with kept.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1


def test_a_user_without_the_prefix_is_refused_with_the_rule(runbook: Runbook) -> None:
    """With --no-prefix, a SQL user without the prefix fails with TiDB Cloud's rule on prefixes."""
    runbook.run("demo", vpc=VPC, security_group=[GROUP])
    with pytest.raises(errors.ConnectionFailed, match="prefix"):
        runbook.connect(user="root", no_prefix=True)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tls": "maybe"}, "--tls"),
        ({"alias": "two words"}, "--alias"),
        ({"password_from": "hunter2"}, "--password-from"),
        ({"endpoint": "x"}, "--endpoint"),
        ({"connection": "saved"}, "@NAME"),
        ({"connection": "@../../x"}, "@NAME"),
    ],
)
def test_a_wrong_option_names_its_flag(runbook: Runbook, options: dict[str, Any], field: str) -> None:
    """Invalid input is refused before any call, and a possible password is not repeated."""
    with pytest.raises(errors.InvalidRequest) as refusal:
        runbook.connect(cluster="demo", **options)
    assert refusal.value.field == field
    assert "hunter2" not in str(refusal.value)


def test_several_endpoints_are_listed_and_refused(runbook: Runbook, sandbox: Sandbox) -> None:
    """With two endpoints, neither used by this kernel, the user must name one."""
    first = runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    second = runbook.create(vpc=OTHER_VPC).endpoint.endpoint_id
    for step in ("wait", "connect", "status"):
        with (
            Runbook(environ=sandbox.environment()) as other,
            pytest.raises(errors.InvalidRequest, match=f"(?s)--endpoint.*{first}|{second}"),
        ):
            getattr(other, step)(cluster="demo")
    assert runbook.connect(endpoint=second).endpoint_id == second
    assert runbook.wait(endpoint=first).endpoint_id == first


@pytest.mark.tidb_pe_sandbox(exclusive=("staging-1",))
def test_an_endpoint_of_another_service_is_refused(runbook: Runbook) -> None:
    """`--endpoint` of another cluster is refused."""
    other = runbook.create(cluster="staging-1", vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
    with pytest.raises(errors.NotEligible, match="service"):
        runbook.connect(cluster="demo", endpoint=other)


def test_plain_http_beyond_this_machine_is_refused(sandbox: Sandbox) -> None:
    """An API host that would carry keys unencrypted over the network is refused."""
    environment = sandbox.environment() | {"TIDB_PE_ALIBABA_ENDPOINT": "http://192.0.2.1:80"}
    with Runbook(environ=environment) as runbook, pytest.raises(errors.InvalidRequest, match="https"):
        runbook.cluster(DEMO_ID)


def test_missing_keys_name_every_place(sandbox: Sandbox) -> None:
    """Without a key the error lists the places searched, and the sandbox."""
    environment = sandbox.environment()
    del environment["TIDBCLOUD_PRIVATE_KEY"]
    with Runbook(environ=environment) as runbook, pytest.raises(errors.MissingCredentials) as missing:
        runbook.clusters()
    assert "TIDBCLOUD_PRIVATE_KEY" in str(missing.value)
    assert Suggestion("sandbox", "start") in missing.value.commands


def test_a_cluster_is_named_by_where_it_was_typed(runbook: Runbook) -> None:
    """The error names the argument of `cluster` and `run`, the other steps' flag, or the remembered value."""
    for step in (runbook.cluster, runbook.run):
        with pytest.raises(errors.InvalidRequest) as typed:
            step("nowhere")
        assert typed.value.field == "NAME_OR_ID"
    for name in ("nowhere", "twin"):
        with pytest.raises(errors.InvalidRequest) as flag:
            runbook.verify(cluster=name)
        assert flag.value.field == "--cluster"


def test_a_remembered_cluster_that_is_gone_is_not_taken_for_wrong_input(
    runbook: Runbook, sandbox: Sandbox
) -> None:
    """The error for a remembered cluster says so, and shows how to name another one."""
    runbook.cluster("demo")
    del sandbox.clusters._clusters[DEMO_ID]
    with pytest.raises(
        errors.StepOrderError, match=rf"cluster {DEMO_ID}, the last one.*runbook\.clusters\(\)"
    ):
        runbook.verify()


def test_connect_names_wait_for_the_endpoint_that_was_named(manual: Sandbox) -> None:
    """With several endpoints, the suggested command contains the ID."""
    with Runbook(environ=manual.environment()) as runbook:
        runbook.create(cluster="demo", vpc=OTHER_VPC)
        endpoint_id = runbook.create(vpc=VPC, security_group=[GROUP]).endpoint.endpoint_id
        with pytest.raises(errors.StepOrderError, match=rf"runbook\.wait\(endpoint=\"{endpoint_id}\"\)"):
            runbook.connect(endpoint=endpoint_id)
        with pytest.raises(errors.WaitTimeout, match=rf"runbook\.wait\(endpoint=\"{endpoint_id}\"\)"):
            runbook.wait(endpoint=endpoint_id, timeout=0.1)
