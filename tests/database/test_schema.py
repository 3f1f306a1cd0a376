"""Databases and tables as MariaDB's information_schema reports them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.database.schema import catalog
from tidb_pe_magic.database.schema.cache import SchemaCache
from tidb_pe_magic.database.schema.identifiers import parts, sql_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mariadb import MariaDb

    from tidb_pe_magic.database.schema.catalog import Ask

ORDERS = """CREATE TABLE shop.orders (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, who VARCHAR(20) COMMENT 'a name', at_ DATETIME(3),
    KEY by_time (at_, who), UNIQUE KEY once (who)) COMMENT 'what was bought'"""


@pytest.fixture(scope="module")
def ask(plain_server: MariaDb) -> Iterator[Ask]:
    """Return a function that queries a server with an empty database and one with tables and a view."""
    for sql in (
        "CREATE OR REPLACE DATABASE shop",
        "CREATE OR REPLACE DATABASE `an empty one`",
        ORDERS,
        "CREATE TABLE shop.`it's` (`a``b` INT)",
        "CREATE VIEW shop.names AS SELECT who FROM shop.orders",
        "INSERT INTO shop.orders (who) VALUES ('ann'), ('bob')",
        "ANALYZE TABLE shop.orders",
    ):
        plain_server.execute(sql)
    opened = open_engine(plain_server.target())

    def asked(sql: str, params: Any) -> Any:
        query = BoundStatement(sql=sql, params=tuple(params))
        return read_table(ReadOptions(engine=opened.engine, query=query, cancel=threading.Event()))[0]

    yield asked
    opened.engine.dispose()
    plain_server.execute("DROP DATABASE shop")
    plain_server.execute("DROP DATABASE `an empty one`")


def test_a_listing_has_every_database_and_table(ask: Ask) -> None:
    """Databases without a table are listed too; the server's own ones only on request."""
    found = catalog.listing(ask)
    assert {"an empty one", "shop", "test"} <= set(found.databases)
    assert not {name.lower() for name in found.databases} & set(catalog.SYSTEM_DATABASES)
    shop = [table for table in found.tables if table.database == "shop"]
    assert [(table.name, table.kind) for table in shop] == [
        ("it's", "BASE TABLE"),
        ("names", "VIEW"),
        ("orders", "BASE TABLE"),
    ]
    assert (shop[2].rows, shop[2].comment) == (2, "what was bought")
    assert shop[2].bytes
    assert (shop[1].rows, shop[1].bytes, shop[1].comment) == (None, None, "")
    assert "information_schema" in catalog.listing(ask, system=True).databases


def test_a_table_has_its_columns_and_indexes(ask: Ask) -> None:
    """Types use the server's words, and the columns of an index are in its order."""
    orders = catalog.table(ask, "shop", "orders")
    assert orders is not None
    columns = catalog.columns(ask, orders)
    assert [(column.name, column.type, column.nullable, column.key) for column in columns] == [
        ("id", "bigint(20) unsigned", False, "PRI"),
        ("who", "varchar(20)", True, "UNI"),
        ("at_", "datetime(3)", True, "MUL"),
    ]
    assert (columns[0].extra, columns[1].comment) == ("auto_increment", "a name")
    assert [(index.name, index.unique, index.columns) for index in catalog.indexes(ask, orders)] == [
        ("PRIMARY", True, ("id",)),
        ("once", True, ("who",)),
        ("by_time", False, ("at_", "who")),
    ]
    odd = catalog.table(ask, "shop", "it's")
    assert odd is not None
    assert [column.name for column in catalog.columns(ask, odd)] == ["a`b"]
    assert catalog.table(ask, "shop", "order") is None


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_a_written_name_is_read_again(database: str, name: str) -> None:
    """Whatever a name contains, its quoted form means the same name."""
    assert parts(sql_name(database, name)) == (database, name)
    assert parts(sql_name(name)) == ("", name)


@pytest.fixture
def cache(plain_server: MariaDb, ask: Ask) -> Iterator[SchemaCache]:  # noqa: ARG001 - it makes the tables
    """Provide names that are read in the background, in the database shop."""
    opened = open_engine(plain_server.target())
    cache = SchemaCache(opened.engine, lambda: "SHOP", background=True)
    yield cache
    cache.close()
    opened.engine.dispose()


def test_names_are_read_in_the_background(cache: SchemaCache) -> None:
    """Databases, tables and columns become known in the table's order, and are found in any case."""
    assert cache.settle(60)
    known = cache.names
    assert {"shop", "an empty one", "information_schema"} <= set(known.databases)
    assert known.tables_of("Shop") == ("it's", "names", "orders")
    assert known.columns_of("shop", "ORDERS") == {
        "id": "bigint(20) unsigned",
        "who": "varchar(20)",
        "at_": "datetime(3)",
    }
    assert known.columns_of("information_schema", "tables") is None
    cache.request([("information_schema", "TABLES")])
    assert cache.settle(60)
    assert "TABLE_NAME" in (cache.names.columns_of("information_schema", "tables") or {})
    assert not cache.failure


def test_a_statement_that_defines_renews_the_names(cache: SchemaCache, plain_server: MariaDb) -> None:
    """CREATE and DROP cause a complete reload; other statements leave the names alone."""
    assert cache.settle(60)
    plain_server.execute("CREATE TABLE shop.later (a INT)")
    cache.note_statement("INSERT INTO shop.later VALUES (1)")
    cache.note_statement("")
    assert cache.settle(60)
    assert "later" not in cache.names.tables_of("shop")
    cache.note_statement(" /* new */ create table shop.later (a int)")
    assert cache.settle(60)
    assert cache.names.columns_of("shop", "later") == {"a": "int(11)"}
    plain_server.execute("DROP TABLE shop.later")
    cache.note_statement("DROP TABLE shop.later")
    assert cache.settle(60)
    assert "later" not in cache.names.tables_of("shop")


def test_of_many_tables_columns_are_read_on_demand(
    cache: SchemaCache, plain_server: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too many tables, only the columns of the current database or of requested tables are read."""
    monkeypatch.setattr("tidb_pe_magic.database.schema.cache._MANY_TABLES", 3)
    plain_server.execute("CREATE TABLE test.far_away (b INT)")
    cache.renew()
    assert cache.settle(60)
    assert cache.names.columns_of("shop", "orders")
    assert cache.names.has_table("test", "far_away")
    assert cache.names.columns_of("test", "far_away") is None
    cache.request([("test", "far_away"), ("test", "nowhere")])
    assert cache.settle(60)
    assert cache.names.columns_of("test", "far_away") == {"b": "int(11)"}
    plain_server.execute("DROP TABLE test.far_away")


def test_a_lost_server_is_reported_without_a_wait(plain_server: MariaDb) -> None:
    """A lost server leaves the known names with the reason, and closing ends a read that hangs."""
    opened = open_engine(plain_server.target())
    cache = SchemaCache(opened.engine, lambda: "test", background=True)
    assert cache.settle(60)
    plain_server.stop()
    try:
        cache.renew()
        assert cache.settle(60)
        assert cache.failure
        assert cache.names.databases
    finally:
        plain_server.start()
    cache.close()
    cache.renew()
    assert cache.settle(0)
    opened.engine.dispose()


def test_closing_ends_a_reading_that_hangs(plain_server: MariaDb) -> None:
    """A read that waits for the server, for example for a lock, ends with the connection."""
    opened = open_engine(plain_server.target())
    plain_server.execute("CREATE OR REPLACE TABLE test.locked (a INT)")
    with opened.engine.connect() as holder:
        holder.exec_driver_sql("LOCK TABLES test.locked WRITE")
        holder.exec_driver_sql("ALTER TABLE test.locked ADD COLUMN b INT")
        cache = SchemaCache(opened.engine, lambda: "test", background=True)
        cache.close()
        assert not [each for each in threading.enumerate() if each.name == "tidb_pe schema"]
        holder.exec_driver_sql("UNLOCK TABLES")
    plain_server.execute("DROP TABLE test.locked")
    opened.engine.dispose()
