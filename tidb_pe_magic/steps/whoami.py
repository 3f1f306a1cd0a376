"""The step `whoami`: show which keys are used, where they come from, and whether they work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import errors
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.clouds.proxies import without_password
from tidb_pe_magic.clouds.retries import once
from tidb_pe_magic.credentials import alibaba as alibaba_keys
from tidb_pe_magic.credentials import tidb_cloud as tidb_cloud_keys
from tidb_pe_magic.model import ApiRoute, CloudIdentity, Whoami, key_hint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.commands.requests import WhoamiRequest
    from tidb_pe_magic.credentials.search import Search
    from tidb_pe_magic.model import Cluster, EventHook
    from tidb_pe_magic.runtime.context import Context

_PROVIDER = "alicloud"
_REGION = "ap-southeast-1"  # STS answers the same in each region; used if no cluster determines the region


def whoami(context: Context, request: WhoamiRequest, on_event: EventHook) -> Whoami:  # noqa: ARG001
    """Search every place for keys, and test each cloud's key with one read call; report failures.

    Raises:
        InvalidRequest: the ticloud profile does not exist; the current one remains in use.
    """
    if request.profile:
        tidb_cloud_keys.find(context.environ, request.profile)
        context.profile = request.profile
    with once():
        tidb_cloud, clusters = _tidb_cloud(context)
        alibaba = _alibaba(context, _region(context, clusters))
    rate = context.tidb_cloud().rate if tidb_cloud.call else None
    routes = _routes(context, _region(context, clusters))
    skipped = context.network.proxies.skipped
    return Whoami(tidb_cloud=tidb_cloud, alibaba=alibaba, rate=rate, routes=routes, skipped=skipped)


def _routes(context: Context, region_id: str) -> tuple[ApiRoute, ...]:
    network, environ = context.network, context.environ
    urls = {
        "TiDB Cloud": hosts.override(environ, hosts.TIDB_CLOUD) or hosts.DEFAULT_TIDB_CLOUD,
        "Alibaba Cloud": hosts.override(environ, hosts.ALIBABA)
        or f"https://privatelink.{region_id}.aliyuncs.com",
    }
    trust, problem = str(network.trust), ""
    try:
        network.context("httpx")
    except errors.InvalidRequest as error:
        problem = error.prose
    routes = []
    for cloud, url in urls.items():
        try:
            proxy = without_password(network.proxy(url))
        except errors.InvalidRequest as error:
            routes.append(ApiRoute(cloud=cloud, trust=trust, problem=error.prose))
        else:
            routes.append(ApiRoute(cloud=cloud, trust=trust, proxy=proxy, problem=problem))
    return tuple(routes)


def _tidb_cloud(context: Context) -> tuple[CloudIdentity, tuple[Cluster, ...]]:
    search = tidb_cloud_keys.search_keys(context.environ, context.profile, everywhere=True)
    identity = _sought("TiDB Cloud", search)
    if search.found is None:
        return identity, ()
    try:
        clusters = context.tidb_cloud().clusters(pages=1)
    except errors.ApiError as error:
        return replace(identity, call="ListClusters", works=False, detail=error.prose), ()
    except errors.InvalidRequest as error:
        return replace(identity, detail=error.prose), ()
    seen = f"{len(clusters)} clusters" if len(clusters) != 1 else "1 cluster"
    return replace(identity, call="ListClusters", works=True, detail=f"{seen} on the first page"), clusters


def _alibaba(context: Context, region_id: str) -> CloudIdentity:
    search = alibaba_keys.search_keys(context.environ, context.on_ecs, everywhere=True)
    identity, found = _sought("Alibaba Cloud", search), search.found
    if found is None:
        return identity
    call = ""
    try:
        client = context.alibaba(region_id)
        if found.key is None:
            provider, key_id = client.temporary_key()
            identity = replace(identity, provider=provider, hint=key_hint(key_id))
        call = "GetCallerIdentity"
        account, arn = client.caller()
    except errors.MissingCredentials as error:
        return replace(identity, works=False, detail=error.prose)
    except errors.InvalidRequest as error:
        return replace(identity, detail=error.prose)
    except errors.ApiError as error:
        return replace(identity, call=call or error.operation, works=False, detail=error.prose)
    return replace(identity, call=call, works=True, detail=f"account {account}, {arn}")


def _sought(cloud: str, search: Search) -> CloudIdentity:
    found, problem = search.found, search.problem
    return CloudIdentity(
        cloud=cloud,
        source=found.place if found else "",
        hint=key_hint(found.key.public) if found and found.key and found.key.public else "",
        places=search.places,
        detail=str(problem) if problem else "" if found else "no key was found",
    )


def _region(context: Context, clusters: Iterable[Cluster]) -> str:
    """Return the region of the current cluster, or of the first one on Alibaba Cloud."""
    ours = [cluster for cluster in clusters if cluster.provider == _PROVIDER and cluster.region_id]
    ours.sort(key=lambda cluster: cluster.cluster_id != context.cluster_id)
    return ours[0].region_id if ours else _REGION
