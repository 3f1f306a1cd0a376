"""The path of a result's file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence


def output_path(text: str, field: str, *, directory: bool) -> Path:
    """Return the path of the result, after checking that it can be written.

    Args:
        text: the path.
        field: the option that gave the path.
        directory: several files will be written to a new directory of this name.

    Raises:
        InvalidRequest: the path cannot be written.
    """
    try:
        path = Path(text).expanduser()
        if not path.parent.is_dir():
            raise InvalidRequest(field, f"the directory {path.parent} does not exist.")
        found = path.stat().st_mode
        taken = not stat.S_ISDIR(found) or any(path.iterdir())
    except FileNotFoundError:
        return path
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InvalidRequest):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(field, f"{text} cannot be written: {reason}.") from None
    if directory and taken:
        raise InvalidRequest(field, f"{path} exists; --partitions needs a new directory.")
    if not directory and stat.S_ISDIR(found):
        raise InvalidRequest(field, f"{path} is a directory. Add the name of a file.")
    # The new file would replace a device or a pipe that other programs need.
    if not directory and not stat.S_ISREG(found):
        raise InvalidRequest(field, f"{path} is not a regular file. Name a regular file or a new one.")
    return path


def refuse_repeated_names(field: str, kind: str, names: Sequence[str]) -> None:
    """Reject repeated column names, which the file format does not support.

    Args:
        field: the option that named the file.
        kind: of the file.
        names: of the columns.

    Raises:
        InvalidRequest: two names are equal.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidRequest(
            field,
            f"two columns of the result are named {twice}, which a {kind} file cannot have.",
            advice=f"Give one of them another name: SELECT ... AS {twice}_2.",
        )
