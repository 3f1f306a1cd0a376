"""The runbook as widgets. This package imports ipywidgets, so it is imported only for the first form."""

from __future__ import annotations

from tidb_pe_magic.notebook.forms.form import Form

__all__ = ["Form"]
