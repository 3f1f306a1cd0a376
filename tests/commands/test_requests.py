"""The validation rules of each operation's fields."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.commands.requests import (
    ClusterRequest,
    ConnectRequest,
    CreateRequest,
    DeleteRequest,
    QueryRequest,
    RunRequest,
    WaitRequest,
    ZoneChoice,
)
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.errors import InvalidRequest

FIELDS = [
    (operation.request, field)
    for operation in OPERATIONS.values()
    for field in dataclasses.fields(operation.request)
]


def test_every_field_is_described_for_every_skin() -> None:
    """Each field has help, and a placeholder where it takes a value."""
    for request_class, field in FIELDS:
        where, described = (request_class.__name__, field.name), field.metadata["option"]
        assert described.help, where
        assert not described.help.endswith("."), where
        assert bool(described.metavar) == (field.default is not False), where
        assert described.many == (field.default == ()), where
        # Required values are positional; of the optional ones, only these are.
        required = field.default is dataclasses.MISSING
        optional = {
            ("ConnectRequest", "connection"),
            ("FormRequest", "step"),
            ("HelpRequest", "topic"),
            ("LoadRequest", "connection"),
            ("QueryRequest", "connection"),
            ("SqlUserRequest", "name"),
            ("TablesRequest", "name"),
            ("TablesRequest", "connection"),
        }
        # A frame and its table would be two names without a word between them.
        flag = where == ("LoadRequest", "table")
        assert described.positional == ((required and not flag) or where in optional), where


def test_every_default_has_the_type_of_its_field() -> None:
    """A default has the type of its annotation."""
    for request_class, field in FIELDS:
        where, hint = (request_class.__name__, field.name), get_type_hints(request_class)[field.name]
        if field.default is None:
            assert type(None) in hint.__args__, where
        elif field.default not in {dataclasses.MISSING, ()}:
            assert isinstance(field.default, hint), where


def test_every_default_is_valid_by_its_own_rule() -> None:
    """Every default passes its own validation."""
    for request_class, field in FIELDS:
        if field.default not in {dataclasses.MISSING, None, ()}:
            parsed = field.metadata["option"].parse(str(field.default))
            assert parsed == field.default, (request_class.__name__, field.name)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("vpc", "vpc-t4nabc123"),
        ("security_group", "sg-t4nabc123"),
        ("zone", "ap-southeast-1a"),
        ("zone", "cn-hangzhou-b"),
        ("zone", "us-east-1a=vsw-t4nabc123"),
        ("zone", "all"),
        ("name", "tidb-pe_1"),
        ("name", "数据"),
        ("name", "a" * 128),
    ],
)
def test_values_that_the_cloud_accepts_are_accepted(field: str, text: str) -> None:
    """IDs, zones and names in the cloud's own form are valid."""
    value = getattr(CreateRequest.of(**{field: text}), field)
    assert str(value[0] if isinstance(value, tuple) else value) == text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("vpc", "vpc-"),
        ("vpc", "vsw-1"),
        ("vpc", "vpc-1\n"),
        ("vpc", "vpc-1 "),
        ("vpc", "VPC-1"),
        ("security_group", "sg_1"),
        ("security_group", ""),
        ("zone", ""),
        ("zone", "ALL"),
        ("zone", "all=vsw-1"),
        ("zone", "ap-southeast-1a="),
        ("zone", "ap-southeast-1a=vpc-1"),
        ("zone", "ap-southeast-1a=vsw-1=vsw-2"),
        ("zone", "=vsw-1"),
        ("name", "a"),
        ("name", "1abc"),
        ("name", "a" * 129),
        ("name", "with blank"),
        ("cluster", " "),
    ],
)
def test_values_that_the_cloud_refuses_are_refused(field: str, text: str) -> None:
    """Values that the cloud would refuse are refused with the option, and the rule or a valid example."""
    with pytest.raises(InvalidRequest) as caught:
        CreateRequest.of(**{field: text})
    assert caught.value.field == CreateRequest.label(field)
    assert re.search(r"looks like|letters|must not be empty", str(caught.value))


@pytest.mark.parametrize("params", [b"x", bytearray(b"x")])
def test_bytes_are_not_a_list_of_parameters(params: object) -> None:
    """Bytes are refused as a parameter list, because Python treats them as a sequence of numbers."""
    with pytest.raises(InvalidRequest, match="--params: must be JSON"):
        QueryRequest.of(sql="SELECT ?", params=params)


def test_one_value_of_another_type_is_wrong_input() -> None:
    """A number from Python where several texts are expected is refused by the option's name."""
    with pytest.raises(InvalidRequest) as caught:
        CreateRequest.of(security_group=5)
    assert caught.value.field == "--security-group"


@given(
    st.from_regex(r"\A[a-z]{2,3}-[a-z]{2,9}-[0-9][a-z]\Z"), st.from_regex(r"\A(=vsw-[A-Za-z0-9]{1,20})?\Z")
)
def test_a_zone_is_written_as_it_is_typed(zone: str, vswitch: str) -> None:
    """Parsing and writing a zone are inverse."""
    assert str(ZoneChoice.parse(zone + vswitch)) == zone + vswitch


@given(st.text())
def test_any_text_is_a_zone_or_refused(text: str) -> None:
    """Any text is a zone that is written as it was typed, or a ValueError."""
    try:
        choice = ZoneChoice.parse(text)
    except ValueError:
        return
    assert str(choice) == text


def test_the_same_zone_twice_is_refused() -> None:
    """A repeated zone is refused."""
    with pytest.raises(InvalidRequest, match="--zone: the same value is given twice"):
        CreateRequest.of(zone=["ap-southeast-1a", "ap-southeast-1a"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"endpoint": "vpc-1"}, "--endpoint"),
        ({"alias": "1tidb"}, "--alias"),
        ({"alias": "my alias"}, "--alias"),
        ({"alias": ""}, "--alias"),
        ({"user": ""}, "--user"),
        ({"database": " "}, "--database"),
        ({"tls": "AUTO"}, "--tls"),
        ({"tls_name": ""}, "--tls-name"),
        ({"ca": ""}, "--ca"),
    ],
)
def test_a_login_that_cannot_work_is_refused(values: dict[str, str], field: str) -> None:
    """Each option of connect is checked and named."""
    with pytest.raises(InvalidRequest) as caught:
        ConnectRequest.of(**values)
    assert caught.value.field == field


@given(st.text().map(lambda tail: f"hunter2{tail}"))
def test_a_password_in_the_place_of_its_source_is_not_repeated(typed: str) -> None:
    """For --password-from hunter2 the error names the valid forms and omits the typed text."""
    for request_class in (ConnectRequest, RunRequest):
        values: dict[str, Any] = {"password_from": typed} | (
            {"cluster": "demo"} if request_class is RunRequest else {}
        )
        with pytest.raises(InvalidRequest) as caught:
            request_class.of(**values)
        error = caught.value
        assert error.field == "--password-from"
        assert "hunter2" not in f"{error} {error!r} {error.__cause__!r}"


def test_connect_reads_its_options() -> None:
    """The options of connect become values."""
    request = ConnectRequest.of(password_from="env:PW", tls="verify-ca", endpoint="ep-1")
    assert request.password_from == PasswordSource("env", "PW")
    assert (request.tls, request.endpoint, request.alias, request.user) == ("verify-ca", "ep-1", "tidb", None)


def test_deletion_is_not_the_default() -> None:
    """`--yes` and `--adopted` are off by default; the default timeout of wait is ten minutes."""
    request = DeleteRequest.of(endpoint="ep-1")
    assert (request.yes, request.adopted, request.timeout) == (False, False, 600.0)
    assert DeleteRequest.of(endpoint="ep-1", yes=True).yes
    assert WaitRequest.of().timeout == 600.0


def test_every_step_but_the_first_may_name_its_cluster() -> None:
    """Each step for one cluster has --cluster as an option; `cluster` and `run` have it as an argument."""
    named = {name for name, operation in OPERATIONS.items() if "cluster" in operation.request.options()}
    assert set(OPERATIONS) - named == {
        "clusters",
        "connections",
        "disconnect",
        "fleet",
        "help",
        "history",
        "load",
        "query",
        "sandbox",
        "tables",
        "whoami",
    }
    assert ClusterRequest.options()["cluster"].positional
    assert RunRequest.options()["cluster"].positional


def test_the_steps_on_an_endpoint_may_name_it() -> None:
    """Each step for one endpoint accepts --endpoint; `delete` has it as its argument."""
    named = {name for name, operation in OPERATIONS.items() if "endpoint" in operation.request.options()}
    assert named == {
        *("wait", "authorize", "connect", "connection-string"),
        *("doctor", "status", "delete", "export"),
    }
