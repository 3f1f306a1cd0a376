#!/bin/sh
# Written by tidb_pe_magic: export aliyun-cli. Checksum of the other lines: 6b8cf7f0d841f6c0
#
# Endpoint ep-t4nabc123, which exists, for TiDB Cloud cluster demo (10581112723110012345).
# The first command adds the inbound rule that is missing; the others show the endpoint.
# The key is the aliyun CLI's own (aliyun configure, or its environment); none stands here.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# To be judged first:
# - port (stop): TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.
# - still changing: Active, connection Disconnected; export again after wait
# - left out: what RAM action privatelink:ListVpcEndpoints tells
# - left out: what RAM action privatelink:ListVpcEndpointSecurityGroups tells

set -eu

# Preflight, port: TCP 4000 from this machine is not allowed by any rule of sg-t4nabc123.
# - PortRange: TiDB Cloud, the service's port; SecurityGroupId: the endpoint's first
# - SourceCidrIp: not known here
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

# As it was answered:
# - ap-southeast-1a, vSwitch vsw-a, address 10.0.1.7: Connected
# - ap-southeast-1b, vSwitch vsw-b, address 10.0.2.7: Connected
aliyun privatelink ListVpcEndpointZones \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'

# As it was answered:
# - not known: RAM action privatelink:ListVpcEndpointSecurityGroups is missing
aliyun privatelink ListVpcEndpointSecurityGroups \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123'

# Until the private host answers, for 10 minutes at most:
aliyun privatelink GetVpcEndpointAttribute \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId 'ep-t4nabc123' \
  --waiter expr='ConnectionStatus' to='Connected' timeout=600
