"""`%tidb_pe form`: the runbook as widgets. ipywidgets is imported by the first form, not before."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests import FormRequest
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.errors import TidbPeError

if TYPE_CHECKING:
    from tidb_pe_magic.notebook.forms import Form
    from tidb_pe_magic.runbook import Runbook


class FormCommand:
    """Makes forms over one runbook."""

    def __init__(self, runbook: Runbook, *, widgets: bool) -> None:
        """Make no form yet.

        Args:
            runbook: what the forms work with.
            widgets: there is a kernel, without which no front end can show widgets.
        """
        self._runbook, self._widgets = runbook, widgets
        self._forms: weakref.WeakSet[Form] = weakref.WeakSet()

    def do(self, request: FormRequest) -> Form:
        """Return a form.

        Raises:
            TidbPeError: this is a terminal.
        """
        if not self._widgets:
            raise TidbPeError(
                "a form needs a notebook; this is a terminal.",
                advice=Advice("Commands do the same.", Suggestion("-h")),
            )
        made = make(self._runbook, request.step or "", request.cluster or "")
        self._forms.add(made)
        return made

    def close(self) -> None:
        """Close every form."""
        for made in list(self._forms):
            made.close()


@without_values()
def make(runbook: Runbook, step: str = "", cluster: str = "") -> Form:
    """Return a form; see `tidb_pe_magic.form`."""
    from tidb_pe_magic.notebook.forms import Form  # noqa: PLC0415 - ipywidgets is slow to import

    request = FormRequest.of(step=step or None, cluster=cluster or None)
    return Form(runbook, request.step or "", request.cluster or "")
