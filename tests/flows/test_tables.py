"""`tables` on the sandbox: the contents of databases, and the columns of one table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pymysql
import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.display import render
from tidb_pe_magic.model import TableDetails, Tables
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

FLIGHTS = 50
ORDERS = """CREATE TABLE test.`order` (
    `order id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'a number', who VARCHAR(20) DEFAULT 'x',
    price DECIMAL(8,2), scan BLOB, KEY by_who (who, price)) COMMENT='what was bought'"""


@pytest.fixture(scope="module")
def connected() -> Iterator[Runbook]:
    """Provide a connected runbook on a sandbox with an extra table in another database."""
    with Sandbox(flights=FLIGHTS) as sandbox, Runbook(environ=sandbox.environment()) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP], database="nycflights13")
        runbook.query(ORDERS)
        runbook.query(
            "INSERT INTO test.`order` (who, price, scan) VALUES ('ann', 1.5, x'00ff'), (NULL, NULL, NULL)"
        )
        runbook.query("CREATE VIEW test.cheap AS SELECT who FROM test.`order` WHERE price < 2")
        yield runbook


def listed(runbook: Runbook, name: str | None = None, *, system: bool = False) -> Tables:
    """Return a list of tables."""
    found = runbook.tables(name, system=system)
    assert isinstance(found, Tables)
    return found


def described(runbook: Runbook, name: str) -> TableDetails:
    """Return the description of one table."""
    found = runbook.tables(name)
    assert isinstance(found, TableDetails)
    return found


def test_databases_and_tables_are_listed_with_rows_and_size(connected: Runbook) -> None:
    """Every database and table except the server's own is listed with its approximate size."""
    found = listed(connected)
    assert found.databases == ("nycflights13", "test")
    assert [table.name for table in found] == [
        "airlines",
        "airports",
        "flights",
        "planes",
        "weather",
        "cheap",
        "order",
    ]
    flights, order = found.items[2], found.items[-1]
    assert (flights.rows, order.comment, found.items[5].rows) == (FLIGHTS, "what was bought", None)
    assert flights.bytes
    text = render.text(found)
    assert "nycflights13 (current database): 5 tables" in text
    assert "All flights that departed from New York in 2013" in text
    assert "Next: %tidb_pe tables airlines" in text
    assert {"INFORMATION_SCHEMA", "test"} < set(listed(connected, system=True).databases)


def test_a_table_is_described(connected: Runbook) -> None:
    """A table's description has columns, indexes, the first rows, and a query with the required quotes."""
    found = described(connected, "test.order")
    assert [(c.name, c.type, c.nullable, c.key, c.default, c.extra, c.comment) for c in found.columns] == [
        ("order id", "bigint", False, "PRI", None, "auto_increment", "a number"),
        ("who", "varchar(20)", True, "MUL", "x", "", ""),
        ("price", "decimal(8,2)", True, "", None, "", ""),
        ("scan", "blob", True, "", None, "", ""),
    ]
    assert [(index.name, index.unique, index.columns) for index in found.indexes] == [
        ("PRIMARY", True, ("order id",)),
        ("by_who", False, ("who", "price")),
    ]
    assert found.sample["who"].tolist()[0] == "ann"
    assert found.rows == (("1", "ann", "1.50", "0x00FF"), ("2", None, None, None))
    assert found.select == "SELECT `order id`, who, price, scan\nFROM test.`order`\nLIMIT 100"
    assert len(connected.query(found.select)) == 2
    text = render.text(found)
    for piece in (
        "Table test.order",
        "auto_increment",
        "a number",
        "First 2 rows",
        "NULL",
        *found.select.splitlines(),
    ):
        assert piece in text


def test_an_old_estimate_of_rows_is_not_shown(connected: Runbook) -> None:
    """TiDB estimates 0 rows for a while after a load: next to the first rows, that would be wrong."""
    found = described(connected, "flights")
    assert f"Rows, about  {FLIGHTS}" in render.text(found)
    new = render.text(replace(found, table=replace(found.table, rows=0, bytes=0)))
    assert "not counted by the server yet" in new
    assert "about" not in new


def test_first_rows_are_in_sql_notation(connected: Runbook) -> None:
    """A TIME has two digits for its hours, and a DECIMAL all of its decimals, without an exponent."""
    connected.query("CREATE TABLE test.spans (t TIME, at DATETIME(6), price DECIMAL(20,10), long_text TEXT)")
    connected.query(
        "INSERT INTO test.spans VALUES ('01:30:00', '2024-02-29 10:00:00.5', 0.0000001, :long)",
        {"long": "x" * 99},
    )
    ((span, at, price, text),) = described(connected, "test.spans").rows
    connected.query("DROP TABLE test.spans")
    assert (span, at, price) == ("01:30:00", "2024-02-29 10:00:00.500000", "0.0000001000")
    assert text == "x" * 59 + "…"


def test_a_wide_tables_rows_are_shown_as_columns(connected: Runbook) -> None:
    """A table of many columns is shown transposed, and its query is broken into lines that run."""
    found = described(connected, "flights")
    assert "First 5 rows" in (text := render.text(found))
    assert max(map(len, text.splitlines())) <= 130
    assert "nycflights13" not in found.select
    assert max(map(len, found.select.splitlines())) <= 90
    assert len(connected.query(found.select)) == FLIGHTS


def test_a_name_finds_what_it_means(connected: Runbook) -> None:
    """A table of another database, a database, a pattern and another case are found; a view is marked."""
    assert described(connected, "order").table.database == "test"
    assert described(connected, "FLIGHTS").table.name == "flights"
    assert "View test.cheap" in render.text(described(connected, "`test`.`cheap`"))
    assert [table.name for table in listed(connected, "test")] == ["cheap", "order"]
    assert [table.name for table in listed(connected, "air*")] == ["airlines", "airports"]
    assert [table.name for table in listed(connected, "test.*e%")] == ["cheap", "order"]
    assert described(connected, "information_schema.tables").columns[0].name == "TABLE_CATALOG"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("flight", "Did you mean flights?"),
        ("oder", "Did you mean test.`order`?"),
        (
            "nycflight.flights",
            'database "nycflight" does not exist on this server. Did you mean nycflights13?',
        ),
        ("zzz", "Try: runbook.tables()"),
    ],
)
def test_a_name_that_is_close_is_suggested(connected: Runbook, name: str, words: str) -> None:
    """A missing table or database is refused with the closest name."""
    with pytest.raises(errors.InvalidRequest) as caught:
        connected.tables(name)
    assert words in str(caught.value)


def test_a_login_to_an_unknown_database_names_those_that_there_are(connected: Runbook) -> None:
    """A missing database suggests a close one or lists the server's, and the open connection stays."""
    with pytest.raises(errors.ConnectionFailed, match=r"Did you mean --database nycflights13\?"):
        connected.connect(database="nycflight", alias="other")
    with pytest.raises(errors.ConnectionFailed, match="The server has these databases: nycflights13, test"):
        connected.connect(database="zzzzzz", alias="other")
    assert connected.aliases == ("tidb",)


def test_rows_that_cannot_be_read_leave_the_rest(connected: Runbook) -> None:
    """A view whose table was dropped shows its columns, and a note in place of its rows."""
    connected.query("CREATE TABLE test.base (a INT)")
    connected.query("CREATE VIEW test.broken AS SELECT a FROM test.base")
    connected.query("DROP TABLE test.base")
    found = described(connected, "test.broken")
    assert found.sample is None
    assert found.notes[0].startswith("Its rows cannot be read: ")
    connected.query("DROP VIEW test.broken")


def test_a_saved_connection_is_opened(
    tidb_pe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """In another process the saved connection is enough; without one the error names the command."""
    monkeypatch.setenv("TIDB_PE_CONFIG_DIR", str(tmp_path))
    environ = {**tidb_pe_sandbox.environment(), "TIDB_PE_CONFIG_DIR": str(tmp_path)}
    with Runbook(environ=environ) as runbook:
        with pytest.raises(errors.StepOrderError, match=r'runbook\.connect\(alias="tidb"\)'):
            runbook.tables()
        runbook.run("demo", vpc=VPC, security_group=[GROUP])
        runbook.connect(save=True)
    with Runbook(environ=environ) as another:
        assert len(listed(another, "nycflights13")) == 5


def test_the_cells_session_is_left_alone(connected: Runbook) -> None:
    """Tables are read over a separate connection, quickly even if the session is busy."""
    session = connected._context.connections.record("tidb").session  # type: ignore[union-attr]
    with session.borrow("SELECT 1") as busy:
        before = busy.dbapi_connection.thread_id()  # type: ignore[union-attr]
        assert len(listed(connected)) > 0
        assert busy.dbapi_connection.thread_id() == before  # type: ignore[union-attr]
    assert isinstance(session._present(), pymysql.connections.Connection)
