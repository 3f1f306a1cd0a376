"""The RAM policy matches the commands' calls exactly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import ram
from tidb_pe_magic.steps.permissions import policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.sandbox import Sandbox

VPC, GROUP = "vpc-t4nanalytics0k3m7x", "sg-t4nanalytics"
# Not a call of its own: RAM may check it when an endpoint is created with tags.
WITH_CREATE = "privatelink:TagResources"


@pytest.fixture
def sandbox(lend: Callable[..., Sandbox]) -> Sandbox:
    """Provide the embedded clouds."""
    return lend()


@pytest.fixture
def runbook(sandbox: Sandbox) -> Iterator[Runbook]:
    """Provide a runbook on the sandbox."""
    with Runbook(environ=sandbox.environment()) as runbook:
        yield runbook


def allowed(text: str) -> dict[str, list[str]]:
    """Return the resources of each action that the policy allows."""
    document: dict[str, Any] = json.loads(text)
    assert document["Version"] == "1"
    found: dict[str, list[str]] = {}
    for statement in document["Statement"]:
        assert statement.keys() == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            assert action not in found
            found[action] = statement["Resource"]
    return found


def whole_way(runbook: Runbook) -> str:
    """Run the commands that the policy is for, and return the endpoint's ID."""
    runbook.cluster("demo")
    runbook.networks()
    runbook.verify()
    runbook.plan(vpc=VPC, security_group=[GROUP])
    made = runbook.create(vpc=VPC, security_group=[GROUP]).endpoint
    runbook.wait()
    runbook.connect()
    runbook.disconnect()
    return made.endpoint_id


def called(sandbox: Sandbox) -> set[str]:
    """Return the actions of the calls so far."""
    return {ram.action_of(call.operation) or call.operation for call in sandbox.requests.to("alibaba")}


def test_the_policy_matches_the_calls_of_all_steps(runbook: Runbook, sandbox: Sandbox) -> None:
    """The policy allows exactly the calls of the steps up to a query."""
    whole_way(runbook)
    assert called(sandbox) == set(allowed(policy())) - {WITH_CREATE}


def test_the_policy_with_clean_up_covers_deletion(runbook: Runbook, sandbox: Sandbox) -> None:
    """With --clean-up the policy also allows the calls of `delete`."""
    runbook.delete(whole_way(runbook), yes=True, shared=True)
    assert called(sandbox) == set(allowed(policy(clean_up=True))) - {WITH_CREATE}


def test_deletion_is_allowed_on_request_only() -> None:
    """Without --clean-up the policy allows no removal, and it never allows the product's activation."""
    without, with_it = allowed(policy()), allowed(policy(clean_up=True))
    assert set(with_it) - set(without) == set(ram.CLEAN_UP)
    assert not any("Delete" in action or "Remove" in action for action in without)
    assert "privatelink:OpenPrivateLinkService" not in with_it


def test_creating_is_allowed_on_its_four_resources_of_the_region() -> None:
    """Creation is allowed on the endpoint, the VPC, the vSwitch and the security group."""
    assert allowed(policy("ap-southeast-1"))["privatelink:CreateVpcEndpoint"] == [
        "acs:privatelink:ap-southeast-1:*:vpcendpoint/*",
        "acs:vpc:ap-southeast-1:*:vpc/*",
        "acs:vpc:ap-southeast-1:*:vswitch/*",
        "acs:ecs:ap-southeast-1:*:securitygroup/*",
    ]


def test_without_a_cluster_no_cloud_is_asked(sandbox: Sandbox) -> None:
    """The policy for every region needs neither key nor cluster."""
    with Runbook(environ={}) as runbook:
        shown = runbook.permissions()
    assert shown.policy == policy()
    assert "acs:privatelink:*:*:vpcendpoint/*" in shown.policy
    assert not sandbox.requests.to("alibaba")


def test_a_cluster_fills_the_region_in(runbook: Runbook, sandbox: Sandbox) -> None:
    """The given or last named cluster limits the policy to its region."""
    assert runbook.permissions(cluster="demo").policy == policy("ap-southeast-1")
    assert runbook.permissions(clean_up=True).policy == policy("ap-southeast-1", clean_up=True)
    assert not sandbox.requests.to("alibaba")


def test_a_cluster_that_is_paused_has_a_policy_and_one_elsewhere_has_none(runbook: Runbook) -> None:
    """A paused cluster has a policy; a cluster on another cloud has no region, and so none."""
    assert runbook.permissions(cluster="archive").policy == policy("ap-southeast-1")
    with pytest.raises(errors.NotEligible, match="no private endpoint service on Alibaba Cloud"):
        runbook.permissions(cluster="aws-sales")


def test_the_policy_can_be_copied_from_the_output(runbook: Runbook) -> None:
    """The lines between braces are the JSON with its indentation."""
    shown = runbook.permissions(clean_up=True)
    text = render.text(shown)
    assert text[text.index("\n{") + 1 : text.index("\n}") + 2] == shown.policy
    assert render.html(shown).count("&quot;privatelink:DeleteVpcEndpoint&quot;") == 1


def test_a_denied_deletion_points_to_clean_up(runbook: Runbook, sandbox: Sandbox) -> None:
    """A user who may create but not delete gets the policy's option in the error, and the endpoint stays."""
    endpoint_id = whole_way(runbook)
    sandbox.world.denied_actions.add("privatelink:DeleteVpcEndpoint")
    with pytest.raises(errors.PermissionDenied) as denied:
        runbook.delete(endpoint_id, yes=True, shared=True)
    assert denied.value.advice == (
        "Ask for the RAM action privatelink:DeleteVpcEndpoint on "
        "acs:privatelink:ap-southeast-1:*:vpcendpoint/*."
    )
    assert [str(command) for command in denied.value.commands] == ["%tidb_pe permissions --clean-up"]
    assert endpoint_id in sandbox.world.endpoints
