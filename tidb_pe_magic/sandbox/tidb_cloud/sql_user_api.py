"""The IAM API: SQL users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, jsonify

from tidb_pe_magic.sandbox.tidb_cloud.clusters import AUTH_METHOD
from tidb_pe_magic.sandbox.tidb_cloud.parameters import LARGEST_PAGE, field, json_body, natural, roles

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore
    from tidb_pe_magic.sandbox.tidb_cloud.pager import Pager


class SqlUserApi:
    """The operations of the IAM API on SQL users."""

    def __init__(self, store: ClusterStore, pager: Pager) -> None:
        """Answer from `store`."""
        self._store = store
        self._pager = pager

    def list(self, cluster_id: str) -> Response:
        """List the SQL users of a cluster."""
        size = min(natural("pageSize") or LARGEST_PAGE, LARGEST_PAGE)
        users = self._store.list_sql_users(cluster_id)
        page, token = self._pager.page(users, size=size, params=("sqlUsers", cluster_id))
        return jsonify({"sqlUsers": [user.to_json() for user in page], "nextPageToken": token})

    def create(self, cluster_id: str) -> Response:
        """Create a SQL user."""
        body = json_body()
        user = self._store.create_sql_user(
            cluster_id,
            user_name=field(body, "userName", str) or "",
            password=field(body, "password", str) or "",
            builtin_role=field(body, "builtinRole", str) or "",
            custom_roles=roles(body) or (),
            auto_prefix=field(body, "autoPrefix", bool) or False,
            auth_method=field(body, "authMethod", str) or AUTH_METHOD,
        )
        return jsonify(user.to_json())

    def get(self, cluster_id: str, user_name: str) -> Response:
        """Describe one SQL user."""
        return jsonify(self._store.sql_user(cluster_id, user_name).to_json())

    def update(self, cluster_id: str, user_name: str) -> Response:
        """Change password or roles of a SQL user."""
        body = json_body()
        user = self._store.update_sql_user(
            cluster_id,
            user_name,
            password=field(body, "password", str),
            builtin_role=field(body, "builtinRole", str),
            custom_roles=roles(body),
        )
        return jsonify(user.to_json())

    def delete(self, cluster_id: str, user_name: str) -> Response:
        """Delete a SQL user."""
        self._store.delete_sql_user(cluster_id, user_name)
        return jsonify({"code": 0, "message": "success"})
