"""API clients are cached, replaced and closed without interrupting a call."""

from __future__ import annotations

import gc
import threading

import pytest

from tidb_pe_magic.runtime.clients import Clients


class Client:
    """Records whether it was closed."""

    closed = False

    def close(self) -> None:
        """Record the call."""
        self.closed = True


def test_a_client_is_reused_while_its_settings_stay_the_same() -> None:
    """The same settings give the same client; others give a new one, and the old one is closed."""
    clients = Clients()
    first = clients.get("api", "key 1", Client)
    assert clients.get("api", "key 1", Client) is first
    second = clients.get("api", "key 2", Client)
    assert second is not first
    assert (first.closed, second.closed) == (True, False)
    clients.close()
    assert second.closed


def test_a_client_that_another_thread_uses_is_closed_after_its_call() -> None:
    """New settings and the end of the runbook leave a client open while another thread uses it."""
    clients, entered, leave = Clients(), threading.Event(), threading.Event()
    used: list[Client] = []
    closed_meanwhile: list[bool] = []

    def call() -> None:
        with clients.in_use():
            used.append(clients.get("api", "key 1", Client))
            entered.set()
            assert leave.wait(10)
            closed_meanwhile.append(used[0].closed)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(10)
    with clients.in_use():
        other = clients.get("api", "key 2", Client)
    clients.close()
    leave.set()
    thread.join(10)
    assert closed_meanwhile == [False]
    assert (used[0].closed, other.closed) == (True, True)


def test_a_failed_client_leaves_the_old_one() -> None:
    """If new settings are refused, the old client stays open and cached."""
    clients = Clients()
    first = clients.get("api", "good", Client)

    def refused() -> Client:
        raise ValueError("bad settings")

    with pytest.raises(ValueError, match="bad settings"):
        clients.get("api", "bad", refused)
    assert not first.closed
    assert clients.get("api", "good", Client) is first


def test_clients_that_are_dropped_are_closed() -> None:
    """A runbook that nobody closes leaves no open connection behind."""
    clients = Clients()
    client = clients.get("api", "key", Client)
    del clients
    gc.collect()
    assert client.closed
