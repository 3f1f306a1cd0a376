"""`%tidb_pe form`: the runbook as widgets. ipywidgets is imported by the first form, not before."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.commands.fields import one_of, option
from tidb_pe_magic.commands.parse import Help, parse_options
from tidb_pe_magic.commands.requests import ClusterStep
from tidb_pe_magic.commands.table import Operation
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.errors import TidbPeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.notebook.forms import Form
    from tidb_pe_magic.runbook import Runbook

STEPS = ("cluster", "create", "connect")


@dataclass(frozen=True, kw_only=True)
class FormRequest(ClusterStep):
    """Show the form."""

    step: str | None = option(
        "one step alone; default: all three",
        metavar="|".join(STEPS),
        parse=one_of(STEPS),
        positional=True,
        choices=STEPS,
    )


OPERATION = Operation(
    name="form",
    request=FormRequest,
    target="tidb_pe_magic.notebook.forms:Form",
    summary="Show the steps as a form of widgets, each with the command that does the same",
    tutorial="all",
    example="form create --cluster demo",
)


class FormCommand:
    """Makes forms over one runbook."""

    summary = f"%tidb_pe form [STEP]: {OPERATION.summary[0].lower()}{OPERATION.summary[1:]}."

    def __init__(self, runbook: Runbook, *, widgets: bool) -> None:
        """Make no form yet.

        Args:
            runbook: what the forms work with.
            widgets: there is a kernel, without which no front end can show widgets.
        """
        self._runbook, self._widgets = runbook, widgets
        self._forms: weakref.WeakSet[Form] = weakref.WeakSet()

    def do(self, arguments: Sequence[str], *, prog: str) -> Form | Help:
        """Return a form, or the help that was asked for.

        Raises:
            InvalidRequest: the command is not valid.
            TidbPeError: this is a terminal.
        """
        command = parse_options(OPERATION, arguments, prog=prog)
        if isinstance(command, Help):
            return command
        if not self._widgets:
            raise TidbPeError(
                "a form needs a notebook; this is a terminal.",
                advice=f"{prog} -h lists the commands that do the same.",
            )
        request: Any = command.request
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
