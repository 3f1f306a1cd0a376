"""Networks for endpoints: VPCs, vSwitches and security groups."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from tidb_pe_magic.model.base import Result
from tidb_pe_magic.model.clusters import Cluster
from tidb_pe_magic.model.findings import Whereabouts
from tidb_pe_magic.model.ram import RamAction


@dataclass(frozen=True, kw_only=True)
class VSwitch:
    """A vSwitch: one zone's part of a VPC (Alibaba Cloud API reference, DescribeVSwitches)."""

    vswitch_id: str
    name: str
    zone_id: str
    vpc_id: str
    cidr_block: str
    available_ip_count: int
    status: str

    @property
    def obstacle(self) -> str:
        """Why the vSwitch cannot hold an endpoint of any service; empty if it can."""
        if self.status != "Available":
            return f"status {self.status}"
        if self.available_ip_count < 1:
            return "no free address"
        return ""


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    """A security group (Alibaba Cloud API reference, DescribeSecurityGroups).

    Attributes:
        group_type: `normal` (basic) or `enterprise` (advanced).
        service_managed: created by a cloud service; the user cannot attach it.
        inbound: whether its rules allow this machine to reach the service's port, an `Access`; empty if the
            rules were not looked up.
    """

    security_group_id: str
    name: str
    vpc_id: str
    group_type: str
    service_managed: bool = False
    inbound: str = ""


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A VPC with its vSwitches and security groups."""

    vpc_id: str
    name: str
    region_id: str
    cidr_block: str
    status: str
    vswitches: tuple[VSwitch, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Networks(Result):
    """The networks in which a cluster's endpoint can be created, usable VPCs first.

    Attributes:
        here: this machine's location; None if it is unknown.
        missing_actions: RAM actions that the key's owner lacks; the values that they return are missing.
    """

    cluster: Cluster
    vpcs: tuple[Vpc, ...]
    here: Whereabouts | None = None
    missing_actions: tuple[str, ...] = ()

    def includes(self, action: str) -> bool:
        """Return whether the values that this RAM action reads are known."""
        return action not in self.missing_actions

    @property
    def zones(self) -> tuple[str, ...]:
        """The service's zones."""
        return self.cluster.service.zones if self.cluster.service else ()

    def is_here(self, vpc: Vpc) -> bool:
        """Return whether this machine is in the VPC."""
        return self.here is not None and self.here.vpc_id == vpc.vpc_id

    def vswitch_obstacle(self, vswitch: VSwitch) -> str:
        """Why this service's endpoint cannot use the vSwitch; empty if it can."""
        if vswitch.zone_id not in self.zones:
            return "the service is not in this zone"
        return vswitch.obstacle

    def vpc_obstacle(self, vpc: Vpc) -> str:
        """Why this service's endpoint cannot be in the VPC; empty if it can, as far as is known."""
        if vpc.status != "Available" and self.includes(RamAction.VPCS):
            return f"status {vpc.status}"
        if not vpc.vswitches and self.includes(RamAction.VSWITCHES):
            return "no vSwitch"
        if vpc.vswitches and all(self.vswitch_obstacle(vswitch) for vswitch in vpc.vswitches):
            return "no usable vSwitch: " + ", ".join(
                f"{vswitch.vswitch_id} ({self.vswitch_obstacle(vswitch)})" for vswitch in vpc.vswitches
            )
        if not self.usable_security_groups(vpc) and self.includes(RamAction.SECURITY_GROUPS):
            return "no security group"
        return ""

    def usable_security_groups(self, vpc: Vpc) -> tuple[SecurityGroup, ...]:
        """Return the VPC's security groups that a user can attach."""
        return tuple(group for group in vpc.security_groups if not group.service_managed)

    @property
    def default_vpc(self) -> Vpc | None:
        """This machine's VPC if the endpoint can be created there, or else the only possible VPC."""
        usable = self.usable_vpcs()
        return next(filter(self.is_here, usable), usable[0] if len(usable) == 1 else None)

    def usable_vpcs(self) -> tuple[Vpc, ...]:
        """Return the VPCs in which the endpoint can be created."""
        return tuple(vpc for vpc in self.vpcs if not self.vpc_obstacle(vpc))


def is_address(host: str) -> bool:
    """Return whether the host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
