"""What an error says about a statement: its position, and a similar name."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases import for_each

from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.queries.error_position import excerpt, position_in, with_position
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.database.schema.cache import SchemaCache
from tidb_pe_magic.database.schema.names import SchemaNames
from tidb_pe_magic.database.schema.suggestions import suggestion
from tidb_pe_magic.errors import QueryFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.mariadb import MariaDb

_SYNTAX = "You have an error in your SQL syntax; check the manual that corresponds to your"
NAMES = SchemaNames(
    databases=("INFORMATION_SCHEMA", "nycflights13", "test", "shop"),
    tables={
        "nycflights13": ("airlines", "flights"),
        "test": ("t", "order"),
        "shop": ("flights_2", "t"),
        "information_schema": ("TABLES",),
    },
    columns={
        ("nycflights13", "flights"): {"carrier": "c", "dep_delay": "i", "order": "i"},
        ("nycflights13", "airlines"): {"carrier": "c", "name": "c"},
        ("test", "t"): {"who": "c"},
    },
)


def tidb(line: int, column: int, near: str) -> str:
    """Return a syntax error in TiDB's words."""
    return f'{_SYNTAX} TiDB version for the right syntax to use line {line} column {column} near "{near}" '


def mariadb(line: int, near: str) -> str:
    """Return a syntax error in MariaDB's words."""
    return f"{_SYNTAX} MariaDB server version for the right syntax to use near '{near}' at line {line}"


@for_each(
    {
        f"{code} {message[-60:]}": (statement, code, message)
        for statement, code, message in (
            ("SELECT * |FORM t", 1064, tidb(1, 13, "FORM t")),
            ("SELECT *\n|FORM t\nWHERE a = 1", 1064, tidb(2, 4, "FORM t\nWHERE a = 1")),
            ("SELECT a, a FROM t |a a", 1064, tidb(1, 21, "a a")),
            ("SELECT * |FORM t", 1064, mariadb(1, "FORM t")),
            ("SELECT 1,\n2,\n|FROM t\nWHERE " + "x" * 200, 1064, mariadb(3, f"FROM t\nWHERE {'x' * 66}")),
            ("SELECT 'it''s' |nonsense here", 1064, mariadb(1, "nonsense here")),
            ("SELECT (1|", 1064, mariadb(1, "")),
            ("SELECT * FROM t WHERE a = ? |ORDRE BY 1", 1064, tidb(1, 40, "ORDRE BY 1")),
            ("SELECT |carier FROM flights", 1054, "Unknown column 'carier' in 'field list'"),
            ("SELECT f.|carier FROM flights f", 1054, "Unknown column 'f.carier' in 'field list'"),
            ("SELECT `|order id` FROM t", 1054, "Unknown column 'order id' in 'field list'"),
            ("SELECT o.i FROM o JOIN p ON o.id = p.|i", 1054, "Unknown column 'p.i' in 'on clause'"),
            ("SELECT 1 FROM test.|flight", 1146, "Table 'test.flight' doesn't exist"),
            ("USE |nowhere", 1049, "Unknown database 'nowhere'"),
        )
    }
)
def test_the_place_is_found(statement: str, code: int, message: str) -> None:
    """The quoted or named text of the error is at the mark |."""
    assert position_in(statement.replace("|", "", 1), code, message) == statement.index("|")


@for_each(
    {
        message: (statement, code, message)
        for statement, code, message in (
            ("SELECT nope, nope FROM t", 1054, "Unknown column 'nope' in 'field list'"),
            ("SELECT o.i, o.i FROM o, p", 1054, "Unknown column 'o.i' in 'field list'"),
            ("SELECT 1", 1064, "syntax error of an unknown server"),
            ("SELECT 1", 1064, tidb(1, 9, "something that was never sent")),
            ("SELECT nope", 1105, "nope"),
        )
    }
)
def test_an_unknown_position_is_not_guessed(statement: str, code: int, message: str) -> None:
    """If a name occurs twice, or the quoted text is missing, the caret is omitted."""
    assert position_in(statement, code, message) is None


def test_the_line_is_shown_with_a_caret() -> None:
    """The caret is under its character, also after tabs, wide characters and in a long line."""
    assert excerpt("SELECT 1\nFORM t", 9) == ("    FORM t", "    ^")
    assert excerpt("\tx", 1) == ("        x", "        ^")
    assert excerpt("'你好' x", 5) == ("    '你好' x", "           ^")
    line, caret = excerpt("a" * 500 + "!" + "b" * 500, 500)
    assert line.index("!") == caret.index("^")
    assert len(line) < 120
    assert line.replace("a", "").replace("b", "").strip() == "…!…"
    assert excerpt("SELECT (1", 9) == ("    SELECT (1", "             ^")
    assert "\x1b" not in "".join(excerpt("SELECT \x1b[31m", 8))


@given(st.text(max_size=300), st.integers(0, 300))
def test_any_place_can_be_shown(statement: str, place: int) -> None:
    """For any statement the output is two lines, with the caret within the first or at its end."""
    line, caret = excerpt(statement, min(place, len(statement)))
    assert "\n" not in line + caret
    assert caret.strip() == "^"


@for_each(
    {
        f"{message} {statement}": (statement, code, message, words)
        for statement, code, message, words in (
            ("SELECT carier FROM flights", 1054, "Unknown column 'carier' in 'field list'", "carrier"),
            ("SELECT f.carier FROM flights f", 1054, "Unknown column 'f.carier' in 'x'", "f.carrier"),
            ("SELECT oder FROM flights", 1054, "Unknown column 'oder' in 'field list'", "`order`"),
            ("SELECT hwo FROM test.t", 1054, "Unknown column 'hwo' in 'field list'", "who"),
            ("SELECT whom FROM test.t", 1054, "Unknown column 'whom' in 'field list'", "who"),
            (
                "SELECT fligths.carrier FROM flights",
                1054,
                "Unknown column 'fligths.carrier' in 'x'",
                "flights.carrier",
            ),
            ("SELECT nothing FROM flights", 1054, "Unknown column 'nothing' in 'field list'", ""),
            ("SELECT nam FROM flights", 1054, "Unknown column 'nam' in 'field list'", ""),
            ("SELECT 1 FROM flight", 1146, "Table 'nycflights13.flight' doesn't exist", "flights"),
            ("SELECT 1 FROM shop.flight", 1146, "Table 'shop.flight' doesn't exist", "shop.flights_2"),
            ("SELECT 1 FROM t", 1146, "Table 'nycflights13.t' doesn't exist", "test.t"),
            ("SELECT 1 FROM x.flights", 1146, "Table 'x.flights' doesn't exist", "nycflights13.flights"),
            (
                "WITH late AS (SELECT 1) SELECT 1 FROM lates",
                1146,
                "Table 'nycflights13.lates' doesn't exist",
                "late",
            ),
            ("SELECT 1 FROM zzz", 1146, "Table 'nycflights13.zzz' doesn't exist", ""),
            ("DROP TABLE fligts", 1051, "Unknown table 'nycflights13.fligts'", "flights"),
            ("USE nycflight", 1049, "Unknown database 'nycflight'", "nycflights13"),
            ("SELECT 1 FROM x", 1105, "Unknown column 'carier' in 'field list'", ""),
        )
    }
)
def test_a_close_name_is_suggested(statement: str, code: int, message: str, words: str) -> None:
    """The closest column, table or database is suggested as it is written in SQL, if it is close enough."""

    def look(tables: Sequence[tuple[str, str]]) -> SchemaNames:
        assert all(table for _, table in tables)
        return NAMES

    assert suggestion(code, message, statement, look, "nycflights13") == words


@pytest.fixture
def ask(plain_server: MariaDb) -> Iterator[Callable[[str], None]]:
    """Provide a function that runs a statement on a server with the table flights, as a Python call does."""
    plain_server.execute("CREATE OR REPLACE TABLE test.flights (carrier CHAR(2), `dep delay` INT)")
    opened = open_engine(plain_server.target())
    schema = SchemaCache(opened.engine, lambda: "test")

    def run(sql: str) -> None:
        query = BoundStatement(sql=sql)
        read_table(
            ReadOptions(
                engine=opened.engine,
                query=query,
                schema=schema,
                cancel=threading.Event(),
            )
        )

    yield run
    schema.close()
    opened.engine.dispose()
    plain_server.execute("DROP TABLE test.flights")


@pytest.mark.parametrize(
    ("sql", "words", "mark"),
    [
        ("SELECT carier\nFROM flights", "Did you mean carrier?", "SELECT |carier"),
        ("SELECT 1,\n  `dep dely` FROM flights", "Did you mean `dep delay`?", "  `|dep dely` FROM flights"),
        ("SELECT * FROM flight", "Did you mean flights?", "SELECT * FROM |flight"),
        ("SELECT * FROM tset.flights", "Did you mean test.flights?", "SELECT * FROM tset.|flights"),
        ("USE tests", "Did you mean test?", "USE |tests"),
        ("SELECT *\nFROM flights\nWHER carrier = 'AA'", "1064", "WHER |carrier = 'AA'"),
        ("SELECT (1", "1064", "SELECT (1|"),
    ],
)
def test_a_real_servers_error_is_explained(
    ask: Callable[[str], None], sql: str, words: str, mark: str
) -> None:
    """MariaDB's messages lead to the position and the name, without a schema that was read before."""
    with pytest.raises(QueryFailed) as caught:
        ask(sql)
    assert words in str(caught.value)
    line, caret = caught.value.excerpt
    assert line == "    " + mark.replace("|", "", 1)
    assert caret.index("^") == 4 + mark.index("|")
    shown = "".join(traceback.format_exception_only(caught.value))
    assert shown.rstrip().endswith(caret)
    assert caught.value.text().splitlines()[-2:] == [line, caret]


def test_names_that_a_statement_created_are_known(ask: Callable[[str], None]) -> None:
    """A table that was created after an error is suggested in the next one."""
    with pytest.raises(QueryFailed):
        ask("SELECT * FROM lateral_1")
    ask("CREATE TABLE test.lateral_2 (a INT)")
    with pytest.raises(QueryFailed, match=r"Did you mean lateral_2\?"):
        ask("SELECT * FROM lateral_1")
    ask("DROP TABLE test.lateral_2")


def test_an_error_is_shown_without_readable_names(plain_server: MariaDb) -> None:
    """If the names cannot be read, the server's error stays unchanged with its own advice."""
    opened = open_engine(plain_server.target())
    schema = SchemaCache(opened.engine, lambda: "test")
    plain_server.stop()
    try:
        error = QueryFailed(1146, "Table 'test.x' doesn't exist", advice="Its own.")
        found = with_position(error, "SELECT * FROM x", schema=schema, current="test")
    finally:
        plain_server.start()
        opened.engine.dispose()
    assert (found.code, found.advice) == (1146, "Its own.")
    assert found.excerpt == ("    SELECT * FROM x", "                  ^")
