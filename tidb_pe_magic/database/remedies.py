"""Likely causes of a failed stage, the most likely first, and the next command; pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.advice import NextCommand, ShellCommand, Suggestion
from tidb_pe_magic.database import login_remedies
from tidb_pe_magic.database.subject import command
from tidb_pe_magic.model import ConnectionStatus, EndpointStatus, Outcome, TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidb_pe_magic.database.subject import Subject
    from tidb_pe_magic.errors import ConnectionFailed
    from tidb_pe_magic.model import Stage, VpcEndpoint

Remedy = tuple[tuple[str, ...], NextCommand]

_USUAL_PORT = 4000
_CONNECTED = "Connected"  # ZoneStatus of ListVpcEndpointZones


def most_informative(kinds: Iterable[str]) -> str:
    """Return the most informative kind of failure if several addresses failed in different ways."""
    found = set(kinds)
    return next((kind for kind in ("timeout", "refused", "unreachable", "error") if kind in found), "")


def explain(failure: ConnectionFailed | None, stages: Iterable[Stage], subject: Subject) -> Remedy:
    """Return the likely causes of the first failure in order, and the exact next command."""
    if failure is None:
        unsure = any(stage.name == "login" and stage.outcome == Outcome.UNKNOWN for stage in stages)
        options = ["--password-from", "prompt"] if unsure else []
        return (), command("connect", subject, *options)
    amiss = _state(subject) if failure.stage in {"dns", "tcp", "handshake"} else None
    own, next_command = _REMEDIES[failure.stage](failure, subject)
    elsewhere = next((stage for stage in stages if stage.name == "dns"), None)
    doubted = elsewhere is not None and elsewhere.outcome == Outcome.UNKNOWN and subject.zone_addresses
    if failure.stage != "dns" and doubted:
        wrong_name = (
            "The name resolves to another machine because of a hosts file, a proxy or a private DNS zone."
        )
        own = (wrong_name, *own)
        next_command = Suggestion("endpoints") if subject.endpoint else next_command
    if amiss is not None:
        causes, next_command = amiss
        return (*causes, *own), next_command
    return own, next_command


def _state(subject: Subject) -> Remedy | None:
    """Return problems of the endpoint or the cluster that the clouds report."""
    cluster, endpoint = subject.cluster, subject.endpoint
    if cluster is not None and cluster.restriction is not None:
        reason = cluster.restriction.reason
        return (f"{reason[:1].upper()}{reason[1:]}.",), Suggestion("clusters")
    if endpoint is None or (endpoint.ready and endpoint.business_status == "Normal"):
        return None
    if endpoint.business_status != "Normal":
        return (
            f"The endpoint's billing status is {endpoint.business_status}: see the Alibaba Cloud account.",
        ), Suggestion("endpoints")
    state = f"The endpoint is {endpoint.endpoint_status} and its connection {endpoint.connection_status}"
    if endpoint.endpoint_status == EndpointStatus.DELETING:
        return (f"{state}.",), Suggestion("endpoints")
    apart = endpoint.connection_status == ConnectionStatus.DISCONNECTED
    causes = [f"{state}."]
    if apart and subject.auto_accept is None:
        causes = [f"{state}: if the service does not auto-accept, its owner has to accept it first."]
    elif apart and not subject.auto_accept:
        causes = [f"{state}: the service does not auto-accept, its owner has to accept it first."]
    elif apart and not subject.is_new:
        causes = [f"{state}, though the service auto-accepts: its owner may have ended the connection."]
    if subject.is_new and subject.auto_accept is not False:
        causes.insert(
            0,
            f"The endpoint was created minutes ago and is still connecting ({endpoint.endpoint_status}, "
            f"{endpoint.connection_status}).",
        )
    return tuple(causes), Suggestion("wait")


def _dns(failure: ConnectionFailed, subject: Subject) -> Remedy:  # noqa: ARG001 - all of them take both
    if subject.endpoint is None:
        return (
            "The name is mistyped, or its endpoint is deleted.",
            "This machine's resolver does not answer, or does not know public names.",
        ), Suggestion("clusters")
    return (
        "The endpoint's name is not published yet: that takes a minute after its creation.",
        "This machine's resolver does not answer, or does not know public names, including this one.",
        "The endpoint was deleted.",
    ), Suggestion("endpoints")


def _network(failure: ConnectionFailed, subject: Subject) -> Remedy:  # noqa: ARG001
    return (
        "This machine has no network, or its VPN is down.",
        "This machine is outside the endpoint's VPC, and no route (VPC peering, CEN, VPN) leads there.",
    ), _networks(subject)


def _tcp(failure: ConnectionFailed, subject: Subject) -> Remedy:
    port, endpoint = subject.target.port, subject.endpoint
    if failure.kind == "zone":
        dead = (
            "The provider's load balancer, behind the endpoint service, has left that zone: connections that "
            "go there time out. Contact TiDB Cloud support with the endpoint ID and the zone."
        )
        making = "That zone of the endpoint is still being created."
        first, second = (dead, making) if _is_connected(endpoint) else (making, dead)
        return (first, second, "A network ACL of that zone's vSwitch blocks the port."), Suggestion(
            "endpoints"
        )
    if failure.kind == "elsewhere":
        return (
            "The endpoint's own addresses answer: the name resolves to another host, or to a deleted zone.",
        ), Suggestion("endpoints")
    if failure.kind == "refused":
        other = f"The port is wrong: TiDB Cloud's is usually {_USUAL_PORT}."
        causes = ("Nothing listens there: the endpoint is not Connected, or the cluster is not ACTIVE.",)
        if port != _USUAL_PORT and endpoint is None:
            return (other, *causes), _doctor(subject, _USUAL_PORT)
        return (*causes, other), Suggestion("status" if subject.cluster else "clusters")
    return _no_answer(subject)


def _is_connected(endpoint: VpcEndpoint | None) -> bool:
    """Return whether Alibaba Cloud reports the endpoint and each of its zones as Connected."""
    return endpoint is not None and endpoint.ready and all(z.status == _CONNECTED for z in endpoint.zones)


def _no_answer(subject: Subject) -> Remedy:
    """Return the causes of no answer: a security group drops packets; a router without a route often does."""
    endpoint, here, port = subject.endpoint, subject.here, subject.target.port
    groups = ", ".join(endpoint.security_group_ids) if endpoint else ""
    source = f" from {here.private_ip}" if here and here.private_ip else " from this machine"
    group = (
        f"The endpoint's security group{f' ({groups})' if groups else ''} does not allow inbound TCP {port}"
        f"{source}."
    )
    acl = "A network ACL or a firewall on the path drops it."
    place = (
        "This machine is outside the endpoint's VPC without a route to it: the name resolves everywhere, but "
        "the addresses answer only inside the VPC."
    )
    if endpoint is None:
        return (group, place, acl), _networks(subject)
    if here is not None and here.vpc_id == endpoint.vpc_id:
        options = ["--vpc", endpoint.vpc_id]
        for group_id in endpoint.security_group_ids:
            options += ["--security-group", group_id]
        return (group, acl), Suggestion("plan", *options)
    return (place, group, acl), _networks(subject)


def _handshake(failure: ConnectionFailed, subject: Subject) -> Remedy:
    port = subject.target.port
    state = Suggestion("status" if subject.cluster else "clusters")
    if failure.kind == "protocol":
        service = subject.cluster.service if subject.cluster else None
        usual = service.port if service else _USUAL_PORT
        wrong = (f"Port {port} belongs to another server: the SQL port is {usual}.",) if port != usual else ()
        causes = (*wrong, "A proxy or an SSH tunnel answers instead of the database.")
        if wrong:
            return causes, _doctor(subject, usual)
        return causes, state
    if failure.kind == "limit":
        many = (
            "Too many connections are open. Close some of them, here or in other programs. A Starter cluster "
            "accepts 400, and 5,000 with a spending limit."
        )
        return (many,), Suggestion("connections")
    if failure.kind == "silent":
        return (
            "The cluster is paused, or is just waking up.",
            "A proxy or a firewall accepts the connection but forwards nothing.",
            f"Port {port} belongs to another server.",
        ), state
    return (
        "The connection between endpoint and service is being established or closed.",
        "The cluster is paused or restarting.",
        "A firewall closes the connection.",
    ), state


def _tls(failure: ConnectionFailed, subject: Subject) -> Remedy:
    names = tuple(getattr(failure, "names", ()))
    if failure.kind == "required":
        if subject.target.tls == TlsMode.AUTO:
            return (
                "The server accepts only encrypted connections.",
                "A proxy on the path answers without offering TLS.",
            ), command("doctor", subject)
        return ("The server accepts only encrypted connections.",), command(
            "doctor", subject, "--tls", TlsMode.AUTO.value
        )
    if failure.kind == "name":
        return _other_name(subject, names)
    if failure.kind == "authority":
        return _other_authority(subject)
    if failure.kind == "expired":
        return (
            "This machine's clock is wrong.",
            "The server's certificate was not renewed: ask TiDB Cloud support.",
        ), ShellCommand("date -u")
    if failure.kind == "not offered":
        return ("TLS is optional on a private endpoint, and this one does not offer it.",), command(
            "doctor", subject, "--tls", TlsMode.AUTO.value
        )
    return ("The server does not support TLS 1.2 or later, or a middlebox breaks it.",), command(
        "doctor", subject, "--tls", TlsMode.OFF.value
    )


_FOREIGN = (
    "Another server, or a proxy that decrypts TLS, answers at this address: do not send a password to it."
)


def _other_name(subject: Subject, names: tuple[str, ...]) -> Remedy:
    """Suggest only the cluster's own names: the names in an unknown certificate prove nothing."""
    own = next((name for name in subject.target.gateway_names if name in names), "")
    if own:
        asked = subject.target.tls_name or subject.target.host
        return (
            f"The certificate belongs to the cluster's gateway, {own}, but was checked for {asked}.",
        ), command("doctor", subject, "--tls-name", own)
    if subject.cluster is None:
        unknown = "The certificate may be that of a cluster's gateway. Give the cluster to check its names."
        return (_FOREIGN, unknown), Suggestion("clusters")
    return (_FOREIGN,), Suggestion("endpoints")


def _other_authority(subject: Subject) -> Remedy:
    known = (
        "This machine's certificate store is outdated or incomplete: the gateway's certificate is from Let's "
        "Encrypt (ISRG Root X1)."
    )
    if subject.cluster is None:
        own = "If the server is your own and has its own authority, give its certificate with --ca PATH."
        return (_FOREIGN, own), command("doctor", subject, "--ca", "PATH")
    return (_FOREIGN, known), Suggestion("endpoints")


def _query(failure: ConnectionFailed, subject: Subject) -> Remedy:
    if failure.kind == "database":
        return (
            f"Database {subject.target.database} does not exist, or the user has no permission to use it.",
        ), Suggestion("connect")
    return (
        "The cluster is overloaded or is just waking up.",
        "A firewall on the path drops packets larger than the login's: check the MTU.",
    ), command("doctor", subject)


_REMEDIES = {
    "dns": _dns,
    "network": _network,
    "tcp": _tcp,
    "handshake": _handshake,
    "tls": _tls,
    "login": login_remedies.explain,
    "query": _query,
}


def _networks(subject: Subject) -> Suggestion:
    return Suggestion("networks" if subject.cluster else "clusters")


def _doctor(subject: Subject, port: int) -> Suggestion:
    return Suggestion("doctor", "--host", subject.target.host, "--port", str(port))
