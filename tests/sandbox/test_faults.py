"""The sandbox's deliberate faults: the gate's modes, impostors, TLS, and the command line."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pymysql
import pytest

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.network import impostors
from tidb_pe_magic.sandbox.network.gate import Gate
from tidb_pe_magic.sandbox.network.impostors import Impostor
from tidb_pe_magic.sandbox.scenarios import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.sandbox.network.addresses import Address
    from tidb_pe_magic.sandbox.network.gate import Manner

_ROOT = "2vKmPqRsTuWxYzA.root"


def _endpoint_address(sandbox: Sandbox) -> Address:
    endpoint = sandbox.world.create_endpoint(
        service=sandbox.world.services[0],
        vpc_id="vpc-t4nanalytics0k3m7x",
        zones=[("ap-southeast-1a", "vsw-t4na1")],
    )
    return endpoint.domain, endpoint.port


def test_the_gate_has_manners() -> None:
    """Until it is closed, an address forwards, refuses or swallows, as set when it was opened."""
    with socket.create_server(("127.0.0.1", 0)) as upstream, Gate(upstream.getsockname()) as gate:
        port = upstream.getsockname()[1]
        manners: dict[str, Manner] = {
            "127.88.1.1": "forward",
            "127.88.1.2": "refuse",
            "127.88.1.3": "swallow",
        }
        gate.manner = lambda address: manners[address[0]]
        addresses = [(host, port) for host in manners]
        gate.open(addresses)
        gate.open(addresses)
        assert gate.open_addresses == set(addresses)
        socket.create_connection(addresses[0], timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(addresses[1], timeout=5)
        with pytest.raises(TimeoutError):
            socket.create_connection(addresses[2], timeout=0.5)
        gate.close(addresses)
        assert gate.open_addresses == frozenset()
        for address in addresses:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=5)


def _impostors() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "sandbox-impostor"}


@pytest.mark.parametrize(
    "behave", [impostors.silent, impostors.other_protocol, impostors.refuse_with(1040, "x")]
)
def test_an_impostor_leaves_nothing_behind(behave: impostors.Behaviour) -> None:
    """Stopping an impostor ends its connections and threads."""
    # The sandbox that tests of this process borrow can have impostors of its own.
    others = _impostors()
    with contextlib.ExitStack() as clients:
        with Impostor(behave) as impostor:
            client = clients.enter_context(socket.create_connection(impostor.address, timeout=5))
            assert _impostors() - others
        while client.recv(1024):
            pass
    assert _impostors() <= others


def test_a_driver_works_over_the_sandboxs_own_tls() -> None:
    """The gate's TLS carries a complete session: handshake, login, a large result and a second query."""
    with Sandbox(flights=3000) as sandbox:
        host, port = _endpoint_address(sandbox)
        context = ssl.create_default_context(cafile=sandbox.environment()["TIDB_CA"])
        context.check_hostname = False
        # The default of Python 3.13 and newer.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        password = sandbox.environment()["TIDB_PASSWORD"]
        with pymysql.connect(host=host, port=port, user=_ROOT, password=password, ssl=context) as connection:
            assert connection._secure is True  # type: ignore[attr-defined]
            cursor = connection.cursor()
            cursor.execute("SELECT * FROM nycflights13.flights")
            assert len(cursor.fetchall()) == 3000
            cursor.execute("SELECT VERSION()")
            assert cursor.fetchone()
        with pymysql.connect(
            host=host, port=port, user=_ROOT, password=password, ssl_disabled=True
        ) as connection:
            connection.ping(reconnect=False)
    assert not os.path.exists(sandbox.ca)  # noqa: PTH110 - the file, not its path, is what counts


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tidb_pe_magic.sandbox", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_line_lists_the_scenarios() -> None:
    """Each scenario takes one line that starts with its name."""
    listed = _run("--list-scenarios")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(SCENARIOS)


def test_the_command_line_refuses_an_unknown_scenario() -> None:
    """A mistyped name gives one line on standard error with the closest name."""
    refused = _run("--scenario", "port-black-hol")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert "did you mean port-black-hole" in refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_the_command_line_stages_a_scenario(tmp_path: Path) -> None:
    """The process writes its own authority's certificate, and removes it at its end."""
    command = [sys.executable, "-m", "tidb_pe_magic.sandbox", "--scenario", "tls-expired", "--flights", "0"]
    with subprocess.Popen(
        [*command, "--env-file", str(tmp_path / "env")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        environment = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
        authority = environment["TIDB_CA"]
        assert os.path.exists(authority)  # noqa: PTH110
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert not os.path.exists(authority)  # noqa: PTH110
