"""Loads that are cut, stopped and killed at any point, and the table's contents afterwards."""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from programs.chaos.kills import forking
from programs.chaos.servers import engine_at, open_gate

from tidb_pe_magic.database.loading.load import load
from tidb_pe_magic.database.loading.sources import source_of
from tidb_pe_magic.database.loading.tables import TableName
from tidb_pe_magic.database.loading.task import LoadTask
from tidb_pe_magic.errors import LoadFailed, TidbPeError
from tidb_pe_magic.sandbox.faults import KINDS, Fault, Faults, Kind

if TYPE_CHECKING:
    from programs.chaos.servers import Server

    from tidb_pe_magic.sandbox.network.gate import Gate

#: Short pieces, because the faults strike between statements, and not between rows.
_TABLE, _ROWS, _TOGETHER = "loads", 120, 10
#: The most statements before a strike: a load has a few more.
_MOST_STATEMENTS = 40
#: The statements that a cut can strike: every statement of a load.
_STRUCK = (
    "INSERT",
    "COMMIT",
    "LOAD",
    "LOAD",
    "COMMIT",
    "CREATE",
    "RENAME",
    "DROP",
    "SET",
    "SHOW",
    "SELECT",
    "LOGIN",
)
_WAYS = ("cut", "cut", "drop", "stop", "kill")
_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a frame is loaded: appended or into a new table, with or without a key."""

    if_exists: str
    keys: tuple[str, ...] = ()


_MANNERS = (
    Manner(if_exists="append"),
    Manner(if_exists="append", keys=("id",)),
    Manner(if_exists="fail"),
    Manner(if_exists="replace"),
    Manner(if_exists="replace", keys=("id",)),
)


@dataclass
class LoadLosses:
    """The outcomes of the rows of many loads.

    Attributes:
        loads: the number of loads.
        failed: loads that ended early with an error.
        killed: loads whose process was killed.
        unknown: rows that were reported as unknown.
        false: rows that contradict the report, present or missing.
        torn: incomplete pieces, and incomplete tables.
        lost: rows that are missing after a repeat.
        doubled: rows that exist more than once then.
        wrong: rows with another value.
        left_over: extra tables without a message that names them.
    """

    loads: int = 0
    failed: int = 0
    killed: int = 0
    unknown: int = 0
    false: int = 0
    torn: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    left_over: int = 0

    @property
    def bad(self) -> bool:
        """Whether a row or table contradicts the report or the requirement."""
        return bool(self.false or self.torn or self.lost or self.doubled or self.wrong or self.left_over)


def frame(start: int = 0, stop: int = _ROWS) -> pd.DataFrame:
    """Return rows whose other values follow from their numbers."""
    numbers = range(start, stop)
    return pd.DataFrame(
        {"id": numbers, "value": [n / 7 for n in numbers], "text": [f"'{n}\\" for n in numbers]}
    )


def task(
    engine: Any,
    manner: Manner,
    data: pd.DataFrame,
    *,
    cancel: threading.Event | None = None,
    notes: list[str] | None = None,
) -> LoadTask:
    """Return the rows to load, in small pieces."""
    heard = [] if notes is None else notes
    return LoadTask(
        engine=engine,
        name=TableName(_TABLE, "test"),
        source=source_of(data),
        if_exists=manner.if_exists,
        keys=manner.keys,
        cancel=cancel or threading.Event(),
        on_note=heard.append,
        together=_TOGETHER,
    )


def operate(address: tuple[str, int], user: str, password: str, manner: Manner) -> None:
    """Run a victim's load in a new process."""
    load(task(engine_at(address, user, password), manner, frame()))


def broken_loads(server: Server, seed: int, loads: int) -> LoadLosses:
    """Break this many loads, repeat each as its error advises, and count the defects."""
    losses = LoadLosses()
    faults = Faults()
    with open_gate(server, faults) as (gate, address):
        for number in range(seed, seed + loads):
            draw = random.Random(f"tidb_pe_magic loads {number}")  # noqa: S311 - a schedule is not secret
            _Trial(server, draw, faults, gate, address).run(losses)
            faults.clear()
    return losses


class _Trial:
    """One load, its fault, and the resulting rows."""

    def __init__(
        self,
        server: Server,
        draw: random.Random,
        faults: Faults,
        gate: Gate,
        address: tuple[str, int],
    ) -> None:
        self._server = server
        self._draw = draw
        self._faults = faults
        self._gate = gate
        self._address = address
        self._manner = draw.choice(_MANNERS)
        self._already = len(faults.requests)
        self._notes: list[str] = []

    def run(self, losses: LoadLosses) -> None:
        losses.loads += 1
        self._prepare()
        way = self._draw.choice(_WAYS)
        if way == "kill":
            losses.killed += 1
            self._kill()
            error: TidbPeError | None = None
            self._drop_left_over(_TABLE)
        else:
            error = self._broken(way)
        self._faults.clear()
        losses.failed += error is not None
        there = self._rows()
        # The reader of an error or a note drops the table that it names.
        self._drop_left_over(" ".join((str(error), *self._notes)))
        losses.left_over += len(self._tables()) - (there is not None)
        if way == "kill" or error is not None:
            self._judge(error, there, losses)
            there = self._repeated(there)
        counted = Counter(row[0] for row in there or ())
        losses.lost += sum(number not in counted for number in range(_ROWS))
        losses.doubled += sum(times > 1 for times in counted.values())
        right = dict(zip(range(_ROWS), frame().itertuples(index=False, name=None), strict=True))
        losses.wrong += sum(right.get(row[0]) != tuple(row) for row in there or ())

    def _prepare(self) -> None:
        for table in self._tables():
            self._server.execute(f"DROP TABLE test.`{table}`")
        key = ", PRIMARY KEY (id)" if self._manner.keys else ""
        if self._manner.if_exists == "append":
            self._server.execute(
                f"CREATE TABLE test.{_TABLE} (id BIGINT NOT NULL, value DOUBLE, text TEXT{key})"
            )
        elif self._manner.if_exists == "replace":
            self._server.execute(f"CREATE TABLE test.{_TABLE} (old INT)")

    def _broken(self, way: str) -> TidbPeError | None:
        """Load while a fault strikes."""
        cancel, done = threading.Event(), threading.Event()
        if way == "cut":
            point = self._draw.choice(KINDS[Kind.CUT].points)
            skip = self._draw.randint(0, 4)
            operation = self._draw.choice(_STRUCK)
            self._faults.add(Fault(kind=Kind.CUT, operation=operation, point=point, skip=skip))
        strike = {"drop": self._gate.drop_connections, "stop": cancel.set}.get(way)
        engine = None
        meddler = threading.Thread(target=self._when, args=(strike, done))
        try:
            engine = engine_at(self._address, self._server.user, self._server.password)
            meddler.start()
            load(task(engine, self._manner, frame(), cancel=cancel, notes=self._notes))
        except TidbPeError as error:
            return error
        finally:
            done.set()
            if meddler.ident:
                meddler.join()
            if engine is not None:
                engine.dispose()
        return None

    def _when(self, strike: Any, done: threading.Event) -> None:
        """Strike after some statements have passed the gate."""
        most = self._already + self._draw.randint(5, _MOST_STATEMENTS)
        while strike is not None and not done.wait(0.002):
            if len(self._faults.requests) >= most:
                strike()
                return

    def _kill(self) -> None:
        victim = forking().Process(
            target=operate,
            args=(self._address, self._server.user, self._server.password, self._manner),
            daemon=True,
        )
        victim.start()
        most = self._already + self._draw.randint(5, _MOST_STATEMENTS)
        while victim.is_alive() and len(self._faults.requests) < most:
            victim.join(0.002)
        victim.kill()
        victim.join(_SECONDS)
        # The server ends its client's work a little later.
        self._gate.drop_connections()
        look = "SHOW FULL PROCESSLIST"
        while any(row[1] == self._server.user and row[7] != look for row in self._server.execute(look)):
            pass

    def _judge(self, error: TidbPeError | None, there: Any, losses: LoadLosses) -> None:
        """Compare the rows with the report."""
        found = {row[0] for row in there or ()}
        if self._manner.if_exists != "append":
            # Complete, or as before; after a kill the outcome was not reported.
            losses.torn += len(found) not in {0, _ROWS}
            losses.false += len(found) if error is not None else 0
            return
        pieces = [set(range(start, min(start + _TOGETHER, _ROWS))) for start in range(0, _ROWS, _TOGETHER)]
        losses.torn += sum(bool(piece & found) and not piece <= found for piece in pieces)
        if isinstance(error, LoadFailed):
            doubted = {row for start, end in error.in_doubt for row in range(start, end)}
            left = {row for start, end in error.left for row in range(start, end)}
            losses.unknown += len(doubted)
            losses.false += len(left & found) + abs(len(found - doubted) - error.committed)
        elif error is not None:
            losses.false += len(found)  # nothing was sent

    def _repeated(self, there: Any) -> Any:
        """Follow the error's advice: repeat the load by its key, or load the missing rows."""
        server = self._server
        engine = engine_at((server.host, int(server.port)), server.user, server.password)
        found = {row[0] for row in there or ()}
        append = self._manner.if_exists == "append"
        data = frame()
        if append and not self._manner.keys:
            data = data[~data["id"].isin(found)]
        if (append and len(data)) or (not append and len(found) != _ROWS):
            load(task(engine, self._manner, data))
        engine.dispose()
        return self._rows()

    def _drop_left_over(self, named: str) -> None:
        """Drop the extra tables that messages have named."""
        for table in self._tables():
            if table != _TABLE and (table in named or named == _TABLE):
                self._server.execute(f"DROP TABLE test.`{table}`")

    def _tables(self) -> list[str]:
        rows = self._server.execute("SHOW TABLES FROM test")
        return [name for (name,) in rows if name.startswith(_TABLE)]

    def _rows(self) -> Any:
        """Return the existing rows: none of an unchanged table, None without a table."""
        if _TABLE not in self._tables():
            return None
        columns = [row[0] for row in self._server.execute(f"SHOW COLUMNS FROM test.{_TABLE}")]
        if columns == ["old"]:
            return []
        return self._server.execute(f"SELECT id, value, text FROM test.{_TABLE}")
