"""Hostile values for every option of every command: a result, or one line of a reasonable length."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from itertools import product
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC
from flows.test_hostile import check_harmless

from tidb_pe_magic import InvalidRequest, Runbook, TidbPeError, cli
from tidb_pe_magic.commands.parse import parse
from tidb_pe_magic.commands.table import OPERATIONS, Skin, available
from tidb_pe_magic.notebook.magics import Commands
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidb_pe_magic.sandbox.snapshot import Snapshot

_LONG = 70_000
_LONGEST_LINE = 10_000  # twice the longest possible path
# A beginning that an option's rule lets through; what follows has to be judged.
BEGINNINGS = (
    "",
    "vpc-",
    "sg-",
    "ep-",
    "ap-southeast-1a=vsw-",
    "cn-",
    "@",
    "env:",
    "file:",
    "keyring:",
    "~",
    "[",
)
ENDS = (
    "x" * _LONG,
    "1" * _LONG,
    "a\nb",
    "a\0b",
    "a\ud800b",
    "😀",
    "\u202eab",
    "   ",
    "'\"`",
    "%s%n{}{0.x}",
    "-",
)
TYPED = ["1" * _LONG, *map("".join, product(BEGINNINGS, ENDS))]
# Values that many rules accept reach the clouds, the server and the file system.
MEAN, LONG = "?x=1&y=%2F#z/../%s{}'\"`😀", "x" * 64
CLUSTER = ("--cluster", "demo")
PLACEMENT = (*CLUSTER, "--vpc", VPC, "--security-group", GROUP)
POSITIONAL = {
    "cluster": ("demo",),
    "run": ("demo", "--vpc", VPC, "--security-group", GROUP),
    "sql-user": ("list", "app"),
    "delete": ("ep-1", "--yes"),
    "fleet": ("plan", "fleet.toml"),
    "export": ("terraform", *PLACEMENT),
    "connect": CLUSTER,
    "create": PLACEMENT,
    "plan": PLACEMENT,
}
OPTIONS = [
    (name, field.name)
    for name, operation in available(Skin.CONSOLE).items()
    for field in fields(operation.request)
    if field.default is not False
]


@pytest.fixture(scope="module")
def connected() -> Iterator[tuple[Sandbox, Snapshot]]:
    """Provide embedded clouds with a connected endpoint, and their state."""
    with Sandbox(flights=10) as sandbox:
        with Runbook(environ=sandbox.environment()) as runbook:
            runbook.create(cluster="demo", vpc=VPC, security_group=[GROUP])
        yield sandbox, sandbox.snapshot()


def typed(name: str, field: str, value: str) -> list[str]:
    """Return the words of a command that is valid except for one option."""
    request = OPERATIONS[name].request
    given = list(POSITIONAL.get(name, CLUSTER if "cluster" in request.options() else ()))
    label = request.label(field)
    if not request.options()[field].positional:
        if label in given:
            place = given.index(label)
            del given[place : place + 2]
        return [name, *given, f"{label}={value}"]
    places = [other for other, described in request.options().items() if described.positional]
    place = places.index(field)
    before, after = given[:place], given[place + 1 :] if name in POSITIONAL and name != "connect" else given
    options = [word for word in after if word not in {"app", "fleet.toml"}]
    return [name, *options, "--", *before, value]


def check_line(error: TidbPeError, field: str = "") -> None:
    """Fail if an error is not one readable, harmless line, or names another field."""
    assert not field or getattr(error, "field", "") == field
    shown = error.text()
    for line in shown.splitlines():
        check_harmless(line)
    assert len(shown) < _LONGEST_LINE


def test_an_impossible_value_is_refused_before_any_request() -> None:
    """Each value is accepted, or refused in one line with the option; an endless value is always refused."""
    for (name, field), value in product(OPTIONS, TYPED):
        request = OPERATIONS[name].request
        try:
            request.check_value(field, value)
        except InvalidRequest as error:
            check_line(error, request.label(field))
        else:
            assert len(value) < _LONG or field == "sql", (name, field, value[:20])


@pytest.mark.parametrize("name", list(available(Skin.CONSOLE)))
def test_an_accepted_option_ends_in_one_line(
    name: str,
    connected: tuple[Sandbox, Snapshot],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever clouds, server and files do with a value, the console and the magic show no traceback."""
    sandbox, fresh = connected
    for variable, value in sandbox.environment().items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    commands = Commands(None)
    for field in (field for operation, field in OPTIONS if operation == name):
        sandbox.restore(fresh)  # the rate limit, too
        code = cli.main(typed(name, field, LONG))
        told = capsys.readouterr().err
        assert code in set(cli.Exit) - {cli.Exit.INTERRUPTED}
        assert len(told) < _LONGEST_LINE
        assert not code or len(re.findall("^tidb-pe: ", told, re.MULTILINE)) == 1
        try:
            commands.line(shlex.join(typed(name, field, MEAN)))
        except TidbPeError as error:
            check_line(error)
    commands.close()


@pytest.mark.parametrize("name", ["x" * _LONG, "1" * _LONG, "de\x1bmo", "de\u202emo"])
def test_a_cluster_that_cannot_be_names_its_place(name: str, connected: tuple[Sandbox, Snapshot]) -> None:
    """An invalid cluster is refused alike in argument, flag and variable, without asking a cloud."""
    sandbox, _ = connected
    before = len(sandbox.requests.to("tidb-cloud"))
    with Runbook(environ=sandbox.environment() | {"TIDB_PE_CLUSTER": name}) as runbook:
        for place, step in (
            ("NAME_OR_ID", lambda: runbook.cluster(name)),
            ("--cluster", lambda: runbook.verify(cluster=name)),
            ("TIDB_PE_CLUSTER", runbook.verify),
        ):
            with pytest.raises(InvalidRequest) as refusal:
                step()
            check_line(refusal.value, place)
    assert len(sandbox.requests.to("tidb-cloud")) == before


def test_the_longest_names_that_there_are_are_let_through() -> None:
    """Cluster names of up to 64 characters and endpoint names of up to 128 are accepted."""
    parsed = parse(["plan", "--cluster", "c" * 64, "--name", "n" * 128], prog="%tidb_pe", skin=Skin.LINE)
    assert parsed.request.cluster == "c" * 64  # type: ignore[union-attr]
