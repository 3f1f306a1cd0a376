"""A password typed into a form is in no widget's state at any time that a notebook can be saved."""

from __future__ import annotations

import json
from typing import Any

import ipywidgets
import pytest

from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.errors import MissingCredentials
from tidb_pe_magic.notebook.forms.password import PasswordField

SECRET = "canary-Typed1"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Provide everything that widgets send to front ends. Nbclient saves the last of it."""
    sent: list[Any] = []
    monkeypatch.setattr(ipywidgets.Widget, "_send", lambda _, msg, buffers=None: sent.append(msg))  # noqa: ARG005
    return sent


def states() -> str:
    """Return the state of every widget, as a saved notebook would contain it."""
    return json.dumps(ipywidgets.Widget.get_manager_state(drop_defaults=False), default=str)


def test_a_typed_password_leaves_the_field_empty(sent: list[Any]) -> None:
    """Once the kernel has the password the widget is empty, and no front end gets it back."""
    field = PasswordField()
    field.control.set_state({"value": SECRET})  # The front end sends this when the user leaves the field.
    assert field.control.value == ""
    assert field.source == PasswordSource("prompt")
    assert {"value": ""} in [message["state"] for message in sent if message["method"] == "update"]
    assert SECRET not in json.dumps(sent, default=str)
    assert SECRET not in states()
    assert SECRET not in f"{field.control!r} {vars(field)!r}"
    assert field.prompt("Password: ").reveal() == SECRET


def test_a_password_is_given_away_once() -> None:
    """A used password is gone from the field, which then names the other sources."""
    field = PasswordField()
    field.control.value = SECRET
    field.prompt("Password: ")
    assert field.source is None
    with pytest.raises(MissingCredentials, match="the form's field Password, which is empty"):
        field.prompt("Password of p.root: ")


def test_a_password_can_be_forgotten() -> None:
    """Closing the form, or connecting in another way, discards the password."""
    field = PasswordField()
    field.control.value = SECRET
    field.clear()
    assert field.source is None


def test_the_control_sends_nothing_while_it_is_typed_into() -> None:
    """A front end sends the password only when the user leaves the field."""
    assert PasswordField().control.continuous_update is False
