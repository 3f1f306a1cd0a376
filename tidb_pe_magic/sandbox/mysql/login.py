"""Who may log in: users with their cluster's prefix, checked with mysql_native_password."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from mysql_mimic.auth import AuthInfo, Forbidden, IdentityProvider, NativePasswordAuthPlugin, Success, User

from tidb_pe_magic.sandbox.mysql.errors import ACCESS_DENIED, SqlError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

_PREFIX_PAGE = "https://docs.pingcap.com/tidbcloud/select-cluster-tier#user-name-prefix"


def _refusal(username: str, *, with_password: bool, prefixes: frozenset[str]) -> SqlError:
    if username.partition(".")[0] not in prefixes:
        message = f"Access denied for user '{username}': Missing user name prefix, see {_PREFIX_PAGE}"
    else:
        used = "YES" if with_password else "NO"
        message = f"Access denied for user '{username}'@'127.0.0.1' (using password: {used})"
    return SqlError(ACCESS_DENIED, message)


class _NativePassword(NativePasswordAuthPlugin):  # type: ignore[misc]  # mysql-mimic carries no types
    """The standard check, with a reason for a refusal and a look at the database asked for."""

    def __init__(self, prefixes: Callable[[], frozenset[str]], check: Callable[[], None]) -> None:
        super().__init__()
        self._prefixes = prefixes
        self._check = check

    async def auth(self, auth_info: AuthInfo | None = None) -> AsyncGenerator[object, AuthInfo]:
        """Drive the exchange: nonce out, scramble in, decision out."""
        exchange = super().auth(auth_info)
        decision = await anext(exchange)
        while isinstance(decision, bytes):
            auth_info = yield decision
            decision = await exchange.asend(auth_info)
        await exchange.aclose()
        if auth_info is None or not isinstance(decision, Success):
            name, data = ("", b"") if auth_info is None else (auth_info.username, auth_info.data)
            decision = Forbidden(_refusal(name, with_password=bool(data), prefixes=self._prefixes()))
        else:
            try:
                self._check()
            except SqlError as error:
                decision = Forbidden(error)
        yield decision


class Logins(IdentityProvider):  # type: ignore[misc]  # mysql-mimic carries no types
    """Looks a user up anew at each login, so that a changed password counts from the next one."""

    def __init__(self, users: Callable[[], Mapping[str, str]], check: Callable[[], None]) -> None:
        """Take the users (name to password), and what else must hold before a login is answered."""
        self._users = users
        self._plugin = _NativePassword(self._prefixes, check)

    def get_plugins(self) -> list[NativePasswordAuthPlugin]:
        """Offer this one method."""
        return [self._plugin]

    async def get_user(self, username: str) -> User:
        """Return the user; one that does not exist gets a password nobody has, so both look alike."""
        password = self._users().get(username)
        secret = secrets.token_urlsafe() if password is None else password
        # An empty hash would let an empty password in, therefore an empty password gets a hash too.
        hashed = self._plugin.create_auth_string(secret)
        return User(name=username, auth_string=hashed, auth_plugin=self._plugin.name)

    def _prefixes(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self._users() if "." in name)
