"""The notebook is not in the endpoint's VPC, or its location is unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba.metadata import ForeignPage, InstancePlace
from tidb_pe_magic.sandbox.alibaba.network_seed import JAKARTA, SINGAPORE
from tidb_pe_magic.sandbox.scenarios.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.scenarios.scenario import Stage

_OTHER_VPC = InstancePlace(
    region_id=SINGAPORE,
    zone_id=f"{SINGAPORE}b",
    vpc_id="vpc-t4nother5d9r1z",
    vswitch_id="vsw-t4nob1",
    private_ip="10.30.2.40",
)
_OTHER_REGION = InstancePlace(
    region_id=JAKARTA,
    zone_id=f"{JAKARTA}a",
    vpc_id="vpc-k1ajakarta4h8n2v",
    vswitch_id="vsw-k1aa1",
    private_ip="10.50.1.12",
)
_PORTAL = ForeignPage("<!DOCTYPE html><title>Sign in to the network</title><h1>Welcome</h1>")


def _at(place: InstancePlace | ForeignPage | None) -> Callable[[Stage], None]:
    def stage(sandbox: Stage) -> None:
        sandbox.place, sandbox.routed = place, False

    return stage


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="notebook-outside-any-vpc",
        summary="The notebook is not on an ECS instance, so its location is unknown.",
        stage=_at(None),
        plan="place",
    ),
    Scenario(
        name="notebook-in-another-vpc",
        summary="The notebook is in another VPC of the region than the endpoint, without a route to it.",
        stage=_at(_OTHER_VPC),
        plan="place",
        doctor="tcp",
    ),
    Scenario(
        name="notebook-in-another-region",
        summary="The notebook is in another region than the cluster, without a route to it.",
        stage=_at(_OTHER_REGION),
        plan="place",
        doctor="tcp",
    ),
    Scenario(
        name="metadata-answers-garbage",
        summary="Another server answers with a web page at the metadata service's address.",
        stage=_at(_PORTAL),
        plan="place",
    ),
)
