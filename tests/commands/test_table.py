"""The table of operations, and the Python class that writes it out."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_type_hints

import pytest

from tidb_pe_magic import model
from tidb_pe_magic.commands.table import OPERATIONS, Operation
from tidb_pe_magic.errors import InvalidRequest, StepOrderError
from tidb_pe_magic.runbook import Runbook

if typing.TYPE_CHECKING:
    from collections.abc import Callable

every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)

# What tells a method's annotation from its request's: text is what one types for it.
TYPED = {
    "password_from": str | None,
    "zone": Iterable[str],
    "security_group": Iterable[str],
}
# Given by place in Python, as every driver takes it, and by its flag in a cell.
BY_PLACE = {("query", "params")}
# What returns the data themselves instead of the result that holds them.
UNWRAPPED = {"query": model.QueryResult}


def method(operation: Operation) -> Callable[..., Any]:
    """Return the method of Runbook that is the operation."""
    found: Callable[..., Any] = getattr(Runbook, operation.method)
    return found


def hints(annotated: Any) -> dict[str, Any]:
    """Return the annotations of a class or method, also where a name is imported for type checkers alone."""
    return get_type_hints(annotated, localns={"Iterable": Iterable, "Mapping": Mapping, "Sequence": Sequence})


def test_the_table_has_the_commands_of_the_tutorial_in_order() -> None:
    """The operations, by name, are the commands that the documentation promises."""
    assert list(OPERATIONS) == [
        "clusters",
        "cluster",
        "networks",
        "verify",
        "plan",
        "create",
        "wait",
        "connect",
        "connections",
        "connection-string",
        "query",
        "sql-user",
        "doctor",
        "disconnect",
        "status",
        "endpoints",
        "delete",
        "run",
        "fleet",
        "whoami",
        "permissions",
        "history",
        "export",
        "help",
    ]
    assert all(name == operation.name for name, operation in OPERATIONS.items())


@every_operation
def test_every_row_is_complete(operation: Operation) -> None:
    """A summary without a full stop, an example that begins with the name, and a documented request."""
    assert operation.summary[0].isupper()
    assert not operation.summary.endswith(".")
    assert operation.example.split()[0] == operation.name
    assert "\n" not in operation.summary
    assert vars(operation.request)["__doc__"]


def test_only_these_operations_change_a_cloud() -> None:
    """Everything else may be run without a second thought."""
    assert {name for name, operation in OPERATIONS.items() if operation.mutates} == {
        "create",
        "delete",
        "fleet",
        "run",
        "sql-user",
    }


@every_operation
def test_every_target_is_a_documented_step(operation: Operation) -> None:
    """The target exists, takes context, request and hook, and returns what the method promises."""
    step = operation.resolve()
    assert list(inspect.signature(step).parameters) == ["context", "request", "on_event"]
    assert inspect.getdoc(step)
    returned = inspect.signature(step).return_annotation
    promised = hints(method(operation))["return"]
    promised = UNWRAPPED.get(operation.name, promised)
    assert returned == promised.__name__
    assert issubclass(promised, model.Result)


@every_operation
def test_every_method_has_the_fields_of_its_request(operation: Operation) -> None:
    """Names, order, defaults and keyword-ness agree: positional fields first, the others by keyword."""
    fields = {field.name: field for field in dataclasses.fields(operation.request)}
    options = operation.request.options()
    parameters = dict(list(inspect.signature(method(operation)).parameters.items())[1:])
    positional = [name for name, described in options.items() if described.positional]
    assert set(parameters) == set(fields)
    assert list(parameters)[: len(positional)] == positional
    for name, parameter in parameters.items():
        wanted = fields[name].default
        assert parameter.default == (inspect.Parameter.empty if wanted is dataclasses.MISSING else wanted), (
            name
        )
        by_place = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert by_place == (options[name].positional or (operation.name, name) in BY_PLACE), name


@every_operation
def test_every_method_takes_what_one_would_type(operation: Operation) -> None:
    """Annotations are those of the request, with text where the request holds a parsed value."""
    of_method, of_request = hints(method(operation)), hints(operation.request)
    for name, wanted in of_request.items():
        assert of_method[name] == TYPED.get(name, wanted), name


@every_operation
def test_every_method_hands_its_arguments_to_its_operation(operation: Operation) -> None:
    """Each argument reaches the field of its name, and the default of each is left alone."""
    seen: dict[str, Any] = {}

    class Recorder(Runbook):
        """Keeps the request instead of performing it."""

        def perform(self, name: str, request: Any, *_: Any, **__: Any) -> model.Result:
            seen.update(name=name, request=request)
            return model.QueryResult(alias="tidb")

    texts = {
        "cluster": "demo",
        "vpc": "vpc-1",
        "security_group": ["sg-1", "sg-2"],
        "zone": ["ap-southeast-1a=vsw-1"],
        "name": "named",
        "force": True,
        "endpoint": "ep-1",
        "timeout": 7.0,
        "alias": "other",
        "host": "h",
        "port": 4000,
        "user": "u",
        "database": "d",
        "password_from": "env:PW",
        "tls": "off",
        "tls_name": "t",
        "ca": "c",
        "yes": True,
        "adopted": True,
        "clean_up": True,
        "with_": "jdbc",
        "limit": 5,
        "profile": "@saved",
        "save": True,
        "forget": True,
        "sql": "SELECT :a",
        "params": {"a": 1},
        "max_rows": 5,
        "max_memory": 10**9,
        "arrow": True,
        "dtypes": "numpy_nullable",
        "to_parquet": "p",
        "partition_on": "k",
        "partitions": 3,
        "engine": "dask",
        "action": "create",
        "role": "admin",
        "store": "file",
        "no_prefix": True,
        "topic": "tls",
        "region": "ap-southeast-1",
        "format": "terraform",
        "to": "main.tf",
        "replace": True,
        "file": "fleet.toml",
        "parallel": 2,
    }
    own = {"action": "apply"} if operation.name == "fleet" else {}
    given = {name: (texts | own)[name] for name in operation.request.options()}
    getattr(Recorder(environ={}), operation.method)(**given)
    assert seen == {"name": operation.name, "request": operation.request.of(**given)}


def test_no_method_is_without_an_operation() -> None:
    """Beyond the operations Runbook has its life cycle and its connections alone."""
    public = {name for name in dir(Runbook) if not name.startswith("_")}
    methods = {operation.method for operation in OPERATIONS.values()}
    assert public - methods == {"aliases", "close", "cluster_id", "connection", "perform"}
    assert methods <= public


@every_operation
def test_every_method_is_documented(operation: Operation) -> None:
    """A method's first line is a sentence."""
    assert (inspect.getdoc(method(operation)) or "").splitlines()[0].endswith(".")


def test_a_runbook_checks_its_input_before_it_asks_anyone() -> None:
    """Without any key, wrong input is what is reported."""
    with Runbook(environ={}) as runbook, pytest.raises(InvalidRequest, match="--vpc"):
        runbook.create(vpc="nonsense")


def test_a_runbook_without_a_connection_says_how_to_make_one() -> None:
    """The property names the command, and nothing is open."""
    with Runbook(environ={}) as runbook:
        assert list(runbook.connections()) == []
        with pytest.raises(StepOrderError, match="Run %tidb_pe connect"):
            _ = runbook.connection
