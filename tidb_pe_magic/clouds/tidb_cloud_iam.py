"""TiDB Cloud's IAM API (v1beta1): the SQL users of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.json_fields import mappings, text
from tidb_pe_magic.clouds.tidb_cloud import TidbCloud
from tidb_pe_magic.model import SqlUser

if TYPE_CHECKING:
    from tidb_pe_magic.credentials.secrets import Secret

_AUTH_METHOD = "mysql_native_password"
_PAGE_SIZE = 100


class TidbCloudIam(TidbCloud):
    """A client of the IAM API, with the key and the Digest of the cluster API.

    Every method raises `ApiError` if the API refuses or fails.
    """

    def sql_users(self, cluster_id: str) -> tuple[SqlUser, ...]:
        """Return the cluster's SQL users, page by page."""
        found: list[SqlUser] = []
        token, seen = "", set[str]()
        while True:
            query: dict[str, str | int] = {"pageSize": _PAGE_SIZE}
            if token:
                query["pageToken"] = token
            page = self._get("ListSqlUsers", _path(cluster_id), query)
            found.extend(
                SqlUser(name=text(item, "userName"), role=text(item, "builtinRole"))
                for item in mappings(page.get("sqlUsers"))
            )
            token = text(page, "nextPageToken")
            if not token:
                return tuple(found)
            if token in seen:
                raise errors.ServiceUnavailable(
                    "the list of SQL users repeats a page", operation="ListSqlUsers", advice="Try again."
                )
            seen.add(token)

    def create_sql_user(self, cluster_id: str, user: SqlUser, password: Secret) -> None:
        """Create a user from its full name and role; never repeated, as a second call would be refused."""
        self._send(
            "CreateSqlUser",
            "POST",
            _path(cluster_id),
            {},
            lambda: {
                "userName": user.name,
                "builtinRole": user.role,
                "password": password.reveal(),
                "authMethod": _AUTH_METHOD,
                "autoPrefix": False,
            },
        )

    def set_sql_password(self, cluster_id: str, name: str, password: Secret) -> None:
        """Set the user's password; a call that fails temporarily is repeated."""
        self._retries.call(
            "UpdateSqlUser",
            lambda: self._send(
                "UpdateSqlUser",
                "PATCH",
                _path(cluster_id, name),
                {},
                lambda: {"password": password.reveal()},
            ),
        )

    def delete_sql_user(self, cluster_id: str, name: str) -> None:
        """Delete the user; never repeated, as a second call would not find it."""
        self._send("DeleteSqlUser", "DELETE", _path(cluster_id, name), {})


def _path(cluster_id: str, name: str = "") -> str:
    path = f"/clusters/{quote(cluster_id, safe='')}/sqlUsers"
    return f"{path}/{quote(name, safe='')}" if name else path
