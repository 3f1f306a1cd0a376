"""Widgets in each front end: the features that the forms rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.lab import Lab, ShownNotebook

WIDGETS = """
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


def shown(lab: Lab, page: Page, front_end: str, name: str) -> ShownNotebook:
    """Show a notebook in a front end after all its cells have run."""
    if front_end == "voila":
        return lab.render(page, name)
    notebook = lab.open(page, name) if front_end == "lab" else lab.open_notebook7(page, name)
    assert notebook.run_all()
    return notebook


@pytest.mark.parametrize("front_end", NAMES)
def test_a_click_reaches_the_kernel_and_its_answer_the_page(lab: Lab, page: Page, front_end: str) -> None:
    """A button's callback changes a text in JupyterLab, in Notebook 7 and in Voilà."""
    name = lab.write(f"widgets-{front_end}.ipynb", before="print('so far')", form=WIDGETS)
    notebook = shown(lab, page, front_end, name)
    assert page.evaluate(NAMES[front_end])
    expect(notebook.output("before")).to_have_text("so far")
    form = notebook.output("form")
    expect(form).to_contain_text("not yet")
    form.get_by_role("button", name="Greet").click()
    expect(form).to_contain_text("hello from the kernel")
