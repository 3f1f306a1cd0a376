"""A process forked after `connect` has connections of its own."""

from __future__ import annotations

import multiprocessing
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from tidb_pe_magic.database.alias import AliasSession
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from support.mariadb import MariaDb

CHILDREN = 4

if "fork" not in multiprocessing.get_all_start_methods():
    pytest.skip("this platform has no fork", allow_module_level=True)


def ask(engine: Engine, sql: str, session: AliasSession | None = None) -> list[Any]:
    """Return the first column."""
    reading = ReadOptions(
        engine=engine,
        query=BoundStatement(sql=sql),
        cells=session,
        cancel=threading.Event(),
    )
    table, _ = read_table(reading)
    return list(table.column(0).to_pylist())


def work(number: int, session: AliasSession, held: Connection, pipe: Any, start: Any) -> None:
    """Run queries in every way at the same time as the others, and send the results or the error."""
    engine = session.engine
    start.wait()
    try:
        answers = [
            ask(engine, f"SELECT {number} FROM seq_1_to_2000") == [number] * 2000,
            ask(engine, f"SELECT {number} FROM seq_1_to_2000", session) == [number] * 2000,
            held.exec_driver_sql(f"SELECT {number}").scalar_one() == number,
            ask(engine, "SELECT @x", session) == [None],
            session.take_lost_statements() == ("SET @x = 5",),
        ]
        pipe.send((answers, held.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()))
    except BaseException as error:
        pipe.send((repr(error), 0))
        raise


def test_a_forked_process_opens_its_own_connections(
    plain_server: MariaDb, opened: Callable[..., Any]
) -> None:
    """Children get their own rows over pool, session and held connection; the parent's stay usable."""
    engine = opened(plain_server.target()).engine
    session = AliasSession(engine)
    context = multiprocessing.get_context("fork")
    with engine.connect() as held:
        before = held.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
        ask(engine, "SELECT 1")
        session.connection.exec_driver_sql("SET @x = 5")
        start = context.Barrier(CHILDREN)
        children = []
        for number in range(CHILDREN):
            ours, theirs = context.Pipe(duplex=False)
            arguments = (number, session, held, theirs, start)
            child = context.Process(target=work, args=arguments, daemon=True)
            with warnings.catch_warnings():
                # From Python 3.12 on: other tests have left threads.
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
            children.append((child, ours))
        found = [ours.recv() for _, ours in children]
        for child, _ in children:
            child.join()
        assert [answers for answers, _ in found] == [[True] * 5] * CHILDREN
        assert len({before, *(number for _, number in found)}) == CHILDREN + 1
        assert held.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one() == before
        assert ask(engine, "SELECT @x", session) == [5]
    session.close()
