"""Dual-stack endpoints: IPv6 is recognized as the endpoint's own, and missing IPv6 is not a fault."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from support.results import ENDPOINT

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.connector import Target
from tidb_pe_magic.database.subject import Subject
from tidb_pe_magic.database.tcp import Address, Attempt, faults
from tidb_pe_magic.display import render

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
DUAL = replace(
    ENDPOINT,
    zones=tuple(
        replace(zone, eni_ip="10.0.1.7", ipv6_address="0:0:0:0:0:0:0:1") for zone in ENDPOINT.zones[:1]
    ),
)


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([(4, ""), (6, "unreachable")], set()),
        ([(6, ""), (4, "unreachable")], set()),
        ([(4, ""), (6, "timeout")], {"timeout"}),
        ([(4, ""), (4, "unreachable")], {"unreachable"}),
        ([(4, "unreachable"), (6, "unreachable")], {"unreachable"}),
        ([(4, "refused"), (6, "unreachable")], {"refused", "unreachable"}),
    ],
)
def test_a_machine_without_ipv6_is_not_a_fault_of_a_dual_stack_name(
    attempts: list[tuple[int, str]], found: set[str]
) -> None:
    """A missing route for one family counts only if the other does not answer."""
    with socket.socket() as answers:
        tried = [
            Attempt(Address(FAMILIES[version], ("an address", 4000), ""), None if kind else answers, kind)
            for version, kind in attempts
        ]
        assert faults(tried) == found


def test_the_ipv6_address_of_a_zone_is_the_endpoints_own() -> None:
    """A name with a zone's IPv6 address leads to the endpoint, however the cloud writes the address."""
    target = Target(host="::1", port=1, user="", database="", password=Secret(""))
    subject = Subject(target=target, endpoint=DUAL)
    assert set(subject.zone_addresses) == {"10.0.1.7", "::1"}


def test_both_addresses_of_a_zone_are_shown() -> None:
    """Both addresses of a zone are shown, so that the IPv6 address can be compared."""
    for shown in (render.text(replace(DUAL, verbose=True)), render.html(DUAL)):
        assert "10.0.1.7" in shown
        assert "0:0:0:0:0:0:0:1" in shown
