"""Passwords of SQL users created here: in the keyring, or in files that only their owner can read."""

from __future__ import annotations

import contextlib
import re
import secrets
import string
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tidb_pe_magic import errors
from tidb_pe_magic.credentials import prompt as asking
from tidb_pe_magic.credentials.secrets import (
    Password,
    PasswordSource,
    Secret,
    from_keyring,
    sql_password,
    to_keyring,
)
from tidb_pe_magic.files import ensure_private, state_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE = "tidb_pe_magic"
_LENGTH = 32  # characters; TiDB Cloud accepts 8 to 64
_CLASSES = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.~")
# File names that are derived from user names contain no plus sign.
_IN_KEYRING = "+keyring"
_UNFINISHED = re.compile(r"\..*\.[0-9a-f]{8}")  # a file that is being written
_CLUSTER = re.compile(r"@[0-9]+$")
_NEXT = "+next"  # a new password, until its change is known to have succeeded


def new_password() -> Secret:
    """Return a random password with letters of both cases, digits and other characters."""
    while True:
        password = Secret("".join(secrets.choice("".join(_CLASSES)) for _ in range(_LENGTH)))
        if all(set(password.reveal()) & set(each) for each in _CLASSES):
            return password


def store(
    environ: Mapping[str, str], user: str, password: Secret, *, where: str, pending: bool = False
) -> str:
    """Store the password, and return where: `keyring:SERVICE` or `file:PATH`.

    Args:
        environ: determines the state directory.
        user: full name.
        password: the password to store.
        where: keyring, file, or auto for the keyring if there is one.
        pending: store it next to the current one, which stays.

    Raises:
        InvalidRequest: it cannot be stored there; nothing was changed.
    """
    path, entry = _storage(environ, user, pending=pending)
    try:
        ensure_private(path.parent.parent)
        ensure_private(path.parent)
        if where != "file" and to_keyring(SERVICE, entry, password):
            write_private(path.with_name(path.name + _IN_KEYRING), "")
            path.unlink(missing_ok=True)
            return f"keyring:{SERVICE}"
        if where == "keyring":
            raise errors.InvalidRequest("--store", "no keyring on this machine can store a password.")
        write_private(path, password.reveal())
        path.with_name(path.name + _IN_KEYRING).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return f"file:{path}"
    raise errors.InvalidRequest("--store", f"{path} cannot be written: {reason}.")


def stored_password(environ: Mapping[str, str], user: str, *, pending: bool = False) -> Password | None:
    """Return the user's password if it was created here, else None.

    Raises:
        MissingCredentials: the keyring that contains it is locked.
        InvalidRequest: the file that contains it cannot be read.
    """
    path, entry = _storage(environ, user, pending=pending)
    if _is_file(path.with_name(path.name + _IN_KEYRING)):
        secret, place = from_keyring(SERVICE, entry), f"keyring:{SERVICE}"
    elif _is_file(path):  # an empty name, as in `doctor --host`, is the directory
        source = PasswordSource("file", str(path))
        return sql_password(source, user=user, environ=environ, prompt=_nobody)
    else:
        return None
    return Password(secret, place) if secret else None


def users(environ: Mapping[str, str]) -> list[str]:
    """Return the users whose passwords were created here; a name without prefix includes its cluster."""
    try:
        names = [path.name for path in (state_directory(environ) / "sql-users").iterdir()]
    except (OSError, errors.TidbPeError):
        return []
    kept = {name.removesuffix(_IN_KEYRING) for name in names if not _UNFINISHED.fullmatch(name)}
    return sorted({_CLUSTER.sub("", unquote(name)) for name in kept if not name.endswith(_NEXT)})


def promote(environ: Mapping[str, str], user: str) -> str:
    """Replace the current password by the pending one, and return its location."""
    password = stored_password(environ, user, pending=True)
    if password is None:
        msg = f"no pending password of {user}"
        raise AssertionError(msg)
    place = store(environ, user, password.secret, where=password.source.partition(":")[0])
    forget(environ, user, pending=True)
    return place


def forget(environ: Mapping[str, str], user: str, *, pending: bool = False) -> None:
    """Delete the password, wherever it is stored; a missing one is not an error."""
    path, entry = _storage(environ, user, pending=pending)
    marker = path.with_name(path.name + _IN_KEYRING)
    if _is_file(marker):
        to_keyring(SERVICE, entry, None)
    for each in (path, marker):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)


def password_of(
    environ: Mapping[str, str],
    user: str,
    source: PasswordSource | None,
    prompt: Callable[[str], Secret],
    *,
    entry: str,
) -> Password:
    """Return the password for a login: from `source`, else the stored one, else as without a source.

    Args:
        environ: determines the state directory.
        user: full name.
        source: where it is, as typed.
        prompt: asks for it.
        entry: the name under which the user's password is stored.

    Raises:
        MissingCredentials: there is no password.
    """
    kept = None if source is not None else stored_password(environ, entry)
    return kept or sql_password(source, user=user, environ=environ, prompt=prompt)


def check(
    environ: Mapping[str, str],
    user: str,
    source: PasswordSource | None,
    prompt: Callable[[str], Secret],
    *,
    entry: str,
) -> None:
    """Raise the errors that `password_of` is certain to raise, without asking or returning a password.

    The arguments are those of `password_of`.

    Raises:
        MissingCredentials: there is no password, or no user can answer.
        MissingDependency: `keyring` is not installed.
        InvalidRequest: the file cannot be read, or the password cannot be sent.
    """

    def would_ask(_: str) -> Secret:
        asking.check(prompt)
        return Secret("what is asked for later")

    # A special file, such as a shell's <(command), can be read only once.
    if source is None or source.kind != "file" or not _is_stream(source.name):
        password_of(environ, user, source, would_ask, entry=entry)


def _nobody(question: str) -> Secret:
    raise AssertionError(question)


def _storage(environ: Mapping[str, str], user: str, *, pending: bool) -> tuple[Path, str]:
    """Return the password's file, and its user in the keyring, in the form that `--password-from` finds."""
    suffix = _NEXT if pending else ""
    # SQL user names can contain characters that file names cannot.
    return state_directory(environ) / "sql-users" / (quote(user, safe="") + suffix), user + suffix


def _is_stream(name: str) -> bool:
    """Return whether the path exists and is neither a file nor a directory."""
    try:
        path = Path(name).expanduser()
        return path.exists() and not path.is_file() and not path.is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def _is_file(path: Path) -> bool:
    """Return whether the file exists; False if the name is too long or the directory is not readable."""
    try:
        return path.is_file()
    except OSError:
        return False
