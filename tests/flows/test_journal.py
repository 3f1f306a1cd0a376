"""The journal at work: lost answers, dying kernels, two kernels at once, and a broken journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

import filelock
import pytest
from flows.detour import detour
from flows.places import GROUP, OTHER_VPC, VPC
from support import warm

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.files import state_directory
from tidb_pe_magic.model import Event, Notice
from tidb_pe_magic.sandbox.faults import Fault, Kind, Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox


class Placement(TypedDict):
    """The location of an endpoint."""

    cluster: str
    vpc: str
    security_group: list[str]


PLACE: Placement = {"cluster": "demo", "vpc": VPC, "security_group": [GROUP]}
CREATE = f"""
import sys
from tidb_pe_magic import Runbook, TidbPeError
def tell(event):
    print(type(event).__name__, flush=True)
with Runbook(on_event=tell) as runbook:
    print(runbook.create(cluster="demo", vpc="{VPC}", security_group=["{GROUP}"]).endpoint.endpoint_id)
"""


def journal_file() -> Path:
    """Return the file of this test's journal."""
    return state_directory({}) / "journal.jsonl"


def tokens(sandbox: Sandbox) -> list[str]:
    """Return the tokens of the creations sent to the cloud."""
    return [
        call.params["ClientToken"]
        for call in sandbox.requests.to("alibaba")
        if call.operation == "CreateVpcEndpoint" and "DryRun" not in call.params
    ]


def start(environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start the creation of the endpoint in a process of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "XDG_STATE_HOME", *warm.START) if name in os.environ}
    return warm.Popen(
        [sys.executable, "-c", CREATE], env={**kept, **environment}, stdout=subprocess.PIPE, text=True
    )


def test_history_shows_each_change_with_its_request_id(runbook: Runbook, sandbox: Sandbox) -> None:
    """History lists creation, removal of each zone and deletion, newest first, with the request IDs."""
    assert runbook.history().items == ()
    endpoint_id = runbook.create(**PLACE).endpoint.endpoint_id
    runbook.delete(endpoint_id, yes=True, shared=True)
    seen = runbook.history()
    assert [item.operation for item in seen.items] == [
        "DeleteVpcEndpoint",
        "RemoveZoneFromVpcEndpoint",
        "RemoveZoneFromVpcEndpoint",
        "CreateVpcEndpoint",
    ]
    assert {item.result for item in seen.items} == {"succeeded"}
    assert all(item.resource.startswith(endpoint_id) for item in seen.items)
    answered = {call.request_id for call in sandbox.requests.to("alibaba")}
    assert {item.request_id for item in seen.items} <= answered
    assert len({item.request_id for item in seen.items}) == 4
    latest = runbook.history(limit=1)
    assert latest.items == seen.items[:1]
    assert latest.total == 4
    assert seen.items[0].request_id in render.text(replace(seen, verbose=True))
    assert all(item.emulated for item in seen.items)
    assert "In the sandbox" in render.text(seen)
    real = replace(seen, items=(replace(seen.items[0], emulated=False), *seen.items[1:]))
    assert render.text(real).index("In the clouds:") < render.text(real).index("In the sandbox:")
    with pytest.raises(errors.InvalidRequest, match="--limit"):
        runbook.history(limit=0)


def test_every_change_carries_the_token_that_was_written_down(runbook: Runbook, sandbox: Sandbox) -> None:
    """The token sent to the cloud was in the journal before."""
    runbook.delete(runbook.create(**PLACE).endpoint.endpoint_id, yes=True, shared=True)
    sent = [
        call.params["ClientToken"] for call in sandbox.requests.to("alibaba") if "ClientToken" in call.params
    ]
    assert len(sent) == 4
    assert all(token in journal_file().read_text() for token in sent)


def test_a_kernel_that_died_before_the_answer_is_taken_up_with_the_same_token(sandbox: Sandbox) -> None:
    """After a SIGKILL during the call, another process finds the endpoint or creates it with that token."""
    processes: list[subprocess.Popen[str]] = []
    killed = threading.Event()

    def kill() -> None:
        if not killed.is_set():
            killed.set()
            processes[0].kill()
            raise ConnectionAbortedError  # before the call reaches the cloud

    with detour(sandbox, "CreateVpcEndpoint", before=kill) as environment:
        processes.append(start(environment))
        assert killed.wait(60)
        processes[0].communicate(timeout=60)
        assert not sandbox.world.endpoints
        again = start(environment)
        made, _ = again.communicate(timeout=120)
    assert again.returncode == 0
    assert processes[0].returncode == -signal.SIGKILL
    assert list(sandbox.world.endpoints) == [made.strip()]
    assert len(tokens(sandbox)) == 1
    written = journal_file().read_text()
    assert written.count(tokens(sandbox)[0]) == 2


def test_a_token_whose_endpoint_was_deleted_since_makes_a_new_one(sandbox: Sandbox) -> None:
    """If the endpoint of an old token has been deleted since, a new one is created."""
    with detour(sandbox, "CreateVpcEndpoint", lose_answers=6) as environment:
        with (
            Runbook(environ=environment, sleep=lambda _: False) as runbook,
            pytest.raises(errors.ServiceUnavailable),
        ):
            runbook.create(**PLACE)
        [first] = sandbox.world.endpoints
        sandbox.world.remove_zone(first, "ap-southeast-1a")
        sandbox.world.remove_zone(first, "ap-southeast-1b")
        sandbox.world.delete_endpoint(first)
        with Runbook(environ=environment, sleep=lambda _: False) as runbook:
            made = runbook.create(**PLACE)
    assert list(sandbox.world.endpoints) == [made.endpoint.endpoint_id]
    assert made.endpoint.endpoint_id != first
    assert len(set(tokens(sandbox))) == 2
    results = [item.result for item in runbook.history().items]
    assert results == ["succeeded", "succeeded", "no answer"]


def test_an_endpoint_that_the_list_misses_is_not_created_again(sandbox: Sandbox) -> None:
    """While the cloud's lists lag, an endpoint of an old token is looked up again, not created again."""
    hidden: dict[str, Any] = {}

    def hide() -> None:
        if not hidden:
            hidden.update(sandbox.world._endpoints)
            sandbox.world._endpoints.clear()

    def show(_seconds: float) -> bool:
        sandbox.world._endpoints.update(hidden)
        return False

    sandbox.faults.add(Fault(kind=Kind.RESET, operation="CreateVpcEndpoint", point=Point.BEFORE))
    with detour(sandbox, "GetVpcEndpointAttribute", before=hide) as environment:
        with (
            Runbook(environ=environment, sleep=lambda _: True) as runbook,
            pytest.raises(errors.WaitCancelled),
        ):
            runbook.create(**PLACE)
        assert not sandbox.world.endpoints
        with Runbook(environ=environment, sleep=show) as runbook:
            made = runbook.create(**PLACE)
    assert list(hidden) == [made.endpoint.endpoint_id]
    assert list(sandbox.world.endpoints) == [made.endpoint.endpoint_id]


def test_an_adopted_endpoint_closes_the_lost_creation(sandbox: Sandbox) -> None:
    """After the adoption and a deletion, a changed plan gets a new token, without a mismatch."""
    with detour(sandbox, "CreateVpcEndpoint", lose_answers=6) as environment:
        with (
            Runbook(environ=environment, sleep=lambda _: False) as runbook,
            pytest.raises(errors.ServiceUnavailable),
        ):
            runbook.create(**PLACE)
        with Runbook(environ=environment) as runbook:
            adopted = runbook.create(**PLACE)
            assert adopted.adopted
            assert runbook.history().items[0].result == "found later"
            runbook.delete(adopted.endpoint.endpoint_id, yes=True, shared=True)
            again = runbook.create(**PLACE, name="another-name")
    assert list(sandbox.world.endpoints) == [again.endpoint.endpoint_id]


def test_other_options_after_a_lost_creation_make_no_second_endpoint(sandbox: Sandbox) -> None:
    """If the list lags after a lost creation, the cloud refuses the token with other options in one line."""
    with detour(sandbox, "CreateVpcEndpoint", lose_answers=6) as environment:
        with (
            Runbook(environ=environment, sleep=lambda _: False) as runbook,
            pytest.raises(errors.ServiceUnavailable),
        ):
            runbook.create(**PLACE)
        with _hidden(sandbox), Runbook(environ=environment) as runbook:
            for _ in range(2):
                with pytest.raises(
                    errors.Conflict, match=r"IdempotentParameterMismatch.*Run the same command"
                ):
                    runbook.create(**PLACE, name="another-name")
    assert len(sandbox.world.endpoints) == 1
    with Runbook(environ=sandbox.environment()) as runbook:
        assert runbook.create(**PLACE).adopted


def test_a_new_endpoint_is_not_created_again_while_the_list_lags(sandbox: Sandbox) -> None:
    """If the list is still empty, the journal's endpoint is looked up by its ID and not created again."""
    with (
        detour(sandbox, "ListVpcEndpoints", alter=_listing_none) as environment,
        Runbook(environ=environment) as runbook,
    ):
        made = runbook.create(**PLACE).endpoint.endpoint_id
        assert runbook.create(**PLACE).endpoint.endpoint_id == made
        with pytest.raises(errors.Conflict, match=r"not listed yet.*Run the same command again in a minute"):
            runbook.create(**PLACE, name="another-name")
    assert list(sandbox.world.endpoints) == [made]
    assert len(tokens(sandbox)) == 1


def test_a_new_endpoint_is_deleted_while_the_list_lags(sandbox: Sandbox) -> None:
    """If the list is still empty, the journal's endpoint is looked up by its ID and deleted."""
    with Runbook(environ=sandbox.environment()) as runbook:
        made = runbook.create(**PLACE).endpoint.endpoint_id
    with (
        detour(sandbox, "ListVpcEndpoints", alter=_listing_none) as environment,
        Runbook(environ=environment) as runbook,
    ):
        assert runbook.delete(made, cluster="demo", yes=True, shared=True).found
        assert not runbook.delete(made, yes=True, shared=True).found
    assert not sandbox.world.endpoints


def _listing_none(answer: bytes) -> bytes:
    return json.dumps({**json.loads(answer), "Endpoints": [], "TotalCount": 0}).encode()


@contextmanager
def _hidden(sandbox: Sandbox) -> Iterator[None]:
    """Hide the endpoints from the emulated cloud's list, as a list that lags behind changes."""
    kept = dict(sandbox.world._endpoints)
    sandbox.world._endpoints.clear()
    try:
        yield
    finally:
        sandbox.world._endpoints.update(kept)


def test_two_processes_that_create_at_once_make_one_endpoint(sandbox: Sandbox) -> None:
    """The second process waits for the first, says so, and adopts its endpoint."""
    about_to_make, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        about_to_make.set()
        assert go_on.wait(60)

    with detour(sandbox, "CreateVpcEndpoint", before=hold) as environment:
        first = start(environment)
        assert about_to_make.wait(60)
        second = start(environment)
        assert second.stdout is not None
        assert second.stdout.readline() == "Notice\n"
        go_on.set()
        made = [process.communicate(timeout=120)[0].split()[-1] for process in (first, second)]
    assert list(sandbox.world.endpoints) == [made[0]]
    assert made[0] == made[1]
    assert len(tokens(sandbox)) == 1


def test_a_killed_process_leaves_no_lock(sandbox: Sandbox) -> None:
    """The system releases a killed process's lock while another process waits for it."""
    about_to_make, killed = threading.Event(), threading.Event()

    def hold() -> None:
        about_to_make.set()
        assert killed.wait(60)

    with detour(sandbox, "CreateVpcEndpoint", before=hold) as environment:
        first = start(environment)
        assert about_to_make.wait(60)
        second = start(environment)
        assert second.stdout is not None
        assert second.stdout.readline() == "Notice\n"
        first.kill()
        first.communicate()
        killed.set()
        assert second.communicate(timeout=120)[0].startswith("ep-")
    assert len(sandbox.world.endpoints) == 1


@contextmanager
def _locked(sandbox: Sandbox) -> Iterator[None]:
    """Hold the lock of the plan, as another process would."""
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.delete(runbook.create(**PLACE).endpoint.endpoint_id, yes=True, shared=True)
    [path] = (state_directory({}) / "locks").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    with filelock.FileLock(path):
        yield


def test_the_cancel_event_ends_the_wait_for_another_process(sandbox: Sandbox) -> None:
    """The notice comes once, and the cancelled wait says that nothing was changed."""
    events: list[Event] = []
    cancel = threading.Event()

    def hear(event: Event) -> None:
        events.append(event)
        cancel.set()

    with (
        _locked(sandbox),
        Runbook(environ=sandbox.environment(), cancel=cancel, on_event=hear) as runbook,
        pytest.raises(
            errors.WaitCancelled, match=r"another of your kernels is creating.*nothing was changed"
        ),
    ):
        runbook.create(**PLACE)
    assert [type(event) for event in events] == [Notice]
    assert not sandbox.world.endpoints


def test_the_stop_button_ends_the_wait_for_another_process(sandbox: Sandbox) -> None:
    """KeyboardInterrupt during the wait for another process gives one line."""

    def interrupt(_: float) -> bool:
        raise KeyboardInterrupt

    with (
        _locked(sandbox),
        Runbook(environ=sandbox.environment(), sleep=interrupt) as runbook,
        pytest.raises(errors.WaitCancelled, match="nothing was changed"),
    ):
        runbook.create(**PLACE)


def test_a_process_that_hangs_is_not_waited_for_for_ever(sandbox: Sandbox) -> None:
    """After five minutes of waiting the error names the blocking process."""
    now = [0.0]

    def sleep(seconds: float) -> bool:
        now[0] += seconds
        return False

    with (
        _locked(sandbox),
        Runbook(environ=sandbox.environment(), sleep=sleep, clock=lambda: now[0]) as runbook,
        pytest.raises(errors.WaitTimeout, match="for 300 s; nothing was changed"),
    ):
        runbook.create(**PLACE)
    assert now[0] > 300


@pytest.mark.parametrize("broken", ["corrupt", "directory is a file", "locks is a file"])
def test_a_broken_journal_refuses_changes_and_stops_no_read(
    runbook: Runbook, sandbox: Sandbox, broken: str
) -> None:
    """A broken journal stops every creation and deletion; lookups, adoption and history still work."""
    endpoint_id = runbook.create(**PLACE).endpoint.endpoint_id
    runbook.run("demo", vpc=VPC, security_group=[GROUP])
    with _broken(broken):
        before = len(sandbox.requests.to("alibaba"))
        if broken != "locks is a file":  # accepted by a creation only
            with pytest.raises(errors.JournalError, match="nothing was changed"):
                runbook.delete(endpoint_id, yes=True, shared=True)
            assert [connection.alias for connection in runbook.connections()] == ["tidb"]
        with pytest.raises(errors.JournalError, match="nothing was changed"):
            runbook.create(cluster="staging-1", vpc=OTHER_VPC)
        changes = ("Create", "Delete", "Remove")
        assert not [
            call for call in sandbox.requests.to("alibaba")[before:] if call.operation.startswith(changes)
        ]
        assert runbook.create(**PLACE).adopted
        assert runbook.status(cluster="demo").steps
        assert runbook.endpoints().items
        assert runbook.plan(cluster="staging-1", vpc=OTHER_VPC).dry_run == "passed"
        shown = runbook.history()
        assert bool(shown.problem) == (broken != "locks is a file")
        assert ("damaged" in render.text(shown)) == bool(shown.problem)
    assert list(sandbox.world.endpoints) == [endpoint_id]
    runbook.delete(endpoint_id, yes=True, shared=True)


@contextmanager
def _broken(how: str) -> Iterator[None]:
    path = {"corrupt": journal_file(), "directory is a file": journal_file().parent}.get(
        how, journal_file().parent / "locks"
    )
    kept = path.with_name("kept")
    if how == "corrupt":
        kept.write_bytes(path.read_bytes())
        with path.open("a") as file:
            file.write("nonsense\n")
    else:
        path.rename(kept)
        path.write_text("")
    yield
    path.unlink()
    kept.rename(path)


def test_runbooks_in_two_threads_make_one_endpoint(sandbox: Sandbox) -> None:
    """Two runbooks of one process lock each other out as two processes do."""
    both_about_to_make = threading.Barrier(2)
    made: list[str] = []

    def meet() -> None:
        # Two simultaneous calls would meet here; a single call continues alone.
        try:
            both_about_to_make.wait(1)
        except threading.BrokenBarrierError:
            return

    def create() -> None:
        with Runbook(environ=environment) as runbook:
            made.append(runbook.create(**PLACE).endpoint.endpoint_id)

    with detour(sandbox, "CreateVpcEndpoint", before=meet) as environment:
        threads = [threading.Thread(target=create) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(made) == 2
    assert list(sandbox.world.endpoints) == list(set(made))


def test_an_unlisted_endpoint_is_created_once_whatever_its_token(runbook: Runbook, sandbox: Sandbox) -> None:
    """Without the list, an endpoint created with the token of an earlier refusal is not created again."""
    sandbox.world.denied_actions = {"privatelink:CreateVpcEndpoint"}
    with pytest.raises(errors.PermissionDenied):
        runbook.create(**PLACE)
    sandbox.world.denied_actions = {"privatelink:ListVpcEndpoints"}
    made = runbook.create(**PLACE).endpoint.endpoint_id
    assert runbook.create(**PLACE).endpoint.endpoint_id == made
    assert list(sandbox.world.endpoints) == [made]
    sandbox.world.denied_actions = set()
    runbook.delete(made, cluster="demo", yes=True, shared=True)
    sandbox.world.denied_actions = {"privatelink:ListVpcEndpoints"}
    another = runbook.create(**PLACE).endpoint.endpoint_id
    assert runbook.create(**PLACE).endpoint.endpoint_id == another
    assert list(sandbox.world.endpoints) == [another]


def test_an_endpoint_deleted_elsewhere_is_not_reported_as_created(sandbox: Sandbox, tmp_path: Path) -> None:
    """If another machine has deleted the endpoint of the repeated answer, it is not reported as created."""

    def machine(name: str) -> Runbook:
        environ = sandbox.environment() | {"TIDB_PE_STATE_DIR": str(tmp_path / name)}
        return Runbook(environ=environ, sleep=lambda _: False)

    unlisted = {"privatelink:ListVpcEndpoints"}
    with machine("first") as first, machine("second") as second:
        sandbox.world.denied_actions = unlisted
        gone = first.create(**PLACE).endpoint.endpoint_id
        sandbox.world.denied_actions = set()
        first.delete(gone, cluster="demo", yes=True, shared=True)
        sandbox.world.denied_actions = unlisted
        with pytest.raises(errors.EndpointFailed, match=rf"{gone}.*does not exist.*[Rr]un the same command"):
            second.create(**PLACE)
        assert not sandbox.world.endpoints
        made = second.create(**PLACE).endpoint.endpoint_id
        assert first.create(**PLACE).endpoint.endpoint_id == made
    assert list(sandbox.world.endpoints) == [made]
