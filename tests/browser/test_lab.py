"""The tutorial's notebook in a real JupyterLab, as a user sees it in a real browser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_output
from playwright.sync_api import expect
from support.results import CLUSTER, ENDPOINT

from browser.conftest import FLIGHTS
from tidb_pe_magic import model
from tidb_pe_magic.display import render

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.lab import Lab, OpenNotebook
    from tidb_pe_magic.sandbox import Sandbox

RUNBOOK = "02_step_by_step.ipynb"
# The HTML that each step of the runbook shows, by cell ID.
SHOWN = {
    "clusters": "are usable",
    "cluster": "Cluster demo",
    "verify": "Service verified",
    "networks": "Allows this notebook",
    "plan": "Plan: create an endpoint",
    "create": "Endpoint created",
    "wait": "Endpoint ready: Active and Connected",
    "connect": "Connected to cluster demo as tidb",
    "count": "row_count",
    "head": "dep_delay",
    "status": "Current state in the clouds",
}
# JupyterLab styles standard error and a cell's exception alike.
ERRORS = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"
SECRETS = ("TIDB_PASSWORD", "TIDBCLOUD_PRIVATE_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
# A picture that fails to load would run its code; `cost` would be typeset as mathematics.
HOSTILE = "<img src=x onerror=\"window.ran='{0}'\"><script>window.ran='{0}'</script><b>{0}</b> $cost^2$"


@pytest.fixture(scope="module")
def runbook(lab: Lab, page: Page) -> OpenNotebook:
    """Provide the runbook notebook after a complete run, saved."""
    notebook = lab.open(page, RUNBOOK)
    notebook.record("wait")
    assert notebook.run_all()
    notebook.save()
    return notebook


@pytest.fixture(scope="module")
def connected(lab: Lab, page: Page, sandbox: Sandbox) -> OpenNotebook:  # noqa: ARG001 - the clouds of its kernel
    """Give a notebook with a connection, whose schema has been read, and an empty cell."""
    run = "%load_ext tidb_pe_magic\n%tidb_pe run demo --database nycflights13;"
    magics = "get_ipython().magics_manager.registry['TidbPeMagics']"
    settled = f"assert {magics}.runbook.known.connection().schema.settle(60)"
    name = lab.write("tab.ipynb", run=run, settled=settled, sql="")
    notebook = lab.open(page, lab.share_kernel(name))
    assert notebook.run("run")
    assert notebook.run("settled")
    return notebook


def test_the_runbook_runs_to_its_end(runbook: OpenNotebook) -> None:
    """Each step of the runbook shows its HTML in its output area, and no cell shows an error."""
    for cell_id, words in SHOWN.items():
        html = runbook.output(cell_id).locator(".jp-RenderedHTML").filter(has_text=words).last
        html.scroll_into_view_if_needed()
        expect(html).to_be_visible()
    expect(runbook.output("count")).to_contain_text(str(FLIGHTS))
    expect(runbook.page.locator(ERRORS)).to_have_count(0)


def test_the_way_is_drawn_within_its_output(runbook: OpenNotebook) -> None:
    """In a narrow window a picture fits inside its output, and screen readers find it once."""
    runbook.page.set_viewport_size({"width": 700, "height": 900})
    for cell_id, words in (("wait", "Connected"), ("status", "SQL open")):
        output = runbook.output(cell_id)
        expect(output.get_by_role("img", name="The path to the cluster: this notebook")).to_contain_text(
            words
        )
        room = output.bounding_box()
        assert room
        boxes = [svg.bounding_box() for svg in output.locator("svg:has(text)").all()]
        drawn = [box for box in boxes if box and box["width"]]
        assert drawn
        for box in drawn:
            assert room["x"] <= box["x"]
            assert box["x"] + box["width"] <= room["x"] + room["width"]
    runbook.page.set_viewport_size({"width": 1280, "height": 900})


def test_waiting_is_one_output_updated_in_place(runbook: OpenNotebook) -> None:
    """While the cell waits it has one output, updated in place; at the end only the result remains."""
    states = runbook.recorded("wait")
    waiting = [outputs for outputs in states if any("Waiting for" in text for text in outputs)]
    assert {len(outputs) for outputs in waiting} == {1}
    told = [outputs[0] for outputs in waiting]
    assert any("Connecting" in text or "Creating" in text for text in told)
    assert len(told) > 1, "the output was never updated"
    progress, result = states[-1]
    assert not progress.strip()
    assert "Endpoint ready" in result


def test_nothing_secret_is_saved(runbook: OpenNotebook, sandbox: Sandbox) -> None:
    """The saved notebook contains the outputs, and none of the keys and passwords that the run used."""
    saved = runbook.path.read_text(encoding="utf-8")
    assert "Endpoint ready: Active and Connected" in saved
    assert sandbox.environment()["ALIBABA_CLOUD_ACCESS_KEY_ID"] not in saved
    for name in SECRETS:
        assert sandbox.environment()[name] not in saved, name


@pytest.mark.parametrize(
    ("statement", "tabbed", "words"),
    [
        ("SELECT carrier FROM fl|", "SELECT carrier FROM flights", None),
        ("SELECT f.dep_| FROM flights AS f", "", ["dep_delay", "dep_time"]),
    ],
)
def test_tab_completes_sql(
    connected: OpenNotebook, statement: str, tabbed: str, words: list[str] | None
) -> None:
    """Tab in a %%sql cell completes a table, and lists the columns of an alias without Python's names."""
    page, cell = connected.page, connected.cell("sql")
    before, _, after = statement.partition("|")
    editor = cell.locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(f"%%sql\n{before}{after}")
    for _ in after:
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    found = page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item .jp-Completer-match")
    if words:
        expect(found).to_have_text(words)
        page.keyboard.press("Escape")
    else:
        expect(found.first).to_have_text("flights")
        page.keyboard.press("Enter")
        expect(editor).to_contain_text(tabbed)


def test_an_error_is_one_line_and_ends_the_run(lab: Lab, page: Page) -> None:
    """A refused step shows a single line without a traceback, and Run All skips the cells after it."""
    name = lab.write(
        "refused.ipynb",
        load="%load_ext tidb_pe_magic",
        refused="%tidb_pe cluster aws-sales",
        after="print('still running')",
    )
    notebook = lab.open(page, lab.share_kernel(name))
    assert not notebook.run_all()
    output = notebook.output("refused")
    expect(output.locator(".jp-OutputArea-output")).to_have_count(1)
    expect(page.locator(ERRORS)).to_have_count(1)
    line = output.inner_text().strip()
    assert line.startswith("provider: ")
    assert "cluster aws-sales runs on AWS" in line
    assert line.splitlines()[-1] == "Try: %tidb_pe clusters"
    assert "Traceback" not in line
    expect(notebook.output("after")).not_to_contain_text("still running")
    notebook.save()
    executed = {cell.id: cell.execution_count for cell in notebook.read().cells}
    assert executed["refused"]
    assert executed["after"] is None


def test_hostile_names_are_text(lab: Lab, page: Page, sandbox: Sandbox) -> None:
    """Names of clusters and networks that contain markup, script and mathematics are shown literally."""
    clusters, network = sandbox.clusters.clusters, sandbox.world.network
    (cluster_id,) = (each.cluster_id for each in clusters.values() if each.display_name == "staging-1")
    sandbox.clusters.update(cluster_id, display_name=HOSTILE.format("cluster"))
    sandbox.world.network = replace(
        network,
        vpcs=tuple(replace(vpc, name=HOSTILE.format("vpc")) for vpc in network.vpcs),
        security_groups=tuple(
            replace(group, name=HOSTILE.format("group")) for group in network.security_groups
        ),
    )
    name = lab.write(
        "hostile.ipynb",
        load="%load_ext tidb_pe_magic",
        clusters="%tidb_pe clusters",
        cluster=f"%tidb_pe cluster {cluster_id}",
        networks="%tidb_pe networks",
        # Signs that the page ran the names as code.
        control="from IPython.display import HTML\nHTML('''" + HOSTILE.format("control") + "''')",
    )
    notebook = lab.open(page, lab.share_kernel(name))
    assert notebook.run_all()
    page.wait_for_function("() => window.ran !== undefined")
    expect(notebook.output("control").locator("b")).to_have_text("control")
    for cell_id, part in (
        ("clusters", "cluster"),
        ("cluster", "cluster"),
        ("networks", "vpc"),
        ("networks", "group"),
    ):
        html = notebook.output(cell_id).locator(".jp-RenderedHTML")
        expect(html).to_contain_text(HOSTILE.format(part))
        expect(html.locator("img, script, b, mjx-container, .MathJax")).to_have_count(0)
    assert page.evaluate("() => window.ran") == "control"


def test_an_untrusted_picture_keeps_its_words(lab: Lab, page: Page) -> None:
    """In an untrusted saved output, Lab drops the picture and shows its words in order."""
    name = lab.write("untrusted.ipynb", status="%tidb_pe status")
    written = lab.notebooks / name
    notebook = nbformat.read(written, as_version=4)  # type: ignore[no-untyped-call]
    html = render.html(model.RunbookStatus(steps=(), next_command=None, cluster=CLUSTER, endpoint=ENDPOINT))
    notebook.cells[0].outputs = [new_output("display_data", {"text/html": html})]  # type: ignore[no-untyped-call]
    nbformat.write(notebook, written)  # type: ignore[no-untyped-call]
    output = lab.open(page, lab.share_kernel(name)).output("status").locator(".jp-RenderedHTML")
    expect(output).to_contain_text("Notebook no SQL yet → Endpoint Active · ep-t4nabc123 · ap-southeast-1a")
    expect(output.locator("svg, path, text")).to_have_count(0)
