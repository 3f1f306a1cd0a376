"""An existing or planned endpoint as infrastructure as code."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.model.base import Result

EXPORT_FORMATS = ("terraform", "aliyun-cli")
"""The formats of `export`."""


@dataclass(frozen=True, kw_only=True)
class Export(Result):
    """An endpoint in the format of another tool.

    Attributes:
        format: one of `EXPORT_FORMATS`.
        subject: a short description of the exported endpoint.
        text: lines end with a line feed, except the last one; it contains no key.
        endpoint_id: ID of the existing endpoint; empty if the text would create one.
        path: the written file; empty if no file was requested.
        warnings: missing values, and decisions to make before use; the text contains them, too.
    """

    format: str
    subject: str
    text: str
    endpoint_id: str = ""
    path: str = ""
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return only the text, so that it can be printed or written to a file."""
        return self.text
