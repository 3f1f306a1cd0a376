"""A form as a user operates it in a page: by the names of its fields and buttons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator

    from tidb_pe_magic.sandbox import Sandbox

GROUP = "analytics (sg-t4nanalytics)"
DATABASE = "nycflights13"
_PRESSED = 100.0  # milliseconds
QUERY = "SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier ORDER BY flights DESC LIMIT 5"


def environment(path: Path, sandbox: Sandbox) -> str:
    """Write the sandbox's environment to a file and return an expression for it without secrets."""
    path.write_text(json.dumps(sandbox.environment()))
    return f"__import__('json').load(open({str(path)!r}))"


def load(path: Path, sandbox: Sandbox) -> str:
    """Return the cell that loads the extension for a sandbox other than the server's."""
    return f"import os\nos.environ.update({environment(path, sandbox)})\n%load_ext tidb_pe_magic"


@dataclass(frozen=True)
class FormPage:
    """A form that a page shows.

    Attributes:
        root: the element that contains this form only.
    """

    root: Locator

    def button(self, name: str) -> Locator:
        """Return the visible button with this name."""
        return self.root.get_by_role("button", name=name, exact=True)

    def field(self, label: str) -> Locator:
        """Return the control that belongs to the label."""
        return self.root.get_by_label(label, exact=True)

    def head(self, title: str) -> Locator:
        """Return the header of a step."""
        return self.root.locator(".tidb-pe-head", has_text=title)

    def doing(self, operation: str) -> Locator:
        """Return the button of an operation, whatever its current label."""
        return self.root.locator(f".tidb-pe-do-{operation}")

    def outcome(self, operation: str) -> Locator:
        """Return the outcome of an operation."""
        return self.root.locator(f".tidb-pe-outcome-{operation}")

    def command(self, operation: str) -> Locator:
        """Return the command that an operation's button shows."""
        return self.root.locator(f".tidb-pe-command-{operation} code")

    def error(self, field: str) -> Locator:
        """Return the error shown at a field, by the field's name in the request."""
        return self.root.locator(f".tidb-pe-field-{field} .tidb-pe-error")

    def choose(self, cluster: str = "demo") -> None:
        """Choose a cluster by name and continue to the next step."""
        option = self.field("Cluster").locator("option", has_text=cluster).first
        option.wait_for(state="attached")
        # An operation that is still in progress may change the option's text.
        self.rests()
        self.field("Cluster").select_option(option.inner_text())
        self.press("Use this cluster")

    def show_commands(self) -> None:
        """Turn on "Show commands"."""
        # The drawing above it grows with what an operation finds: a button that is pressed at one place and
        # released at another is not clicked.
        self.rests()
        self.field("Show commands").check()

    def place(self, group: str = GROUP) -> None:
        """Choose a security group and wait for the plan check."""
        self.show_commands()
        self.field("Security groups").select_option(group)
        expect(self.command("create")).to_contain_text("--zone")
        self.rests()

    def create(self) -> None:
        """Choose a cluster and a security group, and create the endpoint."""
        self.choose()
        self.place()
        self.press("Create (2 zones)")

    def connect(self, password: str = "") -> None:
        """Open the SQL connection with a typed password, or with the password from the environment."""
        if password:
            self.field("Password").fill(password)
        self.press("Connect")

    def ask(self, statement: str = QUERY) -> None:
        """Run a statement."""
        self.field("First query").fill(statement)
        self.press("Run the query")

    def finish(self) -> None:
        """Go through all steps, from the choice of a cluster to the rows of a query."""
        self.create()
        expect(self.outcome("wait")).to_contain_text("Endpoint ready: Active and Connected")
        self.field("Database").fill(DATABASE)
        self.connect()
        expect(self.outcome("connect")).to_contain_text("Connected to cluster demo as tidb")
        self.ask()
        self.shows_rows()

    def shows_rows(self) -> None:
        """Wait for a DataFrame of five rows."""
        expect(self.outcome("query").locator("table.dataframe tbody tr")).to_have_count(5)

    def press(self, name: str) -> None:
        """Click a button once it is enabled, with a human delay between press and release."""
        button = self.button(name)
        expect(button).to_be_enabled()
        button.click(delay=_PRESSED)

    def rests(self) -> None:
        """Wait until no operation is in progress."""
        expect(self.root.locator(".tidb-pe-activity")).to_have_text("")
