"""Registration with jupysql, in a real shell and on a real server."""

from __future__ import annotations

import select
import signal
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import shells
from support.secrets_in_traceback import holders
from support.silent_statements import register
from traitlets.config import Config

from tidb_pe_magic.credentials.secrets import Secret
from tidb_pe_magic.database.jupysql import unregister
from tidb_pe_magic.errors import ConnectionFailed, InvalidRequest, QueryCancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
    from sqlalchemy import Engine
    from support.mariadb import MariaDb

    from tidb_pe_magic.database.engine import TestedEngine

    Open = Callable[..., TestedEngine]


@pytest.fixture
def shell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: Open,  # noqa: ARG001 - its engines have to outlive the shell, which closes what it holds of them
) -> Iterator[Any]:
    """Provide a fresh shell, and leave jupysql without connections."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    config = Config()
    config.HistoryManager.enabled = False
    manager().current = None
    with shells.start_shell(config, ipython_dir=str(tmp_path / "ipython")) as shell:
        yield shell
        manager().close_all()
        manager().current = None


@pytest.fixture
def engine(plain_server: MariaDb, opened: Open) -> Engine:
    """Provide an engine on a server with an empty table `numbers`."""
    plain_server.execute("CREATE OR REPLACE TABLE test.numbers (n INT PRIMARY KEY)")
    return opened(plain_server.target()).engine


def manager() -> Any:
    """Return jupysql's registry of connections."""
    with warnings.catch_warnings():
        # Its sources contain escape sequences that Python warns about when it compiles them.
        warnings.simplefilter("ignore")
        import sql.magic  # noqa: F401, PLC0415
    from sql.connection import ConnectionManager  # noqa: PLC0415 - it takes seconds, which other tests need not wait

    return ConnectionManager


def run(shell: InteractiveShell, cell: str) -> Any:
    """Run a cell and return its value; a failing cell fails the test."""
    result: Any = execute(shell, cell)
    result.raise_error()
    return result.result


def execute(shell: Any, cell: str) -> ExecutionResult:
    """Run a cell."""
    result: ExecutionResult = shell.run_cell(cell)
    return result


def scalar(shell: InteractiveShell, query: str) -> Any:
    """Return the one value of a query that runs in a cell."""
    ((value,),) = run(shell, f"%sql {query}")
    return value


def kill_held(server: MariaDb) -> None:
    """Kill the connection that jupysql holds, and wait until the server has ended it."""
    session = manager().current._connection.connection.dbapi_connection
    server.execute(f"KILL {session.thread_id()}")
    assert select.select([session._sock], [], [], 10)[0]


def test_a_registered_engine_answers_sql_cells(shell: InteractiveShell, engine: Engine) -> None:
    """The alias works in `%%sql ALIAS` and is the current connection of `%sql`."""
    register(shell, engine, "tidb")
    assert scalar(shell, "SELECT 41 + 1") == 42
    ((value,),) = run(shell, "%%sql tidb\nSELECT 43")
    assert value == 43


def test_the_users_configuration_is_left_alone(shell: Any, engine: Engine) -> None:
    """Registering does not change jupysql's options."""
    run(shell, "%load_ext sql")
    run(shell, "%config SqlMagic.autopandas = True")
    magic = shell.find_line_magic("sql").__self__
    before = {name: getattr(magic, name) for name in magic.trait_names(config=True)}
    register(shell, engine, "tidb")
    assert {name: getattr(magic, name) for name in magic.trait_names(config=True)} == before
    assert run(shell, "%sql SELECT 1 AS one")["one"].tolist() == [1]


def option(shell: Any) -> bool:
    """Return jupysql's option."""
    value: bool = shell.find_line_magic("sql").__self__.autopandas
    return value


def test_frames_are_returned_while_a_connection_is_open(
    shell: Any, engine: Engine, plain_server: MariaDb, opened: Open
) -> None:
    """The first registration turns the option on and says so, and the last one that ends turns it off."""
    assert register(shell, engine, "tidb", framed=True)
    assert not register(shell, opened(plain_server.target()).engine, "other", framed=True)
    assert run(shell, "%sql SELECT 1 AS one")["one"].tolist() == [1]
    unregister("tidb")
    assert option(shell)
    unregister("other")
    assert not option(shell)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("%config", "autopandas = False"),
        ("%config", "autopolars = True"),
        ("pyproject.toml", "autopandas = False"),
        ("~/.jupysql/config", "autopandas = True"),
    ],
)
def test_a_users_setting_stays(
    shell: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, place: str, value: str
) -> None:
    """An option set in a cell or in jupysql's file keeps its value, during and after the registration."""
    monkeypatch.chdir(Path("~").expanduser())
    if place != "%config":
        path = Path(place).expanduser()
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"[tool.jupysql.SqlMagic]\n{value.lower()}\n", encoding="utf-8")
    run(shell, "%load_ext sql")
    if place == "%config":
        run(shell, f"%config SqlMagic.{value}")
    expected = value == "autopandas = True"
    assert not register(shell, engine, "tidb", framed=True)
    assert option(shell) == expected
    unregister("tidb")
    assert option(shell) == expected


def test_cells_survive_a_kill_and_lose_no_insert(
    shell: InteractiveShell, engine: Engine, plain_server: MariaDb, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each cell after a KILL runs normally, and its INSERT remains after the close."""
    register(shell, engine, "tidb")
    for _ in range(3):
        run(shell, "%sql INSERT INTO numbers SELECT COUNT(*) FROM numbers")
        kill_held(plain_server)
    assert scalar(shell, "SELECT COUNT(*) FROM numbers") == 3
    unregister("tidb")
    assert plain_server.value("SELECT COUNT(*) FROM test.numbers") == 3
    shown = capsys.readouterr()
    assert "ROLLBACK" not in shown.out + shown.err


def test_a_kill_inside_a_transaction_fails_the_cell(
    shell: InteractiveShell, engine: Engine, plain_server: MariaDb
) -> None:
    """The cell after the KILL fails, the transaction is lost, and later cells commit again."""
    register(shell, engine, "tidb")
    run(shell, "%sql START TRANSACTION")
    run(shell, "%sql INSERT INTO numbers VALUES (1)")
    kill_held(plain_server)
    assert "Lost connection" in str(execute(shell, "%sql INSERT INTO numbers VALUES (2)").error_in_exec)
    assert plain_server.value("SELECT COUNT(*) FROM test.numbers") == 0
    run(shell, "%sql INSERT INTO numbers VALUES (3)")
    assert plain_server.value("SELECT COUNT(*) FROM test.numbers") == 1


def test_an_interrupted_cell_leaves_the_connection_usable(
    shell: InteractiveShell, engine: Engine, plain_server: MariaDb, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says that the server has ended the query, and the next cell runs and commits by itself."""
    register(shell, engine, "tidb")

    def interrupt() -> None:
        while not plain_server.running("SELECT SLEEP(31)"):
            pass
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    stopper = threading.Thread(target=interrupt)
    stopper.start()
    result = execute(shell, "%sql SELECT SLEEP(31)")
    stopper.join()
    assert plain_server.running("SELECT SLEEP(31)") == ()
    assert isinstance(result.error_in_exec, QueryCancelled)
    assert (
        len(capsys.readouterr().out.strip().splitlines()) == 3
    )  # "Running query in", the error, and where to read on
    run(shell, "%sql INSERT INTO numbers VALUES (1)")
    assert plain_server.value("SELECT COUNT(*) FROM test.numbers") == 1


def test_replacing_an_alias_keeps_the_number_of_connections(
    shell: InteractiveShell, plain_server: MariaDb, opened: Open
) -> None:
    """The alias's previous connection is closed, on the server too."""
    register(shell, opened(plain_server.target()).engine, "tidb")
    before = len(plain_server.connections())
    for _ in range(2):
        register(shell, opened(plain_server.target()).engine, "tidb")
        plain_server.await_fewer(before + 1)
        assert len(plain_server.connections()) == before
    assert scalar(shell, "SELECT 1") == 1


def test_registering_twice_keeps_the_number_of_connections(
    shell: InteractiveShell, engine: Engine, plain_server: MariaDb
) -> None:
    """Registering the same engine twice under one alias gives one working connection."""
    register(shell, engine, "tidb")
    before = plain_server.connections()
    register(shell, engine, "tidb")
    plain_server.await_fewer(len(before) + 1)
    assert len(plain_server.connections()) == len(before)
    assert scalar(shell, "SELECT 1") == 1


def test_nothing_secret_is_listed(shell: InteractiveShell, engine: Engine, plain_server: MariaDb) -> None:
    """`%sql --connections` in every form, and the engine, show no password."""
    register(shell, engine, "tidb")
    table = run(shell, "%sql --connections")
    assert "tidb" in str(table)
    assert plain_server.password not in f"{table} {table!r} {table._repr_html_()} {engine!r}"


def test_a_changed_password_shows_no_secret(
    shell: InteractiveShell, plain_server: MariaDb, opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a password change a cell fails to log in, and a verbose traceback shows no password."""
    password = "the-old-password-of-the-cell"
    plain_server.execute(f"CREATE OR REPLACE USER 'prefix.cell'@'%' IDENTIFIED BY '{password}'")
    target = plain_server.target(user="prefix.cell", database="", password=Secret(password))
    register(shell, opened(target).engine, "tidb")
    plain_server.execute("ALTER USER 'prefix.cell'@'%' IDENTIFIED BY 'another'")
    kill_held(plain_server)
    run(shell, "%xmode Verbose")
    error = execute(shell, "%sql SELECT 1").error_in_exec
    assert error is not None
    assert "1045" in str(error)
    assert holders(error, password) == []
    assert password not in "".join(capsys.readouterr())


def test_unregister_leaves_sql_without_a_connection(
    shell: InteractiveShell, engine: Engine, plain_server: MariaDb, capsys: pytest.CaptureFixture[str]
) -> None:
    """Afterwards `%sql` and `%sqlcmd` report a missing connection without a traceback."""
    before = plain_server.connections()
    register(shell, engine, "tidb")
    assert unregister("tidb")
    plain_server.await_fewer(len(before) + 1)
    assert not unregister("tidb")
    capsys.readouterr()
    for cell in ("%sql SELECT 1", "%%sql\nSELECT 1", "%sqlcmd tables"):
        assert execute(shell, cell).error_in_exec is not None
        shown = "".join(capsys.readouterr())
        assert "no active connection" in shown.lower()
        assert "Traceback" not in shown


def test_unregister_does_not_switch_to_another_connection(
    shell: InteractiveShell, plain_server: MariaDb, opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """With other connections open, `%sql` runs only after one of them is chosen."""
    register(shell, opened(plain_server.target(database="mysql")).engine, "other")
    register(shell, opened(plain_server.target()).engine, "tidb")
    unregister("tidb")
    capsys.readouterr()
    for cell in ("%sql SELECT 1", "%%sql\nSELECT 1", "%sqlcmd tables"):
        assert execute(shell, cell).error_in_exec is not None
        shown = "".join(capsys.readouterr())
        assert "no active connection" in shown.lower()
        assert "Traceback" not in shown
    assert "other" in str(run(shell, "%sql --connections"))
    run(shell, "%sql other")
    assert scalar(shell, "SELECT DATABASE()") == "mysql"


def test_unregister_leaves_a_current_connection_of_another_alias(
    shell: InteractiveShell, plain_server: MariaDb, opened: Open
) -> None:
    """Closing a connection that is not the current one changes nothing for `%sql`."""
    register(shell, opened(plain_server.target()).engine, "tidb")
    register(shell, opened(plain_server.target(database="mysql")).engine, "other")
    assert unregister("tidb")
    assert scalar(shell, "SELECT DATABASE()") == "mysql"


def test_unregister_closes_only_the_engine_that_is_meant(
    shell: InteractiveShell, engine: Engine, plain_server: MariaDb, opened: Open
) -> None:
    """An alias that now belongs to another engine is left alone."""
    register(shell, opened(plain_server.target()).engine, "tidb")
    assert not unregister("tidb", engine)
    assert scalar(shell, "SELECT 1") == 1


def test_a_foreign_sql_magic_is_not_overwritten(shell: Any, engine: Engine) -> None:
    """If `%sql` belongs to another extension, nothing is registered or replaced."""
    calls: list[str] = []
    shell.register_magic_function(calls.append, "line", "sql")
    with pytest.raises(InvalidRequest, match="not to jupysql"):
        register(shell, engine, "tidb")
    shell.run_line_magic("sql", "mine")
    assert calls == ["mine"]
    assert shell.find_line_magic("jupysql") is None


def test_an_engine_that_no_longer_connects_is_refused(
    shell: InteractiveShell, plain_server: MariaDb, opened: Open
) -> None:
    """A server that has gone away fails at its stage, and the alias stays free."""
    plain_server.execute("CREATE OR REPLACE USER 'prefix.gone'@'%' IDENTIFIED BY 'a-password'")
    target = plain_server.target(user="prefix.gone", database="", password=Secret("a-password"))
    engine = opened(target).engine
    plain_server.execute("DROP USER 'prefix.gone'@'%'")
    for session in plain_server.connections("prefix.gone"):
        plain_server.execute(f"KILL {session}")
    with pytest.raises(ConnectionFailed) as failed:
        register(shell, engine, "tidb")
    assert failed.value.stage == "login"
    assert not unregister("tidb")
