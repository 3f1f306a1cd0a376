"""View of an endpoint as infrastructure as code."""

from __future__ import annotations

from tidb_pe_magic import model
from tidb_pe_magic.display.view import Code, Fact, Mark, View
from tidb_pe_magic.display.views.base import view_of


@view_of.register(model.Export)
def _export(export: model.Export) -> View:
    lines = export.text.split("\n")
    warnings = tuple(Mark("warn", warning) for warning in export.warnings)
    if not export.path:
        return View(title=export.subject, block=tuple(lines), notes=warnings)
    # Written to a file, the text is not repeated here.
    facts: tuple[Fact, ...] = (("Written to", Code(export.path)), ("Lines", str(len(lines))))
    return View(title=export.subject, kind="ok", facts=facts, notes=warnings)
