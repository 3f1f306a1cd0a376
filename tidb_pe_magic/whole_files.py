"""Writing what a user names as a whole, or not at all."""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SHOWN = 40  # characters of a name, which is not too long with what is added


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
