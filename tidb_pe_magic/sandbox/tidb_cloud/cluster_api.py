"""The cluster API: clusters and regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, jsonify, request

from tidb_pe_magic.sandbox.tidb_cloud.clusters import REGIONS, Code, RefusedError
from tidb_pe_magic.sandbox.tidb_cloud.filters import CLOUD_PROVIDERS, parse_filter, sort
from tidb_pe_magic.sandbox.tidb_cloud.parameters import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    choice,
    natural,
    single,
    view_is_full,
)

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
    from tidb_pe_magic.sandbox.tidb_cloud.pager import Pager

_SERVICE_PLANS = ("Starter", "Essential", "Premium", "BYOC")
_LARGEST_BATCH = 1000


class ClusterApi:
    """The operations of the cluster API."""

    def __init__(self, store: ClusterStore, pager: Pager) -> None:
        """Answer from `store`."""
        self._store = store
        self._pager = pager

    def list(self) -> Response:
        """List the clusters that match `filter`, in the order of `orderBy`."""
        size = min(natural("pageSize") or DEFAULT_PAGE, LARGEST_PAGE)
        skip = natural("skip")
        expression, order = single("filter").strip(), single("orderBy").strip()
        matches = parse_filter(expression)
        found = [cluster for cluster in self._store.clusters.values() if matches(cluster)]
        found = sort(found, order)
        page, token = self._pager.page(found, size=size, skip=skip, params=(expression, order))
        clusters = [cluster.to_json(full=False) for cluster in page]
        return jsonify({"clusters": clusters, "nextPageToken": token, "totalSize": len(found)})

    def get(self, cluster_id: str) -> Response:
        """Describe one cluster."""
        full = view_is_full()
        return jsonify(self._store.cluster(cluster_id).to_json(full=full))

    def batch_get(self) -> Response:
        """Describe several clusters, all or none."""
        ids = request.args.getlist("clusterIds")
        if not 1 <= len(ids) <= _LARGEST_BATCH:
            raise RefusedError(Code.INVALID_ARGUMENT, f"clusterIds must name 1 to {_LARGEST_BATCH} clusters")
        full = view_is_full()
        return jsonify({"clusters": [self._store.cluster(name).to_json(full=full) for name in ids]})

    def regions(self) -> Response:
        """List the regions, optionally of one cloud provider or service plan."""
        provider = choice("cloudProvider", CLOUD_PROVIDERS)
        plan = choice("servicePlan", _SERVICE_PLANS)
        found = [
            region.to_json() | {"servicePlans": region.service_plans}
            for region in REGIONS.values()
            if provider in ("", region.cloud_provider) and plan in ("", *region.service_plans)
        ]
        return jsonify({"regions": found})

    def cloud_providers(self) -> Response:
        """List the cloud providers of the regions."""
        providers = dict.fromkeys(region.cloud_provider for region in REGIONS.values())
        return jsonify({"cloudProviders": list(providers)})
