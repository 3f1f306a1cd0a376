#!/bin/sh
# Written by tidb_pe_magic: export aliyun-cli. Checksum of the other lines: 5a6c28c397dd68d2
#
# Endpoint ep-t4nabc123, which exists, for TiDB Cloud cluster demo (10581112723110012345).
# The commands show it, and change nothing.
# The key is the aliyun CLI's own (aliyun configure, or its environment); none stands here.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# To be judged first:
# - it carries the tag created-by=tidb_pe_magic: until that is changed, delete in a notebook deletes it without --adopted

set -eu

# As it was answered:
# - ServiceName: com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo
# - ServiceId: epsrv-t4ndemo
# - ServiceRegionId: ap-southeast-1
# - VpcId: vpc-t4nabc123
# - EndpointName: tidb-demo
# - EndpointDescription: Dashboards
# - EndpointType: Interface
# - AddressIpVersion: IPv4
# - ZonePrivateIpAddressCount: 1
# - ResourceGroupId: rg-acfm123
# - PolicyDocument: {"Version":"1","Statement":[{"Effect":"Allow","Principal":"*","Action":"*"}]}
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
# - Tag created-by: tidb_pe_magic
# - Tag team: analytics
aliyun privatelink GetVpcEndpointAttribute \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'

# As it was answered:
# - ap-southeast-1a, vSwitch vsw-a, address 10.0.1.7: Connected
# - ap-southeast-1b, vSwitch vsw-b, address 10.0.2.7: Connected
aliyun privatelink ListVpcEndpointZones \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'

# As it was answered:
# - sg-t4nabc123
# - sg-t4nxyz789
aliyun privatelink ListVpcEndpointSecurityGroups \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'
