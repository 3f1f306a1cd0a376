"""The notebooks are clean as committed, and each runs completely against the sandbox."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from support import warm
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbformat import NotebookNode

    from tidb_pe_magic.sandbox import Sandbox

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
QUICKSTART = "01_quickstart.ipynb"
TUTORIAL = "02_step_by_step.ipynb"
EXPLORE = "03_explore.ipynb"
TROUBLESHOOT = "04_troubleshoot.ipynb"
FORM = "05_form.ipynb"
LISTED = (QUICKSTART, TUTORIAL, EXPLORE, TROUBLESHOOT, FORM)
FLIGHTS = 2000
ACCOUNTS = ("TIDB", "ALIBABA_CLOUD_")
# Words that readers stumble over.
ODD = re.compile(r"\b(made|told|noted|kept|go on|besides?|all the same|whoever|is no)\b", re.IGNORECASE)


def read(name: str) -> NotebookNode:
    """Read a notebook as committed."""
    notebook: NotebookNode = nbformat.read(  # type: ignore[no-untyped-call]
        NOTEBOOKS / name, as_version=nbformat.NO_CONVERT
    )
    return notebook


def with_parameters(name: str, **parameters: str) -> NotebookNode:
    """Read a notebook as papermill does, with the cell of parameters that papermill adds."""
    notebook: NotebookNode = parameterize_notebook(load_notebook_node(str(NOTEBOOKS / name)), parameters)
    return notebook


def cell(notebook: NotebookNode, cell_id: str) -> NotebookNode:
    """Return the cell with this ID."""
    found: NotebookNode = next(cell for cell in notebook.cells if cell.id == cell_id)
    return found


def text(notebook: NotebookNode, cell_id: str) -> str:
    """Return the text that a cell of an executed notebook shows."""
    return "\n".join(
        output.get("text") or output["data"]["text/plain"] for output in cell(notebook, cell_id).outputs
    )


def plots(notebook: NotebookNode) -> int:
    """Return the number of plots in an executed notebook."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a directory for the kernels' files."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def sandbox(lend: Callable[..., Sandbox]) -> Sandbox:
    """Provide embedded clouds without endpoints, with a part of the flights."""
    return lend(flights=FLIGHTS)


@pytest.fixture
def execute(sandbox: Sandbox, directory: Path) -> Callable[..., NotebookNode]:
    """Return a function that executes a notebook against the sandbox in its own kernel."""

    def execute(notebook: NotebookNode) -> NotebookNode:
        own = {name: value for name, value in os.environ.items() if not name.startswith(ACCOUNTS)}
        places = {name: str(directory) for name in ("HOME", "IPYTHONDIR", "MPLCONFIGDIR", "XDG_STATE_HOME")}
        environment = own | places | sandbox.environment() | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        connection_file = directory / f"kernel-{len(list(directory.iterdir()))}.json"
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            kernel_manager_class=warm.AsyncKernelManager,
            timeout=300,
            resources={"metadata": {"path": str(directory)}},
            config=Config(
                {"KernelManager": {"connection_file": str(connection_file), "transport_encryption": "auto"}}
            ),
        )
        # A failing cell raises CellExecutionError, which shows the cell's source and its error.
        client.execute(env=environment)
        assert_no_secret(notebook, sandbox)
        return notebook

    return execute


def assert_no_secret(notebook: NotebookNode, sandbox: Sandbox) -> None:
    """Search everything that would be saved for the sandbox's secrets."""
    saved = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    environment = sandbox.environment()
    for name in ("TIDB_PASSWORD", "TIDBCLOUD_PRIVATE_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"):
        assert environment[name] not in saved, f"the executed notebook contains {name}"


def test_every_notebook_is_listed() -> None:
    """Every notebook is listed in this file, and so is executed by it."""
    assert sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")) == sorted(LISTED)


@pytest.mark.parametrize("name", LISTED)
def test_is_clean_as_committed(name: str) -> None:
    """A notebook is valid, its cells have IDs, and it contains neither outputs nor execution counts."""
    notebook = read(name)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    for committed in notebook.cells:
        assert committed.id
        if committed.cell_type == "code":
            assert committed.outputs == []
            assert committed.execution_count is None


@pytest.mark.parametrize("name", LISTED)
def test_prose_is_in_the_platforms_words(name: str) -> None:
    """The prose names no other provider's product, and uses the platforms' own words."""
    prose = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    assert "Alibaba Cloud" in prose or name == EXPLORE
    for other in ("AWS", "Amazon", "Azure", "Google Cloud"):
        assert other not in prose
    assert ODD.findall(prose) == []


def test_every_notebook_asks_with_sql_cells() -> None:
    """Every query in a notebook is a SQL cell, including the form's."""
    for name in LISTED:
        cells = read(name).cells
        assert any("%%sql" in cell.source for cell in cells), name
        assert not [cell.id for cell in cells if re.search(r"(?<!%)%sql|%%tidb_pe query", cell.source)], name


def test_restrictions_come_first() -> None:
    """The tutorial starts with the restrictions and the cost, before any code."""
    first = read(TUTORIAL).cells[0]
    assert first.cell_type == "markdown"
    for restriction in ("Alibaba Cloud", "Starter", "Essential", "own region", "each zone and each hour"):
        assert restriction in first.source


def test_parameters_are_assignments_of_texts() -> None:
    """The tutorial's cell of parameters contains only assignments of literal texts."""
    source = cell(read(TUTORIAL), "parameters").source
    for statement in ast.parse(source).body:
        assert isinstance(statement, ast.Assign)
        assert isinstance(statement.value, ast.Constant)
        assert isinstance(statement.value.value, str)


def test_one_endpoint_serves_the_notebooks(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """The quickstart creates the endpoint; the tutorial and the analyst's session reuse it."""
    started = execute(read(QUICKSTART))
    (endpoint_id,) = sandbox.world.endpoints
    assert "already uses the sandbox" in text(started, "sandbox")
    assert endpoint_id in text(started, "endpoints")
    assert plots(started) == 1

    again = execute(with_parameters(TUTORIAL, clean_up="yes"))
    assert endpoint_id in text(again, "create")
    assert f"{FLIGHTS}" in text(again, "count")
    assert f"{endpoint_id} was not deleted" in text(again, "clean-up")
    assert set(sandbox.world.endpoints) == {endpoint_id}, "clean-up deleted what another notebook created"

    explored = execute(read(EXPLORE))
    assert plots(explored) == 2
    assert "late_percent" in text(explored, "read")


def test_each_failure_is_explained(execute: Callable[..., NotebookNode]) -> None:
    """The notebook of failures shows the cause of each of the five, and a diagnosis without one."""
    executed = execute(read(TROUBLESHOOT))
    for cell_id, words in {
        "port": ("port", "sg-t4nanalytics"),
        "silence": ("tcp fails", "no answer", "security group (sg-t4nanalytics)", "Next: %tidb_pe plan"),
        "name": ("dns fails", "does not resolve", "Next: %tidb_pe endpoints"),
        "tls": ("tls fails", "gateway.example.net"),
        "login": ("login fails", "1045", "Authorized Networks", "--password-from prompt"),
        "clean": ("every stage passes", "login, query"),
        "ask": ("carrier", "origin"),
        "more": ("tls-expired", "port-black-hole"),
    }.items():
        shown = " ".join(text(executed, cell_id).split())
        assert [word for word in words if word not in shown] == [], shown
    # A foreign certificate must never be trusted.
    assert "--tls-name gateway.example.net" not in text(executed, "tls")


def test_the_form_shows_the_commands(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """Without clicks, the form shows the commands as text, and changes nothing in a cloud."""
    executed = execute(read(FORM))
    shown = text(executed, "form")
    for command in ("%tidb_pe cluster NAME_OR_ID", "%tidb_pe create", "%tidb_pe connect"):
        assert command in shown
    assert sandbox.world.endpoints == {}
