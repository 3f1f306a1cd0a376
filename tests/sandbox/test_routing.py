"""One endpoint serves all clusters of a region: the user prefix routes the login, within the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymysql
import pytest

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint
    from tidb_pe_magic.sandbox.tidb_cloud.clusters import Cluster

_ALONE = "reporting"


def _cluster(sandbox: Sandbox, name: str) -> Cluster:
    return next(each for each in sandbox.clusters.clusters.values() if each.display_name == name)


def _endpoint(sandbox: Sandbox, cluster: Cluster, vpc: str, *zone: str) -> Endpoint:
    services = {each.service_name: each for each in sandbox.world.services}
    made = sandbox.world.create_endpoint(
        service=services[cluster.service_name or ""],
        vpc_id=vpc,
        zones=[(zone[0], zone[1])],
        security_groups=[zone[2]],
    )
    return sandbox.world.endpoints[made.endpoint_id]


def _in_analytics(sandbox: Sandbox, name: str) -> Endpoint:
    cluster = _cluster(sandbox, name)
    place = ("ap-southeast-1a", "vsw-t4na1", "sg-t4nanalytics")
    return _endpoint(sandbox, cluster, "vpc-t4nanalytics0k3m7x", *place)


def _login(sandbox: Sandbox, endpoint: Endpoint, user: str, *, host: str = "") -> str:
    """Log in and return the user that the server reports."""
    password = sandbox.environment()["TIDB_PASSWORD"]
    connection = pymysql.connect(
        host=host or endpoint.domain, port=endpoint.port, user=user, password=password
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.tidb_pe_sandbox(flights=0)
def test_one_endpoint_leads_to_every_cluster_of_its_region(tidb_pe_sandbox: Sandbox) -> None:
    """At each address the prefix selects the login's cluster, and the clusters name one gateway."""
    endpoint = _in_analytics(tidb_pe_sandbox, "demo")
    assert len(endpoint.endpoint_id) == 23
    clusters = [_cluster(tidb_pe_sandbox, name) for name in ("demo", "reporting", "staging-3")]
    assert len({str(each.to_json()["endpoints"]["private"]) for each in clusters}) == 1
    for host in (endpoint.domain, endpoint.zones[0].eni_ip):
        for cluster in clusters:
            user = f"{cluster.user_prefix}.root"
            assert _login(tidb_pe_sandbox, endpoint, user, host=host).startswith(user)


@pytest.mark.tidb_pe_sandbox(flights=0)
def test_a_cluster_of_another_region_is_behind_another_endpoint(tidb_pe_sandbox: Sandbox) -> None:
    """A correct password is refused for a cluster outside the endpoint's service."""
    singapore = _in_analytics(tidb_pe_sandbox, "demo")
    jakarta = _endpoint(
        tidb_pe_sandbox,
        _cluster(tidb_pe_sandbox, "jakarta"),
        "vpc-k1ajakarta4h8n2v",
        *("ap-southeast-5a", "vsw-k1aa1", "sg-k1ajakarta"),
    )
    here, there = (f"{_cluster(tidb_pe_sandbox, name).user_prefix}.root" for name in ("demo", "jakarta"))
    _login(tidb_pe_sandbox, singapore, here)
    _login(tidb_pe_sandbox, jakarta, there)
    for endpoint, user in ((singapore, there), (jakarta, here)):
        with pytest.raises(pymysql.err.OperationalError):
            _login(tidb_pe_sandbox, endpoint, user)


@pytest.mark.tidb_pe_sandbox(flights=0, exclusive=(_ALONE, "twin"))
def test_an_exclusive_cluster_is_reached_without_a_prefix(tidb_pe_sandbox: Sandbox) -> None:
    """Behind an exclusive service `root` is its cluster's root with its own password."""
    shared, own = _in_analytics(tidb_pe_sandbox, "demo"), _in_analytics(tidb_pe_sandbox, _ALONE)
    demo = f"{_cluster(tidb_pe_sandbox, 'demo').user_prefix}.root"
    assert _login(tidb_pe_sandbox, own, "root").startswith("root")
    for endpoint, user in ((own, demo), (shared, "root"), (own, ".root")):
        with pytest.raises(pymysql.err.OperationalError):
            _login(tidb_pe_sandbox, endpoint, user)
    cluster = _cluster(tidb_pe_sandbox, _ALONE)
    tidb_pe_sandbox.clusters.update_sql_user(cluster.cluster_id, "root", password="other password")
    with pytest.raises(pymysql.err.OperationalError, match="using password: YES"):
        _login(tidb_pe_sandbox, own, "root")
    _login(tidb_pe_sandbox, _in_analytics(tidb_pe_sandbox, "twin"), "root")


def test_the_databases_own_address_leads_to_every_cluster() -> None:
    """The database's own address, which only programs in the sandbox know, leads to every cluster."""
    with Sandbox(flights=0) as sandbox:
        assert sandbox.database is not None
        host, port = sandbox.database.address
        password = sandbox.environment()["TIDB_PASSWORD"]
        for name in ("demo", "jakarta"):
            user = f"{_cluster(sandbox, name).user_prefix}.root"
            pymysql.connect(host=host, port=port, user=user, password=password).close()
