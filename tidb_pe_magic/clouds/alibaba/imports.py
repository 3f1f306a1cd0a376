"""Importing the Alibaba Cloud SDK, which takes 0.4 s and opens a file."""

from __future__ import annotations

import os

from tidb_pe_magic.errors import InvalidRequest

_KEY_LOG = "SSLKEYLOGFILE"


def load_sdk() -> None:
    """Import the packages that the SDK's clients need, including its HTTP library.

    Raises:
        InvalidRequest: SSLKEYLOGFILE names a file that cannot be written; aiohttp opens it when imported.
    """
    try:
        import alibabacloud_tea_openapi.client  # noqa: F401, PLC0415
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if not os.environ.get(_KEY_LOG):
            raise
    else:
        return
    raise InvalidRequest(
        _KEY_LOG,
        f"file {os.environ[_KEY_LOG]} cannot be opened: {reason}.",
        advice="Correct or unset it.",
    )
