"""One trial: a user of the runbook, while calls fail by a schedule that follows from a seed."""

from __future__ import annotations

import contextlib
import random
import secrets
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pymysql
import sqlalchemy.exc
from sqlalchemy import text

import tidb_pe_magic
from tidb_pe_magic import Runbook, errors
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.faults import schedule
from tidb_pe_magic.sandbox.mysql.database import FlightsDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.model import Connection
    from tidb_pe_magic.sandbox.alibaba.world import Endpoint

USER = "2vKmPqRsTuWxYzA.root"
_VPC, _GROUP = "vpc-t4nanalytics0k3m7x", "sg-t4nanalytics"
_ZONES = frozenset({"ap-southeast-1a", "ap-southeast-1b"})
_MOST_STEPS = 6
#: A schedule has fewer faults than this, so that a user who retries succeeds.
_MOST_TRIES = 30
_BATCH = 5
#: How long the clouds may be silent; their black holes and drips last longer than that.
_ANSWER_SECONDS, _FAULT_SECONDS = 0.1, 0.15
_PACKAGE = str(Path(tidb_pe_magic.__file__).parent)
_SANDBOX = str(Path(tidb_pe_magic.__file__).parent / "sandbox")


@dataclass
class Outcome:
    """A trial's outcome. Every number but the first two must be 0.

    Attributes:
        seed: replays it.
        converged: the trial ended with one endpoint as planned, and with none after its deletion.
        clear_errors: failures reported in one line with advice.
        unclear: the last words of a trial that did not converge.
    """

    seed: int
    converged: bool = False
    clear_errors: int = 0
    duplicates: int = 0
    orphans: int = 0
    lost: int = 0
    doubled: int = 0
    secrets: int = 0
    tracebacks: int = 0
    unclear: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the trial has no defect."""
        bad = (self.duplicates, self.orphans, self.lost, self.doubled, self.secrets, self.tracebacks)
        return self.converged and not any(bad)


class Database:
    """The database behind every trial's gate, shared because loading it takes longer than a trial."""

    def __init__(self) -> None:
        """Prepare the database."""
        self.password = secrets.token_urlsafe(12)
        self._server = FlightsDatabase(users=lambda _client: {USER: self.password}, flights=0)

    def __enter__(self) -> Self:
        """Start the database."""
        self._server.start()
        host, port = self._server.address
        self._direct = pymysql.connect(
            host=host, port=port, user=USER, password=self.password, database="test", autocommit=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the database."""
        self._direct.close()
        self._server.stop()

    @property
    def address(self) -> str:
        """The server's HOST:PORT."""
        host, port = self._server.address
        return f"{host}:{port}"

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Execute a statement directly, over one connection without a gate."""
        with self._direct.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


class _Time:
    """Time that passes only during waits, also for the clouds' limit of requests per minute."""

    def __init__(self, start_minute: Callable[[], None]) -> None:
        self._now = 0.0
        self._start_minute = start_minute

    def clock(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> bool:
        before, self._now = self._now, self._now + seconds
        if self._now // 60 > before // 60:
            self._start_minute()
        return False


class _TrialError(Exception):
    """Ends the trial."""


class _Trial:
    def __init__(self, seed: int, database: Database, sandbox: Sandbox, state: str) -> None:
        self.outcome = Outcome(seed)
        self._draw = random.Random(f"tidb_pe_magic trial {seed}")  # noqa: S311 - a schedule is not secret
        self._database = database
        self._sandbox = sandbox
        self._state = state
        self._time = _Time(sandbox.start_next_minute)
        self._environ = {
            **sandbox.environment(),
            "TIDB_PASSWORD": database.password,
            "TIDB_PE_STATE_DIR": state,
        }
        self._canaries = [
            value
            for name, value in self._environ.items()
            if name.endswith(("PRIVATE_KEY", "SECRET", "PASSWORD"))
        ]
        self._runbook = self._new_runbook()
        self._table = f"trial_{seed}"
        self._asked: set[int] = set()
        self._acknowledged: set[int] = set()
        sandbox.world.subscribe(self._observe)

    # The user

    def carry_out(self) -> Outcome:
        """Run a few steps in any order, then all steps to the end, and then delete everything."""
        self._database.execute(f"CREATE TABLE {self._table} (id INT)")
        try:
            for _ in range(self._draw.randint(0, _MOST_STEPS)):
                self._draw.choice(self._steps())()
            self._until("run", self._run)
            self._check_state()
            for _ in range(2):
                self._insert()
            self._check_rows()
            self._until("delete", self._delete_all)
            self.outcome.orphans += len(self._sandbox.world.endpoints)
            self.outcome.converged = not self.outcome.unclear
        except _TrialError:
            pass  # Recorded, and the rest of the trial has no meaning.
        finally:
            self._runbook.close()
            self._database.execute(f"DROP TABLE {self._table}")
        self._search("the journal", "".join(map(Path.read_text, _files(self._state))))
        return self.outcome

    def _steps(self) -> list[Callable[[], object]]:
        steps = [
            self._run,
            lambda: self._runbook.plan(cluster="demo", vpc=_VPC, security_group=[_GROUP]),
            lambda: self._runbook.create(cluster="demo", vpc=_VPC, security_group=[_GROUP]),
            lambda: self._runbook.wait(cluster="demo"),
            lambda: self._runbook.connect(cluster="demo", database="test"),
            lambda: self._runbook.status(cluster="demo"),
            self._delete_all,
            self._restart,
        ]
        return [*(lambda step=step: self._try(step) for step in steps), self._insert]

    def _run(self) -> object:
        return self._runbook.run("demo", vpc=_VPC, security_group=[_GROUP], database="test")

    def _delete_all(self) -> None:
        for endpoint in self._runbook.endpoints(cluster="demo"):
            self._runbook.delete(endpoint.endpoint_id, cluster="demo", yes=True, shared=True)

    def _restart(self) -> None:
        self._runbook.close()
        self._runbook = self._new_runbook()

    def _new_runbook(self) -> Runbook:
        return Runbook(
            environ=self._environ,
            clock=self._time.clock,
            sleep=self._time.sleep,
            on_event=lambda event: self._search("an event", repr(event)),
            answer_timeout=_ANSWER_SECONDS,
        )

    def _until(self, what: str, step: Callable[[], object]) -> None:
        error: errors.TidbPeError | None = None
        for _ in range(_MOST_TRIES):
            if not (error := self._try(step)):
                return
            if any(isinstance(each, Suggestion) and each.operation == "delete" for each in error.commands):
                self._try(self._delete_all)
        self.outcome.unclear.append(f"{what}: {type(error).__name__}: {error}")

    def _try(self, step: Callable[[], object]) -> errors.TidbPeError | None:
        """Run a step, and return its error."""
        try:
            self._search("a result", repr(step()))
        except errors.TidbPeError as error:
            self._look_at(error)
            if "\n" in str(error):
                self.outcome.tracebacks += 1
            self.outcome.clear_errors += 1
            return error
        except Exception as error:
            self._look_at(error)
            self.outcome.tracebacks += 1
            self.outcome.unclear.append("".join(traceback.format_exception(error)))
            raise _TrialError from error
        return None

    def _insert(self) -> None:
        """Insert rows as a notebook does: over one connection, with autocommit."""
        with contextlib.suppress(errors.StepOrderError):
            connection = self._runbook.connection
            for _ in range(_BATCH):
                number = len(self._asked)
                self._asked.add(number)
                if self._acknowledges(connection, f"INSERT INTO {self._table} VALUES ({number})"):
                    self._acknowledged.add(number)

    def _acknowledges(self, connection: Connection, statement: str) -> bool:
        try:
            with connection.engine.connect() as sql:
                sql.execute(text(statement))
        except sqlalchemy.exc.DBAPIError as error:
            self._look_at(error)
            return False
        return True

    # The judge

    def _observe(self, _endpoint: Endpoint) -> None:
        self.outcome.duplicates += len(self._sandbox.world.endpoints) > 1

    def _check_state(self) -> None:
        endpoints = self._sandbox.world.endpoints.values()
        zones = [[zone.zone_id for zone in endpoint.zones] for endpoint in endpoints]
        # A deletion that failed half-way may have left one zone, which is adopted unchanged.
        if not self.outcome.unclear and (len(zones) != 1 or not zones[0] or not set(zones[0]) <= _ZONES):
            self.outcome.unclear.append(f"the endpoints' zones are {zones}")

    def _check_rows(self) -> None:
        rows = [row[0] for row in self._database.execute(f"SELECT id FROM {self._table}")]
        self.outcome.lost += len(self._acknowledged - set(rows))
        self.outcome.doubled += len(rows) - len(set(rows))

    def _look_at(self, error: BaseException) -> None:
        """Search everything that a traceback of the product's frames can show, including local variables."""
        seen: set[int] = set()
        while error and id(error) not in seen:
            seen.add(id(error))
            self._search(f"a {type(error).__name__}", f"{error} {error!r}")
            for frame, _ in traceback.walk_tb(error.__traceback__):
                name = frame.f_code.co_filename
                if not name.startswith(_PACKAGE) or name.startswith(_SANDBOX):
                    continue
                for variable, value in frame.f_locals.items():
                    self._search(f"{variable} in {frame.f_code.co_name}", repr(value))
            error = error.__cause__ or error.__context__  # type: ignore[assignment]  # None ends it

    def _search(self, where: str, shown: str) -> None:
        if any(canary in shown for canary in self._canaries):
            self.outcome.secrets += 1
            self.outcome.unclear.append(f"a secret in {where}")


def _files(directory: str) -> list[Path]:
    return [path for path in Path(directory).rglob("*") if path.is_file()]


def run_trial(seed: int, database: Database) -> Outcome:
    """Run the trial of this seed."""
    with (
        tempfile.TemporaryDirectory(prefix="tidb-pe-") as state,
        Sandbox(upstream=database.address) as sandbox,
    ):
        sandbox.faults.add(*schedule(seed, seconds=_FAULT_SECONDS))
        return _Trial(seed, database, sandbox, state).carry_out()


def totals(outcomes: list[Outcome]) -> Mapping[str, int]:
    """Return the table's columns."""
    return {
        "runs": len(outcomes),
        "converged": sum(each.converged for each in outcomes),
        "clear errors": sum(each.clear_errors for each in outcomes),
        "duplicate endpoints": sum(each.duplicates for each in outcomes),
        "orphans": sum(each.orphans for each in outcomes),
        "lost INSERTs": sum(each.lost for each in outcomes),
        "doubled INSERTs": sum(each.doubled for each in outcomes),
        "secrets found": sum(each.secrets for each in outcomes),
        "unhandled tracebacks": sum(each.tracebacks for each in outcomes),
    }
