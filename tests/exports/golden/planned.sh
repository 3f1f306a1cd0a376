#!/bin/sh
# Written by tidb_pe_magic: export aliyun-cli. Checksum of the other lines: fd8f1fffa06d862e
#
# The endpoint that create would make, for TiDB Cloud cluster demo (10581112723110012345).
# The commands make it and wait for it; nothing has been created yet. An endpoint of this service and VPC
# that is there by then is taken as it is. The ClientToken is the plan's own: run twice at once, they
# make one endpoint.
# The key is the aliyun CLI's own (aliyun configure, or its environment); none stands here.
# Billed to this account: 2 zones, by the hour, from creation until deletion, and traffic per GB.

set -eu

# What exists already for this service and VPC (what is being deleted, too):
answer=$(
  aliyun privatelink ListVpcEndpoints \
    --region 'ap-southeast-1' \
    --RegionId 'ap-southeast-1' \
    --ServiceName 'com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4ndemo' \
    --VpcId 'vpc-t4nabc123'
)
printf '%s\n' "$answer"
endpoint_id=$(printf '%s\n' "$answer" | tr ',' '\n' | sed -n 's/.*"EndpointId":[[:space:]]*"\(ep-[A-Za-z0-9]*\)".*/\1/p' | head -n 1)

# CreateVpcEndpoint, without the tag created-by=tidb_pe_magic: no notebook deletes it unasked.
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
[ -n "$endpoint_id" ] || { echo "the answer names no endpoint" >&2; exit 1; }

# Until the private host answers, for 10 minutes at most:
aliyun privatelink GetVpcEndpointAttribute \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId "$endpoint_id" \
  --waiter expr='ConnectionStatus' to='Connected' timeout=600
aliyun privatelink ListVpcEndpointZones \
  --region 'ap-southeast-1' \
  --RegionId 'ap-southeast-1' \
  --EndpointId "$endpoint_id"
