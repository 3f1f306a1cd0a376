"""The notebook's location is a default and a mark, and never blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, JAKARTA_VPC, LEGACY_VPC, OTHER_VPC, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS, ForeignPage, InstancePlace

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox import Sandbox

OTHER = InstancePlace(
    region_id="ap-southeast-1",
    zone_id="ap-southeast-1b",
    vpc_id=OTHER_VPC,
    vswitch_id="vsw-t4nob1",
    private_ip="10.30.2.40",
)
LEGACY = replace(OTHER, zone_id="ap-southeast-1c", vpc_id=LEGACY_VPC, vswitch_id="vsw-t4nlc1")
JAKARTA = replace(
    OTHER, region_id="ap-southeast-5", zone_id="ap-southeast-5a", vpc_id=JAKARTA_VPC, vswitch_id="vsw-k1aa1"
)
UNKNOWN = replace(OTHER, vpc_id="vpc-t4nsomebodyelses", vswitch_id="vsw-t4nsomebodyelses")
PORTAL = ForeignPage("<h1>Sign in</h1>")


def test_without_a_vpc_it_is_this_notebooks(runbook: Runbook) -> None:
    """`plan` uses the VPC of the notebook, although other VPCs are usable."""
    assert len(runbook.networks(cluster="demo").usable_vpcs()) > 1
    assert runbook.plan(security_group=[GROUP]).vpc.vpc_id == VPC


def test_create_and_run_take_it_too(runbook: Runbook, sandbox: Sandbox) -> None:
    """An endpoint is created in the notebook's VPC, and the second command finds it there."""
    sandbox.place = OTHER
    made = runbook.create(cluster="demo").endpoint
    assert made.vpc_id == OTHER_VPC
    assert runbook.run("demo").endpoint.endpoint_id == made.endpoint_id


def test_this_notebooks_zone_comes_first_of_the_two(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without --zone the notebook's zone comes first, and a second zone is added."""
    sandbox.place = replace(ANALYTICS, zone_id="ap-southeast-1b", vswitch_id="vsw-t4nb1")
    plan = runbook.plan(cluster="demo", security_group=[GROUP])
    assert [zone.zone_id for zone in plan.zones] == ["ap-southeast-1b", "ap-southeast-1a"]


def test_a_zone_that_is_named_is_the_only_one(runbook: Runbook) -> None:
    """The default adds nothing to the zones that the user names."""
    plan = runbook.plan(cluster="demo", security_group=[GROUP], zone=["ap-southeast-1b"])
    assert [zone.zone_id for zone in plan.zones] == ["ap-southeast-1b"]


@pytest.mark.parametrize("place", [None, PORTAL, JAKARTA, LEGACY, UNKNOWN])
def test_where_the_place_is_of_no_use_the_vpc_is_asked_for(
    runbook: Runbook, sandbox: Sandbox, place: InstancePlace | ForeignPage | None
) -> None:
    """Without a usable location (unknown, in another region or VPC) the error lists the usable VPCs."""
    sandbox.place = place
    with pytest.raises(errors.InvalidRequest, match="--vpc: 2 VPCs in ap-southeast-1 are usable"):
        runbook.plan(cluster="demo", security_group=[GROUP])


@pytest.mark.parametrize("place", [None, PORTAL, OTHER, JAKARTA, LEGACY, UNKNOWN])
def test_no_location_blocks_a_named_vpc(
    runbook: Runbook, sandbox: Sandbox, place: InstancePlace | ForeignPage | None
) -> None:
    """Wherever the notebook is, an endpoint can be created in a named VPC, and the plan says so."""
    sandbox.place = place
    plan = runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP])
    known = f"This notebook is in {place.vpc_id}" if isinstance(place, InstancePlace) else ""
    words = known or "Cannot tell where this machine is"
    assert words in " ".join(render.text(plan).split())
    assert not runbook.create(vpc=VPC, security_group=[GROUP]).adopted


def test_networks_marks_this_notebooks_vpc_and_vswitch(runbook: Runbook) -> None:
    """Only the notebook's VPC and vSwitch are marked."""
    networks = runbook.networks(cluster="demo")
    assert networks.here is not None
    assert networks.here.zone_id == "ap-southeast-1a"
    text = render.text(replace(networks, verbose=True))
    marked = [line for line in text.splitlines() if "(this notebook)" in line]
    assert len(marked) == 2
    assert VPC in marked[0]
    assert "vsw-t4na1" in marked[1]
    assert "(this notebook)" in render.html(networks)


def test_networks_puts_this_notebooks_vpc_first(runbook: Runbook, sandbox: Sandbox) -> None:
    """The notebook's VPC is the first of the usable ones, and the next command names it."""
    sandbox.place = OTHER
    networks = runbook.networks(cluster="demo")
    assert networks.vpcs[0].vpc_id == OTHER_VPC
    assert f"Next: %tidb_pe plan --vpc {OTHER_VPC}" in render.text(networks)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (None, "unknown, because the ECS metadata service does not answer"),
        (JAKARTA, f"This notebook is in another region, ap-southeast-5 ({JAKARTA_VPC})"),
        (UNKNOWN, "This notebook is in another VPC (vpc-t4nsomebodyelses)"),
    ],
)
def test_networks_says_where_the_notebook_is_not(
    runbook: Runbook, sandbox: Sandbox, place: InstancePlace | None, words: str
) -> None:
    """If the notebook is outside the listed VPCs, a line gives its location."""
    sandbox.place = place
    text = render.text(runbook.networks(cluster="demo"))
    assert words in " ".join(text.split())
    assert "(this notebook)" not in text


def test_the_service_is_asked_once_for_each_host(runbook: Runbook, sandbox: Sandbox) -> None:
    """The metadata service is asked once, when a step first needs it, whatever the number of steps."""
    runbook.cluster("demo")
    assert not sandbox.requests.to("metadata")
    runbook.networks()
    asked = list(sandbox.requests.to("metadata"))
    assert (asked[0].method, asked[0].operation) == ("PUT", "/latest/api/token")
    runbook.plan(security_group=[GROUP])
    runbook.create(security_group=[GROUP])
    assert list(sandbox.requests.to("metadata")) == asked


def test_an_instance_that_demands_a_token_is_found(runbook: Runbook, sandbox: Sandbox) -> None:
    """The metadata token is requested and sent."""
    sandbox.place = replace(ANALYTICS, token_required=True)
    assert runbook.networks(cluster="demo").here is not None


def test_a_host_that_is_not_a_url_is_refused_by_its_variable(sandbox: Sandbox) -> None:
    """The metadata override is checked like those of the clouds."""
    environ = {**sandbox.environment(), "TIDB_PE_METADATA_ENDPOINT": "http://metadata.example"}
    with Runbook(environ=environ) as runbook, pytest.raises(errors.InvalidRequest) as refusal:
        runbook.networks(cluster="demo")
    assert refusal.value.field == "TIDB_PE_METADATA_ENDPOINT"
