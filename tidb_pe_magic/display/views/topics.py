"""View of a help topic if Markdown is not available."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from tidb_pe_magic import model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display.view import View
from tidb_pe_magic.display.views.base import view_of

if TYPE_CHECKING:
    from tidb_pe_magic.advice import Spelling

# Commands in a topic: in backticks, or a line of a code block, with an optional comment after it.
_COMMAND = re.compile(r"(?P<lead>`|^)%tidb_pe(?P<words>(?: [^`#\n]*[^`# \n])?)", re.MULTILINE)


@view_of.register(model.HelpText)
def _help(text: model.HelpText) -> View:
    title, _, rest = text.text.partition("\n")
    return View(title=title.removeprefix("# "), block=tuple(rest.strip().split("\n")))


def spelled_topic(topic: model.HelpText, spelling: Spelling) -> model.HelpText:
    """Return the topic with each command in the given spelling."""

    def spell(found: re.Match[str]) -> str:
        operation, *words = shlex.split(found["words"]) or [""]
        return found["lead"] + spelling(Suggestion(operation, *words)).rstrip()

    return replace(topic, text=_COMMAND.sub(spell, topic.text))
