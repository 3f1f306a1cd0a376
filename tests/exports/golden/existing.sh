#!/bin/sh
# Written by tidb_pe_magic: export aliyun-cli. Checksum of the other lines: 763de42342fb2963
#
# Endpoint ep-t4nabc123, which exists, for TiDB Cloud cluster demo (10581112723110012345).
# The commands show the endpoint and change nothing.
# The key comes from the aliyun CLI (aliyun configure, or its environment), not from this script.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# Review first:
# - it has the tag created-by=tidb_pe_magic: until that is changed, delete in a notebook deletes it without --adopted

set -eu

# As reported by the API:
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

# As reported by the API:
# - ap-southeast-1a, vSwitch vsw-a, address 10.0.1.7: Connected
# - ap-southeast-1b, vSwitch vsw-b, address 10.0.2.7: Connected
aliyun privatelink ListVpcEndpointZones \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'

# As reported by the API:
# - sg-t4nabc123
# - sg-t4nxyz789
aliyun privatelink ListVpcEndpointSecurityGroups \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'
