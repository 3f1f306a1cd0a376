"""Forms that wait, that are stopped, and that are not alone: in JupyterLab, in a real browser."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

import pytest
from flows.test_preflight import STOPS
from playwright.sync_api import expect

from browser.form_page import GROUP, FormPage, environment, load
from browser.lab import Line
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from browser.lab import Lab, OpenNotebook

# How many widgets have the sign that ipywidgets puts before those whose kernel is gone.
_SIGNS = """form => [...form.querySelectorAll('.jupyter-widgets-disconnected')]
    .filter(node => getComputedStyle(node, '::before').display !== 'none').length"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for environments, which is not the notebooks'."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def manual() -> Iterator[Sandbox]:
    """Give clouds whose states change only when they are told to."""
    with Sandbox(mode="manual", flights=100) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def opened(lab: Lab, page: Page, manual: Sandbox, directory: Path) -> OpenNotebook:
    """Give a notebook with a form that has had an endpoint made and waits for it, and room for more."""
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
    """Give the form while it waits for its endpoint, which is still being made."""
    form = FormPage(opened.output("form"))
    expect(form.outcome("wait")).to_contain_text("Endpoint status")
    if not form.button("Cancel").is_visible():
        form.press("Wait until Connected")
    expect(form.outcome("wait")).to_contain_text("Waiting for: Active and Connected")
    return form


@contextlib.contextmanager
def blocked(opened: OpenNotebook, directory: Path) -> Iterator[None]:
    """Keep the kernel's own thread at work on a cell."""
    opened.begin("blocked")
    with opening(directory / "gate"):
        yield


@contextlib.contextmanager
def opening(gate: Path) -> Iterator[None]:
    """Let the cell that reads this go on in the end, if it was begun."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # nobody reads
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))


def read(gate: Path) -> str:
    """Return the cell that comes to its end when the gate is opened."""
    return f"open({str(gate)!r}).read()"


def test_two_forms_and_a_cell(opened: OpenNotebook, waiting: FormPage) -> None:
    """While one form waits, another one works on another cluster, cells run, and it goes on waiting."""
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
    """While a cell blocks the kernel's own thread, what is typed comes before the click that follows it."""
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
    """Cancel ends the wait while the endpoint is still being made, and the wait can be taken up again."""
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
def test_a_restart_of_the_kernel(opened: OpenNotebook, manual: Sandbox) -> None:
    """After a restart, choosing the cluster finds its endpoint, and the form waits for it again."""
    opened.restart()
    lost = FormPage(opened.output("form")).root.locator(".tidb-pe-form")
    expect(lost).to_have_class(re.compile("jupyter-widgets-disconnected"))
    assert "Run its cell again" in lost.evaluate("node => getComputedStyle(node, '::before').content")
    assert lost.evaluate(_SIGNS) == 0, "no widget within it has a sign of its own"
    expect(lost.locator("progress").filter(visible=True)).to_have_count(0)
    assert opened.run("load")
    assert opened.run("form")
    form = FormPage(opened.output("form"))
    (endpoint,) = manual.world.endpoints
    form.choose()  # the endpoint serves other clusters too, so that none is meant before
    expect(form.head("1. Choose a cluster — ✔ demo")).to_be_visible()
    expect(form.head("2. Create the endpoint — ✔")).to_contain_text(endpoint)
    expect(form.outcome("wait")).to_contain_text("Waiting for: Active and Connected")
    while manual.tick():
        pass
    expect(form.outcome("wait")).to_contain_text("Endpoint ready: Active and Connected")
    assert len(manual.world.endpoints) == 1


def test_a_page_that_hears_late(lab: Lab, browser: Browser, directory: Path) -> None:
    """What the page keeps back until it hears of an earlier change comes before the click that follows it.

    It is so as well where the form was shown on the way to a cell that still runs.
    """
    gate = directory / "late"
    os.mkfifo(gate)
    with Sandbox(flights=20) as sandbox, browser.new_page() as page, opening(gate):
        line = Line(page)
        cells = {
            "load": load(directory / "late.json", sandbox),
            "form": "%tidb_pe form",
            "blocked": read(gate),
        }
        notebook = lab.open(page, lab.write("late.ipynb", **cells))
        notebook.begin_all()
        form = FormPage(notebook.output("form"))
        form.choose()
        form.place()
        # Until the form asks the page whether that was all.
        line.hold(rb'"state": ?{"value": ?"\d+"}')
        form.field("Endpoint name").fill("first-name")
        form.field("Endpoint name").blur()
        form.field("Endpoint name").fill("second-name")
        assert line.holds
        form.press("Create (2 zones)")
        expect(form.outcome("wait")).to_contain_text("Endpoint ready")
        assert not line.holds
        assert [endpoint.name for endpoint in sandbox.world.endpoints.values()] == ["second-name"]
        expect(notebook.cell("blocked")).to_contain_text("[*]")


@pytest.fixture(scope="module")
def stops(lab: Lab, page: Page, directory: Path) -> OpenNotebook:
    """Give a notebook with a cell for each preflight stop: a form over clouds of its own."""
    show = (
        "import json, pathlib\nfrom tidb_pe_magic import Runbook, form\n"
        f"def show(name):\n    environ = json.loads(pathlib.Path({str(directory)!r}, name).read_text())\n"
        "    return form(Runbook(environ=environ, metadata_timeout=10), cluster='demo')"
    )
    cells = {name: f"show({name!r})" for name in (*STOPS, "cluster-restoring")}
    notebook = lab.open(page, lab.write("stops.ipynb", show=show, **cells))
    assert notebook.run("show")
    return notebook


@pytest.mark.parametrize("name", STOPS)
def test_a_preflight_stop(
    lend: Callable[..., Sandbox], stops: OpenNotebook, directory: Path, name: str
) -> None:
    """The plan names what stops; Create is disabled, and the form shows how to insist."""
    check = SCENARIOS[name].plan
    sandbox = lend(scenario=name)
    environment(directory / name, sandbox)
    assert stops.run(name)
    form = FormPage(stops.output(name))
    expect(form.doing("create").or_(form.doing("connect")).filter(visible=True)).to_be_visible()
    form.rests()
    if form.doing("connect").is_visible():
        # There is an endpoint already, and the form goes on with it.
        form.head("2. Create").click()
    if check != "clock":  # with that nothing can be looked up, and so no group be chosen
        form.place(GROUP)
    expect(form.outcome("plan")).to_contain_text("create refuses")
    expect(form.outcome("plan").get_by_text(re.compile(rf"^✘\s+{check}: \S"))).to_be_visible()
    form.rests()
    expect(form.doing("create")).to_be_disabled()
    consent = form.field("Create it even though the preflight stops it")
    expect(consent).not_to_be_checked()
    consent.check()
    expect(form.doing("create")).to_be_enabled()
    consent.uncheck()
    expect(form.doing("create")).to_be_disabled()
    # Before the group was chosen there may have been a plan without a stop, and the cloud's dry run of it.
    assert sandbox.requests.count("CreateVpcEndpoint", status=200) == 0


def test_a_paused_cluster(lend: Callable[..., Sandbox], stops: OpenNotebook, directory: Path) -> None:
    """A cluster that cannot be used is not offered, and its reason is told."""
    environment(directory / "cluster-restoring", lend(scenario="cluster-restoring"))
    assert stops.run("cluster-restoring")
    form = FormPage(stops.output("cluster-restoring"))
    expect(form.outcome("clusters")).to_contain_text("cluster demo is RESTORING")
    expect(form.outcome("cluster")).to_contain_text("demo is RESTORING")
    expect(form.field("Cluster").locator("option", has_text="demo")).to_have_count(0)
