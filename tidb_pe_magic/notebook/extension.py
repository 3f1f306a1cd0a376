"""What `%load_ext tidb_pe_magic` adds to a shell: little, since every start of a kernel pays for it."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

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

from tidb_pe_magic.credentials.redaction import without_values
from tidb_pe_magic.notebook import completion

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tidb_pe_magic.notebook.magics import Commands
    from tidb_pe_magic.notebook.sandbox_process import SandboxCommand
    from tidb_pe_magic.runbook import Runbook
    from tidb_pe_magic.runtime.known import KnownNames


@magics_class
class TidbPeMagics(Magics):
    """The extension's one magic; what works behind it is imported by the first command."""

    dtypes = Enum(
        ("pandas", "arrow", "numpy_nullable"),
        "pandas",
        help="Types of the columns of the DataFrames that %sql and %%sql return, as of query --dtypes",
    ).tag(config=True)
    decimals = Enum(
        ("auto", "exact", "float"),
        "auto",
        help="DECIMAL columns of the DataFrames that %sql and %%sql return, as of query --decimals",
    ).tag(config=True)

    request_units = Bool(
        True,  # noqa: FBT003 - traitlets' signature
        help="Ask what a statement that took 50 ms or longer has cost in Request Units",
    ).tag(config=True)

    @cached_property
    def commands(self) -> Commands:
        """What the shell's cells share."""
        from tidb_pe_magic.notebook.magics import Commands  # noqa: PLC0415 - slow to import

        return Commands(
            self.shell,
            frames=lambda: (self.dtypes, self.decimals),
            counts_units=lambda: bool(self.request_units),
        )

    @property
    def runbook(self) -> Runbook:
        """The runbook that every cell of this shell shares."""
        return self.commands.runbook

    @property
    def sandbox(self) -> SandboxCommand:
        """The sandbox's command."""
        return self.commands.sandbox

    def known(self) -> KnownNames | None:
        """Return the names that the commands have seen; None before the first command."""
        return self.runbook.known if "commands" in vars(self) else None

    def close(self) -> None:
        """End what the commands have begun, if there was one."""
        if "commands" in vars(self):
            self.commands.close()

    # Not as a cell: there a semicolon ends the SQL, and means nothing else. And what the line binds is JSON,
    # whose braces IPython would fill in.
    @no_var_expand
    @cell_magic("tidb_pe")  # type: ignore[arg-type]
    @without_values((UsageError,))
    def tidb_pe_cell(self, line: str, cell: str) -> Any:
        """Run the cell's SQL over a connection that `%tidb_pe connect` has opened: `%%tidb_pe query`.

        `%tidb_pe query -h` shows the options; `--into NAME` keeps the result under a name.
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


@without_values()
def load(shell: InteractiveShell) -> None:
    """Register the magic and its completion; loading twice starts anew."""
    unload(shell)
    shell.register_magics(TidbPeMagics(shell))
    completion.add(shell)


@without_values()
def unload(shell: InteractiveShell) -> None:
    """Take away everything that `load` added, and close the connections; endpoints in the cloud stay.

    A sandbox goes on running, but the environment is restored: nobody else knows what it was before.
    """
    shell.magics_manager.magics["cell"].pop("tidb_pe", None)
    function = shell.magics_manager.magics["line"].pop("tidb_pe", None)
    magics = getattr(function, "__self__", None)
    if isinstance(magics, TidbPeMagics):
        magics.close()
        shell.magics_manager.registry.pop(type(magics).__name__, None)
        configurables: list[Any] = shell.configurables
        if magics in configurables:
            configurables.remove(magics)
    completion.remove(shell)
    process = sys.modules.get("tidb_pe_magic.clouds.alibaba.sdk_process")
    if process is not None:  # the SDK was used
        process.restore()
