"""A connection file: written beside the notebook by one user, and opened by a colleague."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, VPC
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.needles import find_secrets

from tidb_pe_magic import ConnectionFailed, InvalidRequest, Runbook, cli
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.errors import UnknownName
from tidb_pe_magic.model import Notice

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

PRIVATE = "ep-t4nabc123.epsrv-t4ndemo.ap-southeast-1.privatelink.aliyuncs.com"
WRITTEN = {
    "format": "tidb_pe connection",
    "version": 1,
    "alias": "tidb",
    "cluster_id": "10001",
    "cluster_name": "demo",
    "region": "ap-southeast-1",
    "endpoint_id": "ep-t4nabc123",
    "host": PRIVATE,
    "port": 4000,
    "user": "3kXJ2QvWm9Zp1aB.analyst",
    "user_prefix": "3kXJ2QvWm9Zp1aB",
}
_patient = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the notebook's directory, which the process is in."""
    directory = tmp_path / "notebooks"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def shared(sandbox: Sandbox, beside: Path) -> Path:
    """Give the file that an author has written, with a password and keys in the environment."""
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        runbook.wait()
        connection = runbook.connect(database="nycflights13", save_to="tidb.json")
        assert connection.shared == "tidb.json"
    return beside / "tidb.json"


def colleague(sandbox: Sandbox, **more: Any) -> Runbook:
    """Return the runbook of a colleague who has the password, but no cloud key."""
    known = sandbox.environment()
    return Runbook(environ={name: known[name] for name in known if "KEY" not in name}, **more)


def change(path: Path, **changes: Any) -> None:
    """Change the file by hand; ... takes a field away."""
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {name: value for name, value in content.items() if value is not ...}
    path.write_text(json.dumps(kept), encoding="utf-8")


def refusal(path: Path, **options: Any) -> InvalidRequest:
    """Return the error for a user without a key or a password."""
    with Runbook(environ={}) as runbook, pytest.raises(InvalidRequest) as caught:
        runbook.connect(f"@{path.name}", **options)
    assert "\n" not in str(caught.value)
    assert caught.value.field == f"@{path.name}"
    assert caught.value.__cause__ is None
    return caught.value


def test_a_colleague_connects_with_a_password_alone(sandbox: Sandbox, shared: Path) -> None:
    """Host, user, database and alias come from the file; it holds no secret and no path of the author's."""
    written = shared.read_bytes()
    known = sandbox.environment()
    secrets = {name: known[name] for name in known if "KEY" in name or "PASSWORD" in name}
    assert find_secrets(secrets, {"file": written}) == []
    content = json.loads(written)
    assert {"password", "password_from", "ca"} & set(content) == set()
    assert str(shared.parent) not in written.decode()
    assert list(content)[:3] == ["format", "version", "saved"]
    with colleague(sandbox) as runbook:
        connection = runbook.connect("@tidb.json")
        assert (connection.alias, connection.database) == ("tidb", "nycflights13")
        assert (connection.cluster.display_name, connection.user) == ("demo", content["user"])
        assert connection.query("SELECT COUNT(*) AS n FROM flights")["n"].tolist() == [500]
        mine = runbook.connect("@tidb.json", alias="mine", database="test", save=True)
        assert (mine.alias, mine.database) == ("mine", "test")
        assert runbook.connect("@mine").host == connection.host
        with pytest.raises(InvalidRequest, match=r"--cluster: cannot be given with @tidb\.json"):
            runbook.connect("@tidb.json", cluster="demo")
        with pytest.raises(InvalidRequest, match="--trust-file: works only with a connection file"):
            runbook.connect("@mine", trust_file=True)


def test_the_host_is_shown_before_the_password_is_asked_for(sandbox: Sandbox, shared: Path) -> None:
    """What is asked comes after one line with host, port, user and TLS."""
    said: list[str] = []
    known = sandbox.environment()
    content = json.loads(shared.read_text(encoding="utf-8"))

    def prompt(question: str) -> Secret:
        said.append(question)
        return Secret(known["TIDB_PASSWORD"])

    environ = {name: known[name] for name in known if "KEY" not in name and name != "TIDB_PASSWORD"}
    with Runbook(
        environ=environ,
        prompt=prompt,
        on_event=lambda event: said.append(event.text) if isinstance(event, Notice) else None,
    ) as runbook:
        runbook.connect("@tidb.json")
    first = (
        f"tidb.json: connecting to {content['host']}, port {content['port']}, as {content['user']}, TLS auto"
    )
    assert said[0].startswith(first)
    assert "password" in said[1].lower()


def test_a_query_opens_the_file_once(sandbox: Sandbox, shared: Path) -> None:
    """An open connection to the same place is used; another one of its alias is left alone."""
    with colleague(sandbox) as runbook:
        assert runbook.query("SELECT 1 AS n", connection="@tidb.json")["n"].tolist() == [1]
        engine = runbook.connection.engine
        runbook.query("SELECT 1 AS n", connection="@tidb.json")
        assert runbook.connection.engine is engine
        change(shared, cluster_id="10099999")
        with pytest.raises(InvalidRequest, match=r"its alias tidb is open for cluster demo") as caught:
            runbook.query("SELECT 1", connection="@tidb.json")
        assert caught.value.commands == (Suggestion("connect", "@tidb.json", "--alias", "tidb_2"),)


def test_the_console_asks_over_a_file(
    sandbox: Sandbox, shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`query`, `tables` and `load` take @tidb.json; a file that is missing is exit code 3, a broken one 2."""
    for name, value in sandbox.environment().items():
        if "KEY" not in name:
            monkeypatch.setenv(name, value)
    assert cli.main(["query", "@tidb.json", "SELECT 41 + 1 AS n", "--output", "csv"]) == 0
    written = capsys.readouterr()
    assert written.out == "n\n42\n"
    assert "tidb.json: connecting to " in written.err
    assert cli.main(["tables", "@tidb.json"]) == 0
    assert "Next: tidb-pe tables @tidb.json airlines" in capsys.readouterr().out
    assert cli.main(["tables", "@tidb.json", "--system", "airlines"]) == 0
    assert "Table nycflights13.airlines" in capsys.readouterr().out
    assert cli.main(["tables", "@tidb.json", "airline"]) == 3
    assert "Try: tidb-pe tables @tidb.json airlines" in capsys.readouterr().err
    (shared.parent / "rows.csv").write_text("n\n7\n", encoding="utf-8")
    assert cli.main(["load", "@tidb.json", "--table", "from_file", "rows.csv"]) == 0
    capsys.readouterr()
    assert cli.main(["query", "@tidb.json", "SELECT n FROM from_file", "--output", "csv"]) == 0
    assert capsys.readouterr().out == "n\n7\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))  # from which `query` reads the SQL
    for words, message in (
        (["load", "@tidb.json", "--table", "x"], "FRAME: is missing"),
        (["query", "@tidb.json"], "SQL: is missing, and standard input is empty"),
        (["tables", "air", "ports"], "@NAME: must be @NAME or @FILE.json"),
        (["tables", "@tidb.json", "--alias", "other"], "--alias: does not go together with @tidb.json"),
    ):
        assert cli.main(words) == 2
        assert message in capsys.readouterr().err
    assert cli.main(["query", "@tidbs.json", "SELECT 1"]) == 3
    assert "Did you mean @tidb.json?" in capsys.readouterr().err
    shared.write_text("{", encoding="utf-8")
    assert cli.main(["query", "@tidb.json", "SELECT 1"]) == 2
    assert "Try: tidb-pe connect --save-to tidb.json" in capsys.readouterr().err


def test_only_a_connection_file_is_replaced(sandbox: Sandbox, shared: Path) -> None:
    """Writing again replaces the file; another JSON file is refused before a password is looked for."""
    (shared.parent / "package.json").write_text('{"name": "x"}', encoding="utf-8")
    with colleague(sandbox) as runbook:
        runbook.connect("@tidb.json", save_to="tidb.json", database="test")
        assert json.loads(shared.read_text(encoding="utf-8"))["database"] == "test"
        for name, said in (
            ("package.json", "exists and is not a connection file. Name another file"),
            ("nowhere/tidb.json", "does not exist"),
        ):
            with pytest.raises(InvalidRequest, match=rf"--save-to: .*{said}"):
                runbook.connect("@tidb.json", save_to=name)
    assert sorted(each.name for each in shared.parent.iterdir()) == ["package.json", "tidb.json"]


def test_an_endpoint_that_is_gone_says_what_was_written(sandbox: Sandbox, shared: Path) -> None:
    """With a key the error names endpoint, cluster, time and the command; without one it is diagnosed."""
    (endpoint_id,) = sandbox.world.endpoints
    saved = json.loads(shared.read_text(encoding="utf-8"))["saved"]
    with Runbook(environ=sandbox.environment()) as runbook:
        runbook.delete(endpoint_id, cluster="demo", yes=True, shared=True)
        with pytest.raises(ConnectionFailed, match=rf"endpoint {endpoint_id} no longer exists") as gone:
            runbook.connect("@tidb.json")
    assert f"tidb.json was written on {saved} for cluster demo" in gone.value.message
    assert [command.words[-2:] for command in gone.value.commands if isinstance(command, Suggestion)] == [
        ("--save-to", "tidb.json")
    ]
    with colleague(sandbox) as runbook, pytest.raises(ConnectionFailed, match=r"no connection \(tcp\)"):
        runbook.connect("@tidb.json")


def test_a_missing_file_is_named_with_its_directory(beside: Path) -> None:
    """The path is the notebook's; the command that writes the file follows."""
    error = refusal(beside / "team.json")
    assert isinstance(error, UnknownName)
    assert f"{beside / 'team.json'} does not exist" in error.message
    assert error.commands == (Suggestion("connect", "--save-to", "team.json"),)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "it has version 2, and this tidb_pe_magic reads version 1: update the package"),
        ({"version": "1"}, "its version is not 1"),
        ({"version": ...}, "its version is not 1"),
        ({"format": "other"}, 'its format is not "tidb_pe connection"'),
        ({"password": "hunter2"}, "unknown field password"),
        ({"\x1b[2J": "hunter2"}, r"unknown field \u001b[2J"),
        ({"host": ...}, "the field host is missing"),
        ({"host": "user:hunter2@host"}, "the field host is not valid"),
        ({"host": 5}, "the field host is not a text"),
        ({"port": "4000"}, "the field port is not a number"),
        ({"port": True}, "the field port is not a number"),
        ({"port": 70000}, "the field port is not valid"),
        ({"tls": "hunter2"}, "the field tls is not valid"),
        ({"saved": "hunter2"}, "the field saved is not valid"),
        ({"user": "hunter2\u202e"}, "the field user is not valid"),
        ({"gateway_names": "hunter2"}, "the field gateway_names is not a list of texts"),
        ({"gateway_names": [5]}, "the field gateway_names is not valid"),
    ],
)
def test_a_wrong_field_is_named_without_its_value(beside: Path, changes: dict[str, Any], reason: str) -> None:
    """The line has the file, the field and what is wrong; no value is repeated."""
    path = beside / "tidb.json"
    path.write_text(json.dumps(WRITTEN), encoding="utf-8")
    change(path, **changes)
    error = refusal(path)
    assert f"the connection file cannot be used: {reason}. Correct it" in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (b"", "it is not a JSON object"),
        (b"[]", "it is not a JSON object"),
        (b"\xff\xfe", "it is not a JSON object"),
        (b"[" * 90_000, "it is not a JSON object"),
        (b" " * 200_000, "it is not a JSON object"),
        (b'{"host": "a", "host": "b"}', "the field host appears twice"),
    ],
)
def test_a_file_of_other_content_is_one_line(beside: Path, written: bytes, reason: str) -> None:
    """Whatever the file holds instead, the line says what it is not."""
    (beside / "tidb.json").write_bytes(written)
    assert reason in str(refusal(beside / "tidb.json"))


def test_a_directory_is_not_read(beside: Path) -> None:
    """What is not a regular file is refused, and a pipe does not hold the kernel up."""
    (beside / "tidb.json").mkdir()
    assert "it is not a regular file" in str(refusal(beside / "tidb.json"))


@pytest.mark.parametrize(
    ("changes", "said", "option"),
    [
        ({"host": "db.example.net"}, "host db.example.net is not a private endpoint", "--trust-file"),
        ({"host": "127.0.0.1"}, "host 127.0.0.1 is not a private endpoint", "--trust-file"),
        ({"host": "xprivatelink.aliyuncs.com"}, "is not a private endpoint", "--trust-file"),
        ({"host": f"{PRIVATE}.example.net"}, "is not a private endpoint", "--trust-file"),
        ({"tls_name": "db.example.net"}, "certificate for db.example.net", "--trust-file"),
        ({"gateway_names": ["a.tidbcloud.com", "tidbcloud.com.example.net"]}, "example.net", "--trust-file"),
        ({"tls": "off"}, "the file turns TLS off", "off"),
        ({"tls": "verify-ca"}, "does not check the name", "verify-ca"),
    ],
)
def test_a_file_cannot_choose_a_host_or_lower_tls(
    beside: Path, changes: dict[str, Any], said: str, option: str
) -> None:
    """It is refused before a password is looked for, with the option by which the user decides."""
    path = beside / "tidb.json"
    path.write_text(json.dumps(WRITTEN | changes), encoding="utf-8")
    error = refusal(path)
    assert said in error.message
    (command,) = error.commands
    assert isinstance(command, Suggestion)
    assert command.words[0] == "@tidb.json"
    assert command.words[-1] == option


def test_what_is_trusted_goes_on_to_the_password(beside: Path) -> None:
    """With the option that was suggested, the next obstacle is the password, which is not there."""
    path = beside / "tidb.json"
    for changes, options in (
        ({"host": "db.example.net"}, {"trust_file": True}),
        ({"tls": "off"}, {"tls": "off"}),
        (
            {"tls_name": "db.example.net"},
            {"tls_name": "gateway01.ap-southeast-1.prod.alicloud.tidbcloud.com"},
        ),
        ({"host": PRIVATE.upper() + "."}, {}),
    ):
        path.write_text(json.dumps(WRITTEN | changes), encoding="utf-8")
        said: list[object] = []
        with (
            Runbook(environ={}, on_event=said.append) as runbook,
            pytest.raises(Exception, match="no SQL password"),
        ):
            runbook.connect("@tidb.json", password_from="env:NOT_THERE", **options)
        assert any(isinstance(event, Notice) for event in said)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@_patient
@given(
    field=st.sampled_from([*WRITTEN, "database", "tls", "tls_name", "gateway_names", "saved", "x"]),
    value=_JSON,
)
def test_no_content_of_a_field_is_a_bug(beside: Path, field: str, value: Any) -> None:
    """Any value is one line about the file, or the connection is tried: without a password it ends there."""
    path = beside / "tidb.json"
    path.write_text(json.dumps(WRITTEN | {field: value}), encoding="utf-8")
    with Runbook(environ={}) as runbook, pytest.raises(Exception) as caught:  # noqa: PT011 - both are right
        runbook.connect("@tidb.json", password_from="env:NOT_THERE")
    assert type(caught.value).__name__ in {"InvalidRequest", "MissingCredentials"}
    assert "\n" not in str(caught.value)
