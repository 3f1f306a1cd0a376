"""Help topics: Markdown files in the package."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.commands.overview import group_lines
from tidb_pe_magic.commands.table import Group
from tidb_pe_magic.commands.topics import TOPICS
from tidb_pe_magic.model import HelpText

if TYPE_CHECKING:
    from tidb_pe_magic.commands.requests import HelpRequest
    from tidb_pe_magic.model import EventHook
    from tidb_pe_magic.runtime.context import Context


def help_topic(context: Context, request: HelpRequest, on_event: EventHook) -> HelpText:  # noqa: ARG001
    """Return the topic's text, or the list of topics, without calling a cloud."""
    if request.topic:
        return HelpText(topic=request.topic, text=markdown(request.topic))
    rows = [f"- `{Suggestion('help', topic)}`: {_title(topic)}" for topic in TOPICS]
    text = "\n".join(("# Topics", "", *rows, "", f"`{Suggestion('-h')}` lists the commands."))
    return HelpText(topic="", text=text)


def markdown(topic: str) -> str:
    """Return the topic's text."""
    path = resources.files("tidb_pe_magic").joinpath("help", f"{topic}.md")
    text = path.read_text(encoding="utf-8").strip()
    group = next((group for group in Group if group.topic == topic), None)
    if group is None:
        return text
    title, _, rest = text.partition("\n")
    return "\n".join((title, "", *group_lines(group), rest)).strip()


def _title(topic: str) -> str:
    return markdown(topic).partition("\n")[0].removeprefix("# ")
