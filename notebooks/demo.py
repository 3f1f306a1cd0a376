"""Execute the step-by-step notebook against the sandbox, and print the duration of each step: `make demo`.

With `--lab`, open JupyterLab with the sandbox instead: `make lab`. The demo neither needs nor uses a cloud
account, and removes everything it creates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType
    from typing import NoReturn

    from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parent
TUTORIAL = NOTEBOOKS / "02_step_by_step.ipynb"
FIRST = "01_quickstart.ipynb"

# The variables of the user's own accounts, which the demo must not use.
_ACCOUNTS = ("TIDBCLOUD_", "TIDB_PE_", "TIDB_PASSWORD", "ALIBABA_CLOUD_")
# With --upstream: the notebook's parameters, and the environment variables with their values.
_UPSTREAM = {"user": "TIDB_PE_SQL_USER", "database": "TIDB_PE_DATABASE", "table": "TIDB_PE_TABLE"}
# Runs after the notebook's own cells. Its last line is parsed; the lines before it are printed.
_FIGURES = """
import json
import pandas as pd

with pd.option_context("display.max_columns", 8, "display.width", 100, "display.show_dimensions", False):
    print(frame.head())
print(json.dumps({"table": table, "counted": int(count["row_count"].iloc[0]), "rows": len(frame),
    "endpoint": created.endpoint.endpoint_id}))
"""
_CELL_SECONDS = 900
_STOP_SECONDS = 30
_STEP = re.compile(r"## (.+)")


class DemoFailed(Exception):  # noqa: N818 - an outcome of the demo, shown to its user
    """The demo cannot continue; the message says why."""


class Steps:
    """Print each section of the notebook, and the duration of its cells."""

    def __init__(self) -> None:
        """Start before the first step."""
        self._started: float | None = None
        self.cell_source = ""
        self.interrupted = False

    def begin(self, title: str) -> None:
        """Announce a step."""
        self.end()
        print(f"{title + ' ':.<58} ", end="", flush=True)
        self._started = time.monotonic()

    def end(self) -> None:
        """Print the seconds of the current step."""
        if self._started is not None:
            print(f"{time.monotonic() - self._started:6.2f} s", flush=True)
        self._started = None

    def on_notebook_start(self, notebook: NotebookNode) -> None:  # noqa: ARG002 - nbclient's name
        """End the execution cleanly on a signal.

        nbclient's own handler shuts the kernel down while other code still uses it.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None or sys.platform == "win32":
            return

        def interrupt() -> None:
            self.interrupted = True
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, interrupt)

    def on_cell_start(self, cell: NotebookNode, cell_index: int) -> None:  # noqa: ARG002 - nbclient's names
        """Start a step at its heading, and store the source of each code cell for error messages."""
        if cell.cell_type == "code":
            self.cell_source = cell.source
        elif heading := _STEP.match(cell.source):
            self.begin(heading[1])


def main() -> int:
    """Run the demo or JupyterLab; return the exit status."""
    options = _parser().parse_args()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _exit)
    steps = Steps()
    try:
        with tempfile.TemporaryDirectory(prefix="tidb-pe-demo-", ignore_cleanup_errors=True) as directory:
            steps.begin("Start the sandbox")
            with _sandbox(options, Path(directory)) as settings:
                steps.end()
                if options.lab:
                    return _lab(settings)
                print(_execute(steps, settings, Path(directory), options))
    except DemoFailed as failure:
        steps.end()
        print(f"demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flights", metavar="N", help="only the first N rows of the flights table")
    parser.add_argument(
        "--mode",
        choices=("immediate", "time"),
        default="time",
        help="whether the emulated cloud changes states immediately or after a time (default: time)",
    )
    parser.add_argument("--seconds", default="6", metavar="S", help="that time (default: 6)")
    parser.add_argument(
        "--upstream",
        metavar="HOST:PORT",
        help="another MySQL-protocol server instead of the embedded database; its login is in\n"
        "TIDB_PE_SQL_USER and TIDB_PASSWORD, the table to read in TIDB_PE_DATABASE and TIDB_PE_TABLE",
    )
    parser.add_argument("--output", type=Path, metavar="PATH", help="where to save the executed notebook")
    parser.add_argument("--lab", action="store_true", help="open JupyterLab instead")
    return parser


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    """Turn a signal into an exception, so that the sandbox is stopped."""
    sys.exit(128 + number)


@contextmanager
def _sandbox(options: argparse.Namespace, directory: Path) -> Iterator[dict[str, str]]:
    """Run the sandbox as its own process; yield an environment that points only to it."""
    env_file = directory / "sandbox.env"
    command = [sys.executable, "-m", "tidb_pe_magic.sandbox", "--env-file", str(env_file)]
    command += ["--mode", options.mode, "--seconds", options.seconds]
    for flag, value in (("--flights", options.flights), ("--upstream", options.upstream)):
        command += [flag, value] if value else []
    kept = {"TIDB_PASSWORD"} if options.upstream else set()
    own = {
        name: value for name, value in os.environ.items() if name in kept or not name.startswith(_ACCOUNTS)
    }
    # In its own session, Ctrl-C in the terminal reaches only this process, which then stops the sandbox.
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        if process.stdout is None or not process.stdout.readline() or not env_file.exists():
            raise DemoFailed("the sandbox did not start; the reason is above.")
        lines = env_file.read_text(encoding="utf-8").splitlines()
        yield own | dict(line.split("=", 1) for line in lines if "=" in line)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _execute(steps: Steps, settings: Mapping[str, str], directory: Path, options: argparse.Namespace) -> str:
    """Execute the notebook; return its outcome, the first rows and what to do next."""
    places = _private_places(directory)
    # Also for this process, which looks up the kernel. Set them before jupyter_core is imported.
    os.environ.update(places)
    os.environ.pop("JUPYTER_PATH", None)
    import nbformat  # noqa: PLC0415
    from nbclient import NotebookClient  # noqa: PLC0415
    from nbclient.exceptions import CellExecutionError, CellTimeoutError  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    notebook = nbformat.read(TUTORIAL, as_version=4)  # type: ignore[no-untyped-call]
    if options.upstream:
        _set_parameters(notebook, nbformat.v4.new_code_cell(_upstream_parameters()))  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_code_cell(_FIGURES))  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=_CELL_SECONDS,
        on_notebook_start=steps.on_notebook_start,
        on_cell_start=steps.on_cell_start,
        resources={"metadata": {"path": str(directory)}},
        # Other users of the machine can reach the kernel's ports too.
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
    )
    try:
        client.execute(env={**settings, **places})
    except CellExecutionError as error:
        raise DemoFailed(_in_cell(steps, f"{error.ename}: {error.evalue}")) from None
    except (asyncio.CancelledError, CellTimeoutError, RuntimeError) as error:
        # nbclient raises RuntimeError if the kernel does not answer, has died, or was cancelled.
        interrupted = steps.interrupted or isinstance(error, asyncio.CancelledError)
        raise DemoFailed("interrupted." if interrupted else _in_cell(steps, str(error))) from None
    finally:
        steps.end()
        figures = notebook.cells.pop()
        if options.output:
            nbformat.write(notebook, options.output)  # type: ignore[no-untyped-call]
    return _outcome("".join(output.get("text", "") for output in figures.outputs))


def _upstream_parameters() -> str:
    """Return the notebook's parameters for the upstream server, as Python."""
    values = {name: os.environ[variable] for name, variable in _UPSTREAM.items() if os.environ.get(variable)}
    # Only TiDB Cloud user names have the cluster's prefix.
    values["user"] = f"{shlex.quote(values.get('user', 'root'))} --no-prefix"
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())


def _set_parameters(notebook: NotebookNode, parameters: NotebookNode) -> None:
    """Insert a cell after the notebook's own parameters, as papermill does."""
    tagged = (n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(next(tagged) + 1, parameters)


def _private_places(directory: Path) -> dict[str, str]:
    """Return an environment that stores Jupyter's and IPython's files, and all caches, in `directory`."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
    return {
        "HOME": str(directory),
        "XDG_STATE_HOME": str(directory / "state"),
        **{name: str(directory / name.lower()) for name in names},
        # Use this environment's kernel, even if the user has other kernels.
        "JUPYTER_PREFER_ENV_PATH": "1",
        # Without it, the unused debugger warns when it starts.
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _in_cell(steps: Steps, reason: str) -> str:
    if not steps.cell_source:
        return reason
    source = "\n".join("    " + line for line in steps.cell_source.splitlines())
    return f"in this cell of {TUTORIAL.name}:\n\n{source}\n\n{reason}"


def _outcome(printed: str) -> str:
    """Return the final text, from the output of the last cell."""
    *rows, last = printed.rstrip().splitlines()
    figures: dict[str, Any] = json.loads(last)
    line = (
        f"{figures['counted']} {figures['table']} in a DataFrame of {figures['rows']} rows, "
        f"over endpoint {figures['endpoint']}"
    )
    if figures["counted"] != figures["rows"]:
        raise DemoFailed(line)
    return "\n".join(("", *rows, "", f"demo ok: {line}", "Next: make lab"))


def _lab(settings: Mapping[str, str]) -> int:
    """Run JupyterLab on the notebooks until it exits."""
    command = [sys.executable, "-m", "jupyter", "lab", str(NOTEBOOKS)]
    command.append(f"--LabApp.default_url=/lab/tree/{FIRST}")
    if getattr(os, "geteuid", lambda: -1)() == 0:
        command.append("--allow-root")
    with subprocess.Popen(command, env=dict(settings)) as lab:  # noqa: S603 - our own environment's Lab
        # JupyterLab handles Ctrl-C and asks before it exits. Ignore it only now: a child inherits that.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return lab.wait()
        finally:
            lab.terminate()


if __name__ == "__main__":
    sys.exit(main())
