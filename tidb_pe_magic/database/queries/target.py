"""Where a result's file is to be."""

from __future__ import annotations

import stat
from pathlib import Path

from tidb_pe_magic.errors import InvalidRequest

FIELD = "--to-parquet"


def target(text: str, *, directory: bool) -> Path:
    """Return where the result is to be, after a look at whether it can be there.

    Raises:
        InvalidRequest: it cannot.
    """
    try:
        path = Path(text).expanduser()
        if not path.parent.is_dir():
            raise InvalidRequest(FIELD, f"there is no directory {path.parent}.")
        found = path.stat().st_mode
        taken = not stat.S_ISDIR(found) or any(path.iterdir())
    except FileNotFoundError:
        return path
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InvalidRequest):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidRequest(FIELD, f"{text} cannot be written: {reason}.") from None
    if directory and taken:
        raise InvalidRequest(FIELD, f"{path} exists; with --partitions it has to be a new directory.")
    if not directory and stat.S_ISDIR(found):
        raise InvalidRequest(FIELD, f"{path} is a directory; name the file in it.")
    # The new file would take the place of a device or a pipe, which others need.
    if not directory and not stat.S_ISREG(found):
        raise InvalidRequest(FIELD, f"{path} is no regular file; name one, or a new one.")
    return path
