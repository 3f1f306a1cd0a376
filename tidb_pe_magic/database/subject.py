"""What is known about a connection before it is examined, and commands for it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.model import STAGES, TlsMode
from tidb_pe_magic.model.networks import is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidb_pe_magic.credentials.secrets import Secret
    from tidb_pe_magic.database.connector import Target
    from tidb_pe_magic.model import Cluster, VpcEndpoint, Whereabouts

NEW = 300.0
"""Seconds for which an endpoint is considered new: the Terraform provider waits that long for it."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Facts about a connection before it is examined; all but the target may be unknown.

    Attributes:
        target: its user may be empty; its password is not used.
        password: returns the password when the login is reached; None if none is available.
        password_from: its source, as typed.
        ca: the file of authorities, as typed; empty if it comes from the environment.
        endpoint: to compare with the host's zones, VPC and state.
        here: location of this machine.
        age: seconds since the endpoint was created; None if unknown.
        auto_accept: whether the service accepts connections automatically; None if unknown.
        unknown: why the endpoint is unknown although it should be known.
        last: the last stage to examine.
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
        """Whether the endpoint was created a few minutes ago."""
        return self.age is not None and self.age < NEW

    @property
    def zone_addresses(self) -> dict[str, str]:
        """Each address of the endpoint's network interfaces, in normalized form, and its zone."""
        zones = self.endpoint.zones if self.endpoint else ()
        return {
            str(ipaddress.ip_address(address)): zone.zone_id
            for zone in zones
            for address in (zone.eni_ip, zone.ipv6_address)
            if is_address(address)
        }


def command(operation: str, subject: Subject, *options: str) -> Suggestion:
    """Return the command for this subject, with the given options and the changed ones.

    `options` are flags and their values, alternating.
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
        # `connect` needs an endpoint; a host is not enough.
        operation = "doctor"
        given |= {"--host": target.host, "--port": str(target.port), "--user": target.user}
    given |= {"--database": target.database, "--tls-name": target.tls_name, "--ca": subject.ca}
    given["--password-from"] = subject.password_from
    if target.tls != TlsMode.AUTO:
        given["--tls"] = target.tls.value
    given |= dict(zip(options[::2], options[1::2], strict=True))
    words = [word for name, value in given.items() if value for word in (name, value)]
    return Suggestion(operation, *words)
