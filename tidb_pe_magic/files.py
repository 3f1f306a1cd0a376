"""Files that outlive a kernel: in the user's state directory, for nobody else to read."""

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

_SHOWN = 40  # characters of a name, which is not too long with what is added
_FIELD = "--to"
_LARGEST = 2**20  # bytes; no text of ours comes near
# Byte order marks; that of UTF-32 begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BEGINNING = 4096  # bytes in which UTF-16 has its NULs


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
        OSError: it cannot be created, or other users could put files into it.
    """
    directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
    found = directory.stat()
    if not _is_mine(found) or (os.name == "posix" and found.st_mode & _OTHERS_WRITE):
        msg = f"{directory} belongs to another user, or other users can write to it"
        raise PermissionError(msg)
    return directory


def open_private(path: Path, flags: int) -> int:
    """Open a file that nobody else can read, and return its descriptor; a missing one is created.

    Raises:
        OSError: it cannot be opened, is not a regular file, or belongs to another user.
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
        msg = f"{path} is not a regular file"
        raise OSError(msg)
    if not _is_mine(found):
        msg = f"{path} belongs to another user"
        raise PermissionError(msg)
    if os.name == "posix" and found.st_mode & _OTHERS:
        os.fchmod(descriptor, FILE_MODE)


def _is_mine(found: os.stat_result) -> bool:
    return os.name != "posix" or found.st_uid == os.geteuid()


def decoded(content: bytes) -> str:
    """Return a file's text as people's editors write it: UTF-8, or UTF-16 and UTF-32 that begin with a mark.

    Windows' tools put a mark before UTF-8 too, and it is no part of a key.

    Raises:
        UnicodeError: it is none of these; the reason holds nothing of the content.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    reason = f"it is not {encoding.upper()}"
    if encoding == "utf-8" and b"\0" in content[:_BEGINNING]:
        reason = "it is UTF-16 without a byte order mark, or no text: save it as UTF-8"
    else:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:  # which holds the content
            pass
    raise UnicodeError(reason)


@contextmanager
def in_its_place(path: Path, field: str, *, directory: bool = False) -> Iterator[Path]:
    """Give a name beside `path` to write to: it takes the place of `path` at the end, or nothing is left.

    Args:
        path: a file, or a directory.
        field: what named it.
        directory: make a directory of that name.

    Raises:
        InvalidRequest: it cannot be written there.
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
    """A file to be written as a whole, or not at all."""

    def __init__(  # noqa: PLR0913 - each is one property of the file
        self,
        path: str,
        *,
        mine: Callable[[str], bool],
        replace: bool = False,
        field: str = _FIELD,
        kind: str = "an unchanged export",
        advice: str = "Name another file, or give --replace.",
    ) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: of the file; a link is followed.
            mine: tells whether a text may be replaced without being told to.
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
        """Refuse what `write` would refuse.

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
                f"{path} exists, and is not {self._kind}.",
                advice=self._advice,
            )

    def write(self, text: str) -> str:
        """Write the text, and return the file's path.

        Raises:
            InvalidRequest: the file cannot be written, or must not be replaced.
        """
        self.check()
        with in_its_place(self._path, self._field) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            if self._path.exists():
                shutil.copymode(self._path, temporary)
        return str(self._path)

    def _content(self) -> str:
        """Return the file's content; nothing if it cannot be read."""
        try:
            with self._path.open("rb") as file:
                content = file.read(_LARGEST + 1)
            return content.decode() if len(content) <= _LARGEST else ""
        except (OSError, UnicodeDecodeError):
            return ""
