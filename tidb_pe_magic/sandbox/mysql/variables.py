"""The system variables of a session, with TiDB's names and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mysql_mimic.charset import CharacterSet
from mysql_mimic.variables import SYSTEM_VARIABLES, GlobalVariables, SessionVariables

from tidb_pe_magic.sandbox.mysql.errors import (
    READ_ONLY_VARIABLE,
    UNKNOWN_VARIABLE,
    WRONG_VALUE_FOR_VARIABLE,
    SqlError,
)

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
    """Read a boolean variable as MySQL does: 0, 1, ON, OFF, TRUE, FALSE."""
    words = {"0": False, "off": False, "false": False, "1": True, "on": True, "true": True}
    return words[str(value).lower()]


def _charset(value: object) -> str:
    name: str = CharacterSet[str(value).lower()].name
    return name


_Schema = tuple[Any, Any, bool]
_SCHEMA: Final[Mapping[str, _Schema]] = {
    **SYSTEM_VARIABLES,
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
    "sql_mode": (str, _SQL_MODE, True),
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


class Variables(SessionVariables):  # type: ignore[misc]  # mysql-mimic carries no types
    """One session's system variables; an unknown name or a wrong value is MySQL's error."""

    def __init__(self, live: Mapping[str, Callable[[], Any]]) -> None:
        """Start from the defaults; `live` has the variables whose value the session knows."""
        super().__init__(GlobalVariables(dict(_SCHEMA)))
        self._live = live

    def get_variable(self, name: str) -> Any:
        """Return a variable's value."""
        self._known(name)
        live = self._live.get(name.lower())
        return live() if live else super().get_variable(name)

    def set(self, name: str, value: Any, force: bool = False) -> None:  # noqa: FBT001, FBT002 - the base's
        """Set a variable; its kind decides which values it takes."""
        _, _, dynamic = self._known(name)
        if not dynamic and not force:
            raise SqlError(READ_ONLY_VARIABLE, f"Variable '{name}' is a read only variable")
        try:
            super().set(name, value, force=force)
            if twin := _TWINS.get(name.lower()):
                super().set(twin, value)
        except (KeyError, ValueError):
            message = f"Variable '{name}' can't be set to the value of '{value}'"
            raise SqlError(WRONG_VALUE_FOR_VARIABLE, message) from None

    @staticmethod
    def _known(name: str) -> _Schema:
        if known := _SCHEMA.get(name.lower()):
            return known
        raise SqlError(UNKNOWN_VARIABLE, f"Unknown system variable '{name}'")
