"""Alibaba Cloud: PrivateLink endpoints and their networks; converts wire data to the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.alibaba import wire
from tidb_pe_magic.clouds.alibaba.codes import DRY_RUN_PASSED, NOT_ACTIVATED
from tidb_pe_magic.clouds.alibaba.wire import read_rules
from tidb_pe_magic.clouds.json_fields import text, texts
from tidb_pe_magic.clouds.pages import Page, by_number, by_token, read_page
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

    from tidb_pe_magic.clouds.alibaba.sdk import AlibabaClient

_PAGE = 50  # the maximum of every list operation used here
_ENDPOINT_PAGE = 1000  # of ListVpcEndpoints (Alibaba Cloud API reference, PrivateLink 2020-04-15)
_RULE_PAGE = 500
_VSWITCH_NEEDS = ("VSwitchId", "VpcId", "ZoneId", "Status", "AvailableIpAddressCount")


class Alibaba:
    """The calls that the runbook makes to one region, with one key.

    Every method raises `ApiError` if the API refuses or fails.
    """

    def __init__(self, client: AlibabaClient) -> None:
        """Create it without calling anything."""
        self.region_id = client.region_id
        self._client = client

    def close(self) -> None:
        """Close the HTTP connections."""
        self._client.close()

    # The account

    def temporary_key(self) -> tuple[str, str]:
        """Return the SDK's name of the key's source, and the key's ID; empty for a long-lived key."""
        return self._client.temporary_key()

    def caller(self) -> tuple[str, str]:
        """Return the account's ID and the caller's ARN, using an STS call that needs no permission."""
        return self._client.lookup(
            "sts", "GetCallerIdentity", lambda body: (text(body, "AccountId"), text(body, "Arn"))
        )

    # The product and the endpoint service

    def product_open(self) -> bool:
        """Return whether this account has activated PrivateLink, which only the account owner can order."""
        try:
            self._client.privatelink("CheckProductOpen", {}, dict)
        except errors.ApiError as error:
            if error.code == NOT_ACTIVATED:
                return False
            raise
        return True

    def service(self, service_name: str) -> VerifiedService | None:
        """Look up the service from the endpoint owner's account; return None if it is not visible there."""
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
        """Return the account's matching endpoints, without their zones and security groups."""
        # The filters are applied again here: the API does not document exact matching.
        wanted = {"ServiceName": service_name, "VpcId": vpc_id, "EndpointId": endpoint_id}
        asked = {name: value for name, value in wanted.items() if value is not None}
        # Keep an endpoint with missing fields: if it were dropped, it would be created again.
        needs = ("EndpointId", *asked)
        found = (
            wire.listed_endpoint(item, self.region_id)
            for item in self._pages("ListVpcEndpoints", "Endpoints", needs, _ENDPOINT_PAGE, **asked)
            if all(item[name] == value for name, value in asked.items())
        )
        # By ID: a list that changes between two pages can contain an endpoint twice.
        return tuple({endpoint.endpoint_id: endpoint for endpoint in found}.values())

    def refresh(self, endpoint: VpcEndpoint) -> VpcEndpoint:
        """Return the endpoint as GetVpcEndpointAttribute reports it now; keep tags, zones and groups.

        Raises:
            NotFound: the endpoint was deleted.
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
            NotFound: the endpoint does not exist.
        """
        operation = "GetVpcEndpointAttribute"
        read = wire.endpoint_reader(operation)
        body = self._client.privatelink(operation, {"EndpointId": endpoint_id}, read)
        return wire.endpoint(body, self.region_id)

    def endpoint_security_groups(self, endpoint_id: str) -> tuple[str, ...]:
        """Return the IDs of the endpoint's security groups.

        Raises:
            NotFound: the endpoint was deleted.
        """
        groups = self._pages(
            "ListVpcEndpointSecurityGroups", "SecurityGroups", ("SecurityGroupId",), EndpointId=endpoint_id
        )
        return tuple(text(group, "SecurityGroupId") for group in groups)

    def zones(self, endpoint_id: str) -> tuple[EndpointZone, ...]:
        """Return the endpoint's zones, each with the address of its network interface.

        Raises:
            NotFound: the endpoint was deleted.
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
        """Create an interface endpoint with the tag `OUR_TAG`; return None if a dry run passed.

        Args:
            service_name: of the endpoint service.
            vpc_id: the endpoint's VPC.
            zones: at most 10, each with its vSwitch; each is billed.
            security_group_ids: at most 10, of that VPC.
            name: of the endpoint.
            client_token: at most 64 ASCII characters; repeating a token does not create a second endpoint.
            dry_run: check everything, create nothing.
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
            body = self._client.privatelink(operation, fields, wire.endpoint_reader(operation))
        except errors.ApiError as error:
            # The API answers a successful dry run with an error of this code.
            if dry_run and error.code == DRY_RUN_PASSED:
                return None
            raise
        # The answer does not repeat the request's values.
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
        """Start to remove a zone from the endpoint; return the request ID.

        Raises:
            NotFound: the endpoint or the zone does not exist.
            Conflict: the endpoint is being changed; try again.
        """
        fields = {"EndpointId": endpoint_id, "ZoneId": zone_id, "ClientToken": client_token}
        return self._client.privatelink("RemoveZoneFromVpcEndpoint", fields, wire.request_id)

    def delete_endpoint(self, endpoint_id: str, *, client_token: str) -> str:
        """Start to delete the endpoint, which must have no zones; return the request ID.

        Raises:
            NotFound: the endpoint does not exist.
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
            # Fields that hold for every rule are next to the list.
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
