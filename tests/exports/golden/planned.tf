# Written by tidb_pe_magic: export terraform. Checksum of the other lines: 6c2898f1cfea5e0f
#
# The endpoint that create would make, for TiDB Cloud cluster demo (10581112723110012345).
# terraform plan shows what would be created; nothing has been created yet.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.

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

# Without the tag created-by=tidb_pe_magic: delete needs --adopted in a notebook.
resource "alicloud_privatelink_vpc_endpoint" "tidb" {
  service_name       = "com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo" # TiDB Cloud: the cluster's service
  vpc_id             = "vpc-t4nabc123"                                         # --vpc
  vpc_endpoint_name  = "tidb-demo"                                             # derived from the cluster's name
  endpoint_type      = "Interface"                                             # as create requests it
  security_group_ids = ["sg-t4nabc123"]                                        # the only one of the VPC
}

resource "alicloud_privatelink_vpc_endpoint_zone" "zone_ap_southeast_1a" {
  endpoint_id = alicloud_privatelink_vpc_endpoint.tidb.id
  zone_id     = "ap-southeast-1a" # the default of plan
  vswitch_id  = "vsw-a"           # the one with the most free addresses
}

resource "alicloud_privatelink_vpc_endpoint_zone" "zone_ap_southeast_1b" {
  endpoint_id = alicloud_privatelink_vpc_endpoint.tidb.id
  zone_id     = "ap-southeast-1b" # the default of plan
  vswitch_id  = "vsw-b"           # the one with the most free addresses
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
