"""The system variables of a session, with TiDB's names and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tidb_pe_magic.sandbox.mysql.charsets import CODECS
from tidb_pe_magic.sandbox.mysql.errors import (
    NOT_SUPPORTED,
    READ_ONLY_VARIABLE,
    UNKNOWN_CHARSET,
    UNKNOWN_VARIABLE,
    WRONG_VALUE_FOR_VARIABLE,
    SqlError,
)
from tidb_pe_magic.sandbox.mysql.time_zones import time_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIDB_RELEASE: Final = "v8.5.3"
SERVER_VERSION: Final = f"8.0.11-TiDB-{TIDB_RELEASE}-serverless"
VERSION_COMMENT: Final = f"TiDB Server (Apache License 2.0), {TIDB_RELEASE} serverless, sandbox"
TIDB_VERSION: Final = (
    f"Release Version: {TIDB_RELEASE}-serverless\nEdition: Sandbox\nStore: duckdb\n"
    "This is an embedded emulation for tests and demonstrations."
)

_SQL_MODE: Final = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION"
)
_COLLATION: Final = "utf8mb4_bin"


def _switch(value: object) -> bool:
    """Parse a boolean variable like MySQL: 0, 1, ON, OFF, TRUE, FALSE."""
    words = {"0": False, "off": False, "false": False, "1": True, "on": True, "true": True}
    return words[str(value).lower()]


def _charset(value: object) -> str:
    name = str(value).lower()
    if name not in CODECS:
        raise SqlError(UNKNOWN_CHARSET, f"Unknown character set: '{value}'")
    return name


#: The modes that TiDB knows and the sandbox accepts: it is strict in any mode, and obeys PIPES_AS_CONCAT.
_MODES: Final = frozenset(
    {
        "ALLOW_INVALID_DATES",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "IGNORE_SPACE",
        "NO_AUTO_CREATE_USER",
        "NO_AUTO_VALUE_ON_ZERO",
        "NO_DIR_IN_CREATE",
        "NO_ENGINE_SUBSTITUTION",
        "NO_UNSIGNED_SUBTRACTION",
        "NO_ZERO_DATE",
        "NO_ZERO_IN_DATE",
        "ONLY_FULL_GROUP_BY",
        "PIPES_AS_CONCAT",
        "STRICT_ALL_TABLES",
        "STRICT_TRANS_TABLES",
        "TRADITIONAL",
    }
)
#: The modes in which the same text is another statement.
_OTHER_SYNTAX: Final = frozenset(
    {
        "ANSI",
        "ANSI_QUOTES",
        "DB2",
        "HIGH_NOT_PRECEDENCE",
        "MAXDB",
        "MSSQL",
        "NO_BACKSLASH_ESCAPES",
        "ORACLE",
        "POSTGRESQL",
        "REAL_AS_FLOAT",
    }
)


def _modes(value: object) -> str:
    modes = [mode.strip().upper() for mode in str(value).split(",") if mode.strip()]
    for mode in modes:
        if mode in _OTHER_SYNTAX:
            raise SqlError(NOT_SUPPORTED, f"sql_mode {mode} is not supported by the sandbox")
        if mode not in _MODES:
            message = f"Variable 'sql_mode' can't be set to the value of '{mode}'"
            raise SqlError(WRONG_VALUE_FOR_VARIABLE, message)
    return ",".join(dict.fromkeys(modes))


#: A variable's parser, its default, and whether it can be set.
_Schema = tuple[Any, Any, bool]
_SCHEMA: Final[Mapping[str, _Schema]] = {
    "auto_increment_increment": (int, 1, True),
    "auto_increment_offset": (int, 1, True),
    "character_set_database": (_charset, "utf8mb4", True),
    "character_set_server": (_charset, "utf8mb4", True),
    "event_scheduler": (str, "OFF", True),
    "have_openssl": (str, "YES", False),
    "have_ssl": (str, "YES", False),
    "init_connect": (str, "", True),
    "interactive_timeout": (int, 28800, True),
    "max_allowed_packet": (int, 67108864, False),
    "max_execution_time": (int, 0, True),
    "net_buffer_length": (int, 16384, True),
    "net_read_timeout": (int, 30, True),
    "net_write_timeout": (int, 60, True),
    "performance_schema": (_switch, False, False),
    "query_cache_size": (int, 1048576, True),
    "query_cache_type": (str, "OFF", True),
    "require_secure_transport": (_switch, False, False),
    "sql_auto_is_null": (_switch, False, True),
    "sql_select_limit": (int, 2**64 - 1, True),
    "system_time_zone": (str, "UTC", False),
    "tidb_last_query_info": (str, "", False),
    "tidb_mem_quota_query": (int, 1073741824, True),
    "time_zone": (time_zone, "SYSTEM", True),
    "transaction_read_only": (_switch, False, True),
    "tx_read_only": (_switch, False, True),
    "wait_timeout": (int, 28800, True),
    "autocommit": (_switch, True, True),
    "character_set_client": (_charset, "utf8mb4", True),
    "character_set_connection": (_charset, "utf8mb4", True),
    "character_set_results": (_charset, "utf8mb4", True),
    "collation_connection": (str, _COLLATION, True),
    "collation_database": (str, _COLLATION, True),
    "collation_server": (str, _COLLATION, True),
    "default_storage_engine": (str, "InnoDB", True),
    "default_tmp_storage_engine": (str, "InnoDB", True),
    "foreign_key_checks": (_switch, True, True),
    "innodb_lock_wait_timeout": (int, 50, True),
    "license": (str, "Apache License 2.0", False),
    "lower_case_table_names": (int, 2, False),
    "port": (int, 4000, False),
    "sql_mode": (_modes, _SQL_MODE, True),
    "sql_safe_updates": (_switch, False, True),
    "tidb_current_ts": (int, 0, False),
    "tidb_multi_statement_mode": (str, "OFF", False),
    "tidb_snapshot": (str, "", True),
    "tidb_version": (str, TIDB_RELEASE, False),
    "transaction_isolation": (str, "REPEATABLE-READ", True),
    "tx_isolation": (str, "REPEATABLE-READ", True),
    "unique_checks": (_switch, True, True),
    "version": (str, SERVER_VERSION, False),
    "version_comment": (str, VERSION_COMMENT, False),
    "version_compile_machine": (str, "", False),
    "version_compile_os": (str, "", False),
}
_TWINS: Final = {"tx_isolation": "transaction_isolation", "transaction_isolation": "tx_isolation"}


class Variables:
    """One session's system variables; an unknown name or an invalid value raises MySQL's error."""

    def __init__(self, live: Mapping[str, Callable[[], Any]]) -> None:
        """Start with the defaults; `live` contains the variables that the session computes."""
        self._values: dict[str, Any] = {}
        self._live = live

    def get(self, name: str) -> Any:
        """Return a variable's value.

        Raises:
            SqlError: the variable does not exist.
        """
        name = name.lower()
        _, default, _ = _schema_of(name)
        live = self._live.get(name)
        return live() if live else self._values.get(name, default)

    def set(self, name: str, value: Any) -> None:
        """Set a variable, or reset it to its default with None; its kind determines the valid values.

        Raises:
            SqlError: the variable does not exist, it is read-only, or the value is invalid.
        """
        kind, default, dynamic = _schema_of(name)
        if not dynamic:
            raise SqlError(READ_ONLY_VARIABLE, f"Variable '{name}' is a read only variable")
        try:
            read = default if value is None else kind(value)
        except (KeyError, ValueError):
            message = f"Variable '{name}' can't be set to the value of '{value}'"
            raise SqlError(WRONG_VALUE_FOR_VARIABLE, message) from None
        self._values[name.lower()] = read
        if twin := _TWINS.get(name.lower()):
            self._values[twin] = read

    def has_mode(self, mode: str) -> bool:
        """Return whether sql_mode contains a mode."""
        return mode in self.get("sql_mode").split(",")

    def reset(self) -> None:
        """Return to the defaults."""
        self._values.clear()

    def list(self) -> list[tuple[str, Any]]:
        """Return all variables, by name."""
        return [(name, self.get(name)) for name in sorted(_SCHEMA)]


def _schema_of(name: str) -> _Schema:
    if known := _SCHEMA.get(name.lower()):
        return known
    raise SqlError(UNKNOWN_VARIABLE, f"Unknown system variable '{name}'")
