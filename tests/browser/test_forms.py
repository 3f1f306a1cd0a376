"""The runbook by clicks in a real browser: all steps, in each front end, and what is saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.form_page import DATABASE, QUERY, FormPage, load

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from browser.lab import Lab, OpenNotebook, ShownNotebook
    from tidb_pe_magic.sandbox import Sandbox

FORM = "05_form.ipynb"
SECRETS = ("TIDB_PASSWORD", "TIDBCLOUD_PRIVATE_KEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
WRONG, UNSENT = "canary-Wrong1", "canary-Unsent2"
WIDGETS = "application/vnd.jupyter.widget-state+json"
# The accessible name of the focused element.
_FOCUSED = """() => {
    const node = document.activeElement;
    return (node.labels?.[0] ?? node).innerText.trim() || node.getAttribute('aria-label') || node.tagName;
}"""
_MOST_TABS = 40
# A widget without the form: the features that the forms rely on.
GREETING = """
import ipywidgets

button, label = ipywidgets.Button(description="Greet"), ipywidgets.Label("not yet")
button.on_click(lambda _: setattr(label, "value", "hello from the kernel"))
ipywidgets.VBox([button, label])
"""
# The name that each front end reports.
NAMES = {
    "lab": "window.jupyterapp?.name === 'JupyterLab'",
    "notebook7": "window.jupyterapp?.name === 'Jupyter Notebook'",
    "voila": "document.body.dataset.voila === 'voila'",
}
# Elements that need horizontal scrolling.
_CUT_OFF = """root => [...root.querySelectorAll('*:not(input, select, option, textarea, svg, svg *)')]
    .filter(node => node.clientWidth && node.scrollWidth > node.clientWidth + 1)
    .map(node => node.innerText)"""


@dataclass(frozen=True)
class Tutorial:
    """The form notebook after all steps were done by clicks.

    Attributes:
        refused: the form's message about a wrong password.
    """

    notebook: OpenNotebook
    form: FormPage
    refused: str


@pytest.fixture
def first_cell(tmp_path: Path, tidb_pe_sandbox: Sandbox) -> str:
    """Provide the cell that loads the extension for clouds whose endpoints connect immediately."""
    return load(tmp_path / "environment.json", tidb_pe_sandbox)


@pytest.fixture(scope="module")
def tutorial(lab: Lab, page: Page, sandbox: Sandbox) -> Tutorial:
    """Provide the form notebook after all steps by clicks, with a wrong password and then the right one."""
    notebook = lab.load(page, FORM)
    assert notebook.run_all()
    form = FormPage(notebook.output("form"))
    form.create()
    expect(form.outcome("wait")).to_contain_text("Waiting for: Active and Connected")
    expect(form.outcome("wait")).to_contain_text("Endpoint ready: Active and Connected")
    form.field("Database").fill(DATABASE)
    form.connect(WRONG)
    expect(form.outcome("connect").get_by_role("alert")).to_be_visible()
    refused = form.outcome("connect").inner_text()
    form.connect(sandbox.environment()["TIDB_PASSWORD"])
    expect(form.outcome("connect")).to_contain_text("Connected to cluster demo as tidb")
    form.ask()
    form.shows_rows()
    form.rests()
    return Tutorial(notebook, form, refused)


def test_the_whole_tutorial_by_clicks(tutorial: Tutorial) -> None:
    """Clicks lead from load to a DataFrame.

    Each step's header shows its result, the summary lists the commands.
    """
    form = tutorial.form
    for title in (
        "1. Choose a cluster — ✔ demo",
        "2. Create the endpoint — ✔ ep-",
        "3. Connect — ✔ connected",
    ):
        expect(form.head(title)).to_be_visible()
    expect(form.command("query")).to_contain_text("%%tidb_pe query")
    expect(form.command("query")).to_contain_text(QUERY)
    expect(form.root.get_by_role("img", name="The path to the cluster")).to_contain_text("SQL open")
    summary = form.root.locator(".jp-RenderedHTML")
    for command in ("%tidb_pe cluster demo", "%tidb_pe create --cluster demo", "%%tidb_pe query"):
        expect(summary).to_contain_text(command)


def test_a_wrong_password(tutorial: Tutorial) -> None:
    """The form shows the stage and the server's code without the password, and then accepts the right one."""
    assert "No connection (login): 1045" in tutorial.refused
    assert WRONG not in tutorial.refused
    expect(tutorial.form.field("Password")).to_have_value("")
    expect(tutorial.form.outcome("connect")).to_contain_text("Password from")


def test_a_narrow_window_shows_all_of_it(tutorial: Tutorial, page: Page) -> None:
    """A window of 700 pixels shows the three steps and the summary without horizontal scrolling."""
    form = tutorial.form
    tutorial.notebook.tidy()
    page.set_viewport_size({"width": 700, "height": 900})
    for title in ("1. Choose", "2. Create"):
        form.head(title).click()
        expect(form.head(title)).to_contain_text("▾")
    form.rests()
    expect(form.button("Use this cluster")).to_be_visible()
    assert form.root.locator(".tidb-pe-form").evaluate(_CUT_OFF) == []
    assert form.root.locator(".jp-RenderedHTML table").first.locator("..").evaluate(_CUT_OFF) == []
    page.set_viewport_size({"width": 1280, "height": 900})


def test_commands_are_shown_and_copied(tutorial: Tutorial, page: Page) -> None:
    """One switch shows the command next to each button, and Copy puts it on the clipboard."""
    form = tutorial.form
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form.field("Show commands").uncheck()
    expect(form.command("connect")).to_be_hidden()
    form.show_commands()
    expect(form.command("connect")).to_be_visible()
    form.root.locator(".tidb-pe-command-query").get_by_role("button", name="Copy").click()
    expect(form.root.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == f"%%tidb_pe query --max-rows 1000\n{QUERY}"


def test_a_double_click_is_one_click(tutorial: Tutorial) -> None:
    """A double-click on a step's header closes the step and opens it again."""
    head = tutorial.form.head("1. Choose")
    for arrow in ("▸", "▾"):
        head.dblclick()
        expect(head).to_contain_text(arrow)
        tutorial.form.rests()
        expect(head).to_contain_text(arrow)


def test_the_page_can_be_loaded_again(tutorial: Tutorial) -> None:
    """After a page reload with a live kernel, the form shows the same content and keeps working."""
    tutorial.notebook.save()
    tutorial.notebook.reload()
    form = tutorial.form
    form.shows_rows()
    expect(form.head("3. Connect — ✔ connected as tidb")).to_be_visible()
    form.ask("SELECT COUNT(*) AS airlines FROM airlines")
    expect(form.outcome("query").locator("table.dataframe td")).to_have_text(["16"])


def test_nothing_secret_is_saved(tutorial: Tutorial, lab: Lab, sandbox: Sandbox) -> None:
    """The notebook with its widgets' state, its HTML and Jupyter's files contain no secret."""
    notebook = tutorial.notebook
    notebook.command("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
    tutorial.form.field("Password").press_sequentially(UNSENT)
    notebook.save()
    saved = notebook.read()
    models = [each["model_name"] for each in saved.metadata.widgets[WIDGETS]["state"].values()]
    assert "PasswordModel" in models
    from nbconvert import HTMLExporter  # noqa: PLC0415 - slow to import

    html, _ = HTMLExporter().from_notebook_node(saved)  # type: ignore[no-untyped-call]
    assert "%tidb_pe connect" in html
    written = {path.name: path.read_bytes() for path in lab.files()}
    assert {notebook.path.name, "history.sqlite"} <= set(written)
    secrets = [WRONG, UNSENT, *(sandbox.environment()[name] for name in SECRETS)]
    for secret in secrets:
        assert secret not in html
        assert [name for name, data in written.items() if secret.encode() in data] == []


@pytest.mark.parametrize("front_end", NAMES)
def test_a_click_reaches_the_kernel_and_its_answer_the_page(
    lab: Lab, page: Page, other_page: Page, first_cell: str, front_end: str
) -> None:
    """A button's callback changes a text in JupyterLab, in Notebook 7 and in Voilà.

    In the latter two, clicks also lead from load to a DataFrame.
    """
    # Voilà misses changes while its page loads (`help front-ends`).
    form = "shown = %tidb_pe form\nshown.join(60)\nshown" if front_end == "voila" else "%tidb_pe form"
    whole = {} if front_end == "lab" else {"load": first_cell, "form": form}
    name = lab.write(f"widgets-{front_end}.ipynb", before="print('so far')", greeting=GREETING, **whole)
    notebook: ShownNotebook
    if front_end == "voila":
        notebook = lab.render(other_page, name)
    else:
        in_lab = front_end == "lab"
        notebook = (
            lab.open_next(page, name) if in_lab else lab.open_notebook7(other_page, lab.share_kernel(name))
        )
        assert notebook.run_all()
    assert notebook.page.evaluate(NAMES[front_end])
    expect(notebook.output("before")).to_have_text("so far")
    greeting = notebook.output("greeting")
    expect(greeting).to_contain_text("not yet")
    greeting.get_by_role("button", name="Greet").click()
    expect(greeting).to_contain_text("hello from the kernel")
    if whole:
        FormPage(notebook.output("form")).finish()


def test_with_the_keyboard_alone(lab: Lab, page: Page, first_cell: str) -> None:
    """With the keyboard alone, Tab visits the fields in order and Enter clicks, up to a DataFrame."""
    name = lab.write("keyboard.ipynb", load=first_cell, form="%tidb_pe form")
    notebook = lab.open_next(page, name)
    assert notebook.run_all()
    form = FormPage(notebook.output("form"))
    form.rests()
    form.head("1. Choose").focus()
    assert tab_to(page, "Cluster") == ["Filter"]
    page.keyboard.type("demo")
    expect(form.button("Use this cluster")).to_be_enabled()
    tab_to(page, "Use this cluster")
    page.keyboard.press("Enter")
    expect(form.button("Create (2 zones)")).to_be_enabled()
    form.rests()
    expect(form.head("2. Create the endpoint")).to_be_focused()
    assert tab_to(page, "Security groups")[-1] == "VPC"
    page.keyboard.press("End")
    expect(form.outcome("plan")).to_contain_text("sg-t4nenterprise")
    page.keyboard.press("Home")
    expect(form.button("Create (2 zones)")).to_be_enabled()
    form.rests()
    passed = tab_to(page, "Create (2 zones)")
    zones = [f"Zone ap-southeast-1{each}" for each in "abc"]
    assert passed[:4] == [*zones, "Endpoint name"]
    assert "Check the plan" in passed
    page.keyboard.press("Enter")
    expect(form.outcome("wait")).to_contain_text("Endpoint ready")
    form.rests()
    assert tab_to(page, "Database")[-2:] == ["User", "Password"]
    page.keyboard.type(DATABASE)
    assert tab_to(page, "Connect")[0] == "TLS"
    page.keyboard.press("Enter")
    expect(form.outcome("connect")).to_contain_text("Connected to cluster demo as tidb")
    form.rests()
    expect(form.button("Connect")).to_be_focused()
    tab_to(page, "First query")
    page.keyboard.press("Control+A")
    page.keyboard.type(QUERY)
    tab_to(page, "Run the query")
    page.keyboard.press("Enter")
    form.shows_rows()


def tab_to(page: Page, name: str) -> list[str]:
    """Press Tab until the element with this name has the focus, and return the elements passed."""
    passed: list[str] = []
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        focused: str = page.evaluate(_FOCUSED)
        if focused == name:
            return passed
        passed.append(focused)
    raise AssertionError(f"{name} is not reached: {passed}")
