"""Problems between this machine and a query although the endpoint is Connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.network import impostors
from tidb_pe_magic.sandbox.network.impostors import Impostor
from tidb_pe_magic.sandbox.scenarios.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.sandbox.network.addresses import Address
    from tidb_pe_magic.sandbox.network.gate import Manner
    from tidb_pe_magic.sandbox.scenarios.scenario import Stage
    from tidb_pe_magic.sandbox.tidb_cloud.clusters import Cluster

_TOO_MANY_CONNECTIONS, _ACCESS_DENIED = 1040, 1045
_WAKING = 20.0  # seconds; users set time limits of 20 to 60 s for it (public reports of 2026)


def _demo(sandbox: Stage) -> Cluster:
    return next(cluster for cluster in sandbox.clusters.clusters.values() if cluster.display_name == "demo")


def _no_change(sandbox: Stage) -> None:
    """Do not change the sandbox."""


def _tls(sandbox: Stage, *names: str, expired: bool = False, trusted: bool = True) -> None:
    # Imported here, because only these scenarios need `cryptography`.
    from tidb_pe_magic.sandbox.network.certificates import server_tls  # noqa: PLC0415 - see above

    tls = server_tls(*(names or sandbox.clusters.certificate_names), expired=expired)
    sandbox.route.offer_tls(tls, trusted=trusted)


def _no_tls(sandbox: Stage) -> None:
    sandbox.route.offer_tls(None)


def _broken_tls(sandbox: Stage) -> None:
    sandbox.route.offer_tls(None)
    sandbox.route.impersonate(Impostor(impostors.tls_end(sandbox.route.gate.upstream, None)))


def _everywhere(manner: Manner) -> Callable[[Stage], None]:
    def stage(sandbox: Stage) -> None:
        sandbox.route.gate.manner = lambda _address: manner

    return stage


def _one_zone(sandbox: Stage) -> None:
    def manner(address: Address) -> Manner:
        first = {e.zones[0].eni_ip for e in sandbox.world.endpoints.values() if e.zones}
        return "swallow" if address[0] in first else "forward"

    sandbox.route.gate.manner = manner


def _impersonation(behave: impostors.Behaviour) -> Callable[[Stage], None]:
    return lambda sandbox: sandbox.route.impersonate(Impostor(behave))


def _frozen(sandbox: Stage) -> None:
    sandbox.route.impersonate(Impostor(impostors.frozen_at_query(sandbox.route.gate.upstream)))


def _asleep(sandbox: Stage) -> None:
    sandbox.route.impersonate(Impostor(impostors.wake_slowly(sandbox.route.gate.upstream, _WAKING)))


def _domain(name: str) -> Callable[[Stage], None]:
    def stage(sandbox: Stage) -> None:
        sandbox.world.domain = name

    return stage


def _other_password(sandbox: Stage) -> None:
    cluster = _demo(sandbox)
    root = f"{cluster.user_prefix}.root"
    sandbox.clusters.update_sql_user(cluster.cluster_id, root, password="changed-since-then")  # noqa: S106


def _other_prefix(sandbox: Stage) -> None:
    cluster = _demo(sandbox)
    sandbox.clusters.update(cluster.cluster_id, user_prefix="2" + cluster.user_prefix[1:][::-1])


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("clean", "Nothing is wrong; the certificate contains the gateway's names.", _no_change),
    Scenario("no-tls", "Nothing is wrong; the server does not offer TLS.", _no_tls),
    Scenario(
        "tls-name-mismatch",
        "The certificate is for another server.",
        lambda sandbox: _tls(sandbox, "gateway.example.net"),
        doctor="tls",
    ),
    Scenario(
        "tls-expired",
        "The certificate expired yesterday.",
        lambda sandbox: _tls(sandbox, expired=True),
        doctor="tls",
    ),
    Scenario(
        "tls-unknown-authority",
        "The certificate's authority is unknown.",
        lambda sandbox: _tls(sandbox, trusted=False),
        doctor="tls",
    ),
    Scenario("tls-broken", "The server offers TLS, but its handshake fails.", _broken_tls, doctor="tls"),
    Scenario(
        "port-black-hole",
        "Connection attempts are not answered, like with a security group that blocks the port.",
        _everywhere("swallow"),
        doctor="tcp",
    ),
    Scenario("zone-black-hole", "One of the endpoint's zones does not answer.", _one_zone, doctor="tcp"),
    Scenario("port-refused", "Nothing listens on the port.", _everywhere("refuse"), doctor="tcp"),
    Scenario(
        "name-does-not-resolve",
        "The endpoint's domain does not exist.",
        _domain("ep-demo.privatelink.invalid"),
        doctor="dns",
    ),
    Scenario(
        "name-resolves-elsewhere",
        "The endpoint's domain resolves to an address that is not the endpoint's.",
        _domain("localhost"),
        doctor="tcp",
    ),
    Scenario(
        "server-silent",
        "The connection opens, but the server sends nothing.",
        _impersonation(impostors.silent),
        doctor="handshake",
    ),
    Scenario(
        "not-mysql",
        "The server on the port is not a MySQL server.",
        _impersonation(impostors.other_protocol),
        doctor="handshake",
    ),
    Scenario(
        "connection-reset",
        "The connection opens, and is then reset.",
        _impersonation(impostors.reset),
        doctor="handshake",
    ),
    Scenario(
        "too-many-connections",
        "The server refuses further connections.",
        _impersonation(impostors.refuse_with(_TOO_MANY_CONNECTIONS, "Too many connections")),
        doctor="handshake",
    ),
    Scenario("wrong-password", "The password was changed.", _other_password, doctor="login"),
    Scenario(
        "wrong-prefix",
        "The user name has another cluster's prefix.",
        _other_prefix,
        doctor="login",
    ),
    Scenario(
        "endpoint-not-allowed",
        "The cluster's Authorized Networks do not contain the endpoint.",
        # Number and text of the gateway's refusal: [GUESS].
        _impersonation(
            impostors.refusing_login(_ACCESS_DENIED, "Access denied for user (using password: YES)")
        ),
        doctor="login",
    ),
    Scenario(
        "cluster-asleep",
        "The cluster is idle: it answers logins 20 seconds after the first one.",
        _asleep,
        doctor="login",
    ),
    Scenario("query-hangs", "The login works, but queries are not answered.", _frozen, doctor="query"),
)
