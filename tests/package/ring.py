"""A keyring for an environment without one: named by the variable PYTHON_KEYRING_BACKEND."""

from __future__ import annotations

import os

import keyring.backend
import keyring.errors


class Ring(keyring.backend.KeyringBackend):
    """Holds one password from a variable that nothing else reads."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        """Return the password of the service `tour`."""
        return os.environ["RING_PASSWORD"] if (service, bool(username)) == ("tour", True) else None

    def set_password(self, service: str, username: str, password: str) -> None:  # noqa: ARG002 - the base's
        """Store nothing."""
        raise keyring.errors.PasswordSetError
