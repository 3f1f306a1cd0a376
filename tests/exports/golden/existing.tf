# Written by tidb_pe_magic: export terraform. Checksum of the other lines: 98dd07a6adfb16af
#
# Endpoint ep-t4nabc123, which exists, for TiDB Cloud cluster demo (10581112723110012345).
# terraform plan imports it and its zones (import blocks: Terraform 1.5 or later). What else it would
# change is a difference between this text and the cloud: look at it before you apply.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# To be judged first:
# - it carries the tag created-by=tidb_pe_magic: until that is changed, delete in a notebook deletes it without --adopted

terraform {
  required_version = ">= 1.5" # the first with import blocks

  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = "~> 1.282" # the first whose endpoint takes service_region_id
    }
  }
}

# No key stands here: the provider takes it from its environment (ALICLOUD_ACCESS_KEY and
# ALICLOUD_SECRET_KEY) or from a profile of the aliyun CLI.
provider "alicloud" {
  region = "ap-southeast-1" # TiDB Cloud: where the service is
}

import {
  to = alicloud_privatelink_vpc_endpoint.tidb
  id = "ep-t4nabc123"
}

# The arguments below are what GetVpcEndpointAttribute answered, by its names; those of the zones are
# of ListVpcEndpointZones. It also answered what Terraform does not manage:
# - EndpointId: ep-t4nabc123
# - RegionId: ap-southeast-1
# - EndpointDomain: ep-t4nabc123.epsrv-t4ndemo.ap-southeast-1.privatelink.aliyuncs.com
# - EndpointStatus: Active
# - ConnectionStatus: Connected
# - EndpointBusinessStatus: Normal
# - Bandwidth: 1024
# - ProtectedEnabled: false
# - CreateTime: 2026-11-22T08:00:00Z
# - Payer: Endpoint
# - ResourceOwner: false
# - ZoneAffinityEnabled: false
resource "alicloud_privatelink_vpc_endpoint" "tidb" {
  service_name                  = "com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo" # ServiceName
  service_id                    = "epsrv-t4ndemo"                                         # ServiceId
  service_region_id             = "ap-southeast-1"                                        # ServiceRegionId
  vpc_id                        = "vpc-t4nabc123"                                         # VpcId
  vpc_endpoint_name             = "tidb-demo"                                             # EndpointName
  endpoint_description          = "Dashboards"                                            # EndpointDescription
  endpoint_type                 = "Interface"                                             # EndpointType
  address_ip_version            = "IPv4"                                                  # AddressIpVersion
  zone_private_ip_address_count = 1                                                       # ZonePrivateIpAddressCount
  resource_group_id             = "rg-acfm123"                                            # ResourceGroupId
  security_group_ids            = ["sg-t4nabc123", "sg-t4nxyz789"]                        # ListVpcEndpointSecurityGroups

  policy_document = "{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\"}]}" # PolicyDocument

  # ListVpcEndpoints: Tags
  tags = {
    "created-by" = "tidb_pe_magic"
    "team"       = "analytics"
  }
}

import {
  to = alicloud_privatelink_vpc_endpoint_zone.zone_ap_southeast_1a
  id = "ep-t4nabc123:ap-southeast-1a"
}

resource "alicloud_privatelink_vpc_endpoint_zone" "zone_ap_southeast_1a" {
  endpoint_id = alicloud_privatelink_vpc_endpoint.tidb.id
  zone_id     = "ap-southeast-1a" # ZoneId
  vswitch_id  = "vsw-a"           # VSwitchId
  eni_ip      = "10.0.1.7"        # EniIp
}

import {
  to = alicloud_privatelink_vpc_endpoint_zone.zone_ap_southeast_1b
  id = "ep-t4nabc123:ap-southeast-1b"
}

resource "alicloud_privatelink_vpc_endpoint_zone" "zone_ap_southeast_1b" {
  endpoint_id = alicloud_privatelink_vpc_endpoint.tidb.id
  zone_id     = "ap-southeast-1b" # ZoneId
  vswitch_id  = "vsw-b"           # VSwitchId
  eni_ip      = "10.0.2.7"        # EniIp
}

output "endpoint_id" {
  description = "What TiDB Cloud calls the Endpoint Resource ID"
  value       = alicloud_privatelink_vpc_endpoint.tidb.id
}

output "host" {
  description = "Private host of cluster demo, port 4000"
  value       = alicloud_privatelink_vpc_endpoint.tidb.endpoint_domain
}

output "connection_status" {
  description = "Connected, once the service's owner has accepted"
  value       = alicloud_privatelink_vpc_endpoint.tidb.connection_status
}
