"""Each field of each request as a control, and back."""

from __future__ import annotations

import html
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from support.cases import for_each
from traitlets import TraitError

from tidb_pe_magic.commands.requests import ConnectRequest, CreateRequest, ZoneChoice
from tidb_pe_magic.commands.table import Skin, available
from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.notebook.forms.fields import Field, FieldSet, field_for

# A field's name: the typed text, its value, and an invalid text.
EXAMPLES: dict[str, tuple[Any, Any, Any]] = {
    "connect_timeout": ("7.5", 7.5, "soon"),
    "shared": (True, True, "perhaps"),
    "cluster": ("demo", "demo", " "),
    "endpoint": ("ep-1a", "ep-1a", "vpc-1"),
    "vpc": ("vpc-1a", "vpc-1a", "vsw-1"),
    "security_group": ("sg-1\nsg-2", ("sg-1", "sg-2"), "sg-1\nvpc-1"),
    "zone": (
        "us-east-1a=vsw-1\nus-east-1b",
        (ZoneChoice("us-east-1a", "vsw-1"), ZoneChoice("us-east-1b")),
        "us-east-1a=vpc-1",
    ),
    "name": ("from-form", "from-form", "1"),
    "force": (True, True, "perhaps"),
    "timeout": ("1.5", 1.5, "soon"),
    "user": ("p.root", "p.root", " "),
    "database": ("test", "test", " "),
    "password_from": ("env:PW", PasswordSource("env", "PW"), "hunter2"),
    "tls": ("verify-ca", "verify-ca", "none"),
    "tls_name": ("gateway.example.net", "gateway.example.net", " "),
    "ca": ("ca.pem", "ca.pem", " "),
    "alias": ("flights", "flights", "1st"),
    "host": ("db.example.net", "db.example.net", "u:p@host"),
    "port": ("4001", 4001, "70000"),
    "yes": (True, True, "perhaps"),
    "adopted": (True, True, "perhaps"),
    "save": (True, True, "perhaps"),
    "save_to": ("tidb.json", "tidb.json", "tidb.txt"),
    "trust_file": (True, True, "perhaps"),
    "forget": (True, True, "perhaps"),
    "connection": ("@saved", "saved", "saved"),
    "limit": ("5", 5, "0"),
    "with_": ("jdbc", "jdbc", "excel"),
    "sql": ("SELECT 1", "SELECT 1", " "),
    "params": ('{"n": 1.50}', {"n": Decimal("1.50")}, "{"),
    "max_rows": ("5", 5, "0"),
    "max_memory": ("800000000", 800_000_000, "much"),
    "arrow": (True, True, "perhaps"),
    "dtypes": ("numpy_nullable", "numpy_nullable", "float"),
    "decimals": ("exact", "exact", "double"),
    "to_parquet": ("out.parquet", "out.parquet", " "),
    "to_csv": ("out.csv", "out.csv", " "),
    "explain": (True, True, "perhaps"),
    "explain_analyze": (True, True, "perhaps"),
    "queries": (True, True, "perhaps"),
    "system": (True, True, "perhaps"),
    "frame": ("delays", "delays", " "),
    "table": ("delays", "delays", " "),
    "if_exists": ("append", "append", "ignore"),
    "keys": ("a,b", ("a", "b"), ","),
    "partition_on": ("id", "id", " "),
    "partitions": ("8", 8, "0"),
    "engine": ("dask", "dask", "spark"),
    "clean_up": (True, True, "perhaps"),
    "no_prefix": (True, True, "perhaps"),
    "action": ("rotate", "rotate", "forge"),
    "role": ("readonly", "readonly", "king"),
    "store": ("file", "file", "cloud"),
    "topic": ("tls", "tls", "love"),
    "file": ("fleet.toml", "fleet.toml", " "),
    "parallel": ("8", 8, "0"),
    "region": ("ap-southeast-1", "ap-southeast-1", "Singapore"),
    "format": ("terraform", "terraform", "pulumi"),
    "to": ("main.tf", "main.tf", " "),
    "replace": (True, True, "perhaps"),
    "step": ("create", "create", "everything"),
    "mode": ("manual", "manual", "warp"),
    "seconds": ("2.5", 2.5, "soon"),
    "upstream": ("db.example.net:4000", "db.example.net:4000", " "),
    "flights": ("100", "100", "0"),
    "fleet": ("3", "3", "0"),
}
# The same for fields with a different rule in this request.
OF_REQUEST: dict[tuple[str, str], tuple[Any, Any, Any]] = {
    ("WhoamiRequest", "profile"): ("work", "work", " "),
    ("SqlUserRequest", "name"): ("analyst", "analyst", "an alyst"),
    ("FleetRequest", "action"): ("status", "status", "destroy"),
    ("TablesRequest", "name"): ("flights", "flights", " "),
    ("SandboxRequest", "action"): ("status", "status", "restart"),
}


def example(request_class: Any, name: str) -> tuple[Any, Any, Any]:
    """Return the text typed into the field, its value, and an invalid text."""
    return OF_REQUEST.get((request_class.__name__, name)) or EXAMPLES[name]


every_field = for_each(
    {
        f"{operation.name} {name}": (operation.request, name)
        for operation in available(Skin.PYTHON).values()
        for name in operation.request.options()
    }
)


@every_field
def test_a_field_begins_with_its_default(request_class: Any, name: str) -> None:
    """An untouched field has the request's default, a label and a help text."""
    field = field_for(request_class, name)
    assert field.value == getattr(request_class, name, None)
    assert field.control.description
    assert field.control.tooltip == request_class.options()[name].help
    assert field.reason == ""


@every_field
def test_a_value_is_shown_by_its_control(request_class: Any, name: str) -> None:
    """Setting a value shows it as the user would type it, and the request contains it."""
    typed, value, _ = example(request_class, name)
    described = request_class.options()[name]
    field = field_for(request_class, name)
    field.value = typed.split("\n") if described.many else typed
    assert field.value == value
    assert field.control.value == typed
    others = {"endpoint": "ep-1", "cluster": "demo", "sql": "SELECT 1", "action": "list", "file": "f.toml"}
    others |= {"format": "terraform", "frame": "delays", "table": "delays"}
    others |= {"action": "plan"} if "file" in request_class.options() else {}
    others |= {"action": "status"} if "flights" in request_class.options() else {}
    needed = {each: text for each, text in others.items() if each in request_class.options() and each != name}
    assert getattr(FieldSet(request_class, [field]).request(**needed), name) == value


@every_field
def test_typed_text_becomes_the_value(request_class: Any, name: str) -> None:
    """Typing sets the value by the request's own rule, and clearing sets the default."""
    typed, value, _ = example(request_class, name)
    field = field_for(request_class, name)
    told: list[Any] = []
    field.on_change(lambda: told.append(field.value))
    before = field.control.value
    field.control.value = typed
    assert field.value == value
    field.control.value = before
    assert field.value == field.default
    assert told == [value, field.default]


@every_field
def test_a_bad_value_changes_nothing(request_class: Any, name: str) -> None:
    """An invalid value is refused by the option's name; value and control stay unchanged."""
    typed, value, bad = example(request_class, name)
    field = field_for(request_class, name)
    field.value = typed.split("\n") if request_class.options()[name].many else typed
    with pytest.raises(InvalidRequest) as refused:
        field.value = bad.split("\n") if request_class.options()[name].many else bad
    assert refused.value.field == request_class.label(name)
    assert (field.value, field.control.value, field.reason) == (value, typed, "")


@every_field
def test_a_typing_error_is_shown_at_the_control(request_class: Any, name: str) -> None:
    """A typing error leaves the value, blocks the request, and shows a message until it is corrected."""
    typed, value, bad = example(request_class, name)
    field = field_for(request_class, name)
    field.value = typed.split("\n") if request_class.options()[name].many else typed
    error = field.box.children[1]
    if isinstance(field.control.value, bool) or request_class.options()[name].choices:
        with pytest.raises(TraitError):
            field.control.value = bad  # a fixed list of choices
        assert (field.value, field.control.value) == (value, typed)
        return
    field.control.value = bad
    assert field.value == value
    if name == "password_from":  # possibly the password itself
        assert field.control.value == typed
        assert "must be prompt" in error.value
        return
    assert field.reason in html.unescape(error.value)
    assert field.reason
    with pytest.raises(InvalidRequest) as refused:
        FieldSet(request_class, [field]).request()
    assert refused.value.field == request_class.label(name)
    field.control.value = typed
    assert error.value == field.reason == ""


def test_a_password_in_the_place_of_its_source_does_not_stay() -> None:
    """A refused password source may be the password, so neither control nor error retains it."""
    field = field_for(ConnectRequest, "password_from")
    field.control.value = "hunter2"
    assert "must be prompt" in field.box.children[1].value
    assert "hunter2" not in f"{field.control.get_state()} {field.box.children[1].value}"


def test_an_error_is_shown_at_the_field_that_it_names() -> None:
    """A field set shows an error at the field of the option's name, and returns whether it has that field."""
    field = field_for(CreateRequest, "vpc")
    fieldset = FieldSet(CreateRequest, [field])
    assert fieldset.show_error(InvalidRequest("--vpc", "is missing.", advice="Name one."))
    assert "is missing. Name one." in field.box.children[1].value
    assert field.reason == "", "the form accepts the next request"
    fieldset.clear_errors()
    assert field.box.children[1].value == ""
    assert not fieldset.show_error(InvalidRequest("--zone", "is missing."))


def test_markup_in_an_error_is_text() -> None:
    """Markup in typed text is shown literally."""
    field = field_for(CreateRequest, "vpc")
    field.control.value = "<img src=x>"
    assert "<img" not in field.box.children[1].value
    assert "&lt;img" in field.box.children[1].value


def test_two_threads_may_set_a_field_at_once() -> None:
    """When two threads set a field at once, neither display counts as typed input."""
    started, other_done = threading.Event(), threading.Event()

    class Slow(Field):
        """Displays "first" only after another thread has displayed something else."""

        def _display(self, value: Any) -> None:
            if value == "first":
                started.set()
                assert other_done.wait(60)
            super()._display(value)

    field, heard = Slow(CreateRequest, "cluster"), []
    field.on_change(lambda: heard.append(field.value))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(setattr, field, "value", "first")
        assert started.wait(60)
        field.value = "second"
        other_done.set()
        slow.result()
    assert (heard, field.value) == ([], "first")
    field.control.value = "typed"
    assert heard == ["typed"]
