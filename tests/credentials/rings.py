"""A keyring in memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import keyring
import keyring.backend
import keyring.errors

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory, which can also be locked."""

    priority = 1

    def __init__(self, passwords: dict[tuple[str, str], str], *, locked: bool = False) -> None:
        """Store the passwords by service and user."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._passwords = passwords
        self._locked = locked

    def get_password(self, service: str, username: str) -> str | None:
        """Return the password, or None."""
        if self._locked:
            msg = "the collection is locked"
            raise keyring.errors.KeyringLocked(msg)
        return self._passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store a password."""
        self._passwords[service, username] = password


@contextmanager
def using(ring: Ring) -> Iterator[None]:
    """Make this keyring the current one."""
    before = keyring.get_keyring()
    keyring.set_keyring(ring)
    try:
        yield
    finally:
        keyring.set_keyring(before)
