"""After a complete run, outputs, files, streams, command lines and children contain no secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from flows.places import GROUP, VPC
from nbclient import NotebookClient
from support.needles import find_secrets
from traitlets.config import Config

from tidb_pe_magic import Runbook
from tidb_pe_magic.commands.requests import SandboxRequest
from tidb_pe_magic.notebook.sandbox_command import SandboxCommand

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from tidb_pe_magic.sandbox import Sandbox

PLACEMENT = f"--vpc {VPC} --security-group {GROUP}"
SECRETS = (
    "TIDBCLOUD_PRIVATE_KEY",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "TIDB_PASSWORD",
    "CANARY_WRONG",
    "CANARY_TOKEN",
)
WRONG = {
    "TIDBCLOUD_PRIVATE_KEY": "%tidb_pe clusters",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "%tidb_pe verify --cluster demo",
    "TIDB_PASSWORD": "%tidb_pe connect --cluster demo",
}
# The inspections of a curious user.
LOOKS = (
    "%whos",
    "%sql --connections",
    "rb = get_ipython().find_line_magic('tidb_pe').__self__.runbook",
    "rb, vars(rb), vars(rb._context), rb.connections, rb._context.environ, rb._context.journal",
    "[(each, vars(each)) for each in rb.connections.values()]",
    "[(each.engine, each.engine.url, vars(each.engine.url)) for each in rb.connections.values()]",
    "[repr(getattr(rb, name)) for name in dir(rb) if not name.startswith('_') and name != 'connection']",
    "print(open('/proc/self/cmdline').read().split(chr(0)))",
    "print(open(rb.history().path).read())",
)
FRAMES = """
import sys
trace = sys.exc_info()[2] or getattr(sys, "last_traceback", None)
while trace:
    if not trace.tb_frame.f_code.co_filename.startswith("<"):
        print(trace.tb_frame.f_code.co_qualname, trace.tb_frame.f_locals)
    trace = trace.tb_next
"""
# Each command as `python -m tidb_pe_magic` runs it, one after the other in one child of the kernel.
CONSOLE = '''
import subprocess, sys
COMMANDS = """
import runpy, sys
for words in sys.argv[1:]:
    print("$ tidb-pe", words, flush=True)
    sys.argv[1:] = words.split()
    try:
        runpy.run_module("tidb_pe_magic", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        print("exit code", ended.code, flush=True)
"""
words = ("clusters", "status --cluster demo", "doctor --cluster demo", "verify --cluster nowhere")
print(subprocess.run([sys.executable, "-c", COMMANDS, *words], capture_output=True, text=True))
'''
CELLS = [
    "%load_ext tidb_pe_magic",
    "%xmode Verbose",
    "import logging, os; logging.basicConfig(level=logging.DEBUG, filename='debug.log', force=True)",
    "%tidb_pe clusters",
    "cluster = %tidb_pe cluster demo",
    "cluster, vars(cluster)",
    "%tidb_pe networks",
    "%tidb_pe verify",
    f"%tidb_pe plan {PLACEMENT}",
    f"created = %tidb_pe create {PLACEMENT}",
    "vars(created), vars(created.endpoint)",
    "%tidb_pe wait",
    f"report = %tidb_pe run demo {PLACEMENT} --database nycflights13",
    "report, vars(report)",
    "%tidb_pe status",
    "%tidb_pe endpoints",
    "%tidb_pe doctor",
    "%tidb_pe permissions",
    "%tidb_pe history",
    f"%tidb_pe export terraform {PLACEMENT}",
    f"str(rb.export('aliyun-cli', vpc='{VPC}'))",
    "%tidb_pe connection-string --with jdbc",
    "%tidb_pe connection-string --with dbt",
    "%tidb_pe connect --save --save-to shared.json",
    "%tidb_pe connect @shared.json",
    "%tidb_pe connect @shared.json --password-from env:CANARY_WRONG",
    FRAMES,
    CONSOLE,
    *LOOKS,
    "%%sql tidb\nSELECT COUNT(*) FROM flights",
    "%%sql tidb\nSELECT nonsense FROM nowhere",
    "import pandas as pd; pd.read_sql('SELECT nonsense', rb.connection.engine)",
    FRAMES,
    # Failures of each kind.
    "%tidb_pe connect --password whatever",
    "%tidb_pe connect --password-from env:CANARY_WRONG",
    FRAMES,
    "%tidb_pe connect --password-from file:/nowhere",
    "%tidb_pe connect --user root",
    "%tidb_pe connect --tls verify-identity",
    "%tidb_pe connect --database no_such_database",
    "%tidb_pe doctor --password-from env:CANARY_WRONG",
    "%tidb_pe cluster nowhere",
    "%tidb_pe cluster aws-sales",
    "%tidb_pe delete ep-1",
    "%tidb_pe connect 'unbalanced",
    "1 / 0",
    # A bug deep inside: the frames' variables are shown.
    "rb._context.prompt = lambda question: 1 / 0",
    "%tidb_pe connect --password-from prompt",
    "%tb Verbose",
    FRAMES,
    "rb._context.clock = lambda: 1 / 0",
    "%tidb_pe wait",
    "%tb Verbose",
    FRAMES,
    "import time; rb._context.clock = time.monotonic",
    # The cells contain the variables' names; the values come from the kernel's environment.
    *(
        cell
        for name, command in WRONG.items()
        for cell in (
            f"os.environ['KEPT'] = os.environ['{name}']; os.environ['{name}'] = os.environ['CANARY_WRONG']",
            command,
            "%tb Verbose",
            FRAMES,
            f"os.environ['{name}'] = os.environ['KEPT']",
        )
    ),
    "os.environ['ALIBABA_CLOUD_SECURITY_TOKEN'] = os.environ['CANARY_TOKEN']",
    "%tidb_pe verify --cluster demo",
    "%tb Verbose",
    "del os.environ['ALIBABA_CLOUD_SECURITY_TOKEN']",
    "%tidb_pe delete {created.endpoint.endpoint_id} --yes --shared",
    "%tidb_pe history",
    "%tidb_pe sandbox start --mode immediate --flights 20",
    "%tidb_pe clusters",
    "%unload_ext tidb_pe_magic",
]


def executed(environment: dict[str, str], directory: Path) -> NotebookNode:
    """Run the cells in a kernel as nbclient does, including failures, with its streams in files."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call]
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    config = Config({"KernelManager": {"connection_file": str(directory / "kernel.json")}})
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        allow_errors=True,
        extra_arguments=["--log-level=DEBUG"],
        store_widget_state=True,
        ipython_hist_file=str(directory / "history.sqlite"),
        resources={"metadata": {"path": str(directory)}},
        config=config,
    )
    with (directory / "stdout").open("wb") as stdout, (directory / "stderr").open("wb") as stderr:
        client.execute(env=environment, stdout=stdout, stderr=stderr)
    return notebook


def failures(notebook: NotebookNode) -> str:
    """Return the class and the displayed text of every error that a cell ended with."""
    return "\n".join(
        "\n".join((output["ename"], *output["traceback"]))
        for cell in notebook.cells
        for output in cell.outputs
        if output.output_type == "error"
    )


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """Provide a kernel's environment, with every directory in one place and the SDK's debugging on."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
    places = dict.fromkeys(("HOME", "IPYTHONDIR", "XDG_STATE_HOME", "MPLCONFIGDIR"), str(tmp_path))
    canaries = {"CANARY_WRONG": "canary-Wrong-one-7f3a", "CANARY_TOKEN": "canary-Sts-token-91cc"}
    debug = {"DEBUG": "sdk", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    return {**kept, **places, **canaries, **debug, **sandbox.environment()}


def test_no_secret_appears_anywhere(environment: dict[str, str], tmp_path: Path) -> None:
    """Notebook, widget state, HTML export, history database, journal, logs, streams, child: zero hits."""
    secrets = {name: environment[name] for name in SECRETS}
    notebook = executed(environment, tmp_path)
    try:
        saved = nbformat.writes(notebook).encode()  # type: ignore[no-untyped-call]
        from nbconvert import HTMLExporter  # noqa: PLC0415 - slow to import

        html, _ = HTMLExporter().from_notebook_node(notebook)  # type: ignore[no-untyped-call]
        places = {"notebook": saved, "HTML export": html.encode(), **_child(tmp_path)}
        files = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert find_secrets(secrets, places | files) == []
        _the_run_meant_something(notebook, files)
        _files_are_private(tmp_path / "tidb_pe_magic")
    finally:
        _stop(tmp_path)


def _child(directory: Path) -> dict[str, bytes]:
    """Return the command line and the environment of the sandbox that the kernel started."""
    pid = (directory / "tidb_pe_magic" / "sandbox.pid").read_text()
    content = {name: Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")}
    assert b"tidb_pe_magic.sandbox" in content["cmdline"]
    assert b"PATH=" in content["environ"]
    return content


def _the_run_meant_something(notebook: NotebookNode, files: dict[str, bytes]) -> None:
    shown = " ".join(failures(notebook).split())  # Lines are as wide as the page.
    for words in (
        "AuthenticationFailed",
        "ConnectionFailed",
        "InvalidRequest",
        "NotEligible",
        "this flag does not exist",
        "ZeroDivisionError",
        "rb._context.prompt",
    ):
        assert words in shown
    names = {Path(path).name for path in files}
    assert {"history.sqlite", "journal.jsonl", "debug.log", "stdout", "stderr", "sandbox.log"} <= names
    assert all(files[path] for path in files if path.endswith(("debug.log", "journal.jsonl")))
    outputs = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
    assert "f_locals" in outputs
    assert "DeleteVpcEndpoint" in outputs
    assert outputs.count("$ tidb-pe ") == outputs.count("exit code ") == 4


def _files_are_private(directory: Path) -> None:
    kinds = {path: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*"))}
    assert {mode for path, mode in kinds.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in kinds.items() if path.is_file()} == {0o600}


def _stop(directory: Path) -> None:
    with Runbook(environ={}) as runbook:
        command = SandboxCommand(runbook, environ={}, directory=directory / "tidb_pe_magic")
        command.do(SandboxRequest.of(action="stop"))
