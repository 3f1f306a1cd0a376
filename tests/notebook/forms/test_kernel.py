"""The form in a real kernel: clicks, restarts, and what a notebook saves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nbformat
import pytest
from flows.places import GROUP
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from support.kernels import Kernel

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.sandbox.pytest_plugin import Sandboxes

SECRETS = ("TIDB_PASSWORD", "TIDBCLOUD_PRIVATE_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "TYPED")
LOAD = "%load_ext tidb_pe_magic"
SHOW = "f = %tidb_pe form\nf"
BEGIN = "assert f.join(60)\nc, k, n = f.choose, f.create, f.connect"
# The password comes from the environment, not from a cell; a front end sends it like this.
CLICKS = {
    "choose": "c.cluster.control.value = 'demo'; c.use.button.click(); f.join(60)",
    "place": f"k.groups.control.value = ('{GROUP}',); f.join(60)",
    "check": "k.plan.button.click(); f.join(60)",
    "create": "k.create.button.click(); f.join(60)",
    "log in": "n.login['database'].control.value = 'nycflights13'",
    "type": "import os; n.password.control.set_state({'value': os.environ['TYPED']})",
    "wrong": "n.connect.button.click(); f.join(60)",
    "right": "n.password.control.set_state({'value': os.environ['TIDB_PASSWORD']}); "
    "n.connect.button.click(); f.join(60)",
    "typed, not submitted": "n.password.control.set_state({'value': os.environ['TYPED']})",
    "query": "n.query.sql.control.value = 'SELECT COUNT(*) AS n FROM flights'; "
    "n.query.run.button.click(); f.join(60)",
}
CELLS = {
    "load": LOAD,
    "form": SHOW,
    "begin": BEGIN,
    **CLICKS,
    "frame": "print(f.frame['n'].tolist())",
    "sql": "%sql SELECT COUNT(*) FROM flights",
    "status": "%tidb_pe status",
    "modules": "import sys; print('matplotlib' in sys.modules)",
    "plot": "%sqlplot histogram --table flights --column distance",
}
AFTER = {
    "form": "print(f)",
    "heads": "print([page.box.children[0].description for page in f.sections.values()])",
    "wait": "print(n.wait.outcome.value)",
}


@dataclass(frozen=True)
class Walk:
    """The form by clicks, in a notebook and then in a new kernel.

    Attributes:
        notebook: the executed notebook, with its widgets' state.
        texts: what each cell had as text as soon as it ended.
        summary: the HTML of the form's cell as soon as the cluster was chosen.
        after: what the new kernel's cells print.
        settings: the kernels' environment.
        directory: where the kernels write.
        endpoints: the number of endpoints at the end.
    """

    notebook: nbformat.NotebookNode
    texts: dict[str, str]
    summary: str
    after: dict[str, str]
    settings: dict[str, str]
    directory: Path
    endpoints: int


@pytest.fixture(scope="module")
def walk(_tidb_pe_sandboxes: Sandboxes, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Click through all steps, kill the kernel, and open the form again in another one."""
    directory = tmp_path_factory.mktemp("kernels")
    sandbox = _tidb_pe_sandboxes.lend(flights=500, upstream=None, fleet=0)
    # With a wrong password, too.
    settings = {**sandbox.environment(), "TYPED": "canary-Typed1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    cells = [new_code_cell(source) for source in CELLS.values()]  # type: ignore[no-untyped-call]
    notebook = new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        store_widget_state=True,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(directory)}},
    )
    places = {"HOME": "", "IPYTHONDIR": "ipython", "JUPYTER_DATA_DIR": "data", "XDG_STATE_HOME": "state"}
    private = {name: str(directory / place) for name, place in places.items()}
    texts: dict[str, str] = {}
    summary = ""
    with client.setup_kernel(env={**os.environ, **settings, **private}):
        for number, (name, cell) in enumerate(zip(CELLS, notebook.cells, strict=True)):
            client.execute_cell(cell, number)
            texts[name] = written(cell, "text/plain")
            if name == "choose":
                summary = written(notebook.cells[list(CELLS).index("form")], "text/html")
        client.set_widgets_metadata()
    with Kernel(settings, directory) as kernel:
        for source in (LOAD, SHOW, BEGIN, CLICKS["choose"]):  # The endpoint also serves other clusters.
            kernel.must(source)
        after = {name: kernel.must(source).text for name, source in AFTER.items()}
    return Walk(notebook, texts, summary, after, settings, directory, len(sandbox.world.endpoints))


def written(cell: nbformat.NotebookNode, kind: str) -> str:
    """Return a cell's streams, results and displays in one MIME type."""
    return "".join(output.get("text") or output.get("data", {}).get(kind, "") for output in cell.outputs)


def test_by_clicks_to_jupysql(walk: Walk) -> None:
    """The form registers with jupysql from its thread.

    matplotlib is imported by the first plot, and not by jupysql.
    """
    assert "It needs Jupyter widgets" in walk.texts["form"]
    assert "%tidb_pe cluster NAME_OR_ID" in walk.texts["form"]
    assert "500" in walk.texts["frame"]
    assert "500" in walk.texts["sql"]
    assert "connected" in walk.texts["status"].lower()
    assert walk.texts["modules"] == "False\n"
    assert "Axes" in walk.texts["plot"]


def test_a_new_kernel_continues(walk: Walk) -> None:
    """After the kernel was killed, the form in a new one finds the endpoint when the cluster is chosen."""
    assert "demo" in walk.after["form"]
    assert "▾ 3. Connect" in walk.after["heads"]
    assert "Active and Connected" in walk.after["wait"]
    assert walk.endpoints == 1


def test_a_summary_is_updated_in_its_own_cell(walk: Walk) -> None:
    """Output of the form's thread appears in the form's cell, not in a later cell."""
    assert "%tidb_pe cluster demo" in walk.summary.replace("<", " <")
    cells = dict(zip(CELLS, walk.notebook.cells, strict=True))
    later = {output.output_type for name in CLICKS for output in cells[name].outputs}
    assert later == {"execute_result"}, "the value of join"


def test_no_secret_is_saved(walk: Walk) -> None:
    """The notebook, its widgets' state, its HTML and the kernels' files contain no secret."""
    state = walk.notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(each["model_name"] == "PasswordModel" for each in state.values())
    from nbconvert import HTMLExporter  # noqa: PLC0415 - slow to import

    html, _ = HTMLExporter().from_notebook_node(walk.notebook)  # type: ignore[no-untyped-call]
    saved = nbformat.writes(walk.notebook) + html  # type: ignore[no-untyped-call]
    assert "%tidb_pe connect" in saved
    assert "--password-from prompt" in saved, "the typed password was used"
    assert [name for name in SECRETS if walk.settings[name] in saved] == []
    files = {path: path.read_bytes() for path in walk.directory.rglob("*") if path.is_file()}
    assert any(path.name == "history.sqlite" for path in files)
    for name in SECRETS:
        secret = walk.settings[name].encode()
        assert [path for path, data in files.items() if secret in data] == [], name
