"""The statements of a load, on the sandbox's database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cursor() -> Iterator[Any]:
    """Provide a cursor of the embedded database."""
    with FlightsDatabase(users=lambda _: {"root": "secret"}, flights=1) as database:
        host, port = database.address
        with pymysql.connect(
            host=host, port=port, user="root", password="secret", database="test"
        ) as connection:
            yield connection.cursor()


def test_several_tables_are_renamed_in_one_statement(cursor: Any) -> None:
    """Tables swap names atomically: if one rename fails, none happens."""
    cursor.execute("CREATE TABLE old (a INT)")
    cursor.execute("CREATE TABLE new (a INT, b VARCHAR(5))")
    cursor.execute("RENAME TABLE `test`.`old` TO `test`.`gone, to`, new TO old;")
    cursor.execute("SHOW TABLES")
    assert cursor.fetchall() == (("gone, to",), ("old",))
    cursor.execute("SHOW COLUMNS FROM old")
    assert [row[:2] for row in cursor.fetchall()] == [("a", "int"), ("b", "varchar(5)")]
    with pytest.raises(pymysql.err.ProgrammingError, match="1146"):
        cursor.execute("RENAME TABLE old TO other, missing TO old")
    cursor.execute("SHOW TABLES")
    assert cursor.fetchall() == (("gone, to",), ("old",))


def test_a_long_insert_has_bytes_and_updates_existing_rows(cursor: Any) -> None:
    """Text that looks like bytes stays text, and a row with an existing key is updated."""
    cursor.execute("CREATE TABLE bulk (id INT PRIMARY KEY, s TEXT, b BLOB)")
    rows = ", ".join(rf"({number}, 'x''00'' \\ {number}', x'00ff27')" for number in range(300))
    insert = f"INSERT INTO `bulk` (`id`, `s`, `b`) VALUES {rows}"
    assert cursor.execute(insert) == 300
    update = f"{insert.replace('00ff27', '01')} ON DUPLICATE KEY UPDATE `b` = VALUES(`b`)"
    cursor.execute(update)
    cursor.execute("SELECT COUNT(*), MIN(s), MAX(b) FROM bulk WHERE s LIKE 'x%'")
    assert cursor.fetchall() == ((300, "x'00' \\ 0", b"\x01"),)


@pytest.mark.parametrize("before", ["", '/* {"app": "dbt"} */\n\n', "-- a comment\n# another\n "])
def test_a_comment_before_a_statement_changes_nothing(cursor: Any, before: str) -> None:
    """Tools such as dbt write a comment before each statement, REPLACE and RENAME TABLE included."""
    cursor.execute(f"{before}CREATE TABLE noted (a INT PRIMARY KEY, b TEXT)")
    for _ in range(2):
        cursor.execute(f"{before}REPLACE INTO noted VALUES (1, 'b')")
    cursor.execute(f"{before}LOCK TABLES noted READ")
    cursor.execute(f"{before}RENAME TABLE noted TO renamed")
    cursor.execute(f"{before}SELECT * FROM renamed")
    assert cursor.fetchall() == ((1, "b"),)
    with pytest.raises(pymysql.err.NotSupportedError, match="SAVEPOINT is not supported"):
        cursor.execute(f"{before}SAVEPOINT a")
    cursor.execute("DROP TABLE renamed")


def test_the_word_replace_within_a_statement_stays(cursor: Any) -> None:
    """Only a statement that begins with REPLACE is one: a text with the word is stored as it was sent."""
    cursor.execute("CREATE TABLE texts (a TEXT)")
    cursor.execute("INSERT INTO texts VALUES ('please replace it')")
    cursor.execute("CREATE OR REPLACE VIEW seen AS SELECT a FROM texts")
    cursor.execute("SELECT a, 'to replace into' AS b FROM seen")
    assert cursor.fetchall() == (("please replace it", "to replace into"),)
    cursor.execute("DROP VIEW seen")
    cursor.execute("DROP TABLE texts")
