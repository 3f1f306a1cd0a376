#!/bin/sh
# Written by tidb_pe_magic: export aliyun-cli. Checksum of the other lines: fb2e1b9a0798628f
#
# The endpoint that create would make, for TiDB Cloud cluster demo (10581112723110012345).
# The commands create the endpoint and wait for it; nothing has been created yet. If an endpoint of this
# service and VPC exists by then, it is reused. The ClientToken belongs to the plan, so running the
# script twice at once creates one endpoint.
# The key comes from the aliyun CLI (aliyun configure, or its environment), not from this script.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.
#
# Review first:
# - port (stop): TCP 4000 from 10.0.1.5 is not allowed by any rule of sg-t4nabc123: connections would time out.

set -eu

# Preflight, port: TCP 4000 from 10.0.1.5 is not allowed by any rule of sg-t4nabc123: connections would time out.
# - PortRange: TiDB Cloud, the service's port; SecurityGroupId: the endpoint's first
# - SourceCidrIp: ECS metadata, this notebook's address
aliyun ecs AuthorizeSecurityGroup \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --SecurityGroupId 'sg-t4nabc123' \
  --IpProtocol 'TCP' \
  --PortRange '4000/4000' \
  --Policy 'Accept' \
  --Priority '1' \
  --Description 'Notebook to TiDB Cloud (preflight: port)' \
  --SourceCidrIp '10.0.1.5/32'

# Existing endpoints of this service and VPC (including those being deleted):
answer=$(
  aliyun privatelink ListVpcEndpoints \
    --region 'ap-southeast-1' \
    --RegionId 'ap-southeast-1' \
    --ServiceName 'com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo' \
    --VpcId 'vpc-t4nabc123'
)
printf '%s\n' "$answer"
endpoint_id=$(printf '%s\n' "$answer" | tr ',' '\n' | sed -n 's/.*"EndpointId":[[:space:]]*"\(ep-[A-Za-z0-9]*\)".*/\1/p' | head -n 1)

# CreateVpcEndpoint, without the tag created-by=tidb_pe_magic: delete needs --adopted in a notebook.
# - ServiceName, RegionId: TiDB Cloud: the cluster's service
# - VpcId: --vpc
# - EndpointName: derived from the cluster's name
# - SecurityGroupId: the only one of the VPC
# - ZoneId: the default of plan
# - VSwitchId: the one with the most free addresses
if [ -z "$endpoint_id" ]; then
  answer=$(
    aliyun privatelink CreateVpcEndpoint \
      --region 'ap-southeast-1' \
      --RegionId 'ap-southeast-1' \
      --ServiceName 'com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo' \
      --VpcId 'vpc-t4nabc123' \
      --EndpointType 'Interface' \
      --EndpointName 'tidb-demo' \
      --SecurityGroupId.1 'sg-t4nabc123' \
      --Zone.1.ZoneId 'ap-southeast-1a' \
      --Zone.1.VSwitchId 'vsw-a' \
      --Zone.2.ZoneId 'ap-southeast-1b' \
      --Zone.2.VSwitchId 'vsw-b' \
      --ClientToken '0123456789abcdef0123456789abcdef0123456789abcdef'
  )
  printf '%s\n' "$answer"
  endpoint_id=$(printf '%s\n' "$answer" | tr ',' '\n' | sed -n 's/.*"EndpointId":[[:space:]]*"\(ep-[A-Za-z0-9]*\)".*/\1/p' | head -n 1)
fi
[ -n "$endpoint_id" ] || { echo "the answer contains no endpoint" >&2; exit 1; }

# Wait until the private host answers, for at most 10 minutes:
aliyun privatelink GetVpcEndpointAttribute \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId "$endpoint_id" \
  --waiter expr='ConnectionStatus' to='Connected' timeout=600
aliyun privatelink ListVpcEndpointZones \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId "$endpoint_id"
