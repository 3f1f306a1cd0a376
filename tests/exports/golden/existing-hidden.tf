# Written by tidb_pe_magic: export terraform. Checksum of the other lines: 82fa7e30469fb73e
#
# Endpoint ep-t4nabc123, which exists, for TiDB Cloud cluster demo (10581112723110012345).
# terraform plan imports it and its zones (import blocks: Terraform 1.5 or later). Any other change in
# the plan is a difference between this text and the cloud: review it before you apply.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# Review first:
# - port (stop): TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.
# - still changing: Active, connection Disconnected; export again after wait
# - omitted: all that needs RAM action privatelink:ListVpcEndpoints
# - omitted: all that needs RAM action privatelink:ListVpcEndpointSecurityGroups

terraform {
  required_version = ">= 1.5" # the first with import blocks

  required_providers {
    alicloud = {
      source  = "aliyun/alicloud"
      version = "~> 1.282" # the first whose endpoint takes service_region_id
    }
  }
}

# This file contains no keys: the provider takes them from its environment (ALICLOUD_ACCESS_KEY and
# ALICLOUD_SECRET_KEY) or from a profile of the aliyun CLI.
provider "alicloud" {
  region = "ap-southeast-1" # TiDB Cloud: where the service is
}

import {
  to = alicloud_privatelink_vpc_endpoint.tidb
  id = "ep-t4nabc123"
}

# The arguments below are the fields of GetVpcEndpointAttribute, by its names; those of the zones are
# from ListVpcEndpointZones. It also reported fields that Terraform does not manage:
# - EndpointId: ep-t4nabc123
# - RegionId: ap-southeast-1
# - EndpointDomain: ep-t4nabc123.epsrv-t4ndemo.ap-southeast-1.privatelink.aliyuncs.com
# - EndpointStatus: Active
# - ConnectionStatus: Disconnected
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

  policy_document = "{\"Version\":\"1\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\"}]}" # PolicyDocument

  # Unknown here because a permission is missing, so left as it is in the cloud.
  lifecycle {
    ignore_changes = [security_group_ids, tags]
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

variable "notebook_cidr" {
  description = "Network or address of the notebook, such as 10.0.1.5/32"
  type        = string
}

# Preflight, port: TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.
resource "alicloud_security_group_rule" "notebook_to_tidb" {
  security_group_id = "sg-t4nabc123" # the first of the endpoint's groups
  type              = "ingress"
  ip_protocol       = "tcp"
  port_range        = "4000/4000"       # TiDB Cloud: the service's port
  cidr_ip           = var.notebook_cidr # unknown
  policy            = "accept"
  priority          = 1          # the highest, so that no other rule comes first
  nic_type          = "intranet" # as for every group of a VPC
  description       = "Notebook to TiDB Cloud (preflight: port)"
}

output "endpoint_id" {
  description = "TiDB Cloud's Endpoint Resource ID"
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
