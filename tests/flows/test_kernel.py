"""The commands in a real kernel: restarts, the stop button, and kills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from flows.places import GROUP, VPC
from pymysql.constants import ER
from support.kernels import Kernel

from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from support.mariadb import MariaDb

PLACEMENT = f"--vpc {VPC} --security-group {GROUP}"
LOAD = "%load_ext tidb_pe_magic"


def test_a_restart_between_any_two_steps_changes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """Each step works with only the cluster's name, and one endpoint is created.

    A kernel is restarted after a change. Between lookups the extension is reloaded, which also
    loses its state.
    """
    looked_up = (
        "cluster demo",
        "networks --cluster demo",
        "verify --cluster demo",
        f"plan --cluster demo {PLACEMENT}",
    )
    connected = ("status --cluster demo", "connect --cluster demo --database nycflights13")
    with Kernel(sandbox.environment(), tmp_path) as kernel:
        for steps in (
            (*looked_up, f"create --cluster demo {PLACEMENT}"),
            ("wait --cluster demo", *connected),
            (f"run demo {PLACEMENT}",),
        ):
            if sandbox.world.endpoints:
                kernel.restart()
            for step in steps:
                kernel.must(LOAD)
                kernel.must(f"%tidb_pe {step}")
                kernel.must("%unload_ext tidb_pe_magic")
    assert len(sandbox.world.endpoints) == 1


def test_the_stop_button_ends_a_wait(manual: Sandbox, tmp_path: Path) -> None:
    """An interrupt of the kernel fails the waiting cell, and the endpoint stays in creation."""
    with Kernel(manual.environment(), tmp_path) as kernel:
        kernel.must(LOAD)
        kernel.must(f"%tidb_pe create --cluster demo {PLACEMENT}")
        pressed: list[bool] = []

        def press(message: dict[str, Any]) -> None:
            shown = message["content"].get("data", {}).get("text/plain", "")
            if "Active and Connected" in shown and not pressed:
                pressed.append(True)
                kernel.interrupt()

        reply = kernel.run("%tidb_pe wait", press)
        assert "Detached while waiting" in reply.error
        assert "Traceback" not in reply.error
        while manual.tick():
            pass
        kernel.must("%tidb_pe wait")


def test_a_kill_between_two_cells_loses_no_insert(plain_server: MariaDb, tmp_path: Path) -> None:
    """`%sql` cells around a KILL on the server show no error, and every INSERT remains."""
    plain_server.execute("CREATE OR REPLACE TABLE test.cells (id INT)")
    with Sandbox(upstream=f"{plain_server.host}:{plain_server.port}") as sandbox:
        environment = sandbox.environment() | {"TIDB_PASSWORD": plain_server.password}
        with Kernel(environment, tmp_path) as kernel:
            kernel.must(LOAD)
            kernel.must(
                f"%tidb_pe run demo {PLACEMENT} --user {plain_server.user} --no-prefix --database test"
            )
            shown = ""
            for number in range(3):
                shown += kernel.must(f"%sql INSERT INTO cells VALUES ({number})").text
                for connection in plain_server.connections(plain_server.user):
                    try:
                        plain_server.execute(f"KILL {connection}")
                    except pymysql.err.OperationalError as error:
                        # The connection that has read the schema ends at any moment.
                        if error.args[0] != ER.NO_SUCH_THREAD:
                            raise
            shown += kernel.must("%sql SELECT COUNT(*) FROM cells").text
            kernel.must("%tidb_pe disconnect")
    assert "Error" not in shown
    assert "Rollback" not in shown
    assert plain_server.value("SELECT COUNT(*) FROM test.cells") == 3


@pytest.mark.parametrize("name", ["TIDB_PASSWORD"])
def test_a_missing_password_without_a_prompt_names_the_sources(
    sandbox: Sandbox, tmp_path: Path, name: str
) -> None:
    """Without a front end that can prompt, the error lists the sources of a password."""
    environment = {key: value for key, value in sandbox.environment().items() if key != name}
    # In the suite, one kernel of this class starts as a user's does.
    with Kernel(environment, tmp_path, cold=True) as kernel:
        kernel.must(LOAD)
        reply = kernel.run(f"%tidb_pe run demo {PLACEMENT}")
    [failed] = [message["content"] for message in reply.messages if message["msg_type"] == "error"]
    assert failed["ename"] == "MissingCredentials"
    assert reply.error.startswith("No SQL password found")
    assert name in reply.error
    assert "--password-from env:NAME" in reply.error
