"""The exception tree, and the line that each exception shows."""

from __future__ import annotations

import inspect
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion, console, magic, python
from tidb_pe_magic.errors import (
    ApiError,
    ConnectionFailed,
    InvalidRequest,
    MissingCredentials,
    NotEligible,
    StepOrderError,
    Throttled,
    TidbPeError,
    WaitCancelled,
    WaitTimeout,
)
from tidb_pe_magic.model import VpcEndpoint
from tidb_pe_magic.text import one_line

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and value.__module__ == errors.__name__
}
ENDPOINT = VpcEndpoint(
    endpoint_id="ep-1",
    name="",
    service_name="s",
    vpc_id="vpc-1",
    region_id="r",
    domain="d",
    endpoint_status="Creating",
    connection_status="Disconnected",
)


def drawn_tree() -> dict[str, str]:
    """Read class -> parent from the picture in the module's docstring."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if found:
            depth = len(found[1]) // 3
            above[depth:] = [found[2]]
            parents[found[2]] = above[depth - 1] if depth else "Exception"
    return parents


def test_the_picture_shows_every_class_below_its_parent() -> None:
    """The tree in the docstring matches the tree of the classes."""
    assert drawn_tree() == {name: value.__bases__[0].__name__ for name, value in CLASSES.items()}


def test_the_picture_names_the_builtin_classes_that_are_mixed_in() -> None:
    """InvalidRequest is a ValueError, as the picture says, and the other classes have no built-in base."""
    mixed = re.findall(r"(\w+)\((\w+Error)\)", errors.__doc__ or "")
    assert mixed == [("InvalidRequest", "ValueError")]
    assert all(CLASSES[name].__bases__[1].__name__ == builtin for name, builtin in mixed)


@given(st.text())
def test_text_of_a_remote_system_stays_on_one_line_and_is_visible(text: str) -> None:
    """one_line makes every line break and terminal control character harmless."""
    shown = one_line(text)
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text())
def test_making_one_line_twice_changes_nothing_more(text: str) -> None:
    """Applying one_line twice has the same result as once."""
    assert one_line(one_line(text)) == one_line(text)


@given(st.text(st.characters(whitelist_categories=("L", "N", "P", "S")), min_size=1))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    """Letters of any script, digits and punctuation are not escaped."""
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\u001b[31mred"),
        ("abc\u202edef", "abc\\u202edef"),
        ("two\r\n  lines", "two lines"),
        ("half\ud800", "half\\ud800"),
    ],
)
def test_control_characters_are_shown_as_codes(text: str, shown: str) -> None:
    """An ANSI escape, a direction mark, a line break and half a surrogate pair are shown as codes."""
    assert one_line(text) == shown


@given(st.text(), st.text())
def test_an_error_is_sentences_and_a_command_on_a_line_of_its_own(message: str, advice: str) -> None:
    """An error has no class name and no line wider than a cell, and ends with the command."""
    error = StepOrderError(message, advice=Advice(advice, Suggestion("create", "--vpc", "vpc-1")))
    *sentences, command = error.text().split("\n")
    assert command == "Try: %tidb_pe create --vpc vpc-1"
    assert " ".join(sentences).lower() == error.prose.lower()
    assert all(len(line) <= 96 or " " not in line for line in sentences)
    assert len(str(error).splitlines()) == 1
    assert (error.message, error.advice) == (message, advice)


def test_a_notebook_shows_the_error_and_tb_its_class_and_place() -> None:
    """A notebook shows the error alone; `%tb` adds the class and the frames."""
    error = ConnectionFailed("tcp", "refused.", advice=Advice("Check the port.", Suggestion("status")))
    try:
        raise error
    except ConnectionFailed:
        shown = error._render_traceback_()
    assert shown == ["No connection (tcp): refused. Check the port.", "Try: %tidb_pe status"]
    assert sys.exc_info() == (None, None, None)
    first, place, *rest = error._render_traceback_()
    assert first == "tidb_pe_magic.errors.ConnectionFailed, raised at"
    assert place.endswith(" in test_a_notebook_shows_the_error_and_tb_its_class_and_place")
    assert rest == shown


def test_each_skin_writes_the_command_in_its_own_spelling() -> None:
    """A positional value, flags, a repeated flag, a switch and a number are written in each skin's form."""
    made = Suggestion("sql-user", "create", "o'hara", "--role", "readonly", "--yes")
    assert [write(made) for write in (magic, console, python)] == [
        """%tidb_pe sql-user create 'o'"'"'hara' --role readonly --yes""",
        """tidb-pe sql-user create 'o'"'"'hara' --role readonly --yes""",
        """runbook.sql_user("create", "o'hara", role="readonly", yes=True)""",
    ]
    plan = Suggestion("plan", "--security-group", "sg-1", "--security-group", "sg-2", "--name", "a b")
    assert python(plan) == 'runbook.plan(security_group=["sg-1", "sg-2"], name="a b")'
    assert (
        python(Suggestion("doctor", "--host", "h", "--port", "4000")) == 'runbook.doctor(host="h", port=4000)'
    )
    assert python(Suggestion("connection-string", "--with", "go")) == 'runbook.connection_string(with_="go")'
    assert (
        python(Suggestion("query", "@db", "SELECT 1", "--arrow"))
        == 'runbook.query("SELECT 1", arrow=True, connection="@db")'
    )
    assert python(Suggestion("connect", "@db")) == 'runbook.connect("@db")'
    assert python(Suggestion("plan", "-h")) == "help(runbook.plan)"
    assert magic(Suggestion("sql", "tidb", "SELECT 1")) == "%%sql tidb\nSELECT 1"
    assert console(Suggestion("sandbox", "start")) == "python -m tidb_pe_magic.sandbox"


def test_a_sentence_begins_with_a_capital_and_an_identifier_does_not() -> None:
    """A sentence starts with a capital letter, and an identifier keeps its spelling."""
    begun = [TidbPeError(text).text() for text in ("no endpoint.", "ep-1 is gone.", "--vpc: no.", "@x: no.")]
    assert begun == ["No endpoint.", "ep-1 is gone.", "--vpc: no.", "@x: no."]


def test_the_second_command_is_under_the_first() -> None:
    """If two commands help, both are shown."""
    advice = Advice("", Suggestion("help", "keys"), ShellCommand("aliyun configure"))
    assert StepOrderError("no key.", advice=advice).text(console).splitlines() == [
        "No key.",
        "Try: tidb-pe help keys",
        " Or: aliyun configure",
    ]


def test_an_error_without_advice_ends_with_its_message() -> None:
    """An error without advice has no trailing space."""
    assert str(TidbPeError("it is so.")) == "it is so."
    assert str(TidbPeError("it is so.", advice="Do that.")) == "it is so. Do that."


def test_wrong_input_names_its_field_first() -> None:
    """InvalidRequest has separate field and reason, and is a ValueError."""
    error = InvalidRequest("--vpc", "is missing.", advice="See networks.")
    assert isinstance(error, ValueError)
    assert (error.field, error.reason) == ("--vpc", "is missing.")
    assert str(error) == "--vpc: is missing. See networks."
    assert str(InvalidRequest("", "is missing.")) == "is missing."


def test_missing_credentials_list_every_place_in_order() -> None:
    """The error lists the places searched, in order."""
    error = MissingCredentials("key", iter(["here", "there"]))
    assert error.looked_in == ("here", "there")
    assert str(error) == "no key found; looked in here, there."


@pytest.mark.parametrize(
    "kind",
    [kind for kind in CLASSES.values() if issubclass(kind, ApiError)],
    ids=lambda kind: kind.__name__,
)
def test_every_api_error_carries_operation_code_and_request_id(kind: type[ApiError]) -> None:
    """The line and the attributes contain the operation, the code and the request ID for support."""
    error = kind("no.", operation="Op", code="Code", request_id="R-1", advice="Ask.")
    assert str(error) == "Op failed (Code): no. [request id R-1] Ask."
    assert (error.operation, error.code, error.request_id, error.advice) == ("Op", "Code", "R-1", "Ask.")
    assert str(kind("no.", operation="Op")) == "Op failed: no."


def test_throttled_keeps_the_seconds_to_wait() -> None:
    """The cloud's retry delay is preserved, or None if it gave none."""
    assert Throttled("slow.", operation="Op", retry_after=2.5).retry_after == 2.5
    assert Throttled("slow.", operation="Op").retry_after is None


def test_restrictions_and_stages_are_named_first() -> None:
    """NotEligible names the restriction, ConnectionFailed the stage."""
    restricted, failed = NotEligible("region", "elsewhere."), ConnectionFailed("tls", "no name fits.")
    assert (str(restricted), restricted.restriction) == ("region: elsewhere.", "region")
    assert (str(failed), failed.stage) == ("no connection (tls): no name fits.", "tls")


def test_an_ended_wait_has_the_last_observation() -> None:
    """The last observation is available to the caller, or None without an observation."""
    timeout = WaitTimeout("late.", last=ENDPOINT)
    assert timeout.last is ENDPOINT
    assert WaitCancelled("stopped.").last is None
