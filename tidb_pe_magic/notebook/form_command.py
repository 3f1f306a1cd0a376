"""`%tidb_pe form`: the runbook as widgets. ipywidgets is imported by the first form, not before."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.requests import FormRequest, SandboxRequest
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.errors import TidbPeError

if TYPE_CHECKING:
    from threading import Event

    from tidb_pe_magic.notebook.forms import Form
    from tidb_pe_magic.notebook.forms.choose_cluster import StartSandbox
    from tidb_pe_magic.notebook.sandbox_command import SandboxCommand
    from tidb_pe_magic.runbook import Runbook


class FormCommand:
    """Creates the forms of one runbook."""

    def __init__(self, runbook: Runbook, sandbox: SandboxCommand, *, widgets: bool) -> None:
        """Create the command, without a form.

        Args:
            runbook: the runbook of all forms.
            sandbox: starts the embedded clouds.
            widgets: a kernel is running; without one, front ends cannot show widgets.
        """
        self._runbook, self._sandbox, self._widgets = runbook, sandbox, widgets
        self._forms: weakref.WeakSet[Form] = weakref.WeakSet()

    def do(self, request: FormRequest) -> Form:
        """Return a form.

        Raises:
            TidbPeError: this is a terminal.
        """
        if not self._widgets:
            raise TidbPeError(
                "a form needs a notebook; this is a terminal.",
                advice=Advice("Use commands instead.", Suggestion("-h")),
            )
        made = make(self._runbook, request.step or "", request.cluster or "", self._start_sandbox)
        self._forms.add(made)
        return made

    def _start_sandbox(self, cancel: Event) -> None:
        self._sandbox.do(SandboxRequest.of(action="start"), cancel=cancel)

    def close(self) -> None:
        """Close every form."""
        for made in list(self._forms):
            made.close()


@without_values()
def make(
    runbook: Runbook, step: str = "", cluster: str = "", start_sandbox: StartSandbox | None = None
) -> Form:
    """Return a form; see `tidb_pe_magic.form`."""
    from tidb_pe_magic.notebook.forms import Form  # noqa: PLC0415 - ipywidgets is slow to import

    request = FormRequest.of(step=step or None, cluster=cluster or None)
    return Form(runbook, request.step or "", request.cluster or "", start_sandbox=start_sandbox)
