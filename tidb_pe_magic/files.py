"""Files that outlive a kernel: in the user's state directory, for nobody else to read."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "TIDB_PE_STATE_DIR"
_DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory of this product's state, which need not exist yet."""
    chosen = environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_state_path  # noqa: PLC0415 - slow to import

    return user_state_path("tidb_pe_magic", appauthor=False)


def ensure_private(directory: Path) -> Path:
    """Make the directory where it is missing, and return it.

    Raises:
        OSError: it cannot be made, or others could put files into it.
    """
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    found = directory.stat()
    if not _is_mine(found) or (os.name == "posix" and found.st_mode & _OTHERS_WRITE):
        msg = f"{directory} belongs to, or can be written by, somebody else"
        raise PermissionError(msg)
    return directory


def open_private(path: Path, flags: int) -> int:
    """Open a file that nobody else can read, and return its descriptor; a missing one is made.

    Raises:
        OSError: it cannot be opened, is no regular file, or is somebody else's.
    """
    # NONBLOCK: a pipe in the file's place must not hold the kernel up.
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | os.O_CREAT | safe, FILE_MODE)
    try:
        _make_private(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, as a whole, in the place of an earlier one.

    Raises:
        OSError: it cannot be written; what was there before is as it was.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(open_private(partial, os.O_WRONLY | os.O_EXCL), "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _make_private(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        msg = f"{path} is no regular file"
        raise OSError(msg)
    if not _is_mine(found):
        msg = f"{path} belongs to somebody else"
        raise PermissionError(msg)
    if os.name == "posix" and found.st_mode & _OTHERS:
        os.fchmod(descriptor, FILE_MODE)


def _is_mine(found: os.stat_result) -> bool:
    return os.name != "posix" or found.st_uid == os.geteuid()
