"""The notebooks are clean as committed, and each runs from its first cell to its last against the sandbox."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from traitlets.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbformat import NotebookNode

    from tidb_pe_magic.sandbox import Sandbox

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
RUNBOOK = "02_step_by_step.ipynb"
EXPLORE = "03_explore.ipynb"
TROUBLESHOOT = "04_troubleshoot.ipynb"
FORM = "05_form.ipynb"
LISTED = (EXPLORE, FORM, RUNBOOK, TROUBLESHOOT)
FLIGHTS = 2000
ACCOUNTS = ("TIDB", "ALIBABA_CLOUD_")
JAKARTA = {
    "TIDB_PE_CLUSTER": "jakarta",
    "TIDB_PE_VPC": "vpc-k1ajakarta4h8n2v",
    "TIDB_PE_SECURITY_GROUPS": "sg-k1ajakarta",
    "TIDB_PE_ZONES": "ap-southeast-5a=vsw-k1aa1, ap-southeast-5b",
    "TIDB_PE_ENDPOINT_NAME": "from-the-environment",
    "TIDB_PE_ALIAS": "analytics",
    "TIDB_PE_TABLE": "airlines",
}


def read(name: str) -> NotebookNode:
    """Read a notebook as it is committed."""
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
    """Return what a cell of an executed notebook shows as text."""
    return "\n".join(
        output.get("text") or output["data"]["text/plain"] for output in cell(notebook, cell_id).outputs
    )


def figures(notebook: NotebookNode) -> dict[str, Any]:
    """Return the figures that the runbook notebook prints last."""
    found: dict[str, Any] = json.loads(text(notebook, notebook.cells[-1].id))
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for the files of the kernels."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def sandbox(lend: Callable[..., Sandbox]) -> Sandbox:
    """Give embedded clouds without any endpoint, with a part of the flights."""
    return lend(flights=FLIGHTS)


@pytest.fixture
def execute(sandbox: Sandbox, directory: Path) -> Callable[..., NotebookNode]:
    """Give a function that executes a notebook against the sandbox in a kernel of its own."""

    def execute(notebook: NotebookNode, settings: Mapping[str, str] | None = None) -> NotebookNode:
        own = {name: value for name, value in os.environ.items() if not name.startswith(ACCOUNTS)}
        places = {name: str(directory) for name in ("HOME", "IPYTHONDIR", "MPLCONFIGDIR", "XDG_STATE_HOME")}
        environment = own | places | sandbox.environment() | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        connection_file = directory / f"kernel-{len(list(directory.iterdir()))}.json"
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=300,
            resources={"metadata": {"path": str(directory)}},
            config=Config(
                {"KernelManager": {"connection_file": str(connection_file), "transport_encryption": "auto"}}
            ),
        )
        # A failing cell raises CellExecutionError, which shows the cell's source and its error.
        client.execute(env={**environment, **(settings or {})})
        assert_no_secret(notebook, sandbox)
        return notebook

    return execute


def assert_no_secret(notebook: NotebookNode, sandbox: Sandbox) -> None:
    """Look for the sandbox's secrets in everything that would be saved."""
    saved = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    environment = sandbox.environment()
    for name in ("TIDB_PASSWORD", "TIDBCLOUD_PRIVATE_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"):
        assert environment[name] not in saved, f"{name} stands in the executed notebook"


def test_every_notebook_is_listed() -> None:
    """A notebook that is added has to be named in this file, and so is executed by it."""
    assert sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")) == sorted(LISTED)


@pytest.mark.parametrize("name", LISTED)
def test_is_clean_as_committed(name: str) -> None:
    """A notebook is valid, its cells have IDs, and it holds neither outputs nor execution counts."""
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
def test_prose_means_alibaba_cloud(name: str) -> None:
    """The prose never names another provider's product, as the original tutorial does in places."""
    prose = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    assert "Alibaba Cloud" in prose or name == EXPLORE
    for other in ("AWS", "Amazon", "Azure", "Google Cloud"):
        assert other not in prose


def test_restrictions_come_first() -> None:
    """The runbook begins with the restrictions and with what it costs, before any code."""
    first = read(RUNBOOK).cells[0]
    assert first.cell_type == "markdown"
    for restriction in ("Alibaba Cloud", "Starter", "Essential", "own region", "each zone and each hour"):
        assert restriction in first.source


def test_runs_twice_and_is_explored(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """The second run adopts the endpoint of the first, and the analyst's notebook works over it."""
    first = execute(read(RUNBOOK))
    (endpoint_id,) = sandbox.world.endpoints
    expected = {
        "table": "flights",
        "counted": FLIGHTS,
        "rows": FLIGHTS,
        "endpoint": endpoint_id,
        "connection_status": "Connected",
    }
    assert figures(first) == expected

    explored = execute(read(EXPLORE))
    plots = [
        output
        for executed in explored.cells
        for output in executed.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(plots) == 2
    assert "tidb" in text(explored, "disconnect")

    second = execute(read(RUNBOOK), {"TIDB_PE_CLEAN_UP": "yes"})
    assert figures(second) == expected
    assert "adopted" in text(second, "create").lower()
    assert "did not make" in text(second, "clean-up")
    assert set(sandbox.world.endpoints) == {endpoint_id}, "clean-up deleted what another run made"


def test_cleans_up_what_it_made(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """With papermill's `clean_up="shared"` the endpoint goes, even where the creating cell ran twice."""
    notebook = with_parameters(RUNBOOK, clean_up="shared")
    again = deepcopy(cell(notebook, "create"))
    again.id = "create-again"
    notebook.cells.insert(notebook.cells.index(cell(notebook, "wait")), again)
    executed = execute(notebook)
    assert "adopted" in text(executed, "create-again").lower()
    assert figures(executed)["endpoint"] in text(executed, "clean-up")
    assert sandbox.world.endpoints == {}


def test_parameters_are_environment_variables(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """Another cluster, network, alias and table need environment variables and nothing else."""
    executed = execute(read(RUNBOOK), JAKARTA)
    (endpoint,) = sandbox.world.endpoints.values()
    assert endpoint.name == "from-the-environment"
    assert {(zone.zone_id, zone.vswitch_id) for zone in endpoint.zones} == {
        ("ap-southeast-5a", "vsw-k1aa1"),
        ("ap-southeast-5b", "vsw-k1ab1"),
    }
    assert figures(executed)["rows"] == 16
    assert "%%sql analytics" in text(executed, "connect")


def test_each_failure_is_explained(execute: Callable[..., NotebookNode]) -> None:
    """The notebook of failures shows the cause of each of the five, and a diagnosis without one."""
    executed = execute(read(TROUBLESHOOT))
    for cell_id, words in {
        "port": ("port", "sg-t4nanalytics"),
        "silence": ("tcp fails", "no answer", "security group (sg-t4nanalytics)", "Next: %tidb_pe plan"),
        "name": ("dns fails", "does not resolve", "Next: %tidb_pe endpoints"),
        "tls": ("tls fails", "gateway.example.net"),
        "login": ("login fails", "1045", "Authorized Networks", "--password-from prompt"),
        "clean": ("every stage passes", "TiDB"),
        "more": ("tls-expired", "port-black-hole"),
    }.items():
        shown = " ".join(text(executed, cell_id).split())
        assert [word for word in words if word not in shown] == [], shown
    # A stranger's certificate is never to be trusted.
    assert "--tls-name gateway.example.net" not in text(executed, "tls")


def test_the_form_shows_the_commands(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """Where nobody clicks, the form names the commands as text, and changes nothing in a cloud."""
    executed = execute(read(FORM))
    shown = text(executed, "form")
    for command in ("%tidb_pe cluster NAME_OR_ID", "%tidb_pe create", "%tidb_pe connect"):
        assert command in shown
    assert sandbox.world.endpoints == {}


def test_failing_cell_is_shown(execute: Callable[..., NotebookNode], sandbox: Sandbox) -> None:
    """A notebook stops at the cell that fails, and the failure holds its source and its one line."""
    notebook = with_parameters(RUNBOOK, cluster="aws-sales")
    with pytest.raises(CellExecutionError) as failure:
        execute(notebook)
    assert "%tidb_pe cluster {chosen}" in str(failure.value)
    assert failure.value.ename == "NotEligible"
    assert "Traceback" not in str(failure.value)
    assert sandbox.world.endpoints == {}
    assert_no_secret(notebook, sandbox)
