"""A run without a possible password creates nothing; a run that needs none continues."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from credentials.rings import Ring, using
from flows.places import GROUP, OTHER_VPC, VPC
from support.kernels import Kernel

from tidb_pe_magic import InvalidRequest, MissingCredentials, PreflightFailed, Runbook
from tidb_pe_magic.credentials.prompt import Prompt
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

RUN = f"%tidb_pe run demo --vpc {VPC} --security-group {GROUP}"


def _nobody() -> Prompt:
    return Prompt(pytest.fail, lambda: False)


def _without_password(sandbox: Sandbox) -> dict[str, str]:
    return {name: value for name, value in sandbox.environment().items() if name != "TIDB_PASSWORD"}


def _run(runbook: Runbook, password_from: str | None = None) -> None:
    runbook.run("demo", vpc=VPC, security_group=[GROUP], password_from=password_from)


def test_without_a_prompt_the_line_names_the_sources(sandbox: Sandbox) -> None:
    """The error lists the places searched and the ways to give a password, before anything is billed."""
    with Runbook(environ=_without_password(sandbox), prompt=_nobody()) as runbook:
        with pytest.raises(
            MissingCredentials, match="looked in the passwords stored by sql-user, TIDB_PASSWORD"
        ) as no:
            _run(runbook)
        assert "--password-from env:NAME, keyring:SERVICE or file:PATH" in str(no.value)
        assert not sandbox.requests.count("CreateVpcEndpoint")
        runbook.create(vpc=VPC, security_group=[GROUP])  # without a password
        with pytest.raises(MissingCredentials, match="has no terminal or notebook to ask in"):
            _run(runbook)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("prompt", MissingCredentials, "has no terminal or notebook to ask in"),
        ("env:NOT_SET", MissingCredentials, "looked in env:NOT_SET"),
        ("file:missing", InvalidRequest, "missing cannot be read: No such file"),
        ("file:directory", InvalidRequest, "directory cannot be read: Is a directory"),
        ("file:empty", MissingCredentials, "looked in file:.*empty"),
        ("keyring:nothing", MissingCredentials, "looked in keyring:nothing"),
    ],
)
def test_a_source_without_a_password_is_refused_first(
    sandbox: Sandbox, tmp_path: Path, source: str, error: type[Exception], words: str
) -> None:
    """The source in `--password-from` is read before anything is created, though TIDB_PASSWORD is set."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").touch()
    named = source.replace("file:", f"file:{tmp_path}/")
    with (
        Runbook(environ=sandbox.environment(), prompt=_nobody()) as runbook,
        using(Ring({})),
        pytest.raises(error, match=words),
    ):
        _run(runbook, named)
    assert not sandbox.world.endpoints
    assert not sandbox.requests.count("CreateVpcEndpoint")


def test_a_prompt_that_is_possible_is_a_source(sandbox: Sandbox) -> None:
    """The user is prompted once, at the login, so no password is stored while the endpoint is created."""
    asked: list[int] = []

    def read(_: str) -> Secret:
        asked.append(len(sandbox.world.endpoints))
        return Secret(sandbox.environment()["TIDB_PASSWORD"])

    for prompt in (read, Prompt(read, lambda: True)):
        asked.clear()
        with Runbook(environ=_without_password(sandbox), prompt=prompt) as runbook:
            _run(runbook)
        assert asked == [1]


def test_a_pipe_is_read_once(sandbox: Sandbox) -> None:
    """A pipe, such as a shell's <(command), is first read at the login."""
    readable, writable = os.pipe()
    os.write(writable, sandbox.environment()["TIDB_PASSWORD"].encode())
    os.close(writable)
    try:
        with Runbook(environ=_without_password(sandbox), prompt=_nobody()) as runbook:
            _run(runbook, f"file:/dev/fd/{readable}")
            assert runbook.aliases == ("tidb",)
    finally:
        os.close(readable)


def test_a_reused_connection_needs_no_password(sandbox: Sandbox) -> None:
    """A repeated run reuses the open connection without a login, even if endpoints cannot be listed."""
    environ = sandbox.environment()
    with Runbook(environ=environ, prompt=_nobody()) as runbook:
        _run(runbook)
        del environ["TIDB_PASSWORD"]
        _run(runbook)
        sandbox.world.denied_actions.add("privatelink:ListVpcEndpoints")
        _run(runbook)
        with pytest.raises(MissingCredentials):
            runbook.run("demo", vpc=VPC, security_group=[GROUP], database="test")
    assert len(sandbox.world.endpoints) == 1


def test_a_connection_over_another_endpoint_is_not_reused(sandbox: Sandbox) -> None:
    """A run in another VPC logs in again, so it needs a password before its endpoint is created."""
    environ = sandbox.environment()
    with Runbook(environ=environ, prompt=_nobody()) as runbook:
        _run(runbook)
        del environ["TIDB_PASSWORD"]
        with pytest.raises(MissingCredentials):
            runbook.run("demo", vpc=OTHER_VPC)
    assert len(sandbox.world.endpoints) == 1


def test_a_preflight_stop_comes_before_the_password(sandbox: Sandbox) -> None:
    """A failing preflight is reported before a missing password."""
    groups = [GROUP, "sg-t4nenterprise"]
    with (
        Runbook(environ=_without_password(sandbox), prompt=_nobody()) as runbook,
        pytest.raises(PreflightFailed, match="security-group"),
    ):
        runbook.run("demo", vpc=VPC, security_group=groups)


def test_a_front_end_that_answers_is_asked_and_no_other(sandbox: Sandbox, tmp_path: Path) -> None:
    """Under nbclient prompts are known to be impossible in advance; in JupyterLab the user is prompted."""
    with Kernel(_without_password(sandbox), tmp_path) as kernel:
        kernel.must("%load_ext tidb_pe_magic")
        refused = kernel.run(RUN)
        assert refused.error.startswith("No SQL password found")
        assert refused.error.splitlines()[-1] == "Try: %tidb_pe help keys"
        assert not sandbox.world.endpoints
        password = sandbox.environment()["TIDB_PASSWORD"]
        answered = kernel.run(RUN, answer=password)
        assert not answered.error
        assert "Password of " in answered.asked[0]
        assert password not in answered.text
