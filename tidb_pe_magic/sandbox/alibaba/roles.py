"""RAM roles, and the temporary keys that STS and the ECS metadata service give to who may assume one."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT: Final = "1234567890123456"
USER: Final = f"acs:ram::{ACCOUNT}:user/notebook"
OIDC_PROVIDER: Final = f"acs:ram::{ACCOUNT}:oidc-provider/sandbox"
ECS: Final = "ecs.aliyuncs.com"
"""The service that a role trusts which is attached to an instance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A RAM role.

    Attributes:
        name: what its ARN ends with.
        trusts: who may assume it: a user's or a role's ARN, an OIDC provider's, or a service.
        longest: seconds that a session of it may last.
        external_id: what the caller has to know; empty for nothing.
    """

    name: str
    trusts: frozenset[str]
    longest: int = 3600
    external_id: str = ""

    @property
    def arn(self) -> str:
        """The role's ARN."""
        return f"acs:ram::{ACCOUNT}:role/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TemporaryKey:
    """A key of a role's session, which counts with its token alone, and until `expires` (since 1970)."""

    key_id: str
    secret: str
    token: str
    begins: float
    expires: float
    role: Role
    session: str

    @property
    def expiration(self) -> str:
        """When it ends, in the provider's notation."""
        return _written(self.expires)

    @property
    def issued(self) -> str:
        """When it was given, in the provider's notation."""
        return _written(self.begins)


@dataclass(frozen=True)
class RolesState:
    """The roles, and whether the keys that are given for them have ended already."""

    roles: tuple[Role, ...]
    born_ended: bool


class Roles:
    """The roles of the account, and every temporary key that was given.

    Attributes:
        by_arn: the roles.
        now: the cloud's clock, in seconds since 1970.
        born_ended: keys that are given from now on have ended already, whatever they say.
        oidc_token: what the account's OIDC provider vouches for.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin with a role for the account's user, one for its instances, and one for its OIDC provider."""
        self.oidc_token = _new_oidc_token()
        self.by_arn: dict[str, Role] = {}
        self.now = clock
        self.born_ended = False
        self._keys: dict[str, TemporaryKey] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()
        for name, principal in (("analyst", USER), ("instance", ECS), ("workload", OIDC_PROVIDER)):
            self.add(Role(name=name, trusts=frozenset({principal})))

    def add(self, role: Role) -> Role:
        """Make a role, or change the one of its name."""
        self.by_arn[role.arn] = role
        return role

    def named(self, name: str) -> Role | None:
        """Return the role of this name."""
        return self.by_arn.get(f"acs:ram::{ACCOUNT}:role/{name}")

    def issue(self, role: Role, session: str, seconds: float) -> TemporaryKey:
        """Give a new key for a session of the role."""
        now = self.now()
        key = TemporaryKey(
            key_id=f"STS.N{secrets.token_hex(10)}",
            secret=secrets.token_urlsafe(32),
            # In Base64 with its signs, since clients have to percent-encode them.
            token=f"CAIS+/{secrets.token_urlsafe(90)}==",
            begins=now,
            expires=now + seconds,
            role=role,
            session=session,
        )
        with self._lock:
            self._keys[key.key_id] = key
            if self.born_ended:
                self._ended.add(key.key_id)
        return key

    def key(self, key_id: str) -> TemporaryKey | None:
        """Return the key that was given under this ID, also after its time."""
        return self._keys.get(key_id)

    def is_over(self, key: TemporaryKey) -> bool:
        """Tell whether the key's time is over, or its session was ended."""
        return self.now() >= key.expires or key.key_id in self._ended

    def end_all(self) -> None:
        """End every session before its time, as an owner can who disables a role's keys."""
        with self._lock:
            self._ended |= self._keys.keys()

    def state(self) -> RolesState:
        """Return the roles as they are; the keys that were given are no part of it."""
        return RolesState(tuple(self.by_arn.values()), self.born_ended)

    def restore(self, state: RolesState) -> None:
        """Return to a state; keys that were given go on."""
        self.by_arn = {role.arn: role for role in state.roles}
        self.born_ended = state.born_ended

    def renew(self) -> None:
        """Forget every key that was given, and have another OIDC token."""
        self.oidc_token = _new_oidc_token()
        with self._lock:
            self._keys.clear()
            self._ended.clear()

    @property
    def issued(self) -> tuple[TemporaryKey, ...]:
        """Every key that was given, in order."""
        with self._lock:
            return tuple(self._keys.values())


def _new_oidc_token() -> str:
    return secrets.token_urlsafe(60)


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
