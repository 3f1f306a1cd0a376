"""Problems in the clouds before an endpoint is created, which `plan` finds.

Each is staged for cluster `demo`, VPC `analytics` and its security group of the same name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.sandbox.alibaba.network_seed import Permission
from tidb_pe_magic.sandbox.network import impostors
from tidb_pe_magic.sandbox.network.impostors import Impostor
from tidb_pe_magic.sandbox.scenarios.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.alibaba.network_seed import VSwitch
    from tidb_pe_magic.sandbox.scenarios.scenario import Stage

_CLUSTER, _SERVICE = "10430185274093617152", "epsrv-t4ndemo7c1x0qk2p9s8e"
_VPC, _GROUP, _ADVANCED = "vpc-t4nanalytics0k3m7x", "sg-t4nanalytics", "sg-t4nenterprise"
_SECOND_VSWITCH = "vsw-t4nb1"
_EVERYONE, _SKEW = "0.0.0.0/0", 20 * 60.0
_ANY_PORT = "1/65535"


def _not_activated(sandbox: Stage) -> None:
    sandbox.world.product_open = False


def _service(**changes: Any) -> Callable[[Stage], None]:
    return lambda sandbox: sandbox.world.change_service(_SERVICE, **changes)


def _second_vswitch(change: Callable[[VSwitch], VSwitch | None]) -> Callable[[Stage], None]:
    """Change the vSwitch of the second zone, so that only one zone is usable."""

    def stage(sandbox: Stage) -> None:
        network = sandbox.world.network
        changed = (change(v) if v.vswitch_id == _SECOND_VSWITCH else v for v in network.vswitches)
        sandbox.world.network = replace(network, vswitches=tuple(v for v in changed if v is not None))

    return stage


def _rules(*permissions: Permission, inner_access: str = "Drop") -> Callable[[Stage], None]:
    """Set the security group's rules, and deny traffic between its members by default."""
    return lambda sandbox: sandbox.world.set_rules(_GROUP, *permissions, inner_access=inner_access)


def _endpoint(sandbox: Stage, *groups: str) -> str:
    world = sandbox.world
    made = world.create_endpoint(
        service=next(service for service in world.services if service.service_id == _SERVICE),
        vpc_id=_VPC,
        zones=[("ap-southeast-1a", "vsw-t4na1")],
        security_groups=groups or (_GROUP,),
        name="made-in-the-console",
        create_time="2026-11-20T08:00:00Z",
    )
    return made.endpoint_id


def _endpoint_exists(sandbox: Stage) -> None:
    _endpoint(sandbox)


def _groups_mixed(sandbox: Stage) -> None:
    _endpoint(sandbox, _GROUP, _ADVANCED)


def _financially_locked(sandbox: Stage) -> None:
    sandbox.world.set_business_status(_endpoint(sandbox), "FinancialLocked")


def _clock_skew(sandbox: Stage) -> None:
    sandbox.clock.ahead = _SKEW


def _denied(action: str) -> Callable[[Stage], None]:
    return lambda sandbox: sandbox.world.denied_actions.add(action)


def _cluster_restoring(sandbox: Stage) -> None:
    sandbox.clusters.update(_CLUSTER, state="RESTORING")
    sandbox.route.impersonate(Impostor(impostors.silent))


SCENARIOS: tuple[Scenario, ...] = tuple(
    Scenario(*row)
    for row in (
        ("not-activated", "PrivateLink was never activated in this account.", _not_activated, "product-open"),
        (
            "service-invisible",
            "The account is not on the endpoint service's allow-list.",
            _service(authorized=False),
            "service-visible",
        ),
        (
            "zone-without-vswitch",
            "The VPC has no vSwitch in the second of the service's zones.",
            _second_vswitch(lambda _: None),
            "zones",
        ),
        (
            "vswitch-full",
            "The vSwitch in the second zone has no free address.",
            _second_vswitch(lambda vswitch: replace(vswitch, free=0)),
            "zones",
        ),
        (
            "vswitch-not-available",
            "The vSwitch in the second zone is still being created.",
            _second_vswitch(lambda vswitch: replace(vswitch, status="Pending")),
            "zones",
        ),
        (
            "security-group-blocks-port",
            "The security group allows only SSH.",
            _rules(Permission("22/22", _EVERYONE)),
            "port",
            "tcp",
        ),
        (
            "security-group-members-only",
            "The security group has no rule for the port; only its own members can reach each other.",
            _rules(Permission("22/22", _EVERYONE), inner_access="Accept"),
            "port",
            "tcp",
        ),
        (
            "security-group-drop-beats-accept",
            "Two rules with the same priority apply to the port, and Drop wins.",
            _rules(Permission(_ANY_PORT, _EVERYONE), Permission(_ANY_PORT, _EVERYONE, policy="Drop")),
            "port",
            "tcp",
        ),
        (
            "security-group-prefix-list",
            "The rule for the port refers to a prefix list.",
            _rules(Permission(_ANY_PORT, "", source_prefix_list_id="pl-t4nclients")),
            "port",
            "tcp",
        ),
        (
            "security-group-group-rule",
            "The rule for the port refers to another security group.",
            _rules(Permission(_ANY_PORT, "", source_group_id="sg-t4nclosed")),
            "port",
            "tcp",
        ),
        (
            "security-group-port-list",
            "The rule for all sources refers to a port list.",
            _rules(Permission("", _EVERYONE, port_range_list_id="prl-t4nports")),
            "port",
            "tcp",
        ),
        (
            "security-groups-mixed",
            "The existing endpoint has a basic and an advanced security group.",
            _groups_mixed,
            "security-group",
        ),
        (
            "endpoint-exists",
            "An endpoint for this service and VPC was created in the console.",
            _endpoint_exists,
            "existing-endpoint",
        ),
        (
            "auto-accept-off",
            "The service's owner accepts each connection manually.",
            _service(auto_accept=False),
            "auto-accept",
            "tcp",
        ),
        (
            "service-owner-pays",
            "The service's owner is billed for the endpoint.",
            _service(payer="EndpointService"),
            "payer",
        ),
        (
            "financially-locked",
            "An endpoint exists, and a payment for it is overdue.",
            _financially_locked,
            "business-status",
            "tcp",
        ),
        (
            "clock-skew",
            "This machine's clock is 20 minutes behind the clouds'.",
            _clock_skew,
            "clock",
        ),
        (
            "no-permission-security-group",
            "The access key's owner has no permission to read security group rules.",
            _denied("ecs:DescribeSecurityGroupAttribute"),
            "port",
        ),
        (
            "no-permission-service",
            "The access key's owner has no permission to read endpoint services.",
            _denied("privatelink:ListVpcEndpointServicesByEndUser"),
            "service-visible",
        ),
        (
            "no-permission-product",
            "The access key's owner has no permission to check whether PrivateLink is activated.",
            _denied("privatelink:CheckProductOpen"),
            "product-open",
        ),
        (
            "no-permission-endpoints",
            "The access key's owner has no permission to list endpoints.",
            _denied("privatelink:ListVpcEndpoints"),
            "existing-endpoint",
        ),
        (
            "dual-stack",
            "The endpoint service uses IPv4 and IPv6.",
            _service(address_version="DualStack"),
            "address-version",
        ),
        (
            "ipv6-only",
            "The endpoint service uses only IPv6.",
            _service(address_version="IPv6"),
            "address-version",
        ),
        (
            "cluster-restoring",
            "The cluster is being restored from a backup.",
            _cluster_restoring,
            "cluster",
            "handshake",
        ),
    )
)
