"""The doctor names the failing stage in time, even if something hangs: real servers, real black holes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from database.relay import Listener
from support.requirements import need

from tidb_pe_magic import Runbook, model
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database import doctor
from tidb_pe_magic.database.connector import Target
from tidb_pe_magic.database.subject import Subject
from tidb_pe_magic.display import render
from tidb_pe_magic.model import STAGES, Outcome, TlsMode
from tidb_pe_magic.sandbox.network.black_hole import BlackHole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.certificates import Authority
    from support.mariadb import MariaDb

    from tidb_pe_magic.model import Diagnosis

PASSED, FAILED, UNKNOWN, NOT_REACHED = Outcome.PASSED, Outcome.FAILED, Outcome.UNKNOWN, Outcome.NOT_REACHED
PASSWORD = "not-for-anybodys-eyes"
ENDPOINT = model.VpcEndpoint(
    endpoint_id="ep-t4n1",
    name="tidb",
    service_name="com.aliyuncs.privatelink.ap-southeast-1.epsrv-t4n1",
    vpc_id="vpc-t4n1",
    region_id="ap-southeast-1",
    domain="127.0.0.1",
    endpoint_status="Active",
    connection_status="Connected",
    security_group_ids=("sg-t4n1",),
)


def target(host: str, port: int, **options: Any) -> Target:
    """Return a target with an unknown user."""
    given: dict[str, Any] = {"user": "nobody", "database": "", "password": Secret("")} | options
    return Target(host=host, port=port, **given)


def outcomes(diagnosis: Diagnosis) -> list[Outcome]:
    """Return the outcome of each stage."""
    return [stage.outcome for stage in diagnosis.stages]


def failing(name: str) -> list[Outcome]:
    """Return the outcomes of a diagnosis in which this stage fails after all earlier ones passed."""
    place = STAGES.index(name)
    return [PASSED] * place + [FAILED] + [NOT_REACHED] * (len(STAGES) - place - 1)


def free_port() -> int:
    """Return a port without a listener."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def examine() -> Callable[..., Diagnosis]:
    """Provide `examine`, for a local address as if in the endpoint's VPC, with a limit of two seconds."""

    def examine(host: str, port: int, *, timeout: float = 2.0, **options: Any) -> Diagnosis:
        given = options.pop("subject", {})
        here = model.Whereabouts(
            region_id="ap-southeast-1", zone_id="ap-southeast-1a", vpc_id="vpc-t4n1", vswitch_id="vsw-t4n1"
        )
        known = {"endpoint": ENDPOINT, "here": here, "ca": options.get("ca", "")} | given
        return doctor.examine(Subject(target=target(host, port, **options), **known), timeout=timeout)

    return examine


@pytest.fixture
def user(tls_server: MariaDb) -> str:
    """Provide a user of the TLS server with its password."""
    tls_server.execute(f"CREATE OR REPLACE USER doctor@'%' IDENTIFIED BY '{PASSWORD}'")
    return "doctor"


def test_every_stage_passes_at_a_real_server(
    examine: Callable[..., Diagnosis], tls_server: MariaDb, authority: Authority, user: str
) -> None:
    """A healthy server passes every stage, with certificate, expiry, login, version and latency."""
    diagnosis = examine(
        "127.0.0.1",
        tls_server.port,
        user=user,
        ca=str(authority.path),
        timeout=9.0,
        subject={"password": lambda: Secret(PASSWORD)},
    )
    assert outcomes(diagnosis) == [PASSED] * 7
    assert diagnosis.failed is None
    tls, login, query = diagnosis.stages[4:]
    assert "verified for 127.0.0.1, issued by tests authority, valid until" in tls.detail
    assert "left)" in tls.detail
    assert login.detail == "as doctor"
    assert "MariaDB" in query.detail
    assert "ms" in query.detail


@pytest.mark.parametrize(
    ("options", "stage", "detail", "command"),
    [
        ({}, "tls", "unknown authority", "--ca PATH"),
        ({"tls_name": "other.example.com"}, "tls", "not for other.example.com", "%tidb_pe clusters"),
        ({"database": "missing"}, "query", "database 'missing'", "%tidb_pe connect"),
        ({"user": "wrong.root"}, "login", "1045", "--password-from prompt"),
    ],
)
def test_refusals_of_a_real_server(  # noqa: PLR0913, PLR0917 - fixtures and parameters
    examine: Callable[..., Diagnosis],
    tls_server: MariaDb,
    authority: Authority,
    user: str,
    options: dict[str, str],
    stage: str,
    detail: str,
    command: str,
) -> None:
    """A refusal shows the stage, the server's own words and the matching next command."""
    trust = {} if not options else {"ca": str(authority.path)}
    diagnosis = examine(
        "127.0.0.1",
        tls_server.port,
        timeout=9.0,
        subject={"password": lambda: Secret(PASSWORD)},
        **{"user": user} | trust | options,
    )
    assert outcomes(diagnosis) == failing(stage)
    assert diagnosis.failed is not None
    assert detail in diagnosis.failed.detail
    assert command in str(diagnosis.next_command)
    assert diagnosis.causes
    shown = repr(diagnosis) + render.text(diagnosis) + render.html(diagnosis)
    assert PASSWORD not in shown


def test_the_name_of_a_foreign_certificate_is_not_suggested(
    examine: Callable[..., Diagnosis], tls_server: MariaDb, authority: Authority
) -> None:
    """Only a name of the cluster's own gateway is suggested, never a name from a foreign certificate.

    The command repeats the CA file that was given, not the one from the environment.
    """
    options = {"ca": str(authority.path), "tls_name": "other.example.com", "timeout": 5.0}
    strange = examine("127.0.0.1", tls_server.port, **options)
    assert "do not send a password" in strange.causes[0]
    assert "--tls-name" not in str(strange.next_command)
    assert "--tls verify-ca" not in str(strange.next_command)
    own = examine("127.0.0.1", tls_server.port, gateway_names=("127.0.0.1",), **options)
    assert "the cluster's gateway, 127.0.0.1" in own.causes[0]
    assert "--tls-name 127.0.0.1 " in str(own.next_command)
    assert f"--ca {authority.path}" in str(own.next_command)
    from_environment = examine(
        "127.0.0.1", tls_server.port, gateway_names=("127.0.0.1",), subject={"ca": ""}, **options
    )
    assert "--ca" not in str(from_environment.next_command)


def test_a_server_without_tls_passes_unless_tls_is_asked_for(
    examine: Callable[..., Diagnosis], plain_server: MariaDb
) -> None:
    """On a private endpoint missing TLS is reported, and is a failure only if TLS is required."""
    assert "not encrypted" in examine("127.0.0.1", plain_server.port).stages[4].detail
    asked = examine("127.0.0.1", plain_server.port, tls=TlsMode.VERIFY_CA)
    assert outcomes(asked) == failing("tls")
    assert "--tls auto" in str(asked.next_command)


def test_without_a_password_the_login_is_not_examined(
    examine: Callable[..., Diagnosis], plain_server: MariaDb
) -> None:
    """Without a password the doctor does not prompt, and reports the stages up to the login."""
    diagnosis = examine("127.0.0.1", plain_server.port)
    assert outcomes(diagnosis) == [PASSED] * 5 + [UNKNOWN, NOT_REACHED]
    assert "--password-from" in diagnosis.stages[5].detail


def test_the_password_is_not_asked_for_before_the_login(examine: Callable[..., Diagnosis]) -> None:
    """The password's source is read only if the stages before the login pass."""

    def never() -> Secret:
        raise AssertionError("asked for a password")

    diagnosis = examine("127.0.0.1", free_port(), subject={"password": never})
    assert outcomes(diagnosis) == failing("tcp")
    assert "refused" in diagnosis.stages[2].detail


def test_black_holes_are_waited_for_together(examine: Callable[..., Diagnosis]) -> None:
    """A domain and zones that swallow every attempt cost one share of the time, not one each."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        hosts = [f"127.77.{number}.1" for number in range(4)]
        for host in hosts:
            stack.enter_context(BlackHole((host, port)))
        zones = tuple(
            model.EndpointZone(zone_id=f"zone-{number}", vswitch_id="vsw-1", eni_ip=host)
            for number, host in enumerate(hosts[1:])
        )
        started = time.monotonic()
        diagnosis = examine(
            hosts[0],
            port,
            subject={"endpoint": model.VpcEndpoint(**vars(ENDPOINT) | {"zones": zones, "via": ()})},
        )
        took = time.monotonic() - started
    assert outcomes(diagnosis) == failing("tcp")
    assert diagnosis.stages[2].detail.count("no answer in 0.8 s") == 4
    assert took < 2.0
    assert "sg-t4n1" in diagnosis.causes[0]
    assert str(diagnosis.next_command) == "%tidb_pe plan --vpc vpc-t4n1 --security-group sg-t4n1"


def test_outside_the_vpc_the_place_is_the_likeliest_cause(examine: Callable[..., Diagnosis]) -> None:
    """Outside the VPC, silence after a resolved name means a missing route first."""
    elsewhere = model.Whereabouts(
        region_id="ap-southeast-5", zone_id="ap-southeast-5a", vpc_id="vpc-k1a", vswitch_id="vsw-k1a"
    )
    port = free_port()
    with BlackHole(("127.78.1.1", port)):
        diagnosis = examine("127.78.1.1", port, subject={"here": elsewhere})
    assert diagnosis.stages[1].outcome == UNKNOWN
    assert diagnosis.failed is not None
    assert diagnosis.failed.name == "tcp"
    assert "outside the endpoint's VPC" in diagnosis.causes[0]
    assert "security group" in diagnosis.causes[1]


@pytest.mark.parametrize(
    ("say", "detail"),
    [
        (b"", "no greeting"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not a MySQL server"),
        (b"\x4a\x00", "no greeting"),
    ],
)
def test_other_servers_than_mysql(examine: Callable[..., Diagnosis], say: bytes, detail: str) -> None:
    """Silence, another protocol and half a greeting fail at the handshake, in time."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(say)
        while connection.recv(1024):
            pass

    with Listener(serve) as listener:
        diagnosis = examine(listener.host, listener.port)
    assert outcomes(diagnosis) == failing("handshake")
    assert diagnosis.failed is not None
    assert detail in diagnosis.failed.detail


@pytest.mark.parametrize("host", ["ep-1.privatelink.invalid", "a" * 64 + ".example.com"])
def test_a_name_that_does_not_resolve(examine: Callable[..., Diagnosis], host: str) -> None:
    """A missing name and an impossible name fail at dns, and the later stages are skipped."""
    diagnosis = examine(host, 4000, timeout=9.0)
    assert outcomes(diagnosis) == failing("dns")
    assert host in render.text(diagnosis)


SCRIPT = """
import json, sys, time
from tidb_pe_magic import Runbook
started = time.monotonic()
with Runbook(environ={}) as runbook:
    found = runbook.doctor(host=sys.argv[1], port=int(sys.argv[2]))
print(json.dumps([found.failed.name, found.failed.detail, time.monotonic() - started]))
"""


@pytest.fixture
def isolated(tmp_path: Path) -> Callable[..., tuple[str, str, float]]:
    """Return a function that runs the doctor in a network namespace of its own."""
    programs = {
        "unshare": need("unshare", apt="util-linux"),
        "ip": need("ip", apt="iproute2"),
        "iptables": need("iptables", apt="iptables"),
    }
    probe = subprocess.run(
        [programs["unshare"], "--net", "--mount", "true"], capture_output=True, check=False
    )
    if probe.returncode:
        reason = f"a network namespace needs root: {probe.stderr.decode().strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    def run(host: str, *set_up: str) -> tuple[str, str, float]:
        commands = [command.format(**programs, directory=tmp_path) for command in set_up]
        script = "\n".join(["set -e", *commands, 'exec "$@"'])
        command = [programs["unshare"], "--net", "--mount", "sh", "-c", script, "sh"]
        command += [sys.executable, "-c", SCRIPT, host, "4000"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        name, detail, took = json.loads(done.stdout)
        return name, detail, took

    return run


def test_a_dropped_port_times_out(isolated: Callable[..., tuple[str, str, float]]) -> None:
    """Within ten seconds the doctor distinguishes dropped packets from a refused connection."""
    drop = "{iptables} -A INPUT -p tcp --dport 4000 -j DROP"
    stage, detail, took = isolated("127.0.0.1", "{ip} link set lo up", drop)
    assert (stage, "no answer" in detail) == ("tcp", True)
    assert took < 10
    refused, detail, _ = isolated("127.0.0.1", "{ip} link set lo up")
    assert (refused, "refused" in detail) == ("tcp", True)


def test_a_rejecting_administrator_differs_from_silence(
    isolated: Callable[..., tuple[str, str, float]],
) -> None:
    """A router's "host unreachable" is reported immediately."""
    reject = "{iptables} -A INPUT -p tcp --dport 4000 -j REJECT --reject-with icmp-host-unreachable"
    stage, detail, took = isolated("127.0.0.1", "{ip} link set lo up", reject)
    assert (stage, "no route to host" in detail) == ("tcp", True)
    assert took < 3


def test_a_machine_without_a_route_fails_at_the_network(
    isolated: Callable[..., tuple[str, str, float]],
) -> None:
    """Without a route to the address, the network stage fails and no connection is attempted."""
    stage, detail, _ = isolated("10.20.1.5", "{ip} link set lo up")
    assert (stage, "no route to 10.20.1.5" in detail) == ("network", True)


def test_a_resolver_that_hangs_is_not_waited_for(
    isolated: Callable[..., tuple[str, str, float]], tmp_path: Path
) -> None:
    """The answer comes within ten seconds, although the operating system would wait half a minute."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:10 attempts:3\n")
    stage, detail, took = isolated(
        "ep-1.privatelink.aliyuncs.com",
        "{ip} link set lo up",
        "{iptables} -A INPUT -p udp --dport 53 -j DROP",
        "mount --bind {directory}/resolv.conf /etc/resolv.conf",
    )
    assert (stage, "no answer" in detail) == ("dns", True)
    assert took < 10


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("stage", ["tcp", "handshake"])
def test_the_stop_button_ends_it_at_once(stage: str) -> None:
    """An interrupt during a hang is a KeyboardInterrupt, and ends the process."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        if stage == "tcp":
            stack.enter_context(BlackHole(("127.79.1.1", port)))
        else:
            stack.enter_context(socket.create_server(("127.79.1.1", port)))
        code = (
            "import threading, _thread\n"
            "from tidb_pe_magic import Runbook\n"
            "import tidb_pe_magic.database.doctor\n"
            "print('ready', flush=True)\n"
            f"Runbook(environ={{}}).doctor(host='127.79.1.1', port={port})\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            started = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=30)
    assert error.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode == -signal.SIGINT
    assert time.monotonic() - started < 3


def test_a_host_alone_needs_no_key(plain_server: MariaDb) -> None:
    """Without any environment variable, the stages up to the login are examined."""
    with Runbook(environ={}) as runbook:
        diagnosis = runbook.doctor(host="127.0.0.1", port=plain_server.port)
    assert outcomes(diagnosis) == [PASSED, UNKNOWN, PASSED, PASSED, PASSED, UNKNOWN, NOT_REACHED]
    assert "--user" in diagnosis.stages[5].detail
