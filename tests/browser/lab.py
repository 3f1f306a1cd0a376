"""A Jupyter server for the tests, and one notebook as a user sees it in JupyterLab, Notebook 7 or Voilà.

One server runs all three front ends: each is an extension of it.
"""

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
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import nbformat
from nbformat.v4 import new_code_cell, new_notebook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from playwright.sync_api import Browser, Locator, Page, Playwright, WebSocketRoute

_SECONDS = 60.0
_STOP_SECONDS = 20.0
_PAUSE = 0.1  # seconds between two requests to a starting server
_ATTEMPTS = 3
_KEPT = ("PATH", "LANG", "SSL_CERT_FILE")
# Remembered state and fetched data would make one run differ from the next.
_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Cells outside the window would not be in the page.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    # Milliseconds: Lab drops what a kernel on a loaded machine answers later.
    "@jupyterlab/completer-extension/manager": {"providerTimeout": 60_000},
}
# Panels and viewers of other files, which show nothing of a notebook and a quarter of each page's work.
_OTHER_EXTENSIONS = (
    "celltags",
    "console",
    "csvviewer",
    "debugger",
    "documentsearch",
    "extensionmanager",
    "fileeditor",
    "help",
    "htmlviewer",
    "hub",
    "imageviewer",
    "inspector",
    "launcher",
    "logconsole",
    "lsp",
    "markdownviewer",
    "metadataform",
    "pdf",
    "pluginmanager",
    "running",
    "settingeditor",
    "terminal",
    "tooltip",
    "vega5",
)
# Each page would start Node.js, to see whether JupyterLab has to be built again.
_PAGE_CONFIG: dict[str, Any] = {
    "buildCheck": False,
    "buildAvailable": False,
    "disabledExtensions": {f"@jupyterlab/{name}-extension": True for name in _OTHER_EXTENSIONS},
}
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    # Helper threads only compete with the kernels and the server for the processor.
    "--num-raster-threads=1",
    "--disable-gpu-compositing",
    "--disable-software-rasterizer",
    "--disable-background-networking",
    # The page loads nothing from the network.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# Lab and Notebook 7 are the same application; a setting exposes both to the page.
_READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
# Milliseconds between two looks at such a condition. Without it, each frame of the page is drawn and looks.
_LOOK = 100.0
_BUSY = _READY.replace("'idle'", "'busy'")
# Lab's own commands. A promise that never settles would block the test.
_COMMAND = """([command, options, seconds]) => Promise.race([
    window.jupyterapp.commands.execute(command, options).then(done => done === true),
    new Promise((_, reject) => setTimeout(() => reject(new Error(`${command}: no end`)), 1000 * seconds)),
])"""
_BEGIN = "command => { window.jupyterapp.commands.execute(command) }"
# Show another notebook in a page that has JupyterLab loaded, without the question whether to save.
_OPEN = """async name => {
    const {commands, shell} = window.jupyterapp, before = [...shell.widgets('main')];
    await commands.execute('docmanager:open', {path: name, factory: 'Notebook'});
    before.forEach(widget => widget.dispose());
}"""
_SHOWN = "name => window.jupyterapp?.shell.currentWidget?.context?.path === name"
_ACTIVATE = "number => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = number }"
# These notebooks need no side bars.
_TIDY = "() => { window.jupyterapp.shell.collapseLeft(); window.jupyterapp.shell.collapseRight(); }"
# End what the extension and the notebook have in the kernel: another notebook would load their widgets.
_LEAVE = """async code => {
    const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
    if (kernel?.connectionStatus === 'connected') {
        await kernel.requestExecute({code, silent: true}).done;
    }
}"""
_LEAVING = "%unload_ext tidb_pe_magic\nimport ipywidgets\nipywidgets.Widget.close_all()"
_RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
# Every state of a cell's output area, as one list of the outputs' texts.
_RECORD = """node => {
    const outputs = () => [...node.querySelectorAll('.jp-OutputArea-output')].map(each => each.innerText);
    node.seen = [];
    new MutationObserver(() => node.seen.push(outputs()))
        .observe(node, {childList: true, subtree: true, characterData: true});
}"""


def launch(playwright: Playwright, program: str) -> Browser:
    """Start headless Chromium."""
    return playwright.chromium.launch(executable_path=program, args=list(_ARGUMENTS))


class Line:
    """The connection between a page and its kernels. It can hold back messages to the page."""

    def __init__(self, page: Page) -> None:
        """Intercept every notebook that the page opens from now on."""
        self._until: re.Pattern[bytes] | None = None
        self._kept: list[str | bytes] = []
        page.route_web_socket(re.compile(r"/api/kernels/.+/channels"), self._join)

    def hold(self, until: bytes) -> None:
        """Hold back messages from now on until one matches this pattern."""
        self._until = re.compile(until)

    @property
    def holds(self) -> bool:
        """Whether messages are held back."""
        return self._until is not None

    def _join(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()
        page_side.on_message(server_side.send)
        server_side.on_message(lambda message: self._hear(page_side, message))

    def _hear(self, page_side: WebSocketRoute, message: str | bytes) -> None:
        self._kept.append(message)
        if self._until is not None:
            if not self._until.search(message.encode() if isinstance(message, str) else message):
                return
            self._until = None
        for kept in self._kept:
            page_side.send(kept)
        self._kept.clear()


class Lab:
    """A Jupyter server on a directory of notebooks, with its own directories and settings."""

    def __init__(self, notebooks: Path, private: Path, environment: Mapping[str, str]) -> None:
        """Prepare the server; entering the context starts it.

        Args:
            notebooks: the directory to serve.
            private: the directory for files of Jupyter, IPython and the kernels.
            environment: the kernels' additional variables.
        """
        self.notebooks = notebooks
        self._private = private
        self._environment = environment
        self._token = secrets.token_hex(16)
        self._log: list[str] = []
        self._url = ""

    def __enter__(self) -> Self:
        """Start the server and wait until it answers."""
        for name, settings in _SETTINGS.items():
            path = self._private / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(settings))
        page_config = Path(self._places()["JUPYTER_CONFIG_DIR"], "labconfig", "page_config.json")
        page_config.parent.mkdir(parents=True, exist_ok=True)
        page_config.write_text(json.dumps(_PAGE_CONFIG))
        for _ in range(_ATTEMPTS):
            self._start()
            if self._answers():
                return self
            self._stop()
            # Jupyter picks a free port and starts to listen on it a little later.
            if not any("already in use" in line for line in self._log):
                break
        raise AssertionError("JupyterLab did not start:\n" + "".join(self._log))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and its kernels."""
        self._stop()

    def write(self, name: str, **sources: str) -> str:
        """Write a notebook with these cells (by ID) and return its name."""
        cells = [
            new_code_cell(source, id=cell_id)  # type: ignore[no-untyped-call]
            for cell_id, source in sources.items()
        ]
        notebook = new_notebook(cells=cells)  # type: ignore[no-untyped-call]
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.notebooks / name)  # type: ignore[no-untyped-call]
        return name

    def share_kernel(self, name: str) -> str:
        """Let a notebook use the first running kernel, if there is one, and return its name.

        A kernel of its own would import everything again.
        """
        with self._api() as api:
            for kernel in api.get("kernels").raise_for_status().json()[:1]:
                session = {"path": name, "name": name, "type": "notebook", "kernel": {"id": kernel["id"]}}
                api.post("sessions", json=session).raise_for_status()
        return name

    def end_kernels(self) -> None:
        """Shut down the kernel of every notebook."""
        with self._api() as api:
            for kernel in api.get("kernels").raise_for_status().json():
                api.delete(f"kernels/{kernel['id']}").raise_for_status()

    def files(self) -> list[Path]:
        """Return every file of the server and its kernels: notebooks, histories, settings, connections."""
        return [
            path for place in (self.notebooks, self._private) for path in place.rglob("*") if path.is_file()
        ]

    def open(self, page: Page, name: str) -> OpenNotebook:
        """Open a notebook in JupyterLab, and return when its kernel answers.

        A page that JupyterLab fills already is used as it is, because loading it takes most of a test's time.
        """
        loaded = page.url.startswith(f"{self._url}/lab/")
        if not loaded or page.locator(".jp-Dialog").count():
            return self.load(page, name)
        page.evaluate(_OPEN, name)
        return self._opened(page, name)

    def open_next(self, page: Page, name: str) -> OpenNotebook:
        """Open a notebook in JupyterLab with the first running kernel, which unloads the extension before."""
        if page.url.startswith(f"{self._url}/lab/"):
            page.evaluate(_LEAVE, _LEAVING)
        return self.open(page, self.share_kernel(name))

    def load(self, page: Page, name: str) -> OpenNotebook:
        """Load JupyterLab with a notebook, and return when its kernel answers."""
        # Each notebook has its own workspace, so that tabs of other notebooks are not restored.
        workspace = name.removesuffix(".ipynb")
        page.goto(f"{self._url}/lab/workspaces/{workspace}/tree/{name}?reset&token={self._token}")
        return self._opened(page, name)

    def open_notebook7(self, page: Page, name: str) -> OpenNotebook:
        """Open a notebook in Notebook 7, and return when its kernel answers."""
        page.goto(f"{self._url}/notebooks/{name}?token={self._token}")
        return self._opened(page, name)

    def render(self, page: Page, name: str) -> ShownNotebook:
        """Run a notebook in Voilà from first to last cell, and return when Voilà shows it."""
        page.goto(f"{self._url}/voila/render/{name}?token={self._token}")
        page.locator("#rendered_cells").wait_for()
        return ShownNotebook(page, self.notebooks / name, "#rendered_cells [cell-index]")

    def _api(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self._url}/api/", params={"token": self._token}, timeout=_SECONDS, trust_env=False
        )

    def _opened(self, page: Page, name: str) -> OpenNotebook:
        page.wait_for_function(_SHOWN, arg=name, polling=_LOOK)
        page.wait_for_function(_READY, polling=_LOOK)
        return OpenNotebook(page, self.notebooks / name, ".jp-Notebook .jp-Cell")

    def _start(self) -> None:
        self._log, self._url, self._found = [], "", threading.Event()
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", str(self.notebooks)]
        command += ["--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly"]
        command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
        command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.port_retries=0"]
        # A separate session, so that a signal for the tests does not reach the server.
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

    def _answers(self) -> bool:
        """Wait until this server (not another program at the announced address) answers."""
        end = time.monotonic() + _SECONDS
        self._found.wait(_SECONDS)
        while self._url and time.monotonic() < end:
            with contextlib.suppress(httpx.TransportError):
                status = httpx.get(f"{self._url}/api/status", params={"token": self._token}, trust_env=False)
                if status.is_success:
                    return True
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PAUSE)
                return False
        return False

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
            # Use this environment's kernel, even if the user has installed others for Jupyter.
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_TOKEN": self._token,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }

    def _read(self) -> None:
        """Read the log to its end and find the server's address. A full pipe would stop the server."""
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
        # The server stops its kernels, which have sessions of their own, and then itself.
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._reader.join()


@dataclass(frozen=True)
class ShownNotebook:
    """A notebook that a page shows.

    Attributes:
        path: its file.
        cells: a locator for its cells, in order.
    """

    page: Page
    path: Path
    cells: str

    def read(self) -> nbformat.NotebookNode:
        """Read the file."""
        notebook: nbformat.NotebookNode = nbformat.read(  # type: ignore[no-untyped-call]
            self.path, as_version=nbformat.NO_CONVERT
        )
        return notebook

    def cell(self, cell_id: str) -> Locator:
        """Return a cell."""
        return self.page.locator(self.cells).nth(self.number(cell_id))

    def number(self, cell_id: str) -> int:
        """Return the cell's position in the notebook."""
        return [cell.id for cell in self.read().cells].index(cell_id)

    def output(self, cell_id: str) -> Locator:
        """Return the output area of a cell. The cell's source may contain the same words."""
        return self.cell(cell_id).locator(".jp-Cell-outputArea")


class OpenNotebook(ShownNotebook):
    """A notebook that JupyterLab or Notebook 7 has open, with its kernel."""

    def run_all(self) -> bool:
        """Run every cell through the menu, and return whether all of them succeeded."""
        return self.command("notebook:run-all-cells")

    def run(self, cell_id: str) -> bool:
        """Run one cell and return whether it succeeded."""
        self.page.evaluate(_ACTIVATE, self.number(cell_id))
        return self.command("notebook:run-cell")

    def begin(self, cell_id: str) -> None:
        """Start one cell, and return when the kernel is running it."""
        self.page.evaluate(_ACTIVATE, self.number(cell_id))
        self.page.evaluate(_BEGIN, "notebook:run-cell")
        self.page.wait_for_function(_BUSY, polling=_LOOK)

    def begin_all(self) -> None:
        """Start every cell without waiting for the results."""
        self.page.evaluate(_BEGIN, "notebook:run-all-cells")

    def tidy(self) -> None:
        """Return the notebook the full width of the window."""
        self.page.evaluate(_TIDY)

    def restart(self) -> None:
        """Restart the kernel, and return when it answers."""
        self.page.evaluate(_RESTART)
        self.page.wait_for_function(_READY, polling=_LOOK)

    def reload(self) -> None:
        """Reload the page, and return when it has reconnected to its kernel."""
        self.page.reload()
        self.page.wait_for_function(_READY, polling=_LOOK)

    def save(self) -> None:
        """Save the notebook to its file."""
        self.command("docmanager:save")

    def record(self, cell_id: str) -> None:
        """Start recording every state of a cell's outputs."""
        self.cell(cell_id).evaluate(_RECORD)

    def recorded(self, cell_id: str) -> list[list[str]]:
        """Return the texts of the cell's outputs in each state since `record`, without repetitions."""
        states: list[list[str]] = self.cell(cell_id).evaluate("node => node.seen")
        return [state for state, before in zip(states, [None, *states], strict=False) if state != before]

    def command(self, name: str, **options: str) -> bool:
        """Run one of the application's commands and return whether it reports success."""
        succeeded: bool = self.page.evaluate(_COMMAND, [name, options, _SECONDS])
        return succeeded
