"""A form over the sandbox, whose buttons are clicked without a front end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from support.clicker import Clicker, Outputs

from tidb_pe_magic import Runbook
from tidb_pe_magic.notebook.forms import Form
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def sandbox(tidb_pe_sandbox: Sandbox) -> Sandbox:
    """Provide embedded clouds whose endpoints are Connected at once."""
    return tidb_pe_sandbox


@pytest.fixture
def manual(lend: Callable[..., Sandbox]) -> Sandbox:
    """Provide embedded clouds whose states change only on request."""
    return lend(flights=100, mode="manual")


@pytest.fixture
def open_form() -> Iterator[Callable[..., Clicker]]:
    """Return a function that opens a form over a sandbox or a runbook."""
    runbooks: list[Runbook] = []
    forms: list[Form] = []

    def open_form(
        over: Sandbox | Runbook,
        step: str = "",
        cluster: str = "",
        wait_for_page: Callable[[threading.Event], bool] = threading.Event.is_set,
    ) -> Clicker:
        # A busy machine takes longer than the product waits for the metadata service.
        runbook = (
            Runbook(environ=over.environment(), metadata_timeout=10.0) if isinstance(over, Sandbox) else over
        )
        runbooks.append(runbook)
        shown = Outputs()
        form = Form(runbook, step, cluster, publish=shown, wait_for_page=wait_for_page)
        form.header.commands.value = True
        forms.append(form)
        form._ipython_display_()
        return Clicker(form, shown)

    yield open_form
    for form in forms:
        form.close()
    for runbook in runbooks:
        runbook.close()
