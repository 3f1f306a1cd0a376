"""Writing a text to a file that the user names, without taking anything from the user."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.whole_files import in_its_place

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD = "--to"
_LARGEST = 2**20  # bytes; no text of ours comes near


class TextFile:
    """A file to be written as a whole, or not at all."""

    def __init__(self, path: str, *, mine: Callable[[str], bool], replace: bool) -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: of the file; a link is followed.
            mine: tells whether a text may be replaced without being told to.
            replace: replace any other file, too.
        """
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
                raise InvalidRequest(_FIELD, f"there is no directory {path.parent}.")
            if not path.exists():
                return
            if not path.is_file():
                raise InvalidRequest(_FIELD, f"{path} is no file that could be replaced.")
        except OSError as error:
            raise InvalidRequest(_FIELD, f"{path} cannot be written: {error.strerror or error}.") from None
        if not self._replace and not self._mine(self._content()):
            raise InvalidRequest(
                _FIELD,
                f"{path} exists, and is no export or was changed since.",
                advice="Name another file, or give --replace.",
            )

    def write(self, text: str) -> str:
        """Write the text, and return the file's path.

        Raises:
            InvalidRequest: the file cannot be written, or must not be replaced.
        """
        self.check()
        with in_its_place(self._path, _FIELD) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
            if self._path.exists():
                shutil.copymode(self._path, temporary)
        return str(self._path)

    def _content(self) -> str:
        """Return what the file holds; nothing of ours where that cannot be read."""
        try:
            with self._path.open("rb") as file:
                content = file.read(_LARGEST + 1)
            return content.decode() if len(content) <= _LARGEST else ""
        except (OSError, UnicodeDecodeError):
            return ""
