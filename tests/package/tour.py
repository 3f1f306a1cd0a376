"""A user's tour of an installed package, which the tests run in an environment without other packages.

`python tour.py PART...` runs the parts in one process and prints the results as JSON. The clouds are those
of the environment's variables, and so are the endpoint's parameters: `TOUR_VPC`, `TOUR_SECURITY_GROUP`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import tidb_pe_magic
from tidb_pe_magic import Runbook, TidbPeError
from tidb_pe_magic.cli import main
from tidb_pe_magic.clouds import hosts
from tidb_pe_magic.commands.table import Skin, available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SQL = "SELECT flight, tailnum, time_hour FROM flights"
RANGES: dict[str, Any] = {"partition_on": "flight", "partitions": 2, "engine": "dask"}


class Tour:
    """An IPython shell with the extension."""

    def __init__(self) -> None:
        """Load the extension."""
        config = Config()
        config.HistoryManager.enabled = False
        self.shell: Any = InteractiveShell.instance(config=config)
        self.shell.run_line_magic("load_ext", "tidb_pe_magic")
        self.opened = contextlib.ExitStack()

    @cached_property
    def runbook(self) -> Runbook:
        """A runbook after all steps in Python."""
        return self.opened.enter_context(connected())

    def package(self) -> object:
        """Return the package's location."""
        return [tidb_pe_magic.__file__, tidb_pe_magic.__version__]

    def commands(self) -> object:
        """Request each command's help, in the shell and at the console; return the commands without any."""
        magics = [
            name
            for name in available(Skin.LINE, Skin.CELL)
            if f"%tidb_pe {name}" not in self._shown(f"{name} -h")
        ]
        return [magics, [name for name in available(Skin.CONSOLE) if main([name, "-h"]) != 0]]

    def tutorial(self) -> object:
        """Run all steps in the shell, and query with jupysql into pandas."""
        way = f"--vpc {os.environ['TOUR_VPC']} --security-group {os.environ['TOUR_SECURITY_GROUP']}"
        report = self.shell.run_line_magic("tidb_pe", f"run demo {way} --database nycflights13")
        self.shell.run_line_magic("config", "SqlMagic.autopandas = True")
        frame = self.shell.run_cell_magic("sql", "tidb", SQL)
        return [report.endpoint.connection_status, type(frame).__name__, *frame.shape]

    def pandas(self) -> object:
        """Read with pandas over the engine of a connection opened in Python."""
        import pandas as pd  # noqa: PLC0415 - only this part needs it

        return pd.read_sql(SQL, self.runbook.connection.engine).shape

    def form(self) -> object:
        """Show the form, which asks the clouds by itself, until it is idle."""
        with Runbook() as runbook, contextlib.closing(tidb_pe_magic.form(runbook, cluster="demo")) as form:
            form._ipython_display_()
            return [form.join(60), repr(form)]

    def help(self) -> object:
        """Show a help topic, whose text is a file of the package."""
        return str(Runbook().help("costs"))

    def query(self) -> object:
        """Read with the reader behind `query`."""
        return self.runbook.query(SQL).shape

    def nullable(self) -> object:
        """Read into pandas' own nullable columns, and return their types."""
        return [str(dtype) for dtype in self.runbook.query(SQL, dtypes="numpy_nullable").dtypes]

    def dask(self) -> object:
        """Read with Dask, whose workers look up the password."""
        with connected("env:TIDB_PASSWORD") as runbook:
            return runbook.query(SQL, **RANGES).compute(scheduler="threads").shape

    def keyring(self) -> object:
        """Log in with a password from the keyring."""
        with connected("keyring:tour") as runbook:
            return runbook.connection.password_source

    def sandbox(self) -> object:
        """Start the sandbox as a cell does, and stop it, if the environment names no clouds yet."""
        names = {hosts.TIDB_CLOUD, hosts.ALIBABA} & set(os.environ)
        clouds = {name: os.environ.pop(name) for name in names}
        try:
            return self._shown("sandbox start --mode immediate --flights 10")
        finally:
            self.shell.run_line_magic("tidb_pe", "sandbox stop")
            os.environ.update(clouds)

    def _shown(self, line: str) -> str:
        """Return a magic line's output."""
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            self.shell.run_line_magic("tidb_pe", line)
        return shown.getvalue()


@contextlib.contextmanager
def connected(password_from: str | None = None) -> Iterator[Runbook]:
    """Return a runbook after all steps in Python."""
    group = os.environ["TOUR_SECURITY_GROUP"]
    with Runbook() as runbook:
        runbook.run(
            "demo",
            vpc=os.environ["TOUR_VPC"],
            security_group=[group],
            database="nycflights13",
            password_from=password_from,
        )
        yield runbook


def outcome(part: Callable[[], object]) -> object:
    """Return the part's result, or the one line of its error."""
    try:
        return part()
    except TidbPeError as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    tour = Tour()
    with tour.opened:
        found = {name: outcome(getattr(tour, name)) for name in sys.argv[1:]}
    print(json.dumps(found))  # noqa: T201 - for the process that started this one
