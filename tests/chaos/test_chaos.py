"""A few of the trials that `make chaos` runs by the thousand, and proof that they detect faults."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from programs.chaos.kills import Victims
from programs.chaos.loads import broken_loads
from programs.chaos.servers import Server
from programs.chaos.sql_cuts import cut_session, left_running
from programs.chaos.trial import USER, Database, run_trial, totals

from tidb_pe_magic.sandbox.faults import Point

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mariadb import MariaDb

#: With the last one, a deletion stops after the endpoint has lost its zones.
SEEDS = (*range(1000, 1005), 20261172)
CUTS = 12
LOADS = 9


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """Provide the database behind every gate."""
    with Database() as database:
        yield database


@pytest.fixture
def mariadb(plain_server: MariaDb) -> Server:
    """Provide MariaDB."""
    server = plain_server
    return Server(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        execute=server.execute,
    )


def test_trials_converge_with_nothing_lost_doubled_or_leaked(database: Database) -> None:
    """Every schedule of faults ends with one endpoint and then none, and every column of defects is 0."""
    outcomes = [run_trial(seed, database) for seed in SEEDS]
    assert [(outcome.seed, outcome.unclear) for outcome in outcomes if not outcome.good] == []
    columns = dict(totals(outcomes))
    assert columns.pop("runs") == columns.pop("converged") == len(SEEDS)
    # The faults struck: some of them exceeded the retries.
    assert columns.pop("clear errors") > 0
    assert set(columns.values()) == {0}


def test_no_cut_loses_or_doubles_a_row_in_the_sandbox(database: Database) -> None:
    """In the sandbox, an acknowledged INSERT exists once, and a transaction exists entirely or not at all."""
    host, port = database.address.split(":")
    server = Server(
        host=host, port=int(port), user=USER, password=database.password, execute=database.execute
    )
    losses = cut_session(server, seed=1, cuts=CUTS, plain=False)
    assert losses.acknowledged > CUTS
    assert not losses.bad


def test_no_cut_loses_or_doubles_a_row_in_mariadb(mariadb: Server) -> None:
    """The same cells on MariaDB over jupysql's own connection lose rows that it has acknowledged."""
    losses = cut_session(mariadb, seed=2, cuts=CUTS, plain=False)
    assert losses.acknowledged > CUTS
    assert not losses.bad
    assert cut_session(mariadb, seed=2, cuts=CUTS, plain=True).lost > 0


def test_no_broken_load_loses_or_doubles_a_row(database: Database) -> None:
    """Cut, stopped and killed loads leave the reported state, and a repeat loads every row exactly once."""
    host, port = database.address.split(":")
    server = Server(
        host=host, port=int(port), user=USER, password=database.password, execute=database.execute
    )
    losses = broken_loads(server, seed=1, loads=LOADS)
    assert losses.failed
    assert losses.killed
    assert losses.unknown
    assert not losses.bad


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_an_interrupted_cell_ends_its_query_on_both_servers(database: Database, mariadb: Server) -> None:
    """The stop button ends the query on the server; `make chaos` compares it with plain jupysql."""
    host, port = database.address.split(":")
    sandbox = Server(
        host=host, port=int(port), user=USER, password=database.password, execute=database.execute
    )
    assert [left_running(server, plain=False) for server in (sandbox, mariadb)] == [0, 0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork processes")
@pytest.mark.parametrize("operation", ["run", "delete"])
def test_a_killed_processs_work_is_completed_by_its_successor(database: Database, operation: str) -> None:
    """A process killed before, during or after any change leaves clouds that the next run completes."""
    victims = Victims(database)
    calls = victims.calls(operation)
    changes = [
        number
        for number, call in enumerate(calls, start=1)
        if call.startswith(("Create", "Remove", "Delete")) or number == len(calls)
    ]
    kills = [
        victims.killed_at(operation, number, point)
        for number in changes
        for point in (Point.BEFORE, Point.AFTER)
    ]
    assert Counter(killed.operation for killed in kills) == Counter(
        {name: 2 * [calls[n - 1] for n in changes].count(name) for name in {calls[n - 1] for n in changes}}
    )
    assert [killed for killed in kills if not killed.is_as_without] == []
