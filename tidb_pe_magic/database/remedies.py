"""What is likely to be behind a failed stage, the likeliest first, and what to type next: pure functions."""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import ConnectionFailed
from tidb_pe_magic.model import (
    STAGES,
    Cluster,
    ConnectionStatus,
    EndpointStatus,
    Outcome,
    Stage,
    TlsMode,
    VpcEndpoint,
    Whereabouts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.connector import Target
    from tidb_pe_magic.errors import ConnectionFailed
    from tidb_pe_magic.model import Stage

Remedy = tuple[tuple[str, ...], str]

_USUAL_PORT = 4000


def gravest(kinds: Iterable[str]) -> str:
    """Return the sort of failure that says most where several addresses failed in different ways."""
    found = set(kinds)
    return next((kind for kind in ("timeout", "refused", "unreachable", "error") if kind in found), "")


def explain(failure: ConnectionFailed | None, stages: Iterable[Stage], subject: Subject) -> Remedy:
    """Return the likely causes of the first failure in order, and the exact next command."""
    if failure is None:
        unsure = any(stage.name == "login" and stage.outcome == Outcome.UNKNOWN for stage in stages)
        options = ["--password-from", "prompt"] if unsure else []
        return (), _command("connect", subject, *options)
    amiss = _state(subject) if failure.stage in {"dns", "tcp", "handshake"} else None
    own, command = _REMEDIES[failure.stage](failure, subject)
    elsewhere = next((stage for stage in stages if stage.name == "dns"), None)
    doubted = elsewhere is not None and elsewhere.outcome == Outcome.UNKNOWN and subject.zone_addresses
    if failure.stage != "dns" and doubted:
        wrong_name = "The name leads to another machine: a hosts file, a proxy or a private DNS zone."
        own = (wrong_name, *own)
        command = "%tidb_pe endpoints" if subject.endpoint else command
    if amiss is not None:
        causes, next_command = amiss
        return (*causes, *own), next_command
    return own, command


def _state(subject: Subject) -> Remedy | None:
    """Say what is wrong with endpoint or cluster, where the clouds say so themselves."""
    cluster, endpoint = subject.cluster, subject.endpoint
    if cluster is not None and cluster.restriction is not None:
        return (f"{cluster.restriction.reason[:1].upper()}{cluster.restriction.reason[1:]}.",), (
            "%tidb_pe clusters"
        )
    if endpoint is None or (endpoint.ready and endpoint.business_status == "Normal"):
        return None
    if endpoint.business_status != "Normal":
        return (
            f"The endpoint's billing status is {endpoint.business_status}: see the Alibaba Cloud account.",
        ), "%tidb_pe endpoints"
    state = f"The endpoint is {endpoint.endpoint_status} and its connection {endpoint.connection_status}"
    if endpoint.connection_status == ConnectionStatus.DISCONNECTED:
        state += ": where the service does not auto-accept, its owner has to accept it first"
    gone = endpoint.endpoint_status == EndpointStatus.DELETING
    return (f"{state}.",), "%tidb_pe endpoints" if gone else "%tidb_pe wait"


def _dns(failure: ConnectionFailed, subject: Subject) -> Remedy:  # noqa: ARG001 - all of them take both
    if subject.endpoint is None:
        return (
            "The name is mistyped, or its endpoint is deleted.",
            "This machine's resolver does not answer, or does not know public names.",
        ), "%tidb_pe clusters"
    return (
        "The endpoint's name is not published yet: that takes a minute after its creation.",
        "This machine's resolver does not answer, or knows no public names, of which this is one.",
        "The endpoint was deleted.",
    ), "%tidb_pe endpoints"


def _network(failure: ConnectionFailed, subject: Subject) -> Remedy:  # noqa: ARG001
    return (
        "This machine has no network, or its VPN is down.",
        "This machine is outside the endpoint's VPC, and no route (VPC peering, CEN, VPN) leads there.",
    ), _networks(subject)


def _tcp(failure: ConnectionFailed, subject: Subject) -> Remedy:
    port, endpoint = subject.target.port, subject.endpoint
    if failure.kind == "zone":
        return (
            "A zone of the endpoint is still being made, or its network interface has a fault.",
            "A network ACL of that zone's vSwitch blocks the port.",
        ), "%tidb_pe endpoints"
    if failure.kind == "elsewhere":
        return (
            "The endpoint's own addresses answer: the name leads elsewhere, or to a zone that is gone.",
        ), "%tidb_pe endpoints"
    if failure.kind == "refused":
        other = f"The port is wrong: TiDB Cloud's is usually {_USUAL_PORT}."
        causes = ("Nothing listens there: the endpoint is not Connected, or the cluster is not ACTIVE.",)
        if port != _USUAL_PORT and endpoint is None:
            return (other, *causes), f"%tidb_pe doctor --host {shlex.quote(subject.target.host)} --port 4000"
        return (*causes, other), "%tidb_pe status" if subject.cluster else "%tidb_pe clusters"
    return _unanswered(subject)


def _unanswered(subject: Subject) -> Remedy:
    """Silence: a security group drops, a router without a route often does too."""
    endpoint, here, port = subject.endpoint, subject.here, subject.target.port
    groups = ", ".join(endpoint.security_group_ids) if endpoint else ""
    source = f" from {here.private_ip}" if here and here.private_ip else " from this machine"
    group = (
        f"The endpoint's security group{f' ({groups})' if groups else ''} does not allow inbound TCP {port}"
        f"{source}."
    )
    acl = "A network ACL or a firewall on the way drops it."
    place = (
        "This machine is outside the endpoint's VPC without a route to it: the name resolves everywhere, "
        "the addresses answer inside alone."
    )
    if endpoint is None:
        return (group, place, acl), _networks(subject)
    if here is not None and here.vpc_id == endpoint.vpc_id:
        options = ["--vpc", endpoint.vpc_id]
        for group_id in endpoint.security_group_ids:
            options += ["--security-group", group_id]
        return (group, acl), f"%tidb_pe plan {shlex.join(options)}"
    return (place, group, acl), _networks(subject)


def _handshake(failure: ConnectionFailed, subject: Subject) -> Remedy:
    port = subject.target.port
    state = "%tidb_pe status" if subject.cluster else "%tidb_pe clusters"
    if failure.kind == "protocol":
        service = subject.cluster.service if subject.cluster else None
        usual = service.port if service else _USUAL_PORT
        wrong = (f"Port {port} is another server's: the SQL port is {usual}.",) if port != usual else ()
        causes = (*wrong, "A proxy or an SSH tunnel answers in the place of the database.")
        if wrong:
            return causes, f"%tidb_pe doctor --host {shlex.quote(subject.target.host)} --port {usual}"
        return causes, state
    if failure.kind == "limit":
        return ("Too many connections are open; closing some, or waiting, helps.",), "%tidb_pe disconnect"
    if failure.kind == "silent":
        return (
            "The cluster is paused, or is just waking up.",
            "A proxy or a firewall takes the connection and passes nothing on.",
            f"Port {port} is another server's.",
        ), state
    return (
        "The connection between endpoint and service is being made or ended.",
        "The cluster is paused or restarting.",
        "A firewall ends the connection.",
    ), state


def _tls(failure: ConnectionFailed, subject: Subject) -> Remedy:
    names = tuple(getattr(failure, "names", ()))
    if failure.kind == "name":
        likely = next((name for name in names if "*" not in name), "")
        command = _command("doctor", subject, *(("--tls-name", likely) if likely else ("--tls", "verify-ca")))
        return (
            "The certificate carries another name of the cluster's gateway: right only if it is one.",
            "Another server answers at this address: do not send a password to it.",
        ), command
    if failure.kind == "authority":
        return (
            "This machine does not know the authority: its certificate goes with --ca.",
            "A proxy that opens TLS stands in between, or another server answers.",
        ), _command("doctor", subject, "--ca", "PATH")
    if failure.kind == "expired":
        return (
            "This machine's clock is wrong.",
            "The server's certificate was not renewed: TiDB Cloud support can tell.",
        ), "!date -u"
    if failure.kind == "not offered":
        return ("TLS is optional on a private endpoint, and this one has none.",), _command(
            "doctor", subject, "--tls", TlsMode.AUTO.value
        )
    return ("The server speaks no TLS 1.2 or later, or a middlebox breaks it.",), _command(
        "doctor", subject, "--tls", TlsMode.OFF.value
    )


def _login(failure: ConnectionFailed, subject: Subject) -> Remedy:
    user, cluster, endpoint = subject.target.user, subject.cluster, subject.endpoint
    prefix = f"{cluster.user_prefix}." if cluster and cluster.user_prefix else ""
    if prefix and not user.startswith(prefix):
        right = prefix + user.rpartition(".")[2]
        return (f"The user name lacks the cluster's prefix: {right}.", *_password(endpoint)), _command(
            "doctor", subject, "--user", right
        )
    if failure.kind == "prefix":
        return (
            "The prefix of the user name is not that of the cluster behind this host.",
        ), f"%tidb_pe cluster {shlex.quote(cluster.cluster_id)}" if cluster else "%tidb_pe clusters"
    if failure.kind == "password":
        return _password(endpoint), _command("connect", subject, "--password-from", "prompt")
    return ("The server or a proxy before it ended the login.",), _command("doctor", subject)


def _password(endpoint: object) -> tuple[str, ...]:
    named = f" ({getattr(endpoint, 'endpoint_id', '')})" if endpoint else ""
    return (
        "The password is wrong, or the user does not exist.",
        f"The cluster's allow-list of endpoints (Authorized Networks in TiDB Cloud) lacks this one{named}.",
    )


def _query(failure: ConnectionFailed, subject: Subject) -> Remedy:
    if failure.kind == "database":
        return (
            f"There is no database {subject.target.database}, or the user may not use it.",
        ), "%tidb_pe connect"
    return (
        "The cluster is overloaded or is just waking up.",
        "A firewall on the way drops what is larger than the login: check the MTU.",
    ), _command("doctor", subject)


_REMEDIES = {
    "dns": _dns,
    "network": _network,
    "tcp": _tcp,
    "handshake": _handshake,
    "tls": _tls,
    "login": _login,
    "query": _query,
}


def _networks(subject: Subject) -> str:
    return "%tidb_pe networks" if subject.cluster else "%tidb_pe clusters"


def _command(operation: str, subject: Subject, *options: str) -> str:
    """Return the command for this subject, with what was given and what is to be different."""
    target = subject.target
    given: dict[str, str] = {}
    if subject.cluster is not None:
        given["--cluster"] = subject.cluster.cluster_id
        if subject.endpoint is not None:
            given["--endpoint"] = subject.endpoint.endpoint_id
        if target.user != f"{subject.cluster.user_prefix}.root":
            given["--user"] = target.user
    elif operation == "doctor" or subject.endpoint is None:
        # `connect` goes by an endpoint; a host alone has none.
        operation = "doctor"
        given |= {"--host": target.host, "--port": str(target.port), "--user": target.user}
    given |= {"--database": target.database, "--tls-name": target.tls_name, "--ca": target.ca}
    given["--password-from"] = subject.password_from
    if target.tls != TlsMode.AUTO:
        given["--tls"] = target.tls.value
    given |= dict(zip(options[::2], options[1::2], strict=True))
    words = [word for name, value in given.items() if value for word in (name, value)]
    return f"%tidb_pe {shlex.join((operation, *words))}"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is known of the connection before it is looked at; all but the target may be unknown.

    Attributes:
        target: its user may be empty; its password is not used.
        password: gives the password when the login is reached; None where there is none at hand.
        password_from: where that is, as it was typed.
        endpoint: what the host's zones, VPC and state are compared with.
        here: where this machine is.
        unknown: why the endpoint is not known, where it should be.
        last: the stage to end with.
    """

    target: Target
    password: Callable[[], Secret] | None = None
    password_from: str = ""
    cluster: Cluster | None = None
    endpoint: VpcEndpoint | None = None
    here: Whereabouts | None = None
    unknown: str = ""
    last: str = STAGES[-1]

    @property
    def zone_addresses(self) -> dict[str, str]:
        """Each address of the endpoint's network interfaces, as a resolver writes it, and its zone."""
        zones = self.endpoint.zones if self.endpoint else ()
        return {
            str(ipaddress.ip_address(address)): zone.zone_id
            for zone in zones
            for address in (zone.eni_ip, zone.ipv6_address)
            if is_address(address)
        }


def is_address(host: str) -> bool:
    """Tell whether the host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
