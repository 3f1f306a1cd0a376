"""The complete sandbox: in Python, and as a separate process."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx
import pymysql
import pytest
from support import warm

from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase
from tidb_pe_magic.sandbox.network.addresses import parse_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

_ROOT = "2vKmPqRsTuWxYzA.root"
_NAMES = {
    "TIDBCLOUD_PUBLIC_KEY",
    "TIDBCLOUD_PRIVATE_KEY",
    "TIDBCLOUD_SERVERLESS_ENDPOINT",
    "TIDBCLOUD_IAM_ENDPOINT",
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "TIDB_PE_ALIBABA_ENDPOINT",
    "TIDB_PE_METADATA_ENDPOINT",
    "TIDB_CA",
    "TIDB_PASSWORD",
}


def _create_endpoint(sandbox: Sandbox, service: str = "epsrv-t4ndemo7c1x0qk2p9s8e") -> Endpoint:
    return sandbox.world.create_endpoint(
        service=next(known for known in sandbox.world.services if known.service_id == service),
        vpc_id="vpc-t4nanalytics0k3m7x",
        zones=[("ap-southeast-1a", "vsw-t4na1"), ("ap-southeast-1b", "vsw-t4nb1")],
        security_groups=["sg-t4nanalytics"],
    )


def _count(host: str, port: int, password: str) -> int:
    with pymysql.connect(host=host, port=port, user=_ROOT, password=password) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM nycflights13.flights")
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


def test_the_gate_follows_the_endpoint() -> None:
    """Every address of an endpoint refuses until Connected, serves SQL then, and refuses after deletion."""
    with Sandbox(mode="manual", flights=5) as sandbox:
        password = sandbox.environment()["TIDB_PASSWORD"]
        endpoint = _create_endpoint(sandbox)
        addresses = [endpoint.domain, *(zone.eni_ip for zone in endpoint.zones)]
        for host in addresses:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, endpoint.port), timeout=5)
        while sandbox.tick():
            pass
        assert [_count(host, endpoint.port, password) for host in addresses] == [5] * 3
        sandbox.world.delete_endpoint(endpoint.endpoint_id)
        while sandbox.tick():
            pass
        for host in addresses:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, endpoint.port), timeout=5)


def test_a_connection_ends_with_its_endpoint() -> None:
    """When the service's owner disconnects the endpoint, a connected client loses its connection."""
    with Sandbox(flights=5) as sandbox:
        endpoint = _create_endpoint(sandbox)
        client = pymysql.connect(
            host=endpoint.domain,
            port=endpoint.port,
            user=_ROOT,
            password=sandbox.environment()["TIDB_PASSWORD"],
        )
        sandbox.world.disconnect(endpoint.endpoint_id)
        with pytest.raises(pymysql.err.OperationalError):
            client.query("SELECT 1")
        client.close()


def test_a_service_without_auto_accept_waits_for_its_owner() -> None:
    """The gate opens only after the service's owner has accepted the connection."""
    with Sandbox(flights=5) as sandbox:
        endpoint = _create_endpoint(sandbox, "epsrv-t4nreport5w8z2m6k1v0")
        assert sandbox.route.gate.open_addresses == frozenset()
        sandbox.accept(endpoint.endpoint_id)
        assert (endpoint.domain, endpoint.port) in sandbox.route.gate.open_addresses


def test_the_environment_reaches_both_clouds() -> None:
    """The environment names keys and loopback URLs that the emulated clouds accept."""
    with Sandbox(flights=0) as sandbox:
        environment = sandbox.environment()
        keys = httpx.DigestAuth(environment["TIDBCLOUD_PUBLIC_KEY"], environment["TIDBCLOUD_PRIVATE_KEY"])
        clusters = httpx.get(f"{environment['TIDBCLOUD_SERVERLESS_ENDPOINT']}/v1beta1/clusters", auth=keys)
        unsigned = httpx.get(environment["TIDB_PE_ALIBABA_ENDPOINT"])
    assert set(environment) == _NAMES
    assert clusters.status_code == httpx.codes.OK
    assert unsigned.status_code == httpx.codes.BAD_REQUEST
    assert sandbox.requests.count("ListClusters") == 1
    assert sandbox.requests.to("alibaba")


def test_stopping_leaves_no_thread() -> None:
    """After a stop every thread has ended, a second stop does nothing, and a restart is refused."""
    before = set(threading.enumerate())
    sandbox = Sandbox(mode="time", seconds=60, flights=5).start()
    _create_endpoint(sandbox)
    sandbox.stop()
    sandbox.stop()
    assert not set(threading.enumerate()) - before
    with pytest.raises(RuntimeError, match="Create a new one"):
        sandbox.start()


def test_a_failed_start_leaves_no_thread() -> None:
    """A sandbox without a reachable upstream raises, and leaves nothing running."""
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
    with pytest.raises(ConnectionRefusedError):
        Sandbox(upstream=f"{host}:{port}").start()
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:65536", "host:x", "host:-1"])
def test_a_malformed_upstream_is_refused(text: str) -> None:
    """An upstream that is not HOST:PORT is a ValueError that states the valid form."""
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_address(text)


def test_an_upstream_may_be_a_name_or_an_ipv6_address() -> None:
    """Host names and bracketed IPv6 addresses are parsed."""
    assert parse_address("db.example:4000") == ("db.example", 4000)
    assert parse_address("[::1]:3306") == ("::1", 3306)


# The process


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts the sandbox's process. Processes left at the end are killed."""
    processes: list[subprocess.Popen[str]] = []

    def begin(
        *arguments: str, program: tuple[str, ...] = ("-m", "tidb_pe_magic.sandbox")
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", *program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "default"},
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    """Read the process's output until it is ready, as a shell would."""
    exports = {}
    while (line := _first_line(process)) and line != "# Ready.\n":
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "export"
            name, _, value = words[1].partition("=")
            exports[name] = value
    return exports


def _without_delays(errors: str) -> list[str]:
    """Return the lines, without asyncio's report in debug mode of each step that took more than 0.1 s."""
    return [line for line in errors.splitlines() if not line.startswith("Executing <")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_env_file_lives_as_long_as_the_process(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    """The file is private, complete when announced, and removed after a signal, which ends with status 0."""
    path = tmp_path / "sandbox.env"
    process = start("--env-file", str(path), "--flights", "3")
    assert _first_line(process) == f"sandbox ready, environment in {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    variables = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert set(variables) == _NAMES
    keys = httpx.DigestAuth(variables["TIDBCLOUD_PUBLIC_KEY"], variables["TIDBCLOUD_PRIVATE_KEY"])
    url = f"{variables['TIDBCLOUD_SERVERLESS_ENDPOINT']}/v1beta1/clusters"
    assert httpx.get(url, auth=keys).status_code == httpx.codes.OK
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, _without_delays(errors)) == (0, "", [])
    assert list(tmp_path.iterdir()) == []


def test_an_env_file_of_another_sandbox_is_left_alone(tmp_path: Path) -> None:
    """An ending process removes only the file that it wrote itself."""
    path = tmp_path / "sandbox.env"
    command = [sys.executable, "-m", "tidb_pe_magic.sandbox", "--env-file", str(path), "--flights", "0"]
    with warm.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _first_line(process)
        path.write_text("TIDBCLOUD_PUBLIC_KEY=of-another\n")
        process.terminate()
    assert process.returncode == 0
    assert path.read_text() == "TIDBCLOUD_PUBLIC_KEY=of-another\n"


def test_it_prints_exports_for_a_shell(start: Callable[..., subprocess.Popen[str]]) -> None:
    """Without an env file the variables are printed as lines that a shell can run."""
    process = start("--flights", "0")
    assert set(_exports(process)) == _NAMES
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, _without_delays(errors)) == (0, [])


_WITHOUT = (
    "import sys; sys.modules[sys.argv.pop(1)] = None; "
    "from tidb_pe_magic.sandbox.__main__ import main; sys.exit(main())"
)


@pytest.mark.parametrize("package", ["duckdb", "flask", "pyarrow"])
def test_a_missing_package_is_one_line_of_advice(
    start: Callable[..., subprocess.Popen[str]], package: str
) -> None:
    """Without a package of the extra, the process names it and the install command, with its own status."""
    process = start(package, program=("-c", _WITHOUT))
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (3, "")
    assert errors.count("\n") == 1
    assert f"{package} is missing: pip install cryptography duckdb flask" in errors


def test_with_an_upstream_no_database_is_needed(start: Callable[..., subprocess.Popen[str]]) -> None:
    """With an upstream the process runs without DuckDB, and prints no password."""
    with FlightsDatabase(users=lambda _client: {}, flights=0) as upstream:
        host, port = upstream.address
        process = start("duckdb", "--upstream", f"{host}:{port}", program=("-c", _WITHOUT))
        assert set(_exports(process)) == _NAMES - {"TIDB_CA", "TIDB_PASSWORD"}
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, _without_delays(errors)) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--upstream", "nonsense"], "'nonsense' is not HOST:PORT"),
        (["--upstream", "127.0.0.1:1"], "cannot reach the upstream 127.0.0.1:1"),
        (["--upstream", "127.0.0.1:1", "--flights", "3"], "--flights sizes the embedded database"),
        (["--flights", "-1"], "'-1' is not a whole number"),
        (["--flights", "many"], "'many' is not a whole number"),
        (["--seconds", "0"], "'0' is not a number of seconds above 0"),
        (["--seconds", "nan"], "'nan' is not a number of seconds above 0"),
        (["--mode", "fast"], "invalid choice: 'fast'"),
        (["--env-file", "nowhere/at/all"], "does not exist"),
    ],
)
def test_wrong_input_is_one_line(
    start: Callable[..., subprocess.Popen[str]], arguments: list[str], reason: str
) -> None:
    """Invalid input ends with status 2 and one line that names it."""
    process = start(*arguments)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors.count("\n")) == (2, "", 1)
    assert reason in errors


def test_an_upstream_serves_its_own_tables() -> None:
    """Behind a connected endpoint the upstream answers, with its own users and tables."""
    with (
        FlightsDatabase(users=lambda _client: {_ROOT: "its own"}, flights=7) as upstream,
        Sandbox(upstream="{}:{}".format(*upstream.address)) as sandbox,
    ):
        endpoint = _create_endpoint(sandbox)
        assert sandbox.database is None
        assert _count(endpoint.domain, endpoint.port, "its own") == 7
