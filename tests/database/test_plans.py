"""Plans as operators: TiDB's EXPLAIN and EXPLAIN ANALYZE, and other servers' plans unchanged."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tidb_pe_magic.database.queries.plans import explain_statement, parse_plan
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.display.render import html, text
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.mariadb import MariaDb

# As TiDB's documentation shows it ("EXPLAIN ANALYZE"), shortened.
NAMES = (
    *("id", "estRows", "actRows", "task", "access object", "execution info", "operator info"),
    *("memory", "disk"),
)
LINES = """\
HashJoin_8;12.50;4;root;;time:1m1.5s, loops:2, build_hash_table:{total:1ms};inner join;8.5 KB;0 Bytes
├─TableReader_11(Build);10.00;3;root;;time:452.3µs, loops:2;data:Selection_10;N/A;N/A
│ └─Selection_10;10.00;3;cop[tikv];;tikv_task:{time:10ms, loops:1};not(isnull(t.a));N/A;N/A
└─TableFullScan_9;N/A;3;cop[tikv];table:t;tikv_task:{proc max:2s, avg:1s};keep order:false;N/A;N/A"""


def test_tidbs_plan_is_a_tree_with_rows_and_times() -> None:
    """Each operator has its level, rows and time, in every time format of TiDB."""
    columns = zip(*(line.split(";") for line in LINES.splitlines()), strict=True)
    found = parse_plan("SELECT …", pa.table([pa.array(column) for column in columns], names=list(NAMES)))
    assert found.analyzed
    assert [operator.name for operator in found.operators] == [
        *("HashJoin_8", "TableReader_11(Build)", "Selection_10", "TableFullScan_9")
    ]
    assert [operator.depth for operator in found.operators] == [0, 1, 2, 1]
    assert [operator.rows for operator in found.operators] == [4, 3, 3, 3]
    assert [operator.seconds for operator in found.operators] == pytest.approx([61.5, 0.0004523, 0.01, 2.0])
    assert [operator.estimated_rows for operator in found.operators] == [12.5, 10.0, 10.0, None]
    shown = text(found)
    assert "│ └─Selection_10" in shown
    assert "61.50 s" in shown
    assert "│ └─Selection_10" in html(found)


def test_another_servers_plan_is_shown_as_it_came(plain_server: MariaDb, opened: Callable[..., Any]) -> None:
    """MariaDB's columns are shown as a table, and the view says that the server is not TiDB."""
    engine = opened(plain_server.target()).engine
    sql = explain_statement("SELECT seq FROM seq_1_to_5 WHERE seq > ?", analyze=False)
    reading = ReadOptions(
        engine=engine,
        query=BoundStatement(sql=sql, params=(2,)),
        cancel=threading.Event(),
    )
    found = parse_plan("SELECT …", read_table(reading)[0])
    assert found.operators == ()
    assert "select_type" in found.columns
    assert [row[found.columns.index("table")] for row in found.rows] == ["seq_1_to_5"]
    assert "not TiDB" in text(found)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1)",
        "WITH c AS (SELECT 1) DELETE FROM t",
        "TRUNCATE t",
    ],
)
def test_only_a_query_is_run_for_its_plan(sql: str) -> None:
    """A statement that changes data is not run for its plan; a plan without running it is available."""
    with pytest.raises(InvalidRequest, match="changes data"):
        explain_statement(sql, analyze=True)
    assert explain_statement(sql, analyze=False) == f"EXPLAIN {sql}"


def test_an_explain_is_not_explained() -> None:
    """An EXPLAIN statement is refused, and the error names the option to omit."""
    with pytest.raises(InvalidRequest, match="Omit --explain"):
        explain_statement("EXPLAIN SELECT 1", analyze=False)
    sql = "WITH c AS (SELECT REPLACE(a, 'x', 'y') FROM t) SELECT * FROM c"
    assert explain_statement(sql, analyze=True) == f"EXPLAIN ANALYZE {sql}"
