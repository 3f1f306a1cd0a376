"""A server's warnings under the result of a cell: a value may have been changed without an error."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic.database.queries.server_warnings import server_warnings
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebook.conftest import Shell
    from support.mariadb import MariaDb

NOT_CACHED = "skip prepared plan-cache: query has 'json_extract' is un-cacheable"
CUT = "%%sql\nSELECT GROUP_CONCAT(seq) AS listed FROM seq_1_to_99"


@pytest.fixture(scope="module")
def environ(plain_server: MariaDb) -> Iterator[dict[str, str]]:
    """Provide the variables of a sandbox in front of a real server."""
    plain_server.execute("CREATE OR REPLACE DATABASE warned")
    plain_server.execute("CREATE TABLE warned.t (id INT PRIMARY KEY, small TINYINT)")
    with Sandbox(upstream=f"{plain_server.host}:{plain_server.port}") as sandbox:
        yield {**sandbox.environment(), "TIDB_PASSWORD": plain_server.password}


@pytest.fixture
def connected(shell: Shell, environ: dict[str, str], plain_server: MariaDb) -> Shell:
    """Provide a shell connected to the server, where GROUP_CONCAT cuts its text after 9 bytes."""
    os.environ.update(environ)
    where = f"--vpc {VPC} --security-group {GROUP} --no-prefix --user {plain_server.user}"
    shell.must(f"%tidb_pe run demo --database warned {where}")
    shell.must("%sql SET group_concat_max_len = 9")
    return shell


def test_a_changed_value_is_reported_under_the_result(connected: Shell) -> None:
    """The line names each warning once; SHOW WARNINGS still lists them, and a note is not shown."""
    cell = connected.must(CUT)
    assert cell.value["listed"].tolist() == ["1,2,3,4,5"]
    assert "the server reports warning 1260: " in cell.output
    listed = connected.must("%sql SHOW WARNINGS")
    assert listed.value["Code"].tolist() == [1260]
    assert "the server reports" not in listed.output
    many = ", ".join(f"({number}, 300)" for number in range(5))
    written = connected.must(f"%%tidb_pe query\nINSERT IGNORE INTO t VALUES {many}, (5, 1)")
    assert written.output.count("the server reports warning 1264: ") == 3
    assert "the server reports 2 more warnings" in written.output
    assert "the server reports" not in connected.must("%sql CREATE TABLE IF NOT EXISTS t (id INT)").output
    refused = connected.run("%%sql\nINSERT IGNORE INTO t VALUES (9, 300);\nSELECT ROW_COUNT()")
    assert "Request Units or warnings were read" in str(refused.error)


def test_warnings_within_a_transaction_are_counted(connected: Shell) -> None:
    """There, nothing else is sent to the server, and the line says how to list the warnings."""
    connected.must("%sql BEGIN")
    cell = connected.must("%sql INSERT IGNORE INTO t VALUES (20, 300), (21, 300)")
    assert "the server reports 2 warnings (run SHOW WARNINGS to list them)" in cell.output
    assert connected.must("%sql SHOW WARNINGS").value["Code"].tolist() == [1264, 1264]
    connected.must("%sql ROLLBACK")
    connected.must("%config TidbPeMagics.request_units = False")
    assert "the server reports" not in connected.must(CUT).output


def test_how_tidb_prepared_the_statement_is_not_shown() -> None:
    """TiDB's warning that it does not cache a prepared plan is not about a value; others are counted."""
    rows = (
        ("Warning", 1105, NOT_CACHED),
        *[("Warning", 1365, "Division by 0")] * 2,
        ("Note", 1050, "exists"),
    )
    cursor = SimpleNamespace(execute=lambda _: None, fetchall=lambda: rows, close=lambda: None)
    session: Any = SimpleNamespace(cursor=lambda: cursor)
    assert server_warnings(session) == ("warning 1365: Division by 0 (2 times)",)
