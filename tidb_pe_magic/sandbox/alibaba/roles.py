"""RAM roles, and the temporary keys that STS and the ECS metadata service issue for them."""

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
"""The service that must be trusted by a role that is attached to an instance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A RAM role.

    Attributes:
        name: the last part of its ARN.
        trusts: who may assume it: a user's or a role's ARN, an OIDC provider's, or a service.
        longest: maximum duration of a session in seconds.
        external_id: the external ID that the caller must send; empty for none.
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
    """The key of a role's session, valid only with its token, until `expires` (seconds since 1970)."""

    key_id: str
    secret: str
    token: str
    begins: float
    expires: float
    role: Role
    session: str

    @property
    def expiration(self) -> str:
        """The time of expiry, in the provider's format."""
        return _to_text(self.expires)

    @property
    def issued(self) -> str:
        """The time of issue, in the provider's format."""
        return _to_text(self.begins)


@dataclass(frozen=True)
class RolesState:
    """The roles, and whether new keys for them are already expired."""

    roles: tuple[Role, ...]
    born_ended: bool


class Roles:
    """The roles of the account, and every issued temporary key.

    Attributes:
        by_arn: the roles.
        now: the cloud's clock, in seconds since 1970.
        born_ended: new keys are already expired, although they state a later expiry.
        oidc_token: the token that the account's OIDC provider accepts.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start with a role for the account's user, one for its instances, and one for its OIDC provider."""
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
        """Create a role, or replace the role of this name."""
        self.by_arn[role.arn] = role
        return role

    def named(self, name: str) -> Role | None:
        """Return the role of this name."""
        return self.by_arn.get(f"acs:ram::{ACCOUNT}:role/{name}")

    def issue(self, role: Role, session: str, seconds: float) -> TemporaryKey:
        """Issue a new key for a session of the role."""
        now = self.now()
        key = TemporaryKey(
            key_id=f"STS.N{secrets.token_hex(10)}",
            secret=secrets.token_urlsafe(32),
            # In Base64 with special characters, because clients must percent-encode them.
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
        """Return the issued key of this ID, even if it is expired."""
        return self._keys.get(key_id)

    def is_over(self, key: TemporaryKey) -> bool:
        """Return whether the key is expired or its session was ended."""
        return self.now() >= key.expires or key.key_id in self._ended

    def end_all(self) -> None:
        """End every session early, like an owner who disables a role's keys."""
        with self._lock:
            self._ended |= self._keys.keys()

    def state(self) -> RolesState:
        """Return the current roles, without the issued keys."""
        return RolesState(tuple(self.by_arn.values()), self.born_ended)

    def restore(self, state: RolesState) -> None:
        """Restore a state; issued keys remain valid."""
        self.by_arn = {role.arn: role for role in state.roles}
        self.born_ended = state.born_ended

    def renew(self) -> None:
        """Remove every issued key, and replace the OIDC token."""
        self.oidc_token = _new_oidc_token()
        with self._lock:
            self._keys.clear()
            self._ended.clear()

    @property
    def issued(self) -> tuple[TemporaryKey, ...]:
        """Every issued key, in order."""
        with self._lock:
            return tuple(self._keys.values())


def _new_oidc_token() -> str:
    return secrets.token_urlsafe(60)


def _to_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
