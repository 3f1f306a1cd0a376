"""The form in a real kernel: clicks, restarts, and what a notebook saves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import nbformat
from flows.places import GROUP
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from support.kernels import Kernel

if TYPE_CHECKING:
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

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


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the kernel's environment: the sandbox's, with a wrong password."""
    return {**sandbox.environment(), "TYPED": "canary-Typed1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def test_by_clicks_to_jupysql_and_on_after_a_restart(sandbox: Sandbox, tmp_path: Path) -> None:
    """The form registers with jupysql from its thread, continues after a restart, and saves no secret.

    matplotlib is imported by the first plot, and not by jupysql.
    """
    with Kernel(environment(sandbox), tmp_path) as kernel:
        kernel.must(LOAD)
        shown = kernel.must(SHOW)
        assert "It needs Jupyter widgets" in shown.text
        assert "%tidb_pe cluster NAME_OR_ID" in shown.text
        kernel.must(BEGIN)
        for click in CLICKS.values():
            kernel.must(click)
        assert "500" in kernel.must("print(f.frame['n'].tolist())").text
        assert "500" in kernel.must("%sql SELECT COUNT(*) FROM flights").text
        assert "connected" in kernel.must("%tidb_pe status").text.lower()
        kernel.must("import sys; assert 'matplotlib' not in sys.modules")
        assert "Axes" in kernel.must("%sqlplot histogram --table flights --column distance").text
        kernel.restart()
        kernel.must(LOAD)
        kernel.must(SHOW)
        kernel.must(BEGIN)
        kernel.must(CLICKS["choose"])  # The endpoint also serves other clusters.
        heads = "print([page.box.children[0].description for page in f.sections.values()])"
        assert "demo" in kernel.must("print(f)").text
        assert "▾ 3. Connect" in kernel.must(heads).text
        assert "Active and Connected" in kernel.must("print(n.wait.outcome.value)").text
    assert len(sandbox.world.endpoints) == 1
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(path.name == "history.sqlite" for path in written)
    for name in SECRETS:
        secret = environment(sandbox)[name].encode()
        assert [path for path, data in written.items() if secret in data] == [], name


def test_a_summary_is_updated_in_its_own_cell(sandbox: Sandbox, tmp_path: Path) -> None:
    """Output of the form's thread appears in the form's cell, not in a later cell."""
    with Kernel(environment(sandbox), tmp_path) as kernel:
        kernel.must(LOAD)
        first = kernel.must(SHOW)
        (shown,) = [m for m in first.messages if "display_id" in m["content"].get("transient", {})][:1]
        kernel.must(BEGIN)
        later = kernel.must(CLICKS["choose"])
    updates = [m for m in later.messages if m["msg_type"] == "update_display_data"]
    assert {m["content"]["transient"]["display_id"] for m in updates} == {
        shown["content"]["transient"]["display_id"]
    }
    assert "%tidb_pe cluster demo" in updates[-1]["content"]["data"]["text/html"].replace("<", " <")
    assert [m for m in later.messages if m["msg_type"] == "stream"] == []


def test_no_secret_is_saved(sandbox: Sandbox, tmp_path: Path) -> None:
    """The notebook with its widget state and its HTML contain no secret, although passwords were typed."""
    cells = [new_code_cell(source) for source in (LOAD, SHOW, BEGIN, *CLICKS.values())]  # type: ignore[no-untyped-call]
    notebook = new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    private = {name: str(tmp_path) for name in ("HOME", "IPYTHONDIR", "JUPYTER_DATA_DIR", "XDG_STATE_HOME")}
    settings = environment(sandbox)
    NotebookClient(notebook, kernel_name="python3", timeout=120, store_widget_state=True).execute(
        env={**os.environ, **settings, **private}
    )
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(each["model_name"] == "PasswordModel" for each in state.values())
    from nbconvert import HTMLExporter  # noqa: PLC0415 - slow to import

    html, _ = HTMLExporter().from_notebook_node(notebook)  # type: ignore[no-untyped-call]
    saved = nbformat.writes(notebook) + html  # type: ignore[no-untyped-call]
    assert "%tidb_pe connect" in saved
    assert "--password-from prompt" in saved, "the typed password was used"
    assert [name for name in SECRETS if settings[name] in saved] == []
