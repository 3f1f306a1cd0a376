"""The stored passwords of SQL users that the product created, as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidb_pe_magic.credentials import sql_passwords
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from pathlib import Path


def test_only_a_temporary_file_is_not_a_user(tmp_path: Path) -> None:
    """A user's name may end like a temporary file's name, and it is still listed as a user."""
    environ = {"TIDB_PE_STATE_DIR": str(tmp_path / "state")}
    sql_passwords.store(environ, "app.deadbeef", Secret("P4ssw0rd"), where="file")
    directory = tmp_path / "state" / "sql-users"
    assert [path.name for path in directory.iterdir()] == ["app.deadbeef"]
    (directory / ".other.0123abcd").touch()
    assert sql_passwords.users(environ) == ["app.deadbeef"]
