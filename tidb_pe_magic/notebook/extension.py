"""The extension that `%load_ext tidb_pe_magic` adds to a shell; it is small to keep kernel starts fast."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    cell_magic,
    line_magic,
    magics_class,
    no_var_expand,
    output_can_be_silenced,
)
from traitlets import Bool, Enum

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.errors import StepOrderError
from tidb_pe_magic.notebook import completion

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.notebook.magics import Commands
    from tidb_pe_magic.notebook.sandbox_command import SandboxCommand
    from tidb_pe_magic.runbook import Runbook
    from tidb_pe_magic.runtime.known_names import KnownNames


@magics_class
class TidbPeMagics(Magics):
    """The extension's magic. The first command imports the rest of the package."""

    dtypes = Enum(
        ("pandas", "arrow", "numpy_nullable"),
        "pandas",
        help="Column types of the DataFrames that %sql and %%sql return, like query --dtypes",
    ).tag(config=True)
    decimals = Enum(
        ("auto", "exact", "float"),
        "auto",
        help="DECIMAL columns of the DataFrames that %sql and %%sql return, like query --decimals",
    ).tag(config=True)

    request_units = Bool(
        True,  # noqa: FBT003 - traitlets' signature
        help="Look up the Request Units of statements that take 50 ms or longer",
    ).tag(config=True)

    @cached_property
    def commands(self) -> Commands:
        """The commands object that all cells of the shell share."""
        from tidb_pe_magic.notebook.magics import Commands  # noqa: PLC0415 - slow to import

        return Commands(
            self.shell,
            frames=lambda: (self.dtypes, self.decimals),
            counts_units=lambda: bool(self.request_units),
        )

    @property
    def runbook(self) -> Runbook:
        """The runbook that all cells of this shell share."""
        return self.commands.runbook

    @property
    def sandbox(self) -> SandboxCommand:
        """The sandbox command."""
        return self.commands.sandbox

    def known(self) -> KnownNames | None:
        """Return the names from the commands' results; None before the first command."""
        return self.runbook.known if "commands" in vars(self) else None

    def close(self) -> None:
        """Close the commands object, if it exists."""
        if "commands" in vars(self):
            self.commands.close()

    # Do not parse the line as a cell: in a cell, a semicolon only ends the SQL. The line's parameters are
    # JSON, and IPython would replace its braces.
    @no_var_expand
    @cell_magic("tidb_pe")  # type: ignore[arg-type]
    @without_values((UsageError,))
    def tidb_pe_cell(self, line: str, cell: str) -> Any:
        """Run the cell's SQL over a connection that `%tidb_pe connect` opened: `%%tidb_pe query`.

        `%tidb_pe query -h` shows the options; `--into NAME` assigns the result to a variable.
        """
        return self.commands.cell(line, cell)

    @output_can_be_silenced
    @line_magic("tidb_pe")  # type: ignore[arg-type]
    @without_values((UsageError,))
    def tidb_pe(self, line: str) -> Any:
        """From a TiDB Cloud cluster on Alibaba Cloud to a DataFrame, over a private endpoint.

        `%tidb_pe -h` lists the commands.
        """
        return self.commands.line(line)


@no_var_expand
def sql_before_connect(line: str, cell: str | None = None) -> NoReturn:  # noqa: ARG001 - a magic's signature
    """Run SQL over the connection that `%tidb_pe connect` opens; jupysql's magic then replaces this one."""
    raise StepOrderError("no connection is open.", advice=Advice("Open one first.", Suggestion("connect")))


@without_values()
def load(shell: InteractiveShell) -> None:
    """Register the magic and its completion; loading twice starts again."""
    unload(shell)
    shell.register_magics(TidbPeMagics(shell))
    magics = shell.magics_manager.magics
    if not any("sql" in magics[kind] for kind in ("line", "cell")):
        shell.magics_manager.register_function(sql_before_connect, "line_cell", "sql")
    completion.add(shell)


@without_values()
def unload(shell: InteractiveShell) -> None:
    """Remove everything that `load` added, and close the connections; endpoints in the cloud remain.

    A sandbox keeps running, but the environment is restored, because only this extension knows the old
    values.
    """
    shell.magics_manager.magics["cell"].pop("tidb_pe", None)
    function = shell.magics_manager.magics["line"].pop("tidb_pe", None)
    for kind in ("line", "cell"):
        if shell.magics_manager.magics[kind].get("sql") is sql_before_connect:
            del shell.magics_manager.magics[kind]["sql"]
    magics = getattr(function, "__self__", None)
    if isinstance(magics, TidbPeMagics):
        magics.close()
        shell.magics_manager.registry.pop(type(magics).__name__, None)
        configurables: list[Any] = shell.configurables
        if magics in configurables:
            configurables.remove(magics)
    completion.remove(shell)
    process = sys.modules.get("tidb_pe_magic.clouds.alibaba.sdk_process")
    if process is not None:  # the SDK was imported
        process.restore()
