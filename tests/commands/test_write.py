"""A request written as a command parses to the same request."""

from __future__ import annotations

import string
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidb_pe_magic.commands.parse import Command, parse
from tidb_pe_magic.commands.requests import (
    ClusterRequest,
    ConnectRequest,
    CreateRequest,
    QueryRequest,
    WaitRequest,
)
from tidb_pe_magic.commands.table import Operation, Skin, available
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.commands.write import PROG, cell, command
from tidb_pe_magic.text import is_visible

if TYPE_CHECKING:
    from tidb_pe_magic.commands.fields import Request

_ids = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12)
_free = st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip()))
_paths = _free.filter(lambda text: "\0" not in text and not text.startswith("~"))


def _after_a_name(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return the texts for a field after `@NAME`: a command reads one that begins with an @ as the name."""
    return texts.filter(lambda text: not text.startswith("@"))


# The values allowed by a field's own rule. An unlisted field accepts any text with a letter in it.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "cluster": _free.filter(is_visible),
    "ca": _paths,
    "file": _paths,
    "frame": _after_a_name(_paths),
    "sql": _after_a_name(_free),
    "keys": st.sampled_from(["a", "a b,c", "\u00e9,`"]),
    "to_csv": _paths,
    "to_parquet": _paths,
    "vpc": _ids.map("vpc-{}".format),
    "security_group": st.lists(_ids.map("sg-{}".format), unique=True),
    "zone": st.lists(_ids.map("ap-southeast-1a=vsw-{}".format), unique=True),
    "endpoint": _ids.map("ep-{}".format),
    "name": _ids.map("name-{}".format),
    "alias": _ids.map("_{}".format),
    "host": _ids,
    "port": st.integers(1, 65535),
    "connect_timeout": st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    "timeout": st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    "connection": st.one_of(_ids.map("@_{}".format), _ids.map("@our files/it's #{}.json".format)),
    "save_to": _ids.map("our files/it's #{}.JSON".format),
    "max_rows": st.integers(1, 10**9),
    "max_memory": st.integers(1, 10**15),
    "partitions": st.integers(1, 256),
    "params": st.sampled_from(['{"a b": [1.50, null, "x\'y"]}', "[1e400, -0.1, true]", "[]"]),
    "limit": st.integers(1, 10**9),
    "flights": st.integers(1, 10**9).map(str),
    "fleet": st.integers(1, 10**3).map(str),
    "seconds": st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    "parallel": st.integers(1, 16),
    "to": _ids.map("my dir/it's #{}.tf".format),
    "region": st.sampled_from(["ap-southeast-1", "cn-hangzhou"]),
    "password_from": st.sampled_from(["prompt", "env:PW", "keyring:a b", "file:~/my file#1"]),
}


def requests(operation: Operation) -> st.SearchStrategy[Request]:
    """Return every possible request of the operation."""
    request = operation.request
    given: dict[str, st.SearchStrategy[Any]] = {}
    needed: dict[str, st.SearchStrategy[Any]] = {}
    for field in fields(request):
        choices = field.metadata["option"].choices
        values = st.sampled_from(choices) if choices else VALUES.get(field.name, _free)
        values = st.booleans() if field.default is False else values
        (needed if field.default is MISSING else given)[field.name] = values
    return st.fixed_dictionaries(needed, optional=given).map(lambda values: request.of(**values))


def read(line: str) -> Request:
    """Read the line as the magic does."""
    prog, *rest = words(line)
    assert prog == PROG
    parsed = parse(rest, prog=PROG, skin=Skin.LINE)
    assert isinstance(parsed, Command)
    return parsed.request


@pytest.mark.parametrize("operation", available(Skin.LINE).values(), ids=available(Skin.LINE))
@settings(max_examples=20)
@given(data=st.data())
def test_writing_and_reading_are_inverse(operation: Operation, data: st.DataObject) -> None:
    """Every request of every operation is read back from its own command."""
    request = data.draw(requests(operation))
    assert read(command(operation.name, request)) == request


@pytest.mark.parametrize(
    ("name", "request_", "line"),
    [
        ("cluster", ClusterRequest.of(cluster="my demo"), "%tidb_pe cluster 'my demo'"),
        ("wait", WaitRequest.of(timeout=600), "%tidb_pe wait"),
        ("wait", WaitRequest.of(timeout=1.5), "%tidb_pe wait --timeout 1.5"),
        (
            "create",
            CreateRequest.of(vpc="vpc-1", security_group=["sg-1", "sg-2"], zone=["us-east-1a"], force=True),
            (
                "%tidb_pe create --vpc vpc-1 --security-group sg-1 --security-group sg-2 "
                "--zone us-east-1a --force"
            ),
        ),
        ("connect", ConnectRequest.of(user="-x", ca="#1"), "%tidb_pe connect --user=-x --ca '#1'"),
        ("connect", ConnectRequest.of(connection="@tidb", save=True), "%tidb_pe connect @tidb --save"),
        ("cluster", ClusterRequest.of(cluster="-h"), "%tidb_pe cluster -- -h"),
        ("wait", WaitRequest.of(cluster="--"), "%tidb_pe wait --cluster=--"),
    ],
)
def test_a_command_is_written_as_one_would_type_it(name: str, request_: Request, line: str) -> None:
    """A command omits defaults, repeats a flag with several values, and quotes only where required."""
    assert command(name, request_) == line
    assert read(line) == request_


def test_a_query_is_written_as_a_cell() -> None:
    """A query is written as a cell, with the SQL unchanged below the line."""
    request = QueryRequest.of(sql="SELECT '#'\nFROM dual", alias="db", max_rows=5)
    assert cell("query", request, "sql") == "%%tidb_pe query --alias db --max-rows 5\nSELECT '#'\nFROM dual"
