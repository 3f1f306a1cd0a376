"""What is shown of an endpoint as infrastructure as code."""

from __future__ import annotations

from tidb_pe_magic import model
from tidb_pe_magic.layout import Code, Mark, View
from tidb_pe_magic.views.base import view_of


@view_of.register(model.Export)
def _export(export: model.Export) -> View:
    return View(
        title=export.subject,
        facts=(("File", Code(export.path)),) if export.path else (),
        block=tuple(export.text.split("\n")),
        notes=tuple(Mark("warn", warning) for warning in export.warnings),
    )
