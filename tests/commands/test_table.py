"""The table of operations, and the Python class with a method for each."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_type_hints

import pytest

from tidb_pe_magic import model
from tidb_pe_magic.commands.table import OPERATIONS, Operation, Skin, available
from tidb_pe_magic.errors import InvalidRequest, StepOrderError
from tidb_pe_magic.runbook import Runbook

if typing.TYPE_CHECKING:
    from collections.abc import Callable

# Differences between a method's annotation and its request's annotation, which is text on a command line.
TYPED = {
    "password_from": str | None,
    "zone": Iterable[str],
    "security_group": Iterable[str],
}
# Positional in Python, as in every driver, and a flag in a cell.
BY_PLACE = {("query", "params"), ("load", "table")}
# Named in Python, and written with @ before the next word in a line.
BY_NAME = {(name, "connection") for name in ("query", "tables", "load")}
# Returns the data themselves instead of the result that contains them.
UNWRAPPED = {"query": model.QueryResult}


def method(operation: Operation) -> Callable[..., Any]:
    """Return the method of Runbook that is the operation."""
    found: Callable[..., Any] = getattr(Runbook, operation.method)
    return found


def hints(annotated: Any) -> dict[str, Any]:
    """Return the annotations of a class or method, also where a name is imported for type checkers alone."""
    return get_type_hints(annotated, localns={"Iterable": Iterable, "Mapping": Mapping, "Sequence": Sequence})


def test_the_tutorials_steps_are_in_its_order() -> None:
    """A row is found by its name, and the tutorial's steps are in the tutorial's order."""
    assert all(name == operation.name for name, operation in OPERATIONS.items())
    steps = ["clusters", "cluster", "networks", "verify", "plan", "create", "wait", "authorize"]
    assert list(OPERATIONS)[: len(steps)] == steps


def test_every_row_is_complete() -> None:
    """Each row has a summary without a full stop, an example of the operation, and a documented request."""
    for operation in OPERATIONS.values():
        assert operation.summary[0].isupper(), operation.name
        assert not operation.summary.endswith("."), operation.name
        assert operation.example.split()[0] == operation.name
        assert "\n" not in operation.summary, operation.name
        assert vars(operation.request)["__doc__"], operation.name


def test_every_skin_without_an_operation_says_why() -> None:
    """A skin without an operation explains its absence in a sentence."""
    for operation in OPERATIONS.values():
        absent = {Skin.LINE, Skin.CONSOLE} - operation.skins
        assert absent == set(operation.elsewhere), operation.name
        assert all(reason.endswith(".") for reason in operation.elsewhere.values()), operation.name


def test_only_these_operations_change_a_cloud() -> None:
    """Only these operations change a cloud."""
    assert {name for name, operation in OPERATIONS.items() if operation.mutates} == {
        "create",
        "delete",
        "fleet",
        "run",
        "sql-user",
    }


def test_every_target_is_a_documented_step() -> None:
    """Each target exists, takes context, request and hook, and returns the type that the method promises."""
    for operation in available(Skin.PYTHON).values():
        step = operation.resolve()
        assert list(inspect.signature(step).parameters) == ["context", "request", "on_event"], operation.name
        assert inspect.getdoc(step), operation.name
        returned = inspect.signature(step).return_annotation
        promised = UNWRAPPED.get(operation.name, hints(method(operation))["return"])
        results = get_args(promised) or (promised,)
        assert returned.split(" | ") == [each.__name__ for each in results], operation.name
        assert all(issubclass(each, model.Result) for each in results), operation.name


def test_every_method_has_the_fields_of_its_request() -> None:
    """Names, order, defaults and types agree: positional fields first, the others by keyword."""
    for operation in available(Skin.PYTHON).values():
        fields = {field.name: field for field in dataclasses.fields(operation.request)}
        options = operation.request.options()
        parameters = dict(list(inspect.signature(method(operation)).parameters.items())[1:])
        positional = [
            name
            for name, described in options.items()
            if described.positional and (operation.name, name) not in BY_NAME
        ]
        of_method, of_request = hints(method(operation)), hints(operation.request)
        assert set(parameters) == set(fields), operation.name
        assert list(parameters)[: len(positional)] == positional, operation.name
        for name, parameter in parameters.items():
            where, default = f"{operation.name}: {name}", fields[name].default
            wanted = inspect.Parameter.empty if default is dataclasses.MISSING else default
            assert parameter.default == wanted, where
            by_place = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            assert by_place == (name in positional or (operation.name, name) in BY_PLACE), where
            assert of_method[name] == TYPED.get(name, of_request[name]), where


def test_a_method_hands_its_arguments_to_its_operation() -> None:
    """Positional and named arguments reach the fields, and the others keep their defaults."""
    seen: list[tuple[str, Any]] = []

    class Recorder(Runbook):
        """Records the request instead of running it."""

        def perform(self, name: str, request: Any, *_: Any, **__: Any) -> model.Result:
            seen.append((name, request))
            return model.QueryResult(alias="tidb", data="rows")

    recorder = Recorder(environ={})
    recorder.cluster("demo")
    recorder.sql_user("create", "analyst", role="admin", yes=False)
    assert recorder.query("SELECT :a", {"a": 1}, max_rows=5) == "rows"
    row = {name: operation.request for name, operation in available(Skin.PYTHON).items()}
    assert seen == [
        ("cluster", row["cluster"].of(cluster="demo")),
        ("sql-user", row["sql-user"].of(action="create", name="analyst", role="admin")),
        ("query", row["query"].of(sql="SELECT :a", params={"a": 1}, max_rows=5)),
    ]


def test_a_method_refuses_an_unknown_argument() -> None:
    """An argument that the operation does not have is a TypeError, before any action."""
    unknown: Any = {"vcp": "vpc-1"}
    with Runbook(environ={}) as runbook, pytest.raises(TypeError, match="vcp"):
        runbook.plan(**unknown)


def test_a_runbook_shows_what_it_is_about() -> None:
    """A runbook's repr has the cluster and the open connections, and no key."""
    with Runbook(environ={"TIDB_PE_CLUSTER": "demo", "TIDBCLOUD_PRIVATE_KEY": "secret"}) as runbook:
        assert repr(runbook) == "Runbook(cluster='demo', aliases=())"


def test_no_method_is_without_an_operation() -> None:
    """Apart from the operations, Runbook has only its life cycle and its connections."""
    public = {name for name in dir(Runbook) if not name.startswith("_")}
    methods = {operation.method for operation in available(Skin.PYTHON).values()}
    assert public - methods == {"aliases", "close", "cluster_id", "connection", "known", "perform"}
    assert methods <= public


def test_every_method_is_documented() -> None:
    """A method's first line is a sentence."""
    for operation in available(Skin.PYTHON).values():
        assert (inspect.getdoc(method(operation)) or "").splitlines()[0].endswith("."), operation.name


def test_a_runbook_checks_its_input_before_it_asks_anyone() -> None:
    """Without any key, a runbook reports invalid input first."""
    with Runbook(environ={}) as runbook, pytest.raises(InvalidRequest, match="--vpc"):
        runbook.create(vpc="nonsense")


def test_a_runbook_without_a_connection_says_how_to_make_one() -> None:
    """Without a connection the property names the command, and no connection is opened."""
    with Runbook(environ={}) as runbook:
        assert list(runbook.connections()) == []
        with pytest.raises(StepOrderError, match=r"Try: runbook\.connect\(\)"):
            _ = runbook.connection
