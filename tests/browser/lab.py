"""JupyterLab as a process of its own, and one notebook in it as a person sees it in a browser."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import nbformat

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from playwright.sync_api import Locator, Page

_SECONDS = 60.0
_STOP_SECONDS = 20.0
_KEPT = ("PATH", "LANG", "SSL_CERT_FILE")
# Everything that is remembered or fetched beside the notebook would make one run differ from the next.
_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Cells outside the window would not be in the page.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
_READY = """() => {
    const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
# Lab's own commands; a promise that never settles would hold the test up for ever.
_COMMAND = """([command, options, seconds]) => Promise.race([
    window.jupyterapp.commands.execute(command, options).then(done => done === true),
    new Promise((_, reject) => setTimeout(() => reject(new Error(`${command}: no end`)), 1000 * seconds)),
])"""
# Every state of a cell's output area, as one list of outputs' texts.
_RECORD = """node => {
    const outputs = () => [...node.querySelectorAll('.jp-OutputArea-output')].map(each => each.innerText);
    node.seen = [];
    new MutationObserver(() => node.seen.push(outputs()))
        .observe(node, {childList: true, subtree: true, characterData: true});
}"""


class Lab:
    """JupyterLab's server on a directory of notebooks, with directories and settings of its own."""

    def __init__(self, notebooks: Path, private: Path, environment: Mapping[str, str]) -> None:
        """Prepare the server; entering the context starts it.

        Args:
            notebooks: what it serves.
            private: where Jupyter, IPython and the kernels keep their files.
            environment: what the kernels find in theirs.
        """
        self.notebooks = notebooks
        self._private = private
        self._environment = environment
        self._token = secrets.token_hex(16)
        self._log: list[str] = []
        self._found = threading.Event()
        self._url = ""

    def __enter__(self) -> Self:
        """Start the server, and wait until it listens."""
        for name, settings in _SETTINGS.items():
            path = self._private / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", str(self.notebooks)]
        command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
        command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.port_retries=0"]
        # A session of its own: a signal for the tests is not for the server.
        self._process = subprocess.Popen(
            command,
            env=self._places() | dict(self._environment),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._found.wait(_SECONDS) or not self._url:
            self._stop()
            raise AssertionError("JupyterLab did not start:\n" + "".join(self._log))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server and its kernels."""
        self._stop()

    def open(self, page: Page, name: str) -> OpenNotebook:
        """Open a notebook, and return when its kernel answers."""
        # A workspace for each notebook: none finds the tabs of another one.
        workspace = name.removesuffix(".ipynb")
        page.goto(f"{self._url}/lab/workspaces/{workspace}/tree/{name}?reset&token={self._token}")
        page.wait_for_function(_READY)
        return OpenNotebook(page, self.notebooks / name)

    def _places(self) -> dict[str, str]:
        names = (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "IPYTHONDIR",
            "MPLCONFIGDIR",
        )
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            **{name: str(self._private / name.lower()) for name in names},
            "HOME": str(self._private),
            "XDG_STATE_HOME": str(self._private / "state"),
            "JUPYTERLAB_SETTINGS_DIR": str(self._private / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self._private / "workspaces"),
            # The kernel is this environment's, whatever a user has installed for Jupyter.
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_TOKEN": self._token,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def _read(self) -> None:
        """Read the log to its end, for a full pipe would stop the server; its address stands in it."""
        assert self._process.stderr is not None
        with self._process.stderr as log:
            for line in log:
                self._log.append(line)
                address = re.search(r"(http://127\.0\.0\.1:\d+)/lab", line)
                if address and not self._url:
                    self._url = address[1]
                    self._found.set()
        self._found.set()

    def _stop(self) -> None:
        # The server ends its kernels, which have sessions of their own, and then itself.
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join()


@dataclass(frozen=True)
class OpenNotebook:
    """The notebook that a page of JupyterLab shows.

    Attributes:
        path: its file.
    """

    page: Page
    path: Path

    def read(self) -> nbformat.NotebookNode:
        """Read the file."""
        notebook: nbformat.NotebookNode = nbformat.read(  # type: ignore[no-untyped-call]
            self.path, as_version=nbformat.NO_CONVERT
        )
        return notebook

    def run_all(self) -> bool:
        """Run every cell, as the menu does; tell whether all of them succeeded."""
        return self._command("notebook:run-all-cells")

    def save(self) -> None:
        """Save the notebook into its file."""
        self._command("docmanager:save")

    def cell(self, cell_id: str) -> Locator:
        """Return a cell."""
        number = [cell.id for cell in self.read().cells].index(cell_id)
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, cell_id: str) -> Locator:
        """Return the output area of a cell: the same words may stand in its source too."""
        return self.cell(cell_id).locator(".jp-Cell-outputArea")

    def record(self, cell_id: str) -> None:
        """Begin to keep every state of a cell's outputs."""
        self.cell(cell_id).evaluate(_RECORD)

    def recorded(self, cell_id: str) -> list[list[str]]:
        """Return the texts of the cell's outputs, in each state since `record`, without repetitions."""
        states: list[list[str]] = self.cell(cell_id).evaluate("node => node.seen")
        return [state for state, before in zip(states, [None, *states], strict=False) if state != before]

    def _command(self, name: str) -> bool:
        succeeded: bool = self.page.evaluate(_COMMAND, [name, {}, _SECONDS])
        return succeeded
