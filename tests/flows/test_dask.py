"""`Runbook.query(engine="dask")` has partitions that workers read, without sending a secret to them."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    import pandas as pd

    from tidb_pe_magic.sandbox import Sandbox

SQL = "SELECT flight, tailnum, time_hour FROM flights WHERE origin = :origin"
RANGES: dict[str, Any] = {"partition_on": "flight", "partitions": 5, "engine": "dask"}


@pytest.fixture(scope="module")
def dask() -> ModuleType:
    """Provide Dask. Each process that collects the tests would take a second to import it."""
    import dask.dataframe  # noqa: PLC0415

    return dask


@pytest.fixture
def password(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """Provide the password in a variable of the workers' environment."""
    found = sandbox.environment()["TIDB_PASSWORD"]
    monkeypatch.setenv("WORKERS_PASSWORD", found)
    return found


@pytest.fixture
def connected(sandbox: Sandbox, password: str) -> Iterator[Runbook]:
    """Provide a runbook whose connection refers to its password by name."""
    environ = {**sandbox.environment(), "WORKERS_PASSWORD": password}
    with Runbook(environ=environ) as runbook:
        runbook.run(
            "demo",
            vpc=VPC,
            security_group=[GROUP],
            database="nycflights13",
            password_from="env:WORKERS_PASSWORD",
        )
        yield runbook


def test_partitions_are_read_by_workers(connected: Runbook, dask: ModuleType) -> None:
    """Workers in other processes together read the rows and columns that one connection reads."""
    # One process for all types: each new one imports Dask and pandas.
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        dask.config.set(scheduler="processes", pool=pool),
    ):
        for dtypes in ("pandas", "arrow", "numpy_nullable"):
            plain = connected.query(SQL, {"origin": "JFK"}, dtypes=dtypes)
            lazy = connected.query(SQL, {"origin": "JFK"}, dtypes=dtypes, **RANGES)
            assert isinstance(lazy, dask.dataframe.DataFrame)
            assert lazy.npartitions == 5
            found: pd.DataFrame = lazy.compute()
            assert lazy.dtypes.equals(found.dtypes)
            check_same_rows(found, plain, dtypes)


def check_same_rows(found: pd.DataFrame, plain: pd.DataFrame, dtypes: str) -> None:
    """Fail if the workers' frame does not have the types and, in some order, the rows of the other one."""
    if dtypes == "pandas":
        # Any partition may contain a NULL, so all of them have Int64.
        plain = plain.astype({name: dtype for name, dtype in found.dtypes.items() if str(dtype) == "Int64"})
    assert found.dtypes.equals(plain.dtypes)
    order = ["flight", "tailnum", "time_hour"]
    assert (
        found.sort_values(order)
        .reset_index(drop=True)
        .equals(plain.sort_values(order).reset_index(drop=True))
    )


def test_workers_read_one_moment(connected: Runbook, dask: ModuleType) -> None:
    """Rows written after the frame was created are not in it, whenever it is computed."""
    before = len(connected.query("SELECT flight FROM flights"))
    lazy = connected.query("SELECT flight FROM flights", **RANGES)
    with connected.connection.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO flights (flight) SELECT flight FROM flights")
    with dask.config.set(scheduler="threads"):
        assert len(lazy) == before
    assert len(connected.query("SELECT flight FROM flights")) == 2 * before


def test_the_graph_holds_no_password(connected: Runbook, password: str) -> None:
    """The task graph and the frame's repr contain the password's location, never the password."""
    lazy = connected.query(SQL, {"origin": "JFK"}, **RANGES)
    sent = pickle.dumps(lazy) + pickle.dumps(dict(lazy.__dask_graph__())) + pickle.dumps(lazy.optimize())
    assert b"WORKERS_PASSWORD" in sent
    for written in (sent.decode("latin-1"), repr(lazy), str(lazy.expr)):
        assert password not in written


def test_a_worker_without_the_password_says_so(
    connected: Runbook, dask: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the password in its own environment fails with that reason."""
    lazy = connected.query(SQL, {"origin": "JFK"}, **RANGES)
    monkeypatch.delenv("WORKERS_PASSWORD")
    with (
        dask.config.set(scheduler="threads"),
        pytest.raises(errors.MissingCredentials, match="env:WORKERS_PASSWORD"),
    ):
        lazy.compute()


@pytest.mark.parametrize("missing", ["dask", "pyarrow"])
def test_without_the_extra(
    connected: Runbook, monkeypatch: pytest.MonkeyPatch, hide: Callable[..., None], missing: str
) -> None:
    """Without Dask the error names the extra that installs everything, with or without pyarrow."""
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "dask", None)
        hide(context, missing)
        with pytest.raises(
            errors.MissingDependency, match=r'dask is .*pip install "dask\[dataframe,distributed\]"'
        ):
            connected.query(SQL, {"origin": "JFK"}, **RANGES)


def test_a_typed_password_is_refused_for_workers(sandbox: Sandbox) -> None:
    """A password from a prompt is refused for workers, and the error lists the usable sources."""
    environ = dict(sandbox.environment())
    typed = Secret(environ.pop("TIDB_PASSWORD"))
    with Runbook(environ=environ, prompt=lambda _: typed) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP], database="nycflights13")
        with pytest.raises(errors.InvalidRequest, match=r"--engine.*cannot ask.*env:NAME"):
            runbook.query(SQL, {"origin": "JFK"}, **RANGES)
