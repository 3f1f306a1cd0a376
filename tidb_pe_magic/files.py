"""Private files in the user's state directory, which outlive a kernel."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SHOWN = 40  # characters of the name, so that the suffix fits too
_FIELD = "--to"
_LARGEST = 2**20  # bytes; this package's own files are much smaller
# Byte order marks. UTF-32 comes first because its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BEGINNING = 4096  # bytes in which UTF-16 text contains NULs


VARIABLE = "TIDB_PE_STATE_DIR"
_DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
FileVersion = tuple[int, int, int, int]
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return this product's state directory, which may not exist yet."""
    chosen = environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_state_path  # noqa: PLC0415 - slow to import

    return user_state_path("tidb_pe_magic", appauthor=False)


def file_version(file: str | Path | int) -> FileVersion | None:
    """Return a value that changes when the file or directory is changed or replaced; None without one.

    Args:
        file: its path, or its descriptor.
    """
    try:
        found = os.stat(file)  # noqa: PTH116 - also accepts a descriptor
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def ensure_private(directory: Path) -> Path:
    """Create the directory if it is missing, and return it.

    Raises:
        OSError: it cannot be created, or other users can write to it.
    """
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    found = directory.stat()
    if not _is_mine(found) or (os.name == "posix" and found.st_mode & _OTHERS_WRITE):
        msg = f"{directory} belongs to another user, or other users can write to it"
        raise PermissionError(msg)
    return directory


def open_private(path: Path, flags: int) -> int:
    """Open a file that only this user can read, and return its descriptor; create it if missing.

    Raises:
        OSError: it cannot be opened, is not a regular file, or belongs to another user.
    """
    # NONBLOCK: a pipe in place of the file must not block the kernel.
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags | os.O_CREAT | safe, FILE_MODE)
    try:
        _make_private(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, atomically replacing an earlier one.

    Raises:
        OSError: it cannot be written; the earlier file is unchanged.
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
        msg = f"{path} is not a regular file"
        raise OSError(msg)
    if not _is_mine(found):
        msg = f"{path} belongs to another user"
        raise PermissionError(msg)
    if os.name == "posix" and found.st_mode & _OTHERS:
        os.fchmod(descriptor, FILE_MODE)


def _is_mine(found: os.stat_result) -> bool:
    return os.name != "posix" or found.st_uid == os.geteuid()


def decode_text(content: bytes) -> str:
    """Return a file's text, encoded as UTF-8, or as UTF-16 or UTF-32 with a byte order mark.

    Windows tools put a mark before UTF-8 too; it is not part of a key.

    Raises:
        UnicodeError: the encoding is none of these; the reason contains nothing of the file.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    reason = f"it is not valid {encoding.upper()}"
    if encoding == "utf-8" and b"\0" in content[:_BEGINNING]:
        reason = "it is UTF-16 without a byte order mark, or not text: save it as UTF-8"
    else:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:  # contains the file's content
            pass
    raise UnicodeError(reason)


@contextmanager
def replacement(path: Path, field: str, *, directory: bool = False) -> Iterator[Path]:
    """Yield a temporary name next to `path`; on success it replaces `path`, otherwise it is deleted.

    Args:
        path: a file, or a directory.
        field: the option that named the path.
        directory: create a directory of that name.

    Raises:
        InvalidRequest: the path cannot be written.
    """
    temporary = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(4)}.part")
    try:
        try:
            if directory:
                temporary.mkdir()
            yield temporary
            temporary.replace(path)
        except OSError as error:
            raise InvalidRequest(field, f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


class TextFile:
    """A text file that is written completely or not at all."""

    def __init__(  # noqa: PLR0913 - the properties of the file
        self,
        path: str,
        *,
        mine: Callable[[str], bool],
        replace: bool = False,
        field: str = _FIELD,
        kind: str = "an unchanged export",
        advice: str = "Choose another file, or use --replace.",
    ) -> None:
        """Take the path without opening it.

        Args:
            path: of the file; symbolic links are followed.
            mine: returns whether a file with this text may be replaced without `replace`.
            replace: replace any other file, too.
            field: the option that named it.
            kind: what `mine` accepts, in words.
            advice: what to do about any other file.
        """
        self._field, self._kind, self._advice = field, kind, advice
        self._path = Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111 - raises for no user
        self._mine = mine
        self._replace = replace

    def check(self) -> None:
        """Raise what `write` would raise.

        Raises:
            InvalidRequest: the file cannot be written, or must not be replaced.
        """
        path = self._path
        try:
            if not path.parent.is_dir():
                raise InvalidRequest(self._field, f"the directory {path.parent} does not exist.")
            if not path.exists():
                return
            if not path.is_file():
                raise InvalidRequest(self._field, f"{path} is not a regular file, so it cannot be replaced.")
        except OSError as error:
            raise InvalidRequest(
                self._field, f"{path} cannot be written: {error.strerror or error}."
            ) from None
        if not self._replace and not self._mine(self._content()):
            raise InvalidRequest(
                self._field,
                f"{path} exists and is not {self._kind}.",
                advice=self._advice,
            )

    def write(self, text: str) -> str:
        """Write the text, and return the file's path.

        Raises:
            InvalidRequest: the file cannot be written, or must not be replaced.
        """
        self.check()
        with replacement(self._path, self._field) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            if self._path.exists():
                shutil.copymode(self._path, temporary)
        return str(self._path)

    def _content(self) -> str:
        """Return the file's content; empty if it cannot be read."""
        try:
            with self._path.open("rb") as file:
                content = file.read(_LARGEST + 1)
            return content.decode() if len(content) <= _LARGEST else ""
        except (OSError, UnicodeDecodeError):
            return ""
