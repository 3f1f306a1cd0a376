"""A widget form used as a user would, without a front end."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from flows.places import GROUP

if TYPE_CHECKING:
    from tidb_pe_magic.notebook.forms import Form
    from tidb_pe_magic.sandbox import Sandbox

_SECONDS = 60.0


class Outputs:
    """What a form publishes, in order."""

    def __init__(self) -> None:
        """Start empty."""
        self.data: list[dict[str, str]] = []

    def __call__(self, data: dict[str, str], *, transient: dict[str, str], update: bool) -> None:  # noqa: ARG002
        """Record the output."""
        self.data.append(data)


class Clicker:
    """Uses a form as a user would, and waits until it is idle."""

    def __init__(self, form: Form, shown: Outputs) -> None:
        """Wait for the form's first lookup."""
        self.form, self.shown = form, shown
        self.rest()

    def rest(self) -> None:
        """Wait until no operation is in progress."""
        assert self.form.join(_SECONDS), "the form is still working"

    def click(self, button: Any) -> None:
        """Click an enabled button, and wait for the result."""
        assert not button.disabled
        button.click()
        self.rest()

    def put(self, field: Any, value: Any) -> None:
        """Type or choose something, and wait for the result."""
        field.control.value = value
        self.rest()

    def head(self, step: str) -> Any:
        """Return the button that opens and closes a step."""
        return self.form.sections[step].box.children[0]

    @property
    def summary(self) -> str:
        """The last published text of the summary."""
        return self.shown.data[-1]["text/plain"]


def choose(clicker: Clicker, name: str = "demo") -> None:
    """Choose a cluster by name."""
    step = clicker.form.choose
    step.cluster.control.value = name
    clicker.click(step.use.button)


def place(clicker: Clicker, *, zones: int = 2) -> None:
    """Choose the location of the cluster demo's endpoint; one of its two zones is optional."""
    choose(clicker)
    step = clicker.form.create
    clicker.put(step.groups, (GROUP,))
    if zones == 1:
        step.zones.control.children[1].value = ""
        clicker.rest()


def create(clicker: Clicker) -> None:
    """Create an endpoint for the cluster demo."""
    place(clicker)
    clicker.click(clicker.form.create.create.button)


def settle(manual: Sandbox) -> None:
    """Let every endpoint become Connected."""
    while manual.tick():
        pass


def heads(clicker: Clicker) -> list[str]:
    """Return the texts of the steps' headers."""
    return [page.box.children[0].description for page in clicker.form.sections.values()]


def words(widget: Any) -> str:
    """Return an HTML widget's text, without its elements."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", widget.value)).split())


def command_of(action: Any) -> str:
    """Return the command that an action shows, or an empty text."""
    found = re.search(r"<code[^>]*>(.*)</code>", action.command.value)
    assert found or not action.command.value
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split()) if found else ""
