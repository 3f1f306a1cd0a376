"""Alibaba Cloud: PrivateLink endpoints and the networks they are created in; wire to model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.alibaba import wire
from tidb_pe_magic.clouds.alibaba.codes import DRY_RUN_PASSED, NOT_ACTIVATED
from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient
from tidb_pe_magic.clouds.alibaba.wire import read_rules
from tidb_pe_magic.clouds.json_fields import text, texts
from tidb_pe_magic.clouds.pages import Page, by_number, by_token, read_page
from tidb_pe_magic.clouds.retries import NO_RETRIES
from tidb_pe_magic.model import (
    OUR_TAG,
    EndpointZone,
    SecurityGroup,
    SecurityRules,
    VerifiedService,
    Vpc,
    VpcEndpoint,
    VSwitch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidb_pe_magic.clouds.network import Network
    from tidb_pe_magic.clouds.retries import Retries
    from tidb_pe_magic.credentials.search import Found
    from tidb_pe_magic.credentials.secrets import Key

_PAGE = 50  # the most that every list operation used here takes
_ENDPOINT_PAGE = 1000  # of ListVpcEndpoints (Alibaba Cloud API reference, PrivateLink 2020-04-15)
_RULE_PAGE = 500
_VSWITCH_NEEDS = ("VSwitchId", "VpcId", "ZoneId", "Status", "AvailableIpAddressCount")


class Alibaba:
    """What the runbook asks of one region, for one key.

    Every method raises `ApiError` where the API refuses or fails.
    """

    def __init__(
        self,
        region_id: str,
        key: Key | Found,
        *,
        endpoint: str = "",
        retries: Retries = NO_RETRIES,
        network: Network | None = None,
    ) -> None:
        """Make a client; nothing is called yet.

        Args:
            region_id: such as `ap-southeast-1`.
            key: the key, or where the SDK gets one.
            endpoint: `scheme://host:port` that serves every product instead of the cloud's own hosts.
            retries: makes a call again that failed in passing.
            network: proxy and trust store; default: those of `os.environ`.
        """
        self.region_id = region_id
        self._client = AlibabaClient(region_id, key, endpoint=endpoint, retries=retries, network=network)

    def close(self) -> None:
        """Close the HTTP connections."""
        self._client.close()

    # The account

    def temporary_key(self) -> tuple[str, str]:
        """Return the SDK's name of what made the key in use, and the key's ID; empty for a lasting key."""
        return self._client.temporary_key()

    def caller(self) -> tuple[str, str]:
        """Return the account's ID and the caller's ARN: a look-up of STS that needs no permission."""
        return self._client.lookup(
            "sts", "GetCallerIdentity", lambda body: (text(body, "AccountId"), text(body, "Arn"))
        )

    # The product and the endpoint's service

    def product_open(self) -> bool:
        """Tell whether this account has activated PrivateLink, which only its owner can order."""
        try:
            self._client.privatelink("CheckProductOpen", {}, dict)
        except errors.ApiError as error:
            if error.code == NOT_ACTIVATED:
                return False
            raise
        return True

    def service(self, service_name: str) -> VerifiedService | None:
        """Look the service up as the endpoint's owner; None where it is not visible to this account."""
        operation = "ListVpcEndpointServicesByEndUser"
        try:
            items = list(
                self._pages(operation, "Services", ("ServiceName", "Zones"), ServiceName=service_name)
            )
        except errors.NotFound:
            return None
        for item in items:
            if text(item, "ServiceName") == service_name:
                return VerifiedService(
                    service_name=service_name,
                    service_id=text(item, "ServiceId"),
                    region_id=self.region_id,
                    zones=texts(item.get("Zones")),
                    auto_accept=item.get("AutoAcceptEnabled") is True,
                    payer=text(item, "Payer") or "Endpoint",
                    address_version=text(item, "AddressIpVersion") or "IPv4",
                )
        return None

    # Endpoints

    def endpoints(
        self, *, service_name: str | None = None, vpc_id: str | None = None, endpoint_id: str | None = None
    ) -> tuple[VpcEndpoint, ...]:
        """Return the account's endpoints that match, without their zones and security groups."""
        # The filters are repeated here: that the API's are exact is documented nowhere.
        wanted = {"ServiceName": service_name, "VpcId": vpc_id, "EndpointId": endpoint_id}
        asked = {name: value for name, value in wanted.items() if value is not None}
        # An endpoint that is not known to be another one must not be passed over: it would be created again.
        needs = ("EndpointId", *asked)
        found = (
            wire.listed_endpoint(item, self.region_id)
            for item in self._pages("ListVpcEndpoints", "Endpoints", needs, _ENDPOINT_PAGE, **asked)
            if all(item[name] == value for name, value in asked.items())
        )
        # By ID: a list that changes between two pages may show one of its endpoints twice.
        return tuple({endpoint.endpoint_id: endpoint for endpoint in found}.values())

    def refreshed(self, endpoint: VpcEndpoint) -> VpcEndpoint:
        """Return the endpoint as GetVpcEndpointAttribute has it now; tags, zones and groups are kept.

        Raises:
            NotFound: it is gone.
        """
        return replace(
            self.endpoint(endpoint.endpoint_id),
            ours=endpoint.ours,
            tags=endpoint.tags,
            zones=endpoint.zones,
            security_group_ids=endpoint.security_group_ids,
            missing_actions=endpoint.missing_actions,
        )

    def endpoint(self, endpoint_id: str) -> VpcEndpoint:
        """Return an endpoint by its ID, without its zones, security groups and tags.

        Raises:
            NotFound: there is none.
        """
        operation = "GetVpcEndpointAttribute"
        read = wire.identified(operation)
        body = self._client.privatelink(operation, {"EndpointId": endpoint_id}, read)
        return wire.endpoint(body, self.region_id)

    def endpoint_security_groups(self, endpoint_id: str) -> tuple[str, ...]:
        """Return the IDs of the security groups that the endpoint has.

        Raises:
            NotFound: the endpoint is gone.
        """
        groups = self._pages(
            "ListVpcEndpointSecurityGroups", "SecurityGroups", ("SecurityGroupId",), EndpointId=endpoint_id
        )
        return tuple(text(group, "SecurityGroupId") for group in groups)

    def zones(self, endpoint_id: str) -> tuple[EndpointZone, ...]:
        """Return the endpoint's zones, each with the address of its network interface.

        Raises:
            NotFound: the endpoint is gone.
        """
        return tuple(
            EndpointZone(
                zone_id=text(zone, "ZoneId"),
                vswitch_id=text(zone, "VSwitchId"),
                eni_ip=text(zone, "EniIp"),
                ipv6_address=text(zone, "ZoneIpv6Address"),
                status=text(zone, "ZoneStatus"),
            )
            for zone in self._pages("ListVpcEndpointZones", "Zones", ("ZoneId",), EndpointId=endpoint_id)
        )

    def create_endpoint(  # noqa: PLR0913 - what the API takes
        self,
        *,
        service_name: str,
        vpc_id: str,
        zones: tuple[EndpointZone, ...],
        security_group_ids: tuple[str, ...],
        name: str,
        client_token: str,
        dry_run: bool = False,
    ) -> VpcEndpoint | None:
        """Create an interface endpoint that carries our tag; None where it was a dry run, which passed.

        Args:
            service_name: of the endpoint service.
            vpc_id: where the endpoint shall be.
            zones: at most 10, each with its vSwitch; billed each.
            security_group_ids: at most 10, of that VPC.
            name: of the endpoint.
            client_token: at most 64 ASCII characters; the same token makes the same endpoint once.
            dry_run: check everything, make nothing.
        """
        operation = "CreateVpcEndpoint"
        fields = {
            "ServiceName": service_name,
            "VpcId": vpc_id,
            "EndpointType": "Interface",
            "EndpointName": name,
            "Zone": [{"ZoneId": zone.zone_id, "VSwitchId": zone.vswitch_id} for zone in zones],
            "SecurityGroupId": list(security_group_ids),
            "Tag": [{"Key": OUR_TAG[0], "Value": OUR_TAG[1]}],
            "ClientToken": client_token,
            "DryRun": dry_run or None,
        }
        try:
            body = self._client.privatelink(operation, fields, wire.identified(operation))
        except errors.ApiError as error:
            # The API answers a dry run that passed with an error of this code.
            if dry_run and error.code == DRY_RUN_PASSED:
                return None
            raise
        # The answer leaves out what the request said.
        return replace(
            wire.endpoint(body, self.region_id),
            service_name=service_name,
            vpc_id=vpc_id,
            name=name,
            zones=zones,
            security_group_ids=security_group_ids,
            ours=True,
        )

    def remove_zone(self, endpoint_id: str, zone_id: str, *, client_token: str) -> str:
        """Start to remove a zone from the endpoint; returns the request ID.

        Raises:
            NotFound: the endpoint or the zone is gone.
            Conflict: the endpoint is being changed; try again.
        """
        fields = {"EndpointId": endpoint_id, "ZoneId": zone_id, "ClientToken": client_token}
        return self._client.privatelink("RemoveZoneFromVpcEndpoint", fields, wire.request_id)

    def delete_endpoint(self, endpoint_id: str, *, client_token: str) -> str:
        """Start to delete the endpoint, whose zones have to be gone; returns the request ID.

        Raises:
            NotFound: it is gone.
            Conflict: it has zones or is being changed; try again.
        """
        fields = {"EndpointId": endpoint_id, "ClientToken": client_token}
        return self._client.privatelink("DeleteVpcEndpoint", fields, wire.request_id)

    # Networks

    def vpcs(self) -> tuple[Vpc, ...]:
        """Return the region's VPCs, without their vSwitches and security groups."""
        return tuple(
            Vpc(
                vpc_id=text(item, "VpcId"),
                name=text(item, "VpcName"),
                region_id=self.region_id,
                cidr_block=text(item, "CidrBlock"),
                status=text(item, "Status"),
            )
            for item in self._numbered_pages("DescribeVpcs", "Vpcs", "Vpc", ("VpcId", "Status"))
        )

    def vswitches(self) -> tuple[VSwitch, ...]:
        """Return the region's vSwitches."""
        return tuple(
            map(
                wire.vswitch,
                self._numbered_pages("DescribeVSwitches", "VSwitches", "VSwitch", _VSWITCH_NEEDS),
            )
        )

    def security_groups(self) -> tuple[SecurityGroup, ...]:
        """Return the region's security groups."""
        return tuple(map(wire.security_group, self._security_groups()))

    def security_rules(self, group_id: str) -> SecurityRules:
        """Return a security group's inbound rules."""
        return read_rules(group_id, self._rule_pages(group_id))

    def _rule_pages(self, group_id: str) -> Iterator[dict[str, Any]]:
        operation = "DescribeSecurityGroupAttribute"

        def read(body: dict[str, Any]) -> Page:
            page = read_page(operation, body, "Permissions", "Permission", needs=("Policy",))
            # What is not said of a single rule stands beside the list.
            return Page(items=[body], token=page.token)

        asked = {"SecurityGroupId": group_id, "Direction": "ingress", "MaxResults": _RULE_PAGE}
        return by_token(operation, lambda token: self._ecs(operation, read, token, asked))

    # Pages

    def _pages(
        self, operation: str, items: str, needs: tuple[str, ...], size: int = _PAGE, /, **fields: Any
    ) -> Iterator[dict[str, Any]]:
        return by_token(
            operation,
            lambda token: self._client.privatelink(
                operation,
                {**fields, "MaxResults": size, "NextToken": token or None},
                lambda body: read_page(operation, body, items, needs=needs),
            ),
        )

    def _security_groups(self) -> Iterator[dict[str, Any]]:
        operation = "DescribeSecurityGroups"

        def read(body: dict[str, Any]) -> Page:
            needs = ("SecurityGroupId", "VpcId")
            return read_page(operation, body, "SecurityGroups", "SecurityGroup", needs=needs)

        return by_token(operation, lambda token: self._ecs(operation, read, token, {"MaxResults": _PAGE}))

    def _ecs(
        self, operation: str, read: Callable[[dict[str, Any]], Page], token: str, asked: dict[str, Any]
    ) -> Page:
        further = {"NextToken": token} if token else {}
        return self._client.lookup("ecs", operation, read, **asked, **further)

    def _numbered_pages(
        self, operation: str, outer: str, inner: str, needs: tuple[str, ...]
    ) -> Iterator[dict[str, Any]]:
        return by_number(
            operation,
            needs[0],
            lambda number: self._client.lookup(
                "vpc",
                operation,
                lambda body: read_page(operation, body, outer, inner, needs=needs),
                PageNumber=number,
                PageSize=_PAGE,
            ),
        )
