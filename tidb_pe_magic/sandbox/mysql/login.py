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
    """Looks a user up anew at each login, so that a changed password counts from the next one."""

    def __init__(self, users: Callable[[], Mapping[str, str]]) -> None:
        """Take the users (name to password)."""
        self._users = users

    def check(self, login: Login, scramble: bytes) -> None:
        """Let a user in.

        Raises:
            SqlError: with the reason.
        """
        users = self._users()
        # A user that does not exist has a password nobody knows, so both look alike.
        password = users.get(login.user, secrets.token_urlsafe())
        if not is_password(password, login.answer, scramble):
            raise self._refusal(login, users)

    @staticmethod
    def _refusal(login: Login, users: Mapping[str, str]) -> SqlError:
        """Refuse as the gateway does, which routes by prefix, or as TiDB behind it does.

        Texts: TiDB Cloud's documentation and public reports of 2026; errno 1105 is less sure.
        """
        prefixes = {name.partition(".")[0] for name in users if "." in name}
        prefix, dot, _ = login.user.partition(".")
        # Behind a service of its own a cluster has no prefix, so none can be missing.
        if prefixes and prefix not in prefixes:
            if not dot:
                return SqlError(UNKNOWN_ERROR, f"Missing user name prefix. See {_PREFIX_PAGE}")
            message = f"Access denied. Please check your user name and password. See {_PREFIX_PAGE}"
            return SqlError(UNKNOWN_ERROR, message)
        used = "YES" if login.answer else "NO"
        reason = f"Access denied for user '{login.user}'@'127.0.0.1' (using password: {used})"
        return SqlError(ACCESS_DENIED, f"{reason}, see {_PREFIX_PAGE} for more details.")
