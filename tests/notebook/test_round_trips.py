"""The number of commands that a login, a cell, a query and a load send: each is a round trip."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from database.command_log import CommandLog
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebook.conftest import Shell
    from support.mariadb import MariaDb

# The driver's SET NAMES, autocommit, our facts, and what SQLAlchemy asks once for each engine.
AUTOCOMMIT = "SET autocommit = 1"
LOGIN = [
    "SET NAMES utf8mb4",
    AUTOCOMMIT,
    "SELECT VERSION(), DATABASE(), CONNECTION_ID()",
    "SELECT VERSION()",
    "SELECT @@sql_mode",
    "SELECT @@lower_case_table_names",
]
# Any other session.
NEXT = ["SET NAMES utf8mb4", AUTOCOMMIT, "SELECT CONNECTION_ID()"]
# A ping, the statement to be prepared, and the statement: MariaDB declares an integer that is read as text.
PING = "14"
ONE = "SELECT 1 AS a"
ASKED = [PING, ONE, ONE]


def with_one_ping(commands: list[str]) -> list[str]:
    """Return the commands with one ping where there are two, which is so if they are half a second apart."""
    return [
        each
        for before, each in zip(["", *commands], commands, strict=False)
        if (before, each) != (PING, PING)
    ]


@pytest.fixture(scope="module")
def log(plain_server: MariaDb) -> Iterator[CommandLog]:
    """Provide a relay in front of MariaDB."""
    with CommandLog((plain_server.host, plain_server.port)) as log:
        yield log


@pytest.fixture(scope="module")
def environ(log: CommandLog, plain_server: MariaDb) -> Iterator[dict[str, str]]:
    """Provide the environment of a sandbox whose clusters are MariaDB behind the relay."""
    with Sandbox(upstream=f"{log.host}:{log.port}") as sandbox:
        yield {**sandbox.environment(), "TIDB_PASSWORD": plain_server.password}


def test_a_login_a_query_and_a_load_send_few_commands(
    log: CommandLog, environ: dict[str, str], plain_server: MariaDb
) -> None:
    """A login sends 6 commands and no ping; a load of one batch logs in once."""
    plain_server.execute("CREATE OR REPLACE DATABASE trips")
    with Runbook(environ=environ) as runbook:
        user = plain_server.user
        runbook.run("demo", vpc=VPC, security_group=[GROUP], user=user, no_prefix=True, database="trips")
        assert log.take() == [[*LOGIN, "ROLLBACK"]]
        assert runbook.query(ONE)["a"].tolist() == [1]
        assert [with_one_ping(session) for session in log.take()] == [ASKED]
        runbook.load(pd.DataFrame({"at": pd.to_datetime(["2024-01-01T00:00Z"])}), "stamps")
        (session,) = log.take()
        assert session[:3] == NEXT
        assert session[4] == "SELECT @@max_allowed_packet, VERSION()"
        steps = session[6:]
        assert [each.split()[0] for each in steps] == [
            PING,
            "CREATE",
            PING,
            "SET",
            "LOAD",
            "COMMIT",
            PING,
            "RENAME",
        ]
        assert steps[3].startswith("SET autocommit = 0, sql_mode = ")
        runbook.load(
            pd.DataFrame({"at": pd.to_datetime(["2024-01-02T00:00Z"])}), "stamps", if_exists="append"
        )
        (appending,) = log.take()
        assert [each.split()[0] for each in appending[3:]] == [
            *["SHOW", "SHOW", "SELECT", "SELECT", "SELECT"],
            *[PING, "SET", "INSERT", "COMMIT"],
        ]
        runbook.load(pd.DataFrame({"n": range(50_000)}), "numbers")
        opened = log.take()
        assert len(opened) <= 3, "as many sessions as batches"
        assert [session[:3] for session in opened] == [NEXT] * len(opened)


def test_a_cell_on_a_new_connection_sends_few_commands(
    log: CommandLog, environ: dict[str, str], plain_server: MariaDb, shell: Shell
) -> None:
    """The session of the cells sends 6 commands at its login, and a `%%sql` cell 3."""
    plain_server.execute("CREATE OR REPLACE DATABASE trips")
    os.environ.update(environ)
    shell.must(
        f"%tidb_pe run demo --vpc {VPC} --security-group {GROUP} --database trips "
        f"--user {plain_server.user} --no-prefix"
    )
    shell.must("%tidb_pe disconnect")
    log.take()
    shell.must(f"%tidb_pe connect --cluster demo --database trips --user {plain_server.user} --no-prefix")
    session = log.take()[0]  # another one reads the names for completion, in the background
    assert session[: len(LOGIN)] == LOGIN
    assert len(session) <= 13, session
    shell.must(f"%%sql\n{ONE}")
    log.take()
    shell.must(f"%%sql\n{ONE}")
    assert ASKED in [with_one_ping(session) for session in log.take()]
