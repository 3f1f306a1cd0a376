"""SHOW and DESCRIBE as queries over the information_schema views."""

# ruff: noqa: S608 - names and texts from clients go through sql_name and sql_string

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tidb_pe_magic.sandbox.mysql.collations import DEFAULT, charset_of, written
from tidb_pe_magic.sandbox.mysql.create_table import sql_name, sql_string
from tidb_pe_magic.sandbox.mysql.errors import NO_SUCH_TABLE, NOT_SUPPORTED, SqlError, no_database
from tidb_pe_magic.sandbox.mysql.system_table import HIDDEN_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import duckdb
    from sqlglot import exp

    from tidb_pe_magic.sandbox.mysql.client import Client

#: All tables and views, without their sizes, which DuckDB needs long to find.
_ALL_TABLES: Final = f'{HIDDEN_SCHEMA}."base tables"'
_TABLE_MISSING: Final = "Table '{0}.{1}' doesn't exist"
_EMPTY: Final = ("EVENTS", "TRIGGERS", "PLUGINS", "PROCEDURE STATUS", "FUNCTION STATUS", "OPEN TABLES")

#: The columns of SHOW TABLE STATUS and SHOW INDEX, with their information_schema columns (TiDB v8.5).
_TABLE_STATUS: Final = (
    ("Name", "TABLE_NAME"),
    ("Engine", "ENGINE"),
    ("Version", "VERSION"),
    ("Row_format", "ROW_FORMAT"),
    ("Rows", "TABLE_ROWS"),
    ("Avg_row_length", "AVG_ROW_LENGTH"),
    ("Data_length", "DATA_LENGTH"),
    ("Max_data_length", "MAX_DATA_LENGTH"),
    ("Index_length", "INDEX_LENGTH"),
    ("Data_free", "DATA_FREE"),
    ("Auto_increment", "AUTO_INCREMENT"),
    ("Create_time", "CREATE_TIME"),
    ("Update_time", "UPDATE_TIME"),
    ("Check_time", "CHECK_TIME"),
    ("Collation", "TABLE_COLLATION"),
    ("Checksum", "CHECKSUM"),
    ("Create_options", "CREATE_OPTIONS"),
    ("Comment", "TABLE_COMMENT"),
)
_INDEX: Final = (
    ("Table", "TABLE_NAME"),
    ("Non_unique", "CAST(NON_UNIQUE AS BIGINT)"),
    ("Key_name", "INDEX_NAME"),
    ("Seq_in_index", "SEQ_IN_INDEX"),
    ("Column_name", "COLUMN_NAME"),
    ("Collation", '"COLLATION"'),
    ("Cardinality", "CARDINALITY"),
    ("Sub_part", "SUB_PART"),
    ("Packed", "PACKED"),
    ("Null", "NULLABLE"),
    ("Index_type", "INDEX_TYPE"),
    ("Comment", "COMMENT"),
    ("Index_comment", "INDEX_COMMENT"),
    ("Visible", "IS_VISIBLE"),
    ("Expression", '"Expression"'),
    ("Clustered", "CASE INDEX_NAME WHEN 'PRIMARY' THEN 'YES' ELSE 'NO' END"),
    ("Global", "'NO'"),
)


def rows_query(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a query for these rows."""
    columns = ", ".join(sql_name(name) for name in names)
    values = ", ".join(f"({', '.join(_value(cell) for cell in row)})" for row in rows)
    if values:
        return f"SELECT * FROM (VALUES {values}) t({columns})"
    nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {sql_name(name)}" for name in names)
    return f"SELECT {nothing} WHERE false"


def _value(cell: object) -> str:
    if cell is None:
        return "CAST(NULL AS VARCHAR)"
    return str(cell) if isinstance(cell, int) else sql_string(str(cell))


class Show:
    """Turns SHOW statements into DuckDB queries for one session."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        variables: Callable[[], Iterable[tuple[str, object]]],
        status: Callable[[], Iterable[tuple[str, object]]],
        processes: Callable[[], Iterable[Sequence[object]]],
        user: Callable[[], str],
    ) -> None:
        """Set the values that only the session and the server have."""
        self._cursor = cursor
        self._variables = variables
        self._status = status
        self._processes = processes
        self._user = user

    def query(self, show: exp.Show, database: str) -> str:
        """Return the query for a SHOW statement."""
        kind = show.name.upper()
        database = show.text("db") or database
        if kind in {"CREATE TABLE", "CREATE VIEW", "CREATE DATABASE", "INDEX", "COLUMNS"}:
            target = show.text("target")
            if kind == "CREATE DATABASE":
                text = f"CREATE DATABASE `{target}` /*!40100 DEFAULT CHARACTER SET utf8mb4 */"
                return rows_query(("Database", "Create Database"), [(target, text)])
            if not database:
                raise no_database()
            self._need_table(database, target)
            if kind == "CREATE TABLE":
                return self._create_table(database, target)
            return self._filter(
                self._of_table(kind, database, target, full=bool(show.args.get("full"))), show
            )
        if kind in {"TABLES", "TABLE STATUS"} and not database:
            raise no_database()
        return self._filter(self._table_list(kind, database, show), show)

    def tables(self) -> Mapping[str, Callable[[], str]]:
        """Return queries for the tables of information_schema whose rows depend on the session, by name."""
        names = ("VARIABLE_NAME", "VARIABLE_VALUE")

        def rows(pairs: Callable[[], Iterable[tuple[str, object]]]) -> Callable[[], str]:
            return lambda: rows_query(names, [(name, _display(value)) for name, value in pairs()])

        status, variables = rows(self._status), rows(self._variables)
        listed = ("ID", "USER", "HOST", "DB", "COMMAND", "TIME", "STATE", "INFO")
        return {
            "session_status": status,
            "global_status": status,
            "session_variables": variables,
            "global_variables": variables,
            "processlist": lambda: rows_query(listed, self._processes()),
        }

    def columns(self, table: exp.Table, database: str) -> str:
        """Return the query for DESCRIBE."""
        database = table.db or database
        self._need_table(database, table.name)
        return self._of_table("COLUMNS", database, table.name, full=False)

    def _table_list(self, kind: str, database: str, show: exp.Show) -> str:
        schema = HIDDEN_SCHEMA
        if kind == "TABLES":
            more = ', kind AS "Table_type"' if show.args.get("full") else ""
            return (
                f"SELECT table_name AS {sql_name('Tables_in_' + database)}{more} FROM {_ALL_TABLES} "
                f"WHERE lower(schema_name) = {sql_string(database.lower())} ORDER BY 1"
            )
        if kind == "TABLE STATUS":
            listed = ", ".join(f'{column} AS "{name}"' for name, column in _TABLE_STATUS)
            return (
                f"SELECT {listed} FROM {schema}.tables "
                f"WHERE lower(TABLE_SCHEMA) = {sql_string(database.lower())} ORDER BY 1"
            )
        if kind in {"VARIABLES", "STATUS"}:
            pairs = self._variables() if kind == "VARIABLES" else self._status()
            return rows_query(("Variable_name", "Value"), [(name, _display(value)) for name, value in pairs])
        if kind == "PROCESSLIST":
            names = ("Id", "User", "Host", "db", "Command", "Time", "State", "Info")
            return rows_query(names, self._processes())
        if kind == "GRANTS":
            user = self._user()
            grant = f"GRANT ALL PRIVILEGES ON *.* TO '{user}'@'%' WITH GRANT OPTION"
            return rows_query((f"Grants for {user}@%",), [(grant,)])
        if kind in {"WARNINGS", "ERRORS"}:
            return rows_query(("Level", "Code", "Message"), [])
        if kind in _EMPTY:
            return rows_query(("Name",), [])
        views = {
            "DATABASES": 'SELECT SCHEMA_NAME AS "Database" FROM {0}.schemata ORDER BY 1',
            "ENGINES": 'SELECT ENGINE AS "Engine", SUPPORT AS "Support" FROM {0}.engines',
            "COLLATION": 'SELECT COLLATION_NAME AS "Collation" FROM {0}.collations',
            "CHARACTER SET": 'SELECT CHARACTER_SET_NAME AS "Charset" FROM {0}.character_sets',
        }
        if kind in views:
            return views[kind].format(schema)
        raise SqlError(NOT_SUPPORTED, f"SHOW {kind} is not supported by the sandbox")

    @staticmethod
    def _of_table(kind: str, database: str, table: str, *, full: bool) -> str:
        where = (
            f"WHERE lower(TABLE_SCHEMA) = {sql_string(database.lower())} "
            f"AND lower(TABLE_NAME) = {sql_string(table.lower())}"
        )
        if kind == "INDEX":
            listed = ", ".join(f'{column} AS "{name}"' for name, column in _INDEX)
            return f"SELECT {listed} FROM {HIDDEN_SCHEMA}.statistics {where}"
        fields = 'COLUMN_NAME AS "Field", COLUMN_TYPE AS "Type"'
        if full:
            fields += ', COLLATION_NAME AS "Collation"'
        fields += (
            ', IS_NULLABLE AS "Null", COLUMN_KEY AS "Key", COLUMN_DEFAULT AS "Default", EXTRA AS "Extra"'
        )
        if full:
            fields += ', PRIVILEGES AS "Privileges", COLUMN_COMMENT AS "Comment"'
        return f"SELECT {fields} FROM {HIDDEN_SCHEMA}.columns {where} ORDER BY ORDINAL_POSITION"

    def _filter(self, query: str, show: exp.Show) -> str:
        """Apply LIKE to the first column, as SHOW does, or a WHERE over the answer's columns."""
        if like := show.text("like"):
            first = self._cursor.execute(f"DESCRIBE {query}").fetchall()[0][0]
            return f"SELECT * FROM ({query}) s WHERE {sql_name(first)} ILIKE {sql_string(like)}"
        if where := show.args.get("where"):
            return f"SELECT * FROM ({query}) s {where.sql('duckdb')}"
        return query

    def _need_table(self, database: str, table: str) -> None:
        found = self._cursor.execute(
            f"SELECT 1 FROM {_ALL_TABLES} "
            "WHERE lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
            [database, table],
        ).fetchall()
        if not found:
            raise SqlError(NO_SUCH_TABLE, _TABLE_MISSING.format(database, table))

    def create(self, table: exp.Table, database: str) -> str:
        """Return a table's CREATE TABLE statement; `database` is the session's, or empty.

        Raises:
            SqlError: the table does not exist.
        """
        database = table.db or database
        self._need_table(database, table.name)
        return self._create_text(database, table.name)

    def _create_table(self, database: str, table: str) -> str:
        return rows_query(("Table", "Create Table"), [(table, self._create_text(database, table))])

    def _create_text(self, database: str, table: str) -> str:
        columns = self._cursor.execute(self._of_table("COLUMNS", database, table, full=True)).fetchall()
        lines = []
        table_collation, remark = self._table_options(database, table)
        for field, kind, collation, nullable, _key, default, extra, _privileges, comment in columns:
            line = f"  `{field}` {kind}"
            line += written(collation, table_collation) if collation else ""
            if nullable == "NO":
                line += " NOT NULL"
            elif kind.startswith("timestamp"):
                line += " NULL"
            if default is not None:
                line += (
                    f" DEFAULT {default if default.upper().startswith('CURRENT') else sql_string(default)}"
                )
            elif nullable == "YES":
                line += " DEFAULT NULL"
            line += f" {extra.removeprefix('DEFAULT_GENERATED ').upper()}" if extra else ""
            lines.append(line + (f" COMMENT {sql_string(comment)}" if comment else ""))
        keys: dict[tuple[str, int], list[str]] = {}
        for row in self._cursor.execute(self._of_table("INDEX", database, table, full=False)).fetchall():
            keys.setdefault((row[2], row[1]), []).append(f"`{row[4]}`")
        for (name, non_unique), parts in keys.items():
            head = f"{'' if non_unique else 'UNIQUE '}KEY `{name}`"
            if name == "PRIMARY":
                lines.append(f"  PRIMARY KEY ({','.join(parts)}) /*T![clustered_index] CLUSTERED */")
            else:
                lines.append(f"  {head} ({','.join(parts)})")
        body = ",\n".join(lines)
        tail = f"ENGINE=InnoDB DEFAULT CHARSET={charset_of(table_collation)} COLLATE={table_collation}"
        tail += f" COMMENT={sql_string(remark)}" if remark else ""
        return f"CREATE TABLE `{table}` (\n{body}\n) {tail}"

    def _table_options(self, database: str, table: str) -> tuple[str, str]:
        """Return a table's default collation and its comment."""
        rows = self._cursor.execute(
            f"SELECT default_collation, coalesce(note, '') FROM {_ALL_TABLES} "
            "WHERE lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
            [database, table],
        ).fetchall()
        collation, remark = rows[0]
        return collation or DEFAULT, remark


def _display(value: object) -> object:
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return "" if value is None else str(value)


def processes(sessions: Callable[[], Mapping[int, Client]]) -> list[Sequence[object]]:
    """Return the rows of SHOW PROCESSLIST."""
    return [
        (
            number,
            connection.state.username,
            "127.0.0.1",
            connection.state.database,
            "Query" if connection.state.statement else "Sleep",
            0,
            "autocommit" if connection.state.variables.get("autocommit") else "",
            connection.state.statement,
        )
        for number, connection in sessions().items()
    ]
