"""An endpoint, made or only planned, as infrastructure as code."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.model.base import Result

EXPORT_FORMATS = ("terraform", "aliyun-cli")
"""What `export` writes."""


@dataclass(frozen=True, kw_only=True)
class Export(Result):
    """An endpoint as another tool reads it.

    Attributes:
        format: one of `EXPORT_FORMATS`.
        subject: what the text is of, in a few words.
        text: lines end with a line feed, the last one with none; no key is in it.
        endpoint_id: of the endpoint that exists; empty where the text would make one.
        path: the file that it was written to; empty where none was named.
        warnings: what the text lacks, and what has to be decided before it is used; they stand in it, too.
    """

    format: str
    subject: str
    text: str
    endpoint_id: str = ""
    path: str = ""
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the text alone, so that it can be printed or written to a file."""
        return self.text
