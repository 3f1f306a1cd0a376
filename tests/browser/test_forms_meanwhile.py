"""Forms that wait, that are stopped, and that share a kernel, in JupyterLab in a real browser."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.form_page import GROUP, FormPage, environment, load
from browser.lab import Line
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from browser.lab import Lab, OpenNotebook

# Without and with an answer to the lookups. `notebook/forms` has the other stops, without a page.
STOPS = ("clock-skew", "security-group-blocks-port")
_TRIES = 5  # to stage changes that the page holds back
# The number of widgets with the sign that ipywidgets shows for a lost kernel.
_SIGNS = """form => [...form.querySelectorAll('.jupyter-widgets-disconnected')]
    .filter(node => getComputedStyle(node, '::before').display !== 'none').length"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide a directory for environment files, outside the notebooks."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def manual() -> Iterator[Sandbox]:
    """Provide clouds whose states change only on request."""
    with Sandbox(mode="manual", flights=100) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def opened(lab: Lab, page: Page, manual: Sandbox, directory: Path) -> OpenNotebook:
    """Provide a notebook whose form has created an endpoint and waits for it, with room for more cells."""
    gate = directory / "gate"
    os.mkfifo(gate)
    name = lab.write(
        "meanwhile.ipynb",
        load=load(directory / "manual.json", manual),
        form="%tidb_pe form",
        second="%tidb_pe form --cluster jakarta",
        blocked=read(gate),
        status="%tidb_pe status --cluster demo",
    )
    notebook = lab.open(page, name)
    assert notebook.run("load")
    assert notebook.run("form")
    FormPage(notebook.output("form")).create()
    return notebook


@pytest.fixture
def waiting(opened: OpenNotebook) -> FormPage:
    """Provide the form while it waits for its endpoint, which is still Creating."""
    form = FormPage(opened.output("form"))
    expect(form.outcome("wait")).to_contain_text("endpoint Creating")
    if not form.button("Cancel").is_visible():
        form.press("Wait until Connected")
    expect(form.outcome("wait")).to_contain_text("Waiting for: Active and Connected")
    return form


@contextlib.contextmanager
def blocked(opened: OpenNotebook, directory: Path) -> Iterator[None]:
    """Keep the kernel's main thread busy with a cell."""
    opened.begin("blocked")
    with opening(directory / "gate"):
        yield


@contextlib.contextmanager
def opening(gate: Path) -> Iterator[None]:
    """Release the cell that reads the pipe at the end, if it was started."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # without a reader
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))


def read(gate: Path) -> str:
    """Return the cell that ends when the pipe is opened."""
    return f"open({str(gate)!r}).read()"


def test_two_forms_and_a_cell(opened: OpenNotebook, waiting: FormPage) -> None:
    """While one form waits, another form works on another cluster and cells run."""
    assert opened.run("second")
    second = FormPage(opened.output("second"))
    expect(second.outcome("plan")).to_contain_text("Plan: create an endpoint")
    second.rests()
    second.show_commands()
    expect(second.command("create")).to_contain_text("--cluster jakarta")
    assert opened.run("status")
    expect(opened.output("status")).to_contain_text("Creating")
    expect(waiting.outcome("wait")).to_contain_text("Waiting for")
    expect(waiting.command("wait")).to_have_text("%tidb_pe wait --cluster demo")
    expect(waiting.button("Wait until Connected")).to_be_disabled()


def test_a_cell_that_runs_keeps_nothing_from_the_form(
    opened: OpenNotebook, waiting: FormPage, directory: Path
) -> None:
    """While a cell blocks the kernel's main thread, typed text arrives before the click that follows it."""
    with blocked(opened, directory):
        waiting.press("Cancel")
        expect(waiting.outcome("wait")).to_contain_text("Detached while waiting")
        waiting.field("Wait at most (seconds)").fill("never")
        waiting.press("Wait until Connected")
        expect(waiting.error("timeout")).to_contain_text("must be a number of seconds")
        expect(waiting.outcome("wait")).to_have_text("")
        waiting.field("Wait at most (seconds)").fill("700")
        waiting.press("Wait until Connected")
        expect(waiting.command("wait")).to_contain_text("--timeout 700")
        expect(waiting.outcome("wait")).to_contain_text("Waiting for")
        expect(opened.cell("blocked")).to_contain_text("[*]")
    expect(opened.cell("blocked")).not_to_contain_text("[*]")


def test_cancel_detaches_and_wait_resumes(manual: Sandbox, waiting: FormPage) -> None:
    """Cancel ends the wait while the endpoint is still Creating, and the wait can be resumed."""
    waiting.press("Cancel")
    expect(waiting.outcome("wait")).to_contain_text("Detached while waiting")
    (endpoint,) = manual.world.endpoints.values()
    assert endpoint.endpoint_status == "Creating"
    expect(waiting.button("Cancel")).to_have_count(0)
    waiting.press("Wait until Connected")
    expect(waiting.outcome("wait")).to_contain_text("Waiting for")
    manual.tick()
    expect(waiting.outcome("wait")).to_contain_text("Active")


@pytest.mark.usefixtures("waiting")
def test_a_restart_of_the_kernel_finds_the_endpoint(opened: OpenNotebook, manual: Sandbox) -> None:
    """After a kernel restart, choosing the cluster finds its endpoint, and the form waits for it again."""
    opened.restart()
    lost = FormPage(opened.output("form")).root.locator(".tidb-pe-form")
    expect(lost).to_have_class(re.compile("jupyter-widgets-disconnected"))
    assert "Run its cell again" in lost.evaluate("node => getComputedStyle(node, '::before').content")
    assert lost.evaluate(_SIGNS) == 0, "no widget inside has its own sign"
    expect(lost.locator("progress").filter(visible=True)).to_have_count(0)
    assert opened.run("load")
    assert opened.run("form")
    form = FormPage(opened.output("form"))
    (endpoint,) = manual.world.endpoints
    form.choose()  # The endpoint also serves other clusters, so none is selected in advance.
    expect(form.head("1. Choose a cluster — ✔ demo")).to_be_visible()
    expect(form.head("2. Create the endpoint — ✔")).to_contain_text(endpoint)
    expect(form.outcome("wait")).to_contain_text("Waiting for: Active and Connected")
    while manual.tick():
        pass
    expect(form.outcome("wait")).to_contain_text("Endpoint ready: Active and Connected")
    assert len(manual.world.endpoints) == 1


@pytest.fixture(scope="module")
def stops(lab: Lab, page: Page, directory: Path) -> OpenNotebook:
    """Provide a notebook with a cell for each preflight stop: a form over separate clouds."""
    show = (
        "import json, pathlib\nfrom tidb_pe_magic import Runbook, form\n"
        f"def show(name):\n    environ = json.loads(pathlib.Path({str(directory)!r}, name).read_text())\n"
        "    return form(Runbook(environ=environ, metadata_timeout=10), cluster='demo')"
    )
    cells = {name: f"show({name!r})" for name in (*STOPS, "cluster-restoring")}
    notebook = lab.open_next(page, lab.write("stops.ipynb", show=show, **cells))
    assert notebook.run("show")
    return notebook


@pytest.mark.parametrize("name", STOPS)
def test_a_preflight_stop(
    lend: Callable[..., Sandbox], stops: OpenNotebook, directory: Path, name: str
) -> None:
    """The plan names the failed check, Create is disabled, and the form shows how to force it."""
    check = SCENARIOS[name].plan
    sandbox = lend(scenario=name)
    environment(directory / name, sandbox)
    assert stops.run(name)
    form = FormPage(stops.output(name))
    expect(form.doing("create").or_(form.doing("connect")).filter(visible=True)).to_be_visible()
    form.rests()
    if form.doing("connect").is_visible():
        # An endpoint exists, and the form continues with it.
        form.head("2. Create").click()
    if check != "clock":  # Lookups fail there, so no security group can be chosen.
        form.place(GROUP)
    expect(form.outcome("plan")).to_contain_text("create refuses")
    expect(form.outcome("plan").get_by_text(re.compile(rf"^✘\s+{check}: \S"))).to_be_visible()
    form.rests()
    expect(form.doing("create")).to_be_disabled()
    consent = form.field("Create it even if the preflight reports a stop")
    expect(consent).not_to_be_checked()
    consent.check()
    expect(form.doing("create")).to_be_enabled()
    consent.uncheck()
    expect(form.doing("create")).to_be_disabled()
    # Before the group was chosen, a plan without a stop and the cloud's dry run of it may have existed.
    assert sandbox.requests.count("CreateVpcEndpoint", status=200) == 0


def test_a_paused_cluster(lend: Callable[..., Sandbox], stops: OpenNotebook, directory: Path) -> None:
    """A cluster that cannot be used is not offered, and the reason is shown."""
    environment(directory / "cluster-restoring", lend(scenario="cluster-restoring"))
    assert stops.run("cluster-restoring")
    form = FormPage(stops.output("cluster-restoring"))
    expect(form.outcome("clusters")).to_contain_text("cluster demo is RESTORING")
    expect(form.outcome("cluster")).to_contain_text("demo is RESTORING")
    expect(form.field("Cluster").locator("option", has_text="demo")).to_have_count(0)


def test_a_page_that_hears_late(lab: Lab, page: Page, directory: Path) -> None:
    """A change that the page holds back arrives before the click that follows it.

    This also holds for a form that a still-running cell has displayed.
    """
    gate = directory / "late"
    os.mkfifo(gate)
    with Sandbox(flights=20) as sandbox, opening(gate):
        # The page is loaded again with it, and its last notebook is this one.
        line = Line(page)
        cells = {
            "load": load(directory / "late.json", sandbox),
            "form": "%tidb_pe form",
            "blocked": read(gate),
        }
        notebook = lab.load(page, lab.write("late.ipynb", **cells))
        notebook.begin_all()
        form = FormPage(notebook.output("form"))
        form.choose()
        form.place()
        for _ in range(_TRIES):
            # Until the form asks the page whether more changes follow.
            line.hold(rb'"state": ?{"value": ?"\d+"}')
            form.field("Endpoint name").fill("first-name")
            form.field("Endpoint name").blur()
            form.field("Endpoint name").fill("second-name")
            if line.holds:
                break  # on a busy machine, the question for the check of the placement may come meanwhile
        assert line.holds
        form.press("Create (2 zones)")
        expect(form.outcome("wait")).to_contain_text("Endpoint ready")
        assert not line.holds
        assert [endpoint.name for endpoint in sandbox.world.endpoints.values()] == ["second-name"]
        expect(notebook.cell("blocked")).to_contain_text("[*]")
