"""The server's whole login error determines `connect`'s advice and `doctor`'s causes."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from database.relay import Listener
from support.login_refusal import refuse_login

from tidb_pe_magic import model
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database import doctor, refusals
from tidb_pe_magic.database.connector import Target
from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.greeting import server_error
from tidb_pe_magic.database.subject import Subject
from tidb_pe_magic.errors import ConnectionFailed
from tidb_pe_magic.model import Diagnosis, Outcome, TlsMode

PASSWORD, PREFIX = "not-for-anybodys-eyes", "2vKmPqRsTuWxYzA"
ROOT = f"{PREFIX}.root"
PAGE = "https://docs.pingcap.com/tidbcloud/select-cluster-tier#user-name-prefix"
CLUSTER = model.Cluster(
    cluster_id="10430185274093617152",
    display_name="demo",
    provider="alicloud",
    region_id="ap-southeast-1",
    plan="STARTER",
    state="ACTIVE",
    user_prefix=PREFIX,
    service=model.EndpointService(
        service_name="com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4n1",
        zones=("ap-southeast-1a",),
        region_id="ap-southeast-1",
        port=4000,
    ),
    gateway_names=("gateway01.ap-southeast-1.prod.alicloud.tidbcloud.com",),
    version="v8.5.3",
)


class Row(NamedTuple):
    """One refusal: the server's message and its diagnosis."""

    code: int
    text: str
    kind: str
    stage: str
    cause: str
    command: str
    user: str = ROOT
    method: bytes = b"mysql_native_password"
    tls: TlsMode = TlsMode.AUTO
    offers_tls: bool = False


WRONG_PASSWORD = (
    f"Access denied for user '{ROOT}'@'10.20.1.9' (using password: YES), see {PAGE} for more details."
)
QUOTA = (
    "Due to the usage quota being exhausted, access to the cluster '10430185274093617152' has been "
    "restricted. Try increasing spending limits to restore access."
)
INSECURE = (
    "Connections using insecure transport are prohibited. See "
    "https://docs.pingcap.com/tidbcloud/secure-connections-to-serverless-tier-clusters"
)
ROWS = {
    # TiDB's own refusal mentions the prefix, whatever the reason.
    "wrong password": Row(
        1045, WRONG_PASSWORD, "password", "login", "The password is wrong", "--password-from prompt"
    ),
    "wrong user or password": Row(
        1105,
        f"Access denied. Please check your user name and password. See {PAGE}",
        "user",
        "login",
        "The password is wrong, or the user does not exist",
        "--password-from prompt",
    ),
    "missing prefix": Row(
        1105,
        f"Missing user name prefix. See {PAGE}",
        "prefix",
        "login",
        f": {ROOT}.",
        f"--user {ROOT}",
        "root",
    ),
    "prefix of another cluster": Row(
        1105,
        f"Missing user name prefix. See {PAGE}",
        "prefix",
        "login",
        "does not belong to the cluster",
        "cluster",
    ),
    "quota": Row(1105, QUOTA, "quota", "login", "spending limit", "%tidb_pe connect"),
    "insecure transport": Row(
        1105, INSECURE, "required", "tls", "only encrypted connections", "--tls auto", tls=TlsMode.OFF
    ),
    "secure transport required": Row(
        3159,
        "Connections using insecure transport are prohibited while --require_secure_transport=ON.",
        "required",
        "tls",
        "only encrypted connections",
        "--tls auto",
        tls=TlsMode.OFF,
        offers_tls=True,
    ),
    "connection limit": Row(
        1105,
        "Connection limit exceeded",
        "limit",
        "handshake",
        "accepts 400, and 5,000",
        "%tidb_pe connections",
    ),
    "connection limit of another number": Row(
        1040, "Too many connections", "limit", "handshake", "accepts 400, and 5,000", "%tidb_pe connections"
    ),
    "locked": Row(
        3118,
        f"Access denied for user '{ROOT}'@'%'. Account is locked.",
        "locked",
        "login",
        "is locked",
        "--user",
    ),
    "password expired": Row(
        1862,
        "Your password has expired. To log in you must change it using a client that supports it.",
        "password expired",
        "login",
        "has expired",
        "%tidb_pe sql-user rotate root",
    ),
    "unknown login method": Row(
        0, "", "method", "login", "login method", "--user", method=b"authentication_ldap_sasl_client"
    ),
    "clear text": Row(
        0,
        "",
        "clear text",
        "login",
        "in clear text",
        "--tls auto",
        method=b"mysql_clear_password",
        tls=TlsMode.OFF,
    ),
    "caching_sha2 without TLS": Row(
        1045,
        WRONG_PASSWORD,
        "encryption first",
        "login",
        "needs an encrypted connection",
        "--tls auto",
        method=b"caching_sha2_password",
        tls=TlsMode.OFF,
    ),
    "a reason of its own": Row(
        1105,
        "The endpoint is not allowed, whatever that means",
        "other",
        "login",
        "reason given",
        "doctor",
    ),
}


def target(row: Row, port: int) -> Target:
    """Return the address of the row's server."""
    return Target(
        host="127.0.0.1", port=port, user=row.user, database="", password=Secret(PASSWORD), tls=row.tls
    )


def examined(row: Row, *, cluster: model.Cluster | None = CLUSTER) -> tuple[ConnectionFailed, Diagnosis]:
    """Return the failure of a connection to the row's server, and the doctor's diagnosis."""
    serve = refuse_login(row.code, row.text, method=row.method, offers_tls=row.offers_tls)
    with Listener(serve) as listener:
        aim = target(row, listener.port)
        with pytest.raises(ConnectionFailed) as failed:
            open_engine(aim, timeout=5.0)
        subject = Subject(target=aim, password=lambda: Secret(PASSWORD), cluster=cluster)
        return failed.value, doctor.examine(subject, timeout=5.0)


@pytest.mark.parametrize("name", ROWS)
def test_each_refusal_has_its_own_cause_and_next_step(name: str) -> None:
    """The server's message determines the kind, the stage, the first cause and the command."""
    row = ROWS[name]
    failure, diagnosis = examined(row)
    assert (failure.kind, failure.stage) == (row.kind, row.stage)
    assert bool(failure.advice) == (row.kind != "other")
    assert row.cause in diagnosis.causes[0]
    assert row.command in str(diagnosis.next_command)
    assert diagnosis.failed is not None
    assert row.text.rstrip(".") in diagnosis.failed.detail
    assert diagnosis.failed.name == "login"
    assert [stage.outcome for stage in diagnosis.stages[:5] if stage.name != "network"] == [
        Outcome.PASSED
    ] * 4
    shown = f"{failure} {diagnosis!r}"
    assert PASSWORD not in shown
    if row.kind not in {"prefix", "required", "limit"}:
        assert not any("prefix" in cause for cause in diagnosis.causes)


def test_without_a_cluster_the_missing_prefix_is_one_of_the_causes() -> None:
    """Without a known cluster, a bare user name may lack the prefix; a name with a dot does not."""
    row = ROWS["wrong password"]
    _, bare = examined(row._replace(user="root"), cluster=None)
    assert [("prefix" in cause) for cause in bare.causes] == [False, False, True]
    _, prefixed = examined(row, cluster=None)
    assert not any("prefix" in cause for cause in prefixed.causes)


@pytest.mark.parametrize("name", ROWS)
def test_a_word_in_the_text_decides_nothing(name: str) -> None:
    """A message that quotes the beginning of another message later on is not confused with it."""
    text = f"The gateway is being updated ({ROWS[name].text})"
    assert refusals.find(1105, text) is None
    assert server_error(1105, text, stage="login").kind == "other"
    assert server_error(1105, text, stage="query").kind == ""
