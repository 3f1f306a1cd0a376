"""The SQL users of the sandbox's IAM API, and their logins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tidb_pe_magic.sandbox.tidb_cloud.app import create_app
from tidb_pe_magic.sandbox.tidb_cloud.cluster_store import ClusterStore

if TYPE_CHECKING:
    from collections.abc import Iterator

DEMO, REPORTING, ARCHIVE = "10430185274093617152", "10430185274093617153", "10430185274093617156"
PREFIX = "2vKmPqRsTuWxYzA"
ANALYST = {
    "userName": "analyst",
    "password": "correct horse",
    "builtinRole": "role_readonly",
    "authMethod": "mysql_native_password",
    "autoPrefix": True,
}


class Api:
    """A client of the SQL users of one cluster, and the store behind it."""

    def __init__(self) -> None:
        """Start with the seed."""
        self.store = ClusterStore(port=4000, root_password="root password")
        app = create_app(self.store, {"key": "secret"})
        self.calls = app.config["requests"]
        self.client = httpx.Client(
            transport=httpx.WSGITransport(app=app),
            base_url="http://sandbox/v1beta1/clusters",
            auth=httpx.DigestAuth("key", "secret"),
        )

    def call(self, method: str, name: str = "", cluster: str = DEMO, **sent: Any) -> dict[str, Any]:
        """Return the body of a success."""
        answer = self.client.request(method, f"/{cluster}/sqlUsers{name and '/' + name}", **sent)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def refused(self, method: str, name: str = "", cluster: str = DEMO, **sent: Any) -> tuple[str, str]:
        """Return code and text of an error, which has the IAM API's shape."""
        answer = self.client.request(method, f"/{cluster}/sqlUsers{name and '/' + name}", **sent)
        assert answer.status_code == 400, answer.text
        body = answer.json()
        assert body.keys() == {"code", "error", "msgPrefix", "status"}
        assert (body["status"], body["error"]) == (400, {})
        return body["code"], body["msgPrefix"]


@pytest.fixture
def api() -> Iterator[Api]:
    """Return a new API."""
    made = Api()
    with made.client:
        yield made


def test_a_cluster_starts_with_its_root(api: Api) -> None:
    """The list contains the root user with the cluster's prefix, and never a password."""
    assert api.call("GET") == {
        "sqlUsers": [
            {
                "userName": f"{PREFIX}.root",
                "builtinRole": "role_admin",
                "customRoles": [],
                "authMethod": "mysql_native_password",
            }
        ],
        "nextPageToken": "",
    }


def test_auto_prefix_is_put_before_name_and_role(api: Api) -> None:
    """A user created with autoPrefix has the cluster's prefix in name and role, and can be read back."""
    created = api.call("POST", json=ANALYST | {"customRoles": ["reader"]})
    assert created == {
        "userName": f"{PREFIX}.analyst",
        "builtinRole": f"{PREFIX}.role_readonly",
        "customRoles": ["reader"],
        "authMethod": "mysql_native_password",
    }
    assert api.call("GET", f"{PREFIX}.analyst") == created
    assert created in api.call("GET")["sqlUsers"]


def test_without_auto_prefix_names_are_given_in_full(api: Api) -> None:
    """A full name and role are accepted unchanged; only role_admin has no prefix."""
    full = {"userName": f"{PREFIX}.etl", "password": "12345678", "builtinRole": f"{PREFIX}.role_readwrite"}
    assert api.call("POST", json=full)["builtinRole"] == f"{PREFIX}.role_readwrite"
    admin = ANALYST | {"builtinRole": "role_admin"}
    assert api.call("POST", json=admin)["builtinRole"] == "role_admin"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"autoPrefix": False}, "userName"),
        ({"autoPrefix": False, "userName": f"{PREFIX}.a"}, "builtinRole"),
        ({"userName": ""}, "userName"),
        ({"userName": None}, "userName"),
        ({"userName": "a" * 17}, "userName"),
        ({"userName": 7}, "userName"),
        ({"builtinRole": "role_owner"}, "builtinRole"),
        ({"builtinRole": None}, "builtinRole"),
        ({"password": "1234567"}, "password"),
        ({"password": "x" * 65}, "password"),
        ({"password": None}, "password"),
        ({"authMethod": "caching_sha2_password"}, "authMethod"),
        ({"autoPrefix": "yes"}, "autoPrefix"),
        ({"customRoles": "reader"}, "customRoles"),
        ({"customRoles": [1]}, "customRoles"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(api: Api, wrong: dict[str, Any], named: str) -> None:
    """Each invalid field is refused by name, and no user is created."""
    code, text = api.refused("POST", json=ANALYST | wrong)
    assert code == "INVALID_ARGUMENT"
    assert named in text
    assert len(api.call("GET")["sqlUsers"]) == 1


@pytest.mark.parametrize("length", [8, 64])
def test_passwords_of_the_shortest_and_longest_length_pass(api: Api, length: int) -> None:
    """The minimum and maximum length of a password are allowed."""
    api.call("POST", json=ANALYST | {"password": "x" * length})
    assert len(api.call("GET")["sqlUsers"]) == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff"])
def test_a_body_without_an_object_is_refused(api: Api, body: bytes) -> None:
    """A missing or malformed body is an error of the IAM API."""
    assert api.refused("POST", content=body)[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("name", ["analyst", "root"])
def test_a_user_is_not_created_twice(api: Api, name: str) -> None:
    """A taken name is refused, and the first password stays."""
    api.call("POST", json=ANALYST)
    before = api.store.sql_logins()
    code, text = api.refused("POST", json=ANALYST | {"userName": name, "password": "another one"})
    assert code == "ALREADY_EXISTS"
    assert f"{PREFIX}.{name}" in text
    assert api.store.sql_logins() == before


def test_a_user_is_changed_field_by_field(api: Api) -> None:
    """PATCH changes the given fields and leaves the rest."""
    api.call("POST", json=ANALYST)
    name = f"{PREFIX}.analyst"
    api.call("PATCH", name, json={"password": "new password"})
    assert api.store.sql_logins()[name] == "new password"
    changed = api.call("PATCH", name, json={"builtinRole": "role_admin", "customRoles": ["a", "b"]})
    assert (changed["builtinRole"], changed["customRoles"]) == ("role_admin", ["a", "b"])
    assert api.call("PATCH", name, json={"customRoles": []})["builtinRole"] == "role_admin"
    assert api.store.sql_logins()[name] == "new password"


@pytest.mark.parametrize(
    "body", [{}, {"password": "short"}, {"password": ""}, {"builtinRole": "role_readonly"}], ids=str
)
def test_a_wrong_change_is_refused(api: Api, body: dict[str, str]) -> None:
    """An empty change, a short password, and a role without its prefix are refused."""
    api.call("POST", json=ANALYST)
    before = api.store.sql_users
    assert api.refused("PATCH", f"{PREFIX}.analyst", json=body)[0] == "INVALID_ARGUMENT"
    assert api.store.sql_users == before


def test_a_deleted_user_cannot_log_in(api: Api) -> None:
    """A deleted user is missing from the API and from the logins."""
    api.call("POST", json=ANALYST)
    api.call("DELETE", f"{PREFIX}.analyst")
    assert f"{PREFIX}.analyst" not in api.store.sql_logins()
    assert api.refused("GET", f"{PREFIX}.analyst")[0] == "NOT_FOUND"
    assert api.refused("DELETE", f"{PREFIX}.analyst")[0] == "NOT_FOUND"


def test_the_root_user_stays(api: Api) -> None:
    """The root user cannot be deleted."""
    assert api.refused("DELETE", f"{PREFIX}.root")[0] == "FAILED_PRECONDITION"
    assert f"{PREFIX}.root" in api.store.sql_logins()


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_user_belongs_to_one_cluster(api: Api, method: str) -> None:
    """A user of another cluster, or a name without its prefix, is not found."""
    body = {"json": {"password": "new password"}} if method == "PATCH" else {}
    for name in (f"{PREFIX}.root", "root"):
        assert api.refused(method, name, REPORTING, **body)[0] == "NOT_FOUND"
    assert api.store.sql_logins()[f"{PREFIX}.root"] == "root password"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_cluster_is_an_error_of_the_iam_api(api: Api, method: str) -> None:
    """An unknown cluster has the IAM API's error shape, not the cluster API's."""
    body: dict[str, Any] = {"json": ANALYST} if method == "POST" else {}
    assert api.refused(method, cluster="1", **body) == ("NOT_FOUND", "cluster 1 not found")


def test_users_of_a_paused_cluster_can_be_read_only(api: Api) -> None:
    """A paused cluster lists its users and changes none."""
    assert len(api.call("GET", cluster=ARCHIVE)["sqlUsers"]) == 1
    assert api.refused("POST", cluster=ARCHIVE, json=ANALYST)[0] == "FAILED_PRECONDITION"


@pytest.mark.parametrize("size", [1, 2, 5, 0])
def test_users_are_paged(api: Api, size: int) -> None:
    """Pages of any size hold each user once; size 0 means a hundred."""
    for number in range(4):
        api.call("POST", json=ANALYST | {"userName": f"user{number}"})
    names: list[str] = []
    params: dict[str, Any] = {"pageSize": size}
    while True:
        page = api.call("GET", params=params)
        assert len(page["sqlUsers"]) <= (size or 100)
        names += [user["userName"] for user in page["sqlUsers"]]
        if not page["nextPageToken"]:
            break
        params["pageToken"] = page["nextPageToken"]
    assert names == [f"{PREFIX}.{name}" for name in ("root", "user0", "user1", "user2", "user3")]


def test_a_page_token_is_of_one_cluster(api: Api) -> None:
    """A token of one cluster's users is refused for another cluster."""
    api.call("POST", json=ANALYST)
    token = api.call("GET", params={"pageSize": 1})["nextPageToken"]
    sent = {"pageSize": 1, "pageToken": token}
    assert api.refused("GET", cluster=REPORTING, params=sent)[0] == "INVALID_ARGUMENT"


def test_logins_are_those_of_clusters_that_accept_sql(api: Api) -> None:
    """The root user can log in to every usable cluster, and to no other."""
    usable = {"demo", "reporting", "jakarta", "twin", *(f"staging-{number}" for number in range(1, 5))}
    clusters = api.store.clusters.values()
    expected = {f"{c.user_prefix}.root": "root password" for c in clusters if c.display_name in usable}
    assert len(expected) == 9
    assert api.store.sql_logins() == expected


def test_logins_follow_the_cluster(api: Api) -> None:
    """A paused cluster refuses all logins, and accepts them again after it has resumed."""
    api.call("POST", json=ANALYST)
    before = api.store.sql_logins()
    api.store.update(DEMO, state="RESTORING")
    assert {name for name in before if name not in api.store.sql_logins()} == {
        f"{PREFIX}.root",
        f"{PREFIX}.analyst",
    }
    api.store.update(DEMO, state="ACTIVE")
    assert api.store.sql_logins() == before


def test_passwords_stay_out_of_records(api: Api) -> None:
    """Neither the recorded calls nor a user's repr contain a password."""
    api.call("POST", json=ANALYST)
    api.call("PATCH", f"{PREFIX}.analyst", json={"password": "new password"})
    records = repr(list(api.calls)) + str(api.calls) + repr(api.store.sql_users)
    assert "correct horse" not in records
    assert "new password" not in records
    assert "root password" not in records
    assert api.calls[-1].params == {"password": "***"}
