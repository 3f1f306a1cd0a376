"""What is shown of a topic where there is no Markdown."""

from __future__ import annotations

from tidb_pe_magic import model
from tidb_pe_magic.display.layout import View
from tidb_pe_magic.display.views.base import view_of


@view_of.register(model.HelpText)
def _help(text: model.HelpText) -> View:
    title, _, rest = text.text.partition("\n")
    return View(title=title.removeprefix("# "), block=tuple(rest.strip().split("\n")))
