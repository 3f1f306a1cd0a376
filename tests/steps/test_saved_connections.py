"""Saved connections as files: complete, private, and refused in one line if broken."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.results import CLUSTER

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import SavedConnection
from tidb_pe_magic.steps import saved_connections

if TYPE_CHECKING:
    from pathlib import Path

SAVED = SavedConnection(
    name="tidb",
    cluster=replace(CLUSTER, gateway_names=("gateway01.example", "gateway02.example")),
    endpoint_id="ep-t4nabc123",
    host="ep-t4nabc123.epsrv-t4ndemo.ap-southeast-1.privatelink.aliyuncs.com",
    port=4000,
    user="3kXJ2QvWm9Zp1aB.analyst",
    database="报表",
    tls="verify-identity",
    tls_name="gateway01.example",
    ca="/ca.pem",
    password_from="keyring:tidb",
)
_patient = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Provide an environment whose configuration directory does not exist yet."""
    return {"TIDB_PE_CONFIG_DIR": str(tmp_path / "config")}


def changed(environ: dict[str, str], **changes: Any) -> None:
    """Save the connection, and edit its file; ... removes a field."""
    path = saved_connections.save(environ, SAVED)
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def refusal(environ: dict[str, str], name: str = "tidb") -> str:
    """Return the line that refuses a connection, after checking that the list has the same reason."""
    with pytest.raises(InvalidRequest) as caught:
        saved_connections.load(environ, name)
    assert caught.value.__cause__ is None
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.field == f"@{name}"
    _found, broken = saved_connections.every(environ)
    assert all(each.reason in line for each in broken)
    return line


def test_a_saved_connection_is_loaded(environ: dict[str, str]) -> None:
    """Every field is restored, from a file that only the user can read."""
    path = saved_connections.save(environ, SAVED)
    assert saved_connections.load(environ, "tidb") == SAVED
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_saving_again_replaces(environ: dict[str, str]) -> None:
    """The last save replaces earlier ones, and the list has each name once."""
    saved_connections.save(environ, SAVED)
    later = replace(SAVED, database="", password_from="")
    saved_connections.save(environ, later)
    saved_connections.save(environ, replace(SAVED, name="another"))
    assert saved_connections.every(environ) == ((replace(SAVED, name="another"), later), ())
    assert saved_connections.names(environ) == ["another", "tidb"]


def test_a_name_that_is_not_saved_lists_those_that_are(environ: dict[str, str]) -> None:
    """The line lists the saved names, and the command that saves one."""
    assert "saved: none. Save one first. Try: %tidb_pe connect --alias tidb --save" in refusal(environ)
    saved_connections.save(environ, SAVED)
    assert "saved: @tidb." in refusal(environ, "other")


def test_forgetting_deletes_the_file_once(environ: dict[str, str]) -> None:
    """Forgetting a connection deletes its file, and a second attempt finds none."""
    saved_connections.save(environ, SAVED)
    assert saved_connections.forget(environ, "tidb")
    assert not saved_connections.forget(environ, "tidb")
    assert saved_connections.names(environ) == []


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """For an unwritable directory the line names the file, the reason and the variable."""
    (tmp_path / "file").touch()
    environ = {"TIDB_PE_CONFIG_DIR": str(tmp_path / "file")}
    with pytest.raises(InvalidRequest, match=r"--save: .*tidb\.json cannot be written: .*TIDB_PE_CONFIG_DIR"):
        saved_connections.save(environ, SAVED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 2}, "its version is not 1"),
        ({"version": ...}, "its version is not 1"),
        ({"host": ...}, "host is missing or of the wrong type"),
        ({"host": "user:hunter2@host"}, "host is not valid"),
        ({"port": "4000"}, "port is missing or of the wrong type"),
        ({"port": True}, "port is missing or of the wrong type"),
        ({"port": 70000}, "port is not valid"),
        ({"tls": "maybe"}, "tls is not valid"),
        ({"password_from": "hunter2"}, "password_from is not valid"),
        ({"cluster": ...}, "cluster is missing or not an object"),
        ({"cluster": {}}, "cluster_id is missing or of the wrong type"),
        ({"name": "other"}, "its name is not the file's"),
    ],
)
def test_a_file_with_a_wrong_field_names_it(
    environ: dict[str, str], changes: dict[str, Any], reason: str
) -> None:
    """The line names the file, the field and the command that saves it again, without the value."""
    changed(environ, **changes)
    line = refusal(environ)
    assert (
        f"tidb.json cannot be used: {reason}. Save it again. Try: %tidb_pe connect --alias tidb --save"
        in line
    )
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "written", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"version": 1}' + b" " * 200_000]
)
def test_a_file_without_an_object_is_one_line(environ: dict[str, str], written: bytes) -> None:
    """A file without a JSON object is refused in one line with that reason."""
    saved_connections.save(environ, SAVED).write_bytes(written)
    assert "it is not a JSON object" in refusal(environ)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@_patient
@given(field=st.sampled_from(sorted(vars(SAVED))), value=_JSON)
def test_any_value_in_any_field_is_taken_or_refused(environ: dict[str, str], field: str, value: Any) -> None:
    """Any content of a file gives a saved connection or one line."""
    changed(environ, **{field: value})
    try:
        loaded = saved_connections.load(environ, "tidb")
    except InvalidRequest as error:
        assert error.field == "@tidb"  # noqa: PT017 - either outcome is right
    else:
        assert getattr(loaded, field) == value


def test_without_the_variable_the_users_directory_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default directory is the platform's own for configuration."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = saved_connections.directory({})
    assert found.is_relative_to(tmp_path)
    assert found.parts[-2:] == ("tidb_pe_magic", "connections")
