"""What is known of a connection before it is looked at, and the commands that are about it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.model import STAGES, TlsMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.connector import Target
    from tidb_pe_magic.model import Cluster, VpcEndpoint, Whereabouts

NEW = 300.0
"""Seconds for which an endpoint counts as new: the Terraform provider waits as long for it."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is known of the connection before it is looked at; all but the target may be unknown.

    Attributes:
        target: its user may be empty; its password is not used.
        password: gives the password when the login is reached; None where there is none at hand.
        password_from: where that is, as it was typed.
        ca: the file of authorities, as it was typed; empty where it comes from the environment.
        endpoint: what the host's zones, VPC and state are compared with.
        here: where this machine is.
        age: seconds since the endpoint was created; None where that is not known.
        auto_accept: the endpoint's service accepts connections by itself; None where that is not known.
        unknown: why the endpoint is not known, where it should be.
        last: the stage to end with.
    """

    target: Target
    password: Callable[[], Secret] | None = None
    password_from: str = ""
    ca: str = ""
    cluster: Cluster | None = None
    endpoint: VpcEndpoint | None = None
    here: Whereabouts | None = None
    age: float | None = None
    auto_accept: bool | None = None
    unknown: str = ""
    last: str = STAGES[-1]

    @property
    def is_new(self) -> bool:
        """The endpoint was created a few minutes ago."""
        return self.age is not None and self.age < NEW

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


def command(operation: str, subject: Subject, *options: str) -> Suggestion:
    """Return the command for this subject, with what was given and what is to be different.

    `options` are flags and their values, one after the other.
    """
    target = subject.target
    given: dict[str, str] = {}
    if subject.cluster is not None:
        given["--cluster"] = subject.cluster.cluster_id
        if subject.endpoint is not None:
            given["--endpoint"] = subject.endpoint.endpoint_id
        if target.user != subject.cluster.root_user:
            given["--user"] = target.user
    elif operation == "doctor" or subject.endpoint is None:
        # `connect` goes by an endpoint; a host alone has none.
        operation = "doctor"
        given |= {"--host": target.host, "--port": str(target.port), "--user": target.user}
    given |= {"--database": target.database, "--tls-name": target.tls_name, "--ca": subject.ca}
    given["--password-from"] = subject.password_from
    if target.tls != TlsMode.AUTO:
        given["--tls"] = target.tls.value
    given |= dict(zip(options[::2], options[1::2], strict=True))
    words = [word for name, value in given.items() if value for word in (name, value)]
    return Suggestion(operation, *words)
