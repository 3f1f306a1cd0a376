"""The tables that statements write into: their columns in DuckDB, keys, and AUTO_INCREMENT sequences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from tidb_pe_magic.sandbox.mysql.create_table import sequence_name, sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.definitions import mysql_type
from tidb_pe_magic.sandbox.mysql.touched_columns import stored_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

_TABLE: Final = """
SELECT database_name, schema_name, table_name FROM duckdb_tables()
WHERE NOT internal AND lower(table_name) = ? AND (lower(schema_name) = ? OR database_name = 'temp')
ORDER BY database_name = 'temp' DESC"""
_COLUMNS: Final = """
SELECT column_name, column_default, data_type, comment FROM duckdb_columns()
WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_index"""
_COMMENT: Final = """
SELECT comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?"""
_KEYS: Final = """
SELECT constraint_column_names FROM duckdb_constraints()
WHERE database_name = ? AND schema_name = ? AND table_name = ?
AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')"""
#: The next value of each sequence; DuckDB's own column has the last one, which SETVAL does not change.
NEXT_VALUES: Final = (
    "SELECT sequence_name, CAST(regexp_extract(sql, 'START (-?[0-9]+)', 1) AS BIGINT) FROM duckdb_sequences()"
)
_MOST_ID: Final = 2**63 - 1
_CLOCK: Final = re.compile(r"current_timestamp|now\(\)", re.IGNORECASE)
_SEQUENCE: Final = re.compile(r"nextval\('((?:[^']|'')+)'\)")


@dataclass(frozen=True)
class Target:
    """A table.

    Attributes:
        table: its quoted name in DuckDB.
        columns: name and DuckDB's type of each.
        keys: columns of the primary key and of each unique key.
        generated: the AUTO_INCREMENT column; empty without one.
        sequence: its quoted sequence.
        clocks: the lower-case names of DATETIME columns whose default is the current time.
        stamps: those of TIMESTAMP columns, which store UTC.
        touched: those of columns with ON UPDATE CURRENT_TIMESTAMP.
    """

    table: str
    columns: Sequence[tuple[str, str]]
    keys: Sequence[Sequence[str]]
    generated: str = ""
    sequence: str = ""
    clocks: frozenset[str] = frozenset()
    stamps: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()

    def pass_ids(self) -> str:
        """Return the query that lets the next id be greater than all ids in the table."""
        sequence, name = sql_string(self.sequence), sql_string(sequence_name(self.sequence))
        return (
            f"SELECT setval({sequence}, CAST(least(most, {_MOST_ID}) AS BIGINT)) "  # noqa: S608 - quoted names
            f"FROM (SELECT max({sql_name(self.generated)}) AS most FROM {self.table}), "
            f"({NEXT_VALUES}) AS sequences(name, next) WHERE name = {name} AND most >= next"
        )

    def restart_ids(self) -> str:
        """Return the query that lets the next id be 1."""
        return f"SELECT setval({sql_string(self.sequence)}, 1, false)"

    def names(self, tree: exp.Expr | None) -> Sequence[str]:
        """Return the columns that an INSERT names; all of them if it names none."""
        schema = tree.this if tree is not None else None
        if isinstance(schema, exp.Schema):
            return [column.name for column in schema.expressions]
        return [name for name, _ in self.columns]

    def key_places(self, names: Sequence[str]) -> Sequence[Sequence[int]]:
        """Return the places of each key's columns among those of an INSERT, without keys that it omits."""
        places = {name.lower(): place for place, name in enumerate(names)}
        found = [[places[name.lower()] for name in key if name.lower() in places] for key in self.keys]
        return [key for key in found if key]


class Targets:
    """Looks up targets for one session, and caches them until definitions change."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, changes: Callable[[], int]) -> None:
        """Set the session's cursor, and the counter of definition changes in all sessions."""
        self._cursor = cursor
        self._changes = changes
        self._seen = -1
        self._known: dict[tuple[str, str], Target | None] = {}

    def knows(self, schema: str, table: str) -> bool:
        """Return whether `of` need not ask DuckDB."""
        return self._changes() == self._seen and (schema.lower(), table.lower()) in self._known

    def of(self, schema: str, table: str) -> Target | None:
        """Return a table, in a worker thread; None if it does not exist."""
        if (changes := self._changes()) != self._seen:
            self._known.clear()
            self._seen = changes
        key = schema.lower(), table.lower()
        if key not in self._known:
            self._known[key] = self._target(*key)
        return self._known[key]

    def _target(self, schema: str, table: str) -> Target | None:
        place = next(iter(self._cursor.execute(_TABLE, [table, schema]).fetchall()), None)
        if place is None:
            return None
        columns = self._cursor.execute(_COLUMNS, place).fetchall()
        ((comment,),) = self._cursor.execute(_COMMENT, place).fetchall()
        keys = [names for (names,) in self._cursor.execute(_KEYS, place).fetchall()]
        drawn = {
            name: found[1] for name, default, _, _ in columns if (found := _SEQUENCE.match(default or ""))
        }
        generated = next(iter(drawn), "")
        stamps = frozenset(
            name.lower()
            for name, _, kind, comment in columns
            if mysql_type(kind, comment).startswith("timestamp")
        )
        return Target(
            ".".join(map(sql_name, place)),
            [(name, kind) for name, _, kind, _ in columns],
            keys,
            generated,
            drawn.get(generated, "").replace("''", "'"),
            frozenset(name.lower() for name, default, _, _ in columns if _CLOCK.search(default or ""))
            - stamps,
            stamps,
            stored_columns(comment),
        )
