"""Numbers that TiDB declares too narrow, as users see them, over TiDB's own wire format."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from database.wire_server import TIDB, Declared, Result, WireServer
from flows.places import GROUP, VPC
from pymysql.constants import FIELD_TYPE

from tidb_pe_magic import Runbook
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

# The queries of a login on any server.
ASKED = {
    "SELECT VERSION()": TIDB,
    "SELECT @@sql_mode": "",
    "SELECT @@lower_case_table_names": "2",
}
FACTS = "SELECT VERSION(), DATABASE(), CONNECTION_ID()"
INTEGERS = "SELECT IF(t = 5, l, m) AS n FROM r_n"
DECIMALS = "SELECT GREATEST(100000, 1.234) AS d, SUM(p) AS s FROM r_d"


@pytest.fixture(scope="module")
def runbook() -> Iterator[Runbook]:
    """Provide a runbook connected to a server that behaves like TiDB."""
    text, decimal = FIELD_TYPE.VAR_STRING, FIELD_TYPE.NEWDECIMAL
    answers = {sql: Result((Declared("v", text),), ((value,),)) for sql, value in ASKED.items()}
    answers[FACTS] = Result(tuple(Declared(name, text) for name in "vdc"), ((TIDB, "test", "7"),))
    answers[INTEGERS] = Result((Declared("n", FIELD_TYPE.LONG),), ((5_000_000_000,), (7,)))
    columns = (Declared("d", decimal, length=8, decimals=3), Declared("s", decimal, length=26, decimals=2))
    answers[DECIMALS] = Result(columns, (("100000.000", "99999999999999999999.25"),))
    with WireServer(answers) as server, Sandbox(upstream=f"127.0.0.1:{server.port}") as sandbox:
        environ = sandbox.environment() | {"TIDB_PASSWORD": "secret"}
        with Runbook(environ=environ) as connected:
            connected.run("demo", user="root", no_prefix=True, vpc=VPC, security_group=[GROUP])
            yield connected


def test_an_integer_is_not_cut(runbook: Runbook) -> None:
    """IF(t, bigint, mediumint), declared as INT and cut by the binary form, arrives uncut."""
    frame = runbook.query(INTEGERS)
    assert frame["n"].tolist() == [5_000_000_000, 7]
    assert str(frame["n"].dtype) == "int64"


def test_a_decimal_is_not_refused(runbook: Runbook) -> None:
    """A DECIMAL beyond its declared precision becomes a number if that is exact, else it stays exact."""
    frame = runbook.query(DECIMALS)
    assert str(frame["d"].dtype) == "float64"
    assert frame["d"].tolist() == [100000.0]
    assert frame["s"].tolist() == [Decimal("99999999999999999999.25")]
