#!/bin/sh
# Written by tidb_pe_magic: export aliyun-cli. Checksum of the other lines: 7916b3994c965591
#
# Endpoint ep-t4nabc123, which exists, for TiDB Cloud cluster demo (10581112723110012345).
# The first command adds the missing inbound rule; the others show the endpoint.
# The key comes from the aliyun CLI (aliyun configure, or its environment), not from this script.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# Review first:
# - port (stop): TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.
# - still changing: Active, connection Disconnected; export again after wait
# - omitted: all that needs RAM action privatelink:ListVpcEndpoints
# - omitted: all that needs RAM action privatelink:ListVpcEndpointSecurityGroups

set -eu

# Preflight, port: TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.
# - PortRange: TiDB Cloud, the service's port; SecurityGroupId: the endpoint's first
# - SourceCidrIp: unknown
: "${NOTEBOOK_CIDR:?set it to the network or address of the notebook, such as 10.0.1.5/32}"
aliyun ecs AuthorizeSecurityGroup \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --SecurityGroupId 'sg-t4nabc123' \
  --IpProtocol 'TCP' \
  --PortRange '4000/4000' \
  --Policy 'Accept' \
  --Priority '1' \
  --Description 'Notebook to TiDB Cloud (preflight: port)' \
  --SourceCidrIp "$NOTEBOOK_CIDR"

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
# - ConnectionStatus: Disconnected
# - EndpointBusinessStatus: Normal
# - Bandwidth: 1024
# - ProtectedEnabled: false
# - CreateTime: 2026-11-22T08:00:00Z
# - Payer: Endpoint
# - ResourceOwner: false
# - ZoneAffinityEnabled: false
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
# - unknown: RAM action privatelink:ListVpcEndpointSecurityGroups is missing
aliyun privatelink ListVpcEndpointSecurityGroups \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'

# Wait until the private host answers, for at most 10 minutes:
aliyun privatelink GetVpcEndpointAttribute \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123' \
  --waiter expr='ConnectionStatus' to='Connected' timeout=600
