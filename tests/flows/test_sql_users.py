"""SQL users with minimal privileges are created, used, rotated and deleted, without showing a password."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy.exc
from credentials.rings import Ring, using
from flows.places import GROUP, VPC
from support.secrets_in_traceback import holders

from tidb_pe_magic import (
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    Runbook,
    ServiceUnavailable,
    Throttled,
)
from tidb_pe_magic.display import render
from tidb_pe_magic.model import Notice
from tidb_pe_magic.sandbox.faults import Fault, Kind, Point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.model import Event
    from tidb_pe_magic.sandbox import Sandbox

PREFIX = "2vKmPqRsTuWxYzA"


@pytest.fixture
def ready(sandbox: Sandbox, tmp_path: Path) -> Iterator[Runbook]:
    """Provide a runbook with a connected endpoint and a state directory of its own."""
    environ = sandbox.environment() | {"TIDB_PE_STATE_DIR": str(tmp_path / "state")}
    with Runbook(environ=environ) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        runbook.wait()
        yield runbook


def refusal(runbook: Runbook, statement: str) -> int:
    """Return the code with which the database refuses the statement."""
    with runbook.connection.engine.connect() as live:
        with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
            live.exec_driver_sql(statement)
        return int(caught.value.orig.args[0])  # type: ignore[union-attr]


def test_a_reader_reads_and_changes_nothing(ready: Runbook, sandbox: Sandbox) -> None:
    """The prefix is added and shown, connect finds the password, and an INSERT gets TiDB's refusal."""
    made = ready.sql_user("create", "analyst", role="readonly")
    (user,) = made.items
    password = sandbox.clusters.sql_users[user.name].password
    assert (user.name, user.role) == (f"{PREFIX}.analyst", f"{PREFIX}.role_readonly")
    assert f"prefix {PREFIX}. was added" in render.text(made)
    path = Path(made.stored.removeprefix("file:"))
    assert path.read_text(encoding="utf-8") == password
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert password not in render.text(made) + repr(made)
    connection = ready.connect(user="analyst", database="nycflights13")
    assert (connection.user, connection.password_source) == (user.name, made.stored)
    with connection.engine.connect() as live:
        assert live.exec_driver_sql("SELECT COUNT(*) FROM flights").scalar_one() == 500
    for statement in ("INSERT INTO airlines VALUES ('ZZ', 'x')", "DROP TABLE airlines"):
        assert refusal(ready, statement) == 1142


def test_the_doctor_of_a_host_takes_no_directory_for_a_password(ready: Runbook) -> None:
    """With stored passwords, a diagnosis without a user still checks the host and reads no password file."""
    ready.sql_user("create", "analyst", role="readonly")
    assert ready.doctor(host="127.0.0.1", port=1).host == "127.0.0.1"


def test_a_name_that_no_file_can_have_is_only_a_wrong_login(ready: Runbook) -> None:
    """A user name too long for a file name is only a failed login, although passwords are stored."""
    ready.sql_user("create", "ana", role="readonly", store="file")
    with pytest.raises(ConnectionFailed, match="login"):
        ready.connect(user="ä" * 100)  # Each is six characters in a file name.


def test_a_writer_writes(ready: Runbook) -> None:
    """The role readwrite may insert; for root the advice is a reader for analysis."""
    ready.sql_user("create", "writer", role="readwrite")
    with ready.connect(user="writer", database="nycflights13").engine.connect() as live:
        live.exec_driver_sql("INSERT INTO airlines VALUES ('ZZ', 'x')")
    assert "sql-user create analyst --role readonly" in " ".join(
        render.text(replace(ready.connect(), verbose=True)).split()
    )


def test_rotate_and_delete(ready: Runbook, sandbox: Sandbox) -> None:
    """A new password counts from then on; a deleted user is removed with its password."""
    made = ready.sql_user("create", "analyst", role="admin")
    before = sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password
    rotated = ready.sql_user("rotate", f"{PREFIX}.analyst")
    assert rotated.prefix_added == ""
    assert sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password != before
    ready.connect(user="analyst")
    with pytest.raises(Conflict, match=rf'Try: runbook\.connect\(user="{PREFIX}\.analyst"\)'):
        ready.sql_user("create", "analyst", role="admin")
    with pytest.raises(InvalidRequest, match="--yes"):
        ready.sql_user("delete", "analyst")
    ready.sql_user("delete", "analyst", yes=True)
    assert [user.name for user in ready.sql_user("list").items] == [f"{PREFIX}.root"]
    assert not Path(made.stored.removeprefix("file:")).exists()
    with pytest.raises(NotFound, match="has no SQL user"):
        ready.sql_user("rotate", "analyst")


def test_a_lost_answer_loses_no_password(ready: Runbook, sandbox: Sandbox) -> None:
    """After a create without an answer the user can log in, and the line gives the password's location."""
    sandbox.faults.add(Fault(kind=Kind.RESET, operation="CreateSqlUser", point=Point.AFTER))
    with pytest.raises(ServiceUnavailable, match=r"may exist now\. Its password is in file:") as caught:
        ready.sql_user("create", "analyst", role="readonly")
    password = sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password
    assert holders(caught.value, password) == []
    ready.connect(user="analyst")


def test_a_rotation_whose_answer_is_lost_is_repeated(ready: Runbook, sandbox: Sandbox) -> None:
    """A rotation without an answer is repeated automatically, and the new password counts."""
    ready.sql_user("create", "analyst", role="readonly")
    before = sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password
    sandbox.faults.add(Fault(kind=Kind.RESET, operation="UpdateSqlUser", point=Point.AFTER))
    ready.sql_user("rotate", "analyst")
    assert sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password != before
    assert ready.connect(user="analyst").user == f"{PREFIX}.analyst"


def test_a_refused_user_leaves_no_password(ready: Runbook, tmp_path: Path) -> None:
    """The password of a user that TiDB Cloud refuses is not stored."""
    with pytest.raises(Exception, match="must start with the user prefix"):
        ready.sql_user("create", "analyst", role="readonly", no_prefix=True)
    assert not list((tmp_path / "state" / "sql-users").iterdir())


def test_the_keyring_keeps_it_where_there_is_one(ready: Runbook, sandbox: Sandbox, tmp_path: Path) -> None:
    """With a keyring no file holds the password, and connect reads it; without one it is an error."""
    with pytest.raises(InvalidRequest, match="no keyring"):
        ready.sql_user("create", "analyst", role="readonly", store="keyring")
    with using(Ring({})):
        assert ready.sql_user("create", "analyst", role="readonly").stored == "keyring:tidb_pe_magic"
        password = sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password
        ready.sql_user("rotate", "analyst")
        assert ready.connect(user="analyst").password_source == "keyring:tidb_pe_magic"
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not any(password.encode() in path.read_bytes() for path in written)


def test_no_name_of_a_user_is_that_of_another_ones_next_password(ready: Runbook) -> None:
    """User names that end like a temporary password file keep their passwords."""
    for name in ("x", "x.next", "x.keyring"):
        ready.sql_user("create", name, role="readonly")
    ready.sql_user("rotate", "x")
    for name in ("x", "x.next", "x.keyring"):
        assert ready.connect(user=name).user == f"{PREFIX}.{name}"


def test_a_password_in_the_keyring_is_found_by_the_users_own_name(ready: Runbook) -> None:
    """The value of `password_source` is valid for `--password-from`, whatever the name contains."""
    with using(Ring({})):
        made = ready.sql_user("create", "bob@example.com", role="readonly")
        connection = ready.connect(user="bob@example.com", password_from=made.stored)
    assert connection.user == f"{PREFIX}.bob@example.com"


def test_a_rotation_that_may_have_happened_forgets_no_password(
    ready: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After a lost answer and throttling, the new password is stored and used again."""
    made = ready.sql_user("create", "analyst", role="readonly")
    sandbox.faults.add(
        Fault(kind=Kind.RESET, operation="UpdateSqlUser", point=Point.AFTER),
        Fault(kind=Kind.THROTTLED, operation="UpdateSqlUser", times=5),
    )
    environ = sandbox.environment() | {"TIDB_PE_STATE_DIR": str(tmp_path / "state")}
    with Runbook(environ=environ, sleep=lambda _: False) as impatient:
        with pytest.raises(Throttled, match=r"Either the old or the new password is valid\. Both are stored"):
            impatient.sql_user("rotate", "analyst", cluster="demo")
        kept = Path(made.stored.removeprefix("file:") + "+next").read_text(encoding="utf-8")
        assert sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password == kept
        impatient.sql_user("rotate", "analyst", cluster="demo")
    assert sandbox.clusters.sql_users[f"{PREFIX}.analyst"].password == kept
    ready.connect(user="analyst")


class SlowRing(Ring):
    """A keyring that stores its first password only once `go_on` is set."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__({})
        self.begun, self.go_on = threading.Event(), threading.Event()

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a password; the first one is delayed."""
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(30)
        super().set_password(service, username, password)


def test_two_kernels_that_make_one_user_keep_its_password(
    ready: Runbook, sandbox: Sandbox, tmp_path: Path
) -> None:
    """The second kernel waits for the first, is refused, and leaves the password unchanged."""
    ring = SlowRing()
    environ = sandbox.environment() | {"TIDB_PE_STATE_DIR": str(tmp_path / "state")}

    def hear(event: Event) -> None:
        if isinstance(event, Notice):
            ring.go_on.set()

    def second() -> None:
        with Runbook(environ=environ, on_event=hear) as runbook:
            try:
                runbook.sql_user("create", "analyst", cluster="demo", role="readonly")
            finally:
                ring.go_on.set()

    with using(ring), ThreadPoolExecutor(2) as pool:
        made = pool.submit(ready.sql_user, "create", "analyst", role="readonly")
        assert ring.begun.wait(30)
        late = pool.submit(second)
        assert made.result().items[0].name == f"{PREFIX}.analyst"
        with pytest.raises(Conflict, match=rf'Try: runbook\.connect\(user="{PREFIX}\.analyst"\)'):
            late.result()
        ready.connect(user="analyst")
