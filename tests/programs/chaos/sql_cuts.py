"""A notebook's SQL session whose connection is cut repeatedly, and the cost of it.

The same cells run over a product connection and over jupysql's own, so that their losses can be compared.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from programs.chaos.servers import engine_at, open_gate
from support import shells
from support.silent_statements import register
from traitlets.config import Config

from tidb_pe_magic.database.alias import AliasSession
from tidb_pe_magic.database.jupysql import held_connection, unregister
from tidb_pe_magic.database.queries.results import ReadOptions, read_table
from tidb_pe_magic.database.queries.statement import BoundStatement
from tidb_pe_magic.errors import TidbPeError
from tidb_pe_magic.sandbox.faults import KINDS, Fault, Faults, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from programs.chaos.servers import Server

    from tidb_pe_magic.sandbox.network.gate import Gate

_ALIAS, _TABLE = "cuts", "sql_cuts"
_LOOKS = 1000
_READ = 0.5  # of the cells
_FORK_SECONDS = 20
_PATIENCE = 5.0  # seconds in which an interrupt that is noticed ends a cell
#: The statements that a cut can strike. None drops the connection between two cells, as an idle limit does.
_STRUCK = ("INSERT", "SELECT", "COMMIT", "PING", "START", None)


@dataclass
class Losses:
    """The outcomes of the rows.

    Attributes:
        cuts: the number of cuts.
        acknowledged: rows whose INSERT, and whose COMMIT where there was one, succeeded.
        lost: of these, the missing rows.
        doubled: rows that exist more than once.
        torn: transactions that took effect partially, or continued over another connection.
        left_running: queries that the server still runs after an interrupt of their cell.
        wrong_rows: answers in a forked process that belong to another query.
    """

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    left_running: int = 0
    wrong_rows: int = 0

    @property
    def bad(self) -> bool:
        """Whether something was lost, doubled, torn or left running."""
        return bool(self.lost or self.doubled or self.torn or self.left_running or self.wrong_rows)


@dataclass
class _Session:
    """A user's cells, and their messages."""

    cell: Callable[[str], bool]
    draw: random.Random
    fork: Callable[[int], bool] | None = None
    used: int = 0
    wrong_rows: int = 0
    acknowledged: set[int] = field(default_factory=set)
    transactions: list[tuple[int, ...]] = field(default_factory=list)

    def numbers(self, count: int) -> tuple[int, ...]:
        """Return new row numbers."""
        self.used += count
        return tuple(range(self.used - count, self.used))

    def insert(self) -> None:
        """Insert a row with autocommit."""
        (number,) = self.numbers(1)
        if self.cell(f"INSERT INTO {_TABLE} VALUES ({number})"):
            self.acknowledged.add(number)

    def transact(self) -> None:
        """Insert rows in a transaction, and stop after a failed cell."""
        numbers = self.numbers(self.draw.randint(1, 3))
        self.transactions.append(numbers)
        cells = [
            "START TRANSACTION",
            *(f"INSERT INTO {_TABLE} VALUES ({number})" for number in numbers),
            "COMMIT",
        ]
        if all(self.cell(cell) for cell in cells):
            self.acknowledged.update(numbers)
        else:
            # A user who starts over.
            self.cell("ROLLBACK")

    def ask_in_fork(self) -> None:
        """Read in a process that is forked between two cells."""
        if self.fork is not None:
            self.wrong_rows += self.fork(self.draw.randint(0, 10**6))

    def look(self) -> None:
        """Read the rows."""
        self.cell(f"SELECT COUNT(*) FROM {_TABLE}")

    def losses(self, rows: list[int], cuts: int) -> Losses:
        """Compare the messages with the rows."""
        there = Counter(rows)
        return Losses(
            cuts=cuts,
            acknowledged=len(self.acknowledged),
            lost=sum(number not in there for number in self.acknowledged),
            doubled=sum(times > 1 for times in there.values()),
            wrong_rows=self.wrong_rows,
            torn=sum(0 < sum(n in there for n in each) < len(each) for each in self.transactions),
        )


def cut_session(server: Server, seed: int, cuts: int, *, plain: bool) -> Losses:
    """Cut a session this many times, and return the losses.

    Args:
        server: the server behind the gate.
        seed: of the cells and of the cuts.
        cuts: their number.
        plain: whether the connection is jupysql's own instead of the product's.
    """
    server.execute(f"DROP TABLE IF EXISTS test.{_TABLE}")
    server.execute(f"CREATE TABLE test.{_TABLE} (id INT)")
    draw = random.Random(f"tidb_pe_magic cuts {seed}")  # noqa: S311 - a schedule is not secret
    faults = Faults()
    with (
        open_gate(server, faults) as (gate, address),
        _shell() as shell,
        _connected(shell, server, address, plain=plain) as alias,
    ):
        if alias is None:
            session = _Session(lambda cell: _succeeds(shell, cell), draw)
        else:
            # Cells of both kinds, in one session.
            session = _Session(
                lambda cell: _cell(shell, alias, cell, read=draw.random() < _READ),
                draw,
                fork=partial(_is_wrong_in_fork, alias),
            )
        struck = 0
        while struck < cuts:
            struck += _staged(draw, faults, gate)
            for _ in range(draw.randint(1, 3)):
                draw.choice((session.insert, session.transact, session.look, session.ask_in_fork))()
            struck -= len(faults.pending)
            faults.clear()
    rows = [row[0] for row in server.execute(f"SELECT id FROM test.{_TABLE}")]
    return session.losses(rows, cuts)


def left_running(server: Server, *, plain: bool) -> int:
    """Interrupt a cell, and count the queries that the server continues."""
    # MariaDB looks every five seconds whether the client of a sleeping query is still there. A computing
    # query goes on, here for a minute, at whatever moment the queries are counted.
    [(version,)] = server.execute("SELECT VERSION()")
    computes = plain and "MariaDB" in version
    query = "SELECT BENCHMARK(300000000, MD5('a'))" if computes else "SELECT SLEEP(60)"
    main = threading.main_thread().ident or 0

    def running() -> list[int]:
        return [row[0] for row in server.execute("SHOW FULL PROCESSLIST") if row[7] == query]

    def interrupt() -> None:
        # A driver that is interrupted before it reads keeps its connection: SQLAlchemy then rolls back, which
        # waits for the query's end.
        while not running() or (plain and not _is_reading(main)):
            if ended.is_set():
                return
        signal.pthread_kill(main, signal.SIGINT)
        # Python notices a signal that comes just before the driver's system call only after the call.
        while plain and not ended.wait(_PATIENCE) and _is_reading(main):
            signal.pthread_kill(main, signal.SIGINT)

    ended = threading.Event()
    with open_gate(server) as (_, address), _shell() as shell:
        with _connected(shell, server, address, plain=plain):
            stopper = threading.Thread(target=interrupt)
            stopper.start()
            assert not _succeeds(shell, query)
            ended.set()
            stopper.join()
        # A server needs a moment to end what it was asked to end.
        for _ in range(_LOOKS):
            left = running()
            if plain or not left:
                break
    for number in running():
        server.execute(f"KILL {number}")
    return len(left)


def _is_reading(thread: int) -> bool:
    """Tell whether a thread waits for bytes of a connection."""
    frame = sys._current_frames().get(thread)
    return frame is not None and frame.f_code is socket.SocketIO.readinto.__code__


def _staged(draw: random.Random, faults: Faults, gate: Gate) -> int:
    operation = draw.choice(_STRUCK)
    if operation is None:
        gate.drop_connections()
    else:
        point = draw.choice(KINDS[Kind.CUT].points)
        faults.add(Fault(kind=Kind.CUT, operation=operation, point=point, skip=draw.randint(0, 2)))
    return 1


def _succeeds(shell: Any, statement: str) -> bool:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        # jupysql reports each of its rollbacks this way.
        warnings.simplefilter("ignore")
        return bool(shell.run_cell(f"%sql {statement}").success)


def _cell(shell: Any, alias: AliasSession, statement: str, *, read: bool) -> bool:
    """Run a cell of either kind."""
    if not read:
        return _succeeds(shell, statement)
    try:
        _rows(alias, statement, alias)
    except TidbPeError:
        return False
    return True


def _rows(alias: AliasSession, statement: str, cells: AliasSession | None) -> list[Any]:
    reading = ReadOptions(
        engine=alias.engine,
        query=BoundStatement(sql=statement),
        cells=cells,
        cancel=threading.Event(),
    )
    table, _ = read_table(reading)
    return list(table.column(0).to_pylist()) if table.num_columns else []


def _is_wrong_in_fork(alias: AliasSession, number: int) -> bool:
    """Query a number in a forked process, over pool and session, and return whether it is wrong."""
    if not hasattr(os, "fork"):
        return False
    with warnings.catch_warnings():
        # From Python 3.12 on: the gate has threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            # A lock that a thread held at the time of the fork may never be released here.
            signal.alarm(_FORK_SECONDS)
            wrong = False
            for cells in (None, alias):
                with contextlib.suppress(TidbPeError):
                    wrong |= _rows(alias, f"SELECT {number}", cells) != [number]
            code = int(wrong)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 1


@contextlib.contextmanager
def _shell() -> Iterator[Any]:
    """Return a fresh shell with jupysql."""
    config = Config()
    config.HistoryManager.enabled = False
    with tempfile.TemporaryDirectory(prefix="tidb-pe-") as directory, warnings.catch_warnings():
        # Its sources contain escape sequences that Python warns about when it compiles them.
        warnings.simplefilter("ignore")
        with shells.start_shell(config, ipython_dir=directory) as shell:
            with contextlib.redirect_stdout(io.StringIO()):
                shell.run_line_magic("load_ext", "sql")
                shell.run_line_magic("config", "SqlMagic.feedback = 0")
            yield shell


@contextlib.contextmanager
def _connected(
    shell: Any, server: Server, address: tuple[str, int], *, plain: bool
) -> Iterator[AliasSession | None]:
    """Return the alias's session, if the connection is the product's."""
    engine = alias = None
    if plain:
        host, port = address
        url = f"mysql+pymysql://{server.user}:{server.password}@{host}:{port}/test"
        assert _succeeds(shell, f"{url} --alias {_ALIAS}")
    else:
        engine = engine_at(address, server.user, server.password)
        register(shell, engine, _ALIAS)
        alias = AliasSession(engine, partial(held_connection, _ALIAS, engine))
    try:
        yield alias
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            unregister(_ALIAS)
        if engine is not None:
            engine.dispose()
