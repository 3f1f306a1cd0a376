"""A paused cluster resumes at the first login: `connect` waits for it, and the stop button ends the wait."""

from __future__ import annotations

import itertools
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import Notice
from tidb_pe_magic.sandbox.network.impostors import Impostor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox

LINE = "waking the cluster…"


class Sleeper:
    """A gateway that greets immediately, and answers a login only after the cluster has resumed."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Connect to the sandbox's database."""
        self.awake = threading.Event()
        self._upstream = sandbox.route.gate.upstream
        sandbox.route.impersonate(Impostor(self._serve))

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(self._upstream) as server:
            client.sendall(server.recv(65536))
            login = client.recv(65536)
            self.awake.wait()
            server.sendall(login)
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            _pump(client, server)
            server.shutdown(socket.SHUT_RDWR)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass


@pytest.fixture
def sleeper(sandbox: Sandbox) -> Iterator[Sleeper]:
    """Provide a sleeping cluster. It is awake at the end, so that nothing hangs."""
    sleeper = Sleeper(sandbox)
    yield sleeper
    sleeper.awake.set()


def _runbook(sandbox: Sandbox, hear: object, **options: object) -> Runbook:
    """Return a runbook whose clock advances one second per reading."""
    seconds = itertools.count()
    return Runbook(environ=sandbox.environment(), on_event=hear, clock=lambda: next(seconds), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", ["connect", "run"])
def test_connect_waits_with_a_line_of_its_own(sandbox: Sandbox, sleeper: Sleeper, operation: str) -> None:
    """The waiting line is printed once, and the connection opens when the cluster is awake."""
    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            told.append(render.event_line(event))
            sleeper.awake.set()

    with _runbook(sandbox, hear) as runbook:
        if operation == "connect":
            runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
            runbook.connect()
        else:
            runbook.run("demo", vpc=VPC, security_group=[GROUP])
        assert runbook.query("SELECT 1 AS one")["one"].tolist() == [1]
    assert len(told) == 1
    assert LINE in told[0]


@pytest.mark.usefixtures("sleeper")
@pytest.mark.parametrize("by", ["interrupt", "cancel"])
def test_the_stop_button_ends_the_waiting(sandbox: Sandbox, by: str) -> None:
    """The stop button ends the wait while the login is unanswered, and the same command can run again."""
    cancel = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            if by == "interrupt":
                raise KeyboardInterrupt
            cancel.set()

    with _runbook(sandbox, hear, cancel=cancel) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        with pytest.raises(
            errors.WaitCancelled, match=r"stopped while the cluster was waking up\. Run the same"
        ):
            runbook.connect()
        assert not runbook.aliases


@pytest.mark.usefixtures("sleeper")
def test_the_waiting_has_an_end(sandbox: Sandbox) -> None:
    """After --connect-timeout the error names the stage and the option for a longer wait."""
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        with pytest.raises(
            errors.ConnectionFailed, match=r"no answer in 0\.5 s.*--connect-timeout 1"
        ) as caught:
            runbook.connect(connect_timeout=0.5)
    assert caught.value.stage == "login"
