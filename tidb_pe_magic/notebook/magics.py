"""`%tidb_pe`: a line of text to an operation, and its result to the display."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, output_can_be_silenced

from tidb_pe_magic import render
from tidb_pe_magic.model import Result
from tidb_pe_magic.notebook import completion
from tidb_pe_magic.notebook.form_command import FormCommand
from tidb_pe_magic.notebook.progress import Progress
from tidb_pe_magic.notebook.query_cell import QUERY, needs_a_cell, run_cell
from tidb_pe_magic.notebook.sandbox_process import SandboxCommand
from tidb_pe_magic.runbook.parser import HELP_FLAGS, Help, parse, words
from tidb_pe_magic.runbook.runbook import Runbook

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

PROG = "%tidb_pe"
_FORM, _SANDBOX = "form", "sandbox"


@magics_class
class TidbPeMagics(Magics):
    """The extension's one magic, and what it keeps between cells."""

    def __init__(self, shell: InteractiveShell) -> None:
        """Make the runbook that every cell of this shell shares."""
        super().__init__(shell)
        self.runbook = Runbook(shell=shell)
        self.sandbox = SandboxCommand(self.runbook)
        self.form = FormCommand(self.runbook, widgets=getattr(shell, "kernel", None) is not None)

    # Not as a cell: there a semicolon ends the SQL, and means nothing else.
    @cell_magic("tidb_pe")  # type: ignore[arg-type]
    def tidb_pe_cell(self, line: str, cell: str) -> Any:
        """Run the cell's SQL over a connection that `%tidb_pe connect` has opened: `%%tidb_pe query`.

        `%tidb_pe query -h` shows the options; `--into NAME` keeps the result under a name.
        """
        return run_cell(self, line, cell)

    @output_can_be_silenced
    @line_magic("tidb_pe")  # type: ignore[arg-type]
    def tidb_pe(self, line: str) -> Any:
        """From a TiDB Cloud cluster on Alibaba Cloud to a DataFrame, over a private endpoint.

        `%tidb_pe -h` lists the commands.
        """
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
        if arguments[:1] == [QUERY] and not HELP_FLAGS & set(arguments):
            raise needs_a_cell()
        command = parse(arguments, prog=PROG, extra=(_FORM, _SANDBOX))
        if isinstance(command, Help):
            own = () if arguments[1:] else (self.form.summary, self.sandbox.summary)
            print("\n\n".join((command.text, *own)))  # noqa: T201
            return None
        with closing(Progress(self.shell)) as progress:
            return self.runbook.perform(command.operation.name, command.request, progress)


def load(shell: InteractiveShell) -> None:
    """Register the magic, its completion and the results' formatters; loading twice starts anew."""
    unload(shell)
    magics = TidbPeMagics(shell)
    shell.register_magics(magics)
    completion.add(shell)
    for mime, renderer in _RENDERERS.items():
        for result in _result_types():
            _formatter(shell, mime).for_type(result, renderer)


def unload(shell: InteractiveShell) -> None:
    """Take away everything that `load` added, and close the connections; endpoints in the cloud stay.

    A sandbox goes on running, but the environment is restored: nobody else knows what it was before.
    """
    shell.magics_manager.magics["cell"].pop("tidb_pe", None)
    function = shell.magics_manager.magics["line"].pop("tidb_pe", None)
    magics = getattr(function, "__self__", None)
    if isinstance(magics, TidbPeMagics):
        magics.form.close()
        magics.runbook.close()
        if magics.sandbox.restore():
            print("This kernel's environment is as it was before the sandbox.")  # noqa: T201
        shell.magics_manager.registry.pop(type(magics).__name__, None)
        configurables: list[Any] = shell.configurables
        if magics in configurables:
            configurables.remove(magics)
    completion.remove(shell)
    for mime in _RENDERERS:
        for result in _result_types():
            _formatter(shell, mime).pop(result, None)


def _result_types() -> list[type[Result]]:
    """Return every type of result: IPython prefers a class's own `repr` to a formatter of its base."""
    return Result.__subclasses__()


def _plain(result: Result, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's signature
    """Write a result as text/plain; inside a container, and in a cycle, as its short `repr`."""
    printer.text(repr(result) if cycle or printer.stack[1:] else render.text(result))


_RENDERERS = {"text/plain": _plain, "text/html": render.html}


def _formatter(shell: InteractiveShell, mime: str) -> Any:
    return shell.display_formatter.formatters[mime]  # type: ignore[union-attr]
