"""Who may log in: users with their cluster's prefix, checked with mysql_native_password."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.mysql.errors import ACCESS_DENIED, UNKNOWN_ERROR, SqlError
from tidb_pe_magic.sandbox.mysql.handshake import is_password

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.mysql.handshake import Login

_PREFIX_PAGE = "https://docs.pingcap.com/tidbcloud/select-cluster-tier#user-name-prefix"


class Logins:
    """Looks up the user at each login, so that a changed password is valid from the next login."""

    def __init__(self, users: Callable[[], Mapping[str, str]]) -> None:
        """Set the users (name to password)."""
        self._users = users

    def check(self, login: Login, scramble: bytes) -> None:
        """Check a user's login.

        Raises:
            SqlError: with the reason.
        """
        users = self._users()
        # A missing user gets a random password, so both cases look alike.
        password = users.get(login.user, secrets.token_urlsafe())
        if not is_password(password, login.answer, scramble):
            raise self._refusal(login, users)

    @staticmethod
    def _refusal(login: Login, users: Mapping[str, str]) -> SqlError:
        """Return the refusal of the gateway, which routes by prefix, or of TiDB behind it.

        Texts: TiDB Cloud's documentation and public reports of 2026; errno 1105 is less sure.
        """
        prefixes = {name.partition(".")[0] for name in users if "." in name}
        prefix, dot, _ = login.user.partition(".")
        # A cluster with its own service has no prefix, so no prefix can be missing.
        if prefixes and prefix not in prefixes:
            if not dot:
                return SqlError(UNKNOWN_ERROR, f"Missing user name prefix. See {_PREFIX_PAGE}")
            message = f"Access denied. Please check your user name and password. See {_PREFIX_PAGE}"
            return SqlError(UNKNOWN_ERROR, message)
        used = "YES" if login.answer else "NO"
        reason = f"Access denied for user '{login.user}'@'127.0.0.1' (using password: {used})"
        return SqlError(ACCESS_DENIED, f"{reason}, see {_PREFIX_PAGE} for more details.")
