"""The `Secret` type, and the sources of keys and passwords."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from weakref import WeakValueDictionary

from tidb_pe_magic.errors import InvalidRequest, MissingCredentials, MissingDependency
from tidb_pe_magic.files import decode_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Every key of both clouds is printable ASCII without spaces.
_FOREIGN = re.compile(r"[^!-~]")
_LONGEST = 4096  # characters of a path, the longest kind of source
# Python's replacement for bytes of the environment or a terminal that are not UTF-8.
_HALF = re.compile(r"[\ud800-\udfff]")


# By identity, since equal secrets have separate lifetimes. Global, as any error may repeat a secret.
_secrets: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def living_secrets() -> list[Secret]:
    """Return every secret that this process holds now."""
    references = _secrets.valuerefs()  # a copy: other threads create secrets meanwhile
    return [secret for secret in (reference() for reference in references) if secret is not None]


class Secret:
    """A string whose value only `reveal()` returns.

    Its `repr`, `str` and `format` are `***`. It cannot be pickled, so it cannot reach a file or another
    process by accident. While it exists, its value is removed from every error that is shown.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        """Hide `value`."""
        self._value = value
        _secrets[id(self)] = self

    def reveal(self) -> str:
        """Return the value: call it at the point of use, and do not store the result in a variable."""
        return self._value

    def __repr__(self) -> str:
        """Hide the value."""
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Hide the value in every format."""
        return "***"

    def __bool__(self) -> bool:
        """Return whether the value is not empty."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare the values."""
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        """Hash the value, so that a client can be cached by its key."""
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied into another process."""
        msg = "a Secret cannot be pickled"
        raise TypeError(msg)


class Environment(Mapping[str, str]):
    """The environment variables, looked up at each use, with a `repr` that hides them.

    A traceback in IPython's mode Verbose shows the `repr` of local variables.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Read `variables` at each use."""
        self._variables = variables

    def __getitem__(self, name: str) -> str:
        """Return the variable's current value."""
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._variables)

    def __len__(self) -> int:
        """Count the variables."""
        return len(self._variables)

    def __repr__(self) -> str:
        """Hide the values."""
        return f"<{len(self)} environment variables>"


@dataclass(frozen=True)
class Key:
    """An API key: its public half, its private half, and an STS token if there is one."""

    public: str
    private: Secret
    token: Secret | None = None


@dataclass(frozen=True)
class Password:
    """A SQL password and the name of its source."""

    secret: Secret
    source: str


@dataclass(frozen=True)
class PasswordSource:
    """The source in `--password-from`: `prompt`, `env:NAME`, `keyring:SERVICE` or `file:PATH`."""

    kind: str
    name: str = ""

    KINDS = ("prompt", "env", "keyring", "file")

    @classmethod
    def parse(cls, text: str) -> PasswordSource:
        """Read the option's value.

        Raises:
            ValueError: with the valid forms; the message does not repeat the text, which may be a password.
        """
        kind, colon, name = text.partition(":")
        named = kind in cls.KINDS[1:] and 0 < len(name) <= _LONGEST
        if (kind == "prompt" and not colon) or named:
            return cls(kind, name)
        msg = "must be prompt, env:NAME, keyring:SERVICE or file:PATH"
        raise ValueError(msg)

    def __str__(self) -> str:
        """Return the source as typed."""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def printable(text: str, label: str) -> Secret:
    """Return the text as a part of a key.

    Characters that are invalid in HTTP headers are rejected here: HTTP libraries quote such a header in their
    errors.

    Raises:
        InvalidRequest: it contains characters that are invalid in keys; `label` names it.
    """
    part = Secret(text)
    del text
    if _FOREIGN.search(part.reveal()):
        raise InvalidRequest(
            label, "contains a space, a line break or another character that keys cannot contain."
        )
    return part


def sql_password(
    source: PasswordSource | None, *, user: str, environ: Mapping[str, str], prompt: Callable[[str], Secret]
) -> Password:
    """Return the SQL password from `source`; without a source, from `TIDB_PASSWORD`, else from a prompt.

    Raises:
        MissingCredentials: the source has no password, or no user can answer the prompt.
        MissingDependency: `keyring` is not installed.
        InvalidRequest: the file cannot be read, or the password cannot be sent.
    """
    if source is None:
        if environ.get("TIDB_PASSWORD"):
            return _sendable(_whole(environ["TIDB_PASSWORD"]), "TIDB_PASSWORD")
        source = PasswordSource("prompt")
    if source.kind == "env":
        secret = _whole(environ.get(source.name, ""))
    elif source.kind == "file":
        secret = _from_file(source.name)
    elif source.kind == "keyring":
        secret = _whole(from_keyring(source.name, user).reveal())
    else:
        secret = prompt(f"Password of {user}: ")
    if not secret:
        raise MissingCredentials(
            "SQL password",
            (str(source),),
            advice="Use another --password-from: prompt, env:NAME, keyring:SERVICE or file:PATH",
        )
    return _sendable(secret, str(source))


def _sendable(secret: Secret, source: str) -> Password:
    # Checked here: an encoding error would contain the password.
    if _HALF.search(secret.reveal()):
        raise InvalidRequest(source, "the password is not valid UTF-8.")
    return Password(secret, source)


def _from_file(path: str) -> Secret:
    from pathlib import Path  # noqa: PLC0415 - needed only for this source

    try:
        return _whole(decode_text(Path(path).expanduser().read_bytes()))
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    raise InvalidRequest("--password-from", f"file {path} cannot be read: {reason}.")


def _whole(text: str) -> Secret:
    """Return a password without the line break that editors and shells append."""
    return Secret(text.rstrip("\r\n"))


def from_keyring(service: str, user: str, *, what: str = "SQL password") -> Secret:
    """Return the keyring's entry for the service and the user; empty if there is none.

    Raises:
        MissingCredentials: the keyring is locked, or fails.
        MissingDependency: `keyring` is not installed.
    """
    try:
        import keyring  # noqa: PLC0415 - an optional package
        import keyring.errors  # noqa: PLC0415
    except ImportError:
        raise MissingDependency.of("keyring", "keyring") from None
    try:
        return Secret(keyring.get_password(service, user) or "")
    except keyring.errors.NoKeyringError:
        return Secret("")
    except keyring.errors.KeyringError as error:
        raise MissingCredentials(what, (f"keyring:{service} ({error})",)) from None


def to_keyring(service: str, user: str, secret: Secret | None) -> bool:
    """Store the secret in the keyring, or delete the entry for None; return False if there is no keyring."""
    try:
        import keyring  # noqa: PLC0415 - an optional package
        import keyring.errors  # noqa: PLC0415
    except ImportError:
        return False
    try:
        if secret is None:
            keyring.delete_password(service, user)
            return True
        keyring.set_password(service, user, secret.reveal())
        # A null backend reports success without storing anything.
        return keyring.get_password(service, user) == secret.reveal()
    except keyring.errors.KeyringError:
        return False
