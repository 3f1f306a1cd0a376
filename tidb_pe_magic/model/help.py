"""Help topics."""

from __future__ import annotations

from dataclasses import dataclass

from tidb_pe_magic.model.base import Result


@dataclass(frozen=True, kw_only=True)
class HelpText(Result):
    """A topic's text, in Markdown; without a topic, the list of topics."""

    topic: str
    text: str

    def __str__(self) -> str:
        """Return only the text."""
        return self.text
