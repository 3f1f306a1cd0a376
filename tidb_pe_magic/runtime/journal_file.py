"""The journal on disk: JSON lines, each appended completely or not at all."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.errors import JournalError
from tidb_pe_magic.files import FILE_MODE, ensure_private, file_version, open_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tidb_pe_magic.files import FileVersion

_LOCK_SECONDS = 10.0  # another process appends for milliseconds
_CHUNK = 1 << 20
# Threads of this process queue here, because waiting for the file's lock is slow polling.
_turn = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Content:
    """The content of a journal.

    Attributes:
        records: the records of all readable lines, in order.
        corrupt: numbers of the complete but unreadable lines.
        whole: bytes up to the end of the last complete line; the rest was cut off by a crash.
    """

    records: tuple[dict[str, Any], ...] = ()
    corrupt: tuple[int, ...] = ()
    whole: int = 0


# The content that this process wrote last to each file; a file that has changed since is read again.
_left: dict[Path, tuple[FileVersion | None, Content]] = {}


class JournalFile:
    """A journal file, shared by all processes of the user."""

    def __init__(self, path: Path) -> None:
        """Set the path; nothing is opened yet."""
        self.path = path

    def read(self) -> Content:
        """Return the content, without a line that a crash cut off.

        Raises:
            OSError: it exists and cannot be read.
        """
        try:
            with _turn:
                return self._cached_content(file_version(self.path)) or _parse(self.path.read_bytes())
        except FileNotFoundError:
            return Content()

    def check(self) -> None:
        """Check that a record can be appended, as far as possible without appending.

        Raises:
            JournalError: with the reason.
        """
        with self._open():
            pass

    def append(self, record: Mapping[str, object]) -> None:
        """Append a record, and return when it is on disk.

        Raises:
            JournalError: it could not be appended, with the reason; the earlier content is unchanged.
        """
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        with self._open() as (descriptor, before):
            try:
                _write(descriptor, line)
                os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, before.whole)
                raise
            after = replace(
                before, records=(*before.records, json.loads(line)), whole=before.whole + len(line)
            )
            _left[self.path] = (file_version(descriptor), after)

    @contextmanager
    def _open(self) -> Iterator[tuple[int, Content]]:
        """Yield the descriptor and the content, after removing a line that was cut off."""
        import filelock  # noqa: PLC0415 - slow to import

        try:
            directory = ensure_private(self.path.parent)
            lock = filelock.FileLock(directory / f"{self.path.name}.lock", _LOCK_SECONDS, mode=FILE_MODE)
            with _turn, lock:
                is_new = not self.path.exists()
                descriptor = open_private(self.path, os.O_RDWR | os.O_APPEND)
                try:
                    yield descriptor, self._repair(descriptor)
                    if is_new:
                        _sync_directory(directory)
                finally:
                    os.close(descriptor)
        except filelock.Timeout:
            raise self._unwritable(f"another process has held it for {_LOCK_SECONDS:g} s") from None
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None

    def _repair(self, descriptor: int) -> Content:
        known = self._cached_content(file_version(descriptor))
        if known is not None:
            return known
        data = b"".join(iter(lambda: os.read(descriptor, _CHUNK), b""))
        content = _parse(data)
        if content.corrupt:
            raise self._unwritable(f"line {content.corrupt[0]} is corrupt")
        if content.whole < len(data):
            os.ftruncate(descriptor, content.whole)
        return content

    def _cached_content(self, version: FileVersion | None) -> Content | None:
        """Return the content that this process wrote last, if the file has not changed since."""
        before, content = _left.get(self.path, (None, None))
        return content if before == version else None

    def _unwritable(self, reason: str) -> JournalError:
        return JournalError(
            f"nothing was changed, because the change could not be recorded in {self.path}: {reason}.",
            advice="Correct that, or move the file away. TIDB_PE_STATE_DIR sets another directory.",
        )


def _write(descriptor: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse(data: bytes) -> Content:
    whole = data.rfind(b"\n") + 1
    records: list[dict[str, Any]] = []
    corrupt: list[int] = []
    for number, line in enumerate(data[:whole].split(b"\n")[:-1], 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if _is_record(record):
            records.append(record)
        else:
            corrupt.append(number)
    return Content(records=tuple(records), corrupt=tuple(corrupt), whole=whole)


def _is_record(record: object) -> bool:
    """Return whether it is a record; a later version's record may have more fields."""
    return isinstance(record, dict) and all(isinstance(record.get(name), str) for name in ("record", "id"))
