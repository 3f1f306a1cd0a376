"""The runbook as widgets; imports ipywidgets, and so is imported by the first form."""

from __future__ import annotations

from tidb_pe_magic.notebook.forms.form import Form

__all__ = ["Form"]
