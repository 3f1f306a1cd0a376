"""MySQL's error codes, and the conversion of DuckDB's exceptions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import duckdb
from sqlglot.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.errors import SqlglotError
    from sqlglot.tokens import Token  # type: ignore[attr-defined]  # re-exported without saying so

ACCESS_DENIED: Final = 1045
NO_DATABASE_SELECTED: Final = 1046
UNKNOWN_COMMAND: Final = 1047
NOT_NULL: Final = 1048
UNKNOWN_DATABASE: Final = 1049
TABLE_EXISTS: Final = 1050
UNKNOWN_COLUMN: Final = 1054
WRONG_VALUE_COUNT: Final = 1136
COMMAND_DENIED: Final = 1142
PARSE_ERROR: Final = 1064
UNKNOWN_FUNCTION: Final = 1305
EMPTY_QUERY: Final = 1065
UNKNOWN_THREAD: Final = 1094
UNKNOWN_ERROR: Final = 1105
NO_SUCH_TABLE: Final = 1146
NOT_ALLOWED_COMMAND: Final = 1148
UNKNOWN_VARIABLE: Final = 1193
DEADLOCK: Final = 1213
WRONG_VALUE_FOR_VARIABLE: Final = 1231
NOT_SUPPORTED: Final = 1235
OPERAND_COLUMNS: Final = 1241
SUBQUERY_ROWS: Final = 1242
READ_ONLY_VARIABLE: Final = 1238
WRONG_VALUE: Final = 1292
UNKNOWN_TIME_ZONE: Final = 1298
INVALID_CHARACTERS: Final = 1300
QUERY_INTERRUPTED: Final = 1317
UNKNOWN_CHARSET: Final = 1115
TOO_MANY_COLUMNS: Final = 1117
WRONG_ARGUMENTS: Final = 1210
UNKNOWN_STATEMENT: Final = 1243
MALFORMED_PACKET: Final = 1835
SNAPSHOT_TOO_OLD: Final = 8055
MULTI_STATEMENTS_DISABLED: Final = 8130
GC_TOO_EARLY: Final = 9006

_SQLSTATES: Final = {
    1007: "HY000", 1008: "HY000", ACCESS_DENIED: "28000", NO_DATABASE_SELECTED: "3D000",
    UNKNOWN_COMMAND: "08S01", NOT_NULL: "23000", UNKNOWN_DATABASE: "42000",
    TABLE_EXISTS: "42S01", 1051: "42S02",
    1052: "23000", UNKNOWN_COLUMN: "42S22", 1062: "23000", PARSE_ERROR: "42000", EMPTY_QUERY: "42000",
    WRONG_VALUE_COUNT: "21S01", COMMAND_DENIED: "42000", NOT_ALLOWED_COMMAND: "42000",
    NO_SUCH_TABLE: "42S02", DEADLOCK: "40001", WRONG_VALUE_FOR_VARIABLE: "42000",
    OPERAND_COLUMNS: "21000", SUBQUERY_ROWS: "21000",
    NOT_SUPPORTED: "42000", 1264: "22003", 1292: "22007", UNKNOWN_FUNCTION: "42000",
    QUERY_INTERRUPTED: "70100",
    1452: "23000", 1451: "23000", 3819: "HY000", 1055: "42000",
}  # fmt: skip


class SqlError(Exception):
    """An error of the MySQL protocol."""

    def __init__(self, code: int, message: str) -> None:
        """Set MySQL's number and the text for the client."""
        super().__init__(message)
        self.code: int = code
        self.msg: str = message


def no_database() -> SqlError:
    """Return the error about a name without a database in a session that uses none."""
    return SqlError(NO_DATABASE_SELECTED, "No database selected")


def invalid_characters() -> SqlError:
    """Return the error about a text that is not valid UTF-8."""
    return SqlError(INVALID_CHARACTERS, "Invalid utf8mb4 character string")


def sqlstate(code: int) -> bytes:
    """Return the SQLSTATE of a code."""
    return _SQLSTATES.get(code, "HY000").encode()


_SYNTAX: Final = (
    "You have an error in your SQL syntax; check the manual that corresponds to your TiDB version for the "
    "right syntax to use"
)
_NEAR: Final = 2048


def syntax_error(error: SqlglotError | None, sql: str, token: Token | None = None) -> SqlError:
    """Return TiDB's syntax error: the line, the column after the word, and the rest of the text.

    Args:
        error: the parser's error; None if the first word is wrong.
        sql: the client's statement.
        token: the wrong token, if the parser did not report it.
    """
    found = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    line, column, word = found.get("line"), found.get("col"), found.get("highlight") or ""
    if token is not None:
        line, column, word = token.line, token.col, token.text
    if line and column:
        start = sum(map(len, sql.splitlines(keepends=True)[: line - 1])) + column - len(word)
    else:
        start = len(sql) - len(sql.lstrip())
        word = (sql.split(maxsplit=1) or [""])[0]
        line, column = sql.count("\n", 0, start) + 1, start + len(word)
    return SqlError(PARSE_ERROR, f'{_SYNTAX} line {line} column {column} near "{sql[start:][:_NEAR]}" ')


_SUBQUERY_COLUMNS: Final = re.compile(r"Subquery returns \d+ columns - expected (\d+)")
MISSING: Final = " doesn't exist"
_Rule = tuple[str, int, str]

# In a rule's message {0}, {1}, ... are the groups that its pattern caught and {db} is the current database.
_CATALOG: Sequence[_Rule] = (
    (r'Table with name "([^".]+)\.([^"]+)" does not exist', NO_SUCH_TABLE, "Table '{0}.{1}' doesn't exist"),
    (r"(?:Table|View) with name (\S+) does not exist", NO_SUCH_TABLE, "Table '{db}.{0}' doesn't exist"),
    (r'(?:Table|View) with name "([^"]+)" already exists', TABLE_EXISTS, "Table '{db}.{0}' already exists"),
    (r'Schema with name "([^"]+)" already exists', 1007, "Can't create database '{0}'; database exists"),
    (r'Schema with name "?([^" ]+)"? does not exist', UNKNOWN_DATABASE, "Unknown database '{0}'"),
    (r'No catalog \+ schema named "([^"]+)"', UNKNOWN_DATABASE, "Unknown database '{0}'"),
    (r"Function with name (\S+) does not exist", UNKNOWN_FUNCTION, "FUNCTION {db}.{0} does not exist"),
)
_BINDER: Sequence[_Rule] = (
    (
        r'Referenced column "([^"]+)" (?:was )?not found',
        UNKNOWN_COLUMN,
        "Unknown column '{0}' in 'field list'",
    ),
    (
        r'Table "([^"]+)" does not have a column (?:named|with name) "([^"]+)"',
        UNKNOWN_COLUMN,
        "Unknown column '{0}.{1}' in 'field list'",
    ),
    (r'Referenced table "([^"]+)" not found', UNKNOWN_COLUMN, "Unknown table '{0}' in field list"),
    (r'Ambiguous reference to column name "([^"]+)"', 1052, "Column '{0}' in field list is ambiguous"),
    (
        r"(?:has|expected) \d+ columns but \d+ values",
        WRONG_VALUE_COUNT,
        "Column count doesn't match value count at row 1",
    ),
)
_CONSTRAINT: Sequence[_Rule] = (
    (
        r'Duplicate key "(?:[^":]+: )?([^"]*)" violates primary',
        1062,
        "Duplicate entry '{0}' for key 'PRIMARY'",
    ),
    (r'Duplicate key "(?:[^":]+: )?([^"]*)" violates unique', 1062, "Duplicate entry '{0}' for key"),
    (r'duplicate key "([^"]*)"', 1062, "Duplicate entry '{0}' for key 'PRIMARY'"),
    (r"NOT NULL constraint failed: \S+\.(\S+)", NOT_NULL, "Column '{0}' cannot be null"),
    (
        r'CHECK\(mysql_fits(?:_bytes)?\("?((?:[^",]|"")+)"?, ',
        1406,
        "Data too long for column '{0}' at row 1",
    ),
    (r"CHECK constraint failed on table (\S+)", 3819, "Check constraint of '{0}' is violated."),
    (r"still referenced", 1451, "Cannot delete or update a parent row: a foreign key constraint fails"),
    (r"foreign key", 1452, "Cannot add or update a child row: a foreign key constraint fails"),
)
_TRANSACTION: Sequence[_Rule] = (
    (r'duplicate key "([^"]*)"', 1062, "Duplicate entry '{0}' for key 'PRIMARY'"),
    (r"[Cc]onflict", 9007, "Write conflict, please try again"),
)
_RANGE: Sequence[_Rule] = (
    (r"Overflow in \w+ of U(?:INT|BIGINT)", 1690, "BIGINT UNSIGNED value is out of range"),
    (r"Overflow in \w+ of ", 1690, "BIGINT value is out of range"),
)
_RULES: Sequence[tuple[type[duckdb.Error], Sequence[_Rule], int]] = (
    (duckdb.CatalogException, _CATALOG, UNKNOWN_ERROR),
    (duckdb.BinderException, _BINDER, UNKNOWN_ERROR),
    (duckdb.ConstraintException, _CONSTRAINT, UNKNOWN_ERROR),
    (duckdb.TransactionException, _TRANSACTION, UNKNOWN_ERROR),
    (duckdb.InterruptException, (), QUERY_INTERRUPTED),
    (duckdb.ParserException, (), PARSE_ERROR),
    (duckdb.ConversionException, ((r"(Type \S+ with value .* out of range[^\n]*)", 1264, "{0}"),), 1292),
    (duckdb.OutOfRangeException, _RANGE, 1264),
    (duckdb.NotImplementedException, (), NOT_SUPPORTED),
)


def from_duckdb(error: duckdb.Error, database: str) -> SqlError:
    """Convert a DuckDB exception to a MySQL error; `database` is the session's, or empty.

    Without a database, TiDB reports an unknown function as 1046 (expression/scalar_function.go).
    """
    text = str(error)
    first_line = text.partition("\n")[0].partition(": ")[2] or text
    if "More than one row returned by a subquery" in text:
        return SqlError(SUBQUERY_ROWS, "Subquery returns more than 1 row")
    if columns := _SUBQUERY_COLUMNS.search(text):
        return SqlError(OPERAND_COLUMNS, f"Operand should contain {columns[1]} column(s)")
    if isinstance(error, duckdb.InterruptException):
        return SqlError(QUERY_INTERRUPTED, "Query execution was interrupted")
    for kind, rules, otherwise in _RULES:
        if isinstance(error, kind):
            for pattern, code, message in rules:
                if match := re.search(pattern, text, re.IGNORECASE):
                    if code == UNKNOWN_FUNCTION and not database:
                        return no_database()
                    return SqlError(code, message.format(*match.groups(), db=database))
            return SqlError(otherwise, first_line)
    return SqlError(UNKNOWN_ERROR, first_line)


def drop_error(error: SqlError) -> SqlError:
    """Return DROP's own codes for missing databases and tables."""
    if error.code == UNKNOWN_DATABASE:
        return SqlError(1008, f"Can't drop database; {error.msg.lower()}")
    return (
        SqlError(1051, f"Unknown table {error.msg.removeprefix('Table ').removesuffix(MISSING)}")
        if error.code == NO_SUCH_TABLE
        else error
    )
