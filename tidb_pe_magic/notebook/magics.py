"""`%tidb_pe`: a line of text to an operation, and its result to the display."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.commands.parse import HELP_FLAGS, Help, parse, words
from tidb_pe_magic.notebook.form_command import FormCommand
from tidb_pe_magic.notebook.progress import Progress
from tidb_pe_magic.notebook.query_cell import QUERY, cell_help, needs_a_cell, run_cell
from tidb_pe_magic.notebook.sandbox_process import SandboxCommand
from tidb_pe_magic.runbook.runbook import Runbook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

PROG = "%tidb_pe"
_FORM, _SANDBOX = "form", "sandbox"


class Commands:
    """What the lines and cells of one shell do, and what it keeps between them."""

    def __init__(self, shell: InteractiveShell | None) -> None:
        """Make the runbook that every cell of this shell shares."""
        self.shell = shell
        self.runbook = Runbook(shell=shell)
        self.sandbox = SandboxCommand(self.runbook)
        self.form = FormCommand(self.runbook, widgets=getattr(shell, "kernel", None) is not None)

    def close(self) -> None:
        """Close the forms and connections, and put the environment back; a sandbox goes on running."""
        self.form.close()
        self.runbook.close()
        if self.sandbox.restore():
            print("This kernel's environment is as it was before the sandbox.")  # noqa: T201

    def cell(self, line: str, cell: str) -> Any:
        """Do `%%tidb_pe`."""
        return run_cell(self, line, cell)

    def line(self, line: str) -> Any:
        """Do `%tidb_pe`."""
        # IPython leaves the semicolon, which keeps the result from being shown, in the line.
        arguments = words(line.rstrip().removesuffix(";"))
        if arguments[:1] == [_SANDBOX]:
            print(self.sandbox.do(arguments[1:], prog=PROG))  # noqa: T201
            return None
        if arguments[:1] == [_FORM]:
            shown = self.form.do(arguments[1:], prog=PROG)
            if isinstance(shown, Help):
                print(shown.text)  # noqa: T201
                return None
            return shown
        if arguments[:1] == [QUERY]:
            if not HELP_FLAGS & set(arguments):
                raise needs_a_cell()
            print(cell_help())  # noqa: T201
            return None
        command = parse(arguments, prog=PROG, extra=(_FORM, _SANDBOX))
        if isinstance(command, Help):
            own = () if arguments[1:] else (self.form.summary, self.sandbox.summary)
            print("\n\n".join((command.text, *own)))  # noqa: T201
            return None
        try:
            with closing(Progress(self.shell)) as progress:
                return self.runbook.perform(command.operation.name, command.request, progress)
        except errors.FleetFailed as error:
            from IPython.display import display  # noqa: PLC0415 - where a cell fails, it is imported already

            display(error.fleet)  # type: ignore[no-untyped-call] # every row, before the one line of the error
            raise
