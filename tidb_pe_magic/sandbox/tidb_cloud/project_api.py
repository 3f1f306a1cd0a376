"""The IAM API: the organization's projects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from flask import Response, jsonify

from tidb_pe_magic.sandbox.tidb_cloud.clusters import ORGANIZATION_LABEL, PROJECT_LABEL
from tidb_pe_magic.sandbox.tidb_cloud.parameters import LARGEST_PAGE, natural

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
    from tidb_pe_magic.sandbox.tidb_cloud.pager import Pager

_CREATED = "1772400000"


class ProjectApi:
    """The operation of the IAM API on projects; clusters refer to projects by a label."""

    def __init__(self, store: ClusterStore, pager: Pager) -> None:
        """Answer from `store`."""
        self._store = store
        self._pager = pager

    def list(self) -> Response:
        """List the projects; page size 0 means 100."""
        size = min(natural("pageSize") or LARGEST_PAGE, LARGEST_PAGE)
        counted = Counter(
            (cluster.labels[PROJECT_LABEL], cluster.labels.get(ORGANIZATION_LABEL, ""))
            for cluster in self._store.clusters.values()
            if PROJECT_LABEL in cluster.labels
        )
        projects = [
            {
                "id": project,
                "org_id": organization,
                "name": f"project-{number}",
                "cluster_count": clusters,
                "user_count": 1,
                "create_timestamp": _CREATED,
                "aws_cmek_enabled": False,
            }
            for number, ((project, organization), clusters) in enumerate(sorted(counted.items()), 1)
        ]
        page, token = self._pager.page(projects, size=size, params=("projects",))
        return jsonify({"projects": page, "nextPageToken": token})
