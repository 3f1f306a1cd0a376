"""jupysql's features on a product connection and on a plain one: the same cell gives the same output."""

from __future__ import annotations

import datetime as dt
import logging
import re
import warnings
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import shells, silent_statements
from support.silent_statements import SilentStatements
from traitlets.config import Config

from tidb_pe_magic.database.engine import open_engine
from tidb_pe_magic.database.jupysql import held_connection, register, unregister
from tidb_pe_magic.errors import InvalidRequest, QueryFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.mariadb import MariaDb

OURS, PLAIN = "ours", "plain"
ROWS = (
    "(1, 'one', 1.10, 0.1, 0.25, '2013-01-01 10:00:00', '2013-01-01', '-01:30:00', 'a', '{\"a\": 1}')",
    "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "(3, 'it''s <b> %  three', -0.05, 1e300, 1.5, '1000-01-01', '9999-12-31', '838:59:59', X'00FF', '[]')",
)


class Cells:
    """Runs each cell on both connections."""

    def __init__(self, ip: Any, capture: pytest.CaptureFixture[str]) -> None:
        """Take a shell that has both connections."""
        self.ip = ip
        self._capture = capture

    def run(self, alias: str, *cells: str) -> tuple[Any, str]:
        """Run cells on one connection; return the last value, and the text without the count of rows."""
        self.ip.run_line_magic("sql", alias)
        result: Any = None
        for cell in cells:
            self._capture.readouterr()
            result = self.ip.run_cell(cell)
            result.raise_error()
        written = "".join(self._capture.readouterr()).replace(repr(alias), "'alias'")
        kept = [line for line in written.splitlines() if not line.endswith("rows affected.")]
        return result.result, "\n".join(kept)

    def both(self, *cells: str) -> tuple[tuple[Any, str], tuple[Any, str]]:
        """Run cells on both connections."""
        return self.run(OURS, *cells), self.run(PLAIN, *cells)


@pytest.fixture(scope="module")
def shell(plain_server: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Provide a shell in which jupysql has a product connection and a plain one to the same server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("DATABASE_URL", raising=False)
        patch.chdir(tmp_path_factory.mktemp("notebooks"))
        config = Config()
        config.HistoryManager.enabled = False
        opened = open_engine(plain_server.target())
        with shells.start_shell(config, ipython_dir=str(tmp_path_factory.mktemp("ipython"))) as ip:
            exact = SilentStatements(
                opened.engine, lambda: held_connection(OURS, opened.engine), decimals="exact"
            )
            register(ip, opened.engine, OURS, exact)
            url = sqlalchemy.URL.create(
                "mysql+pymysql",
                plain_server.user,
                plain_server.password,
                "127.0.0.1",
                plain_server.port,
                "test",
            )
            ip.user_ns["engine"] = sqlalchemy.create_engine(url)
            ip.run_line_magic("sql", f"engine --alias {PLAIN}")
            yield ip
            unregister(OURS)
            ip.run_line_magic("sql", f"--close {PLAIN}")
        opened.engine.dispose()


@pytest.fixture(scope="module")
def opened_modes(shell: Any, plain_server: MariaDb) -> Iterator[dict[str, str]]:
    """Provide a connection for each mode of dtypes, as a map from alias to DECIMAL mode."""
    modes = [(dtypes, "exact") for dtypes in ("pandas", "arrow", "numpy_nullable")]
    modes += [("pandas", "auto"), ("numpy_nullable", "auto"), ("pandas", "float")]
    opened = {f"{dtypes}_{decimals}": (dtypes, decimals) for dtypes, decimals in modes}
    engines = {alias: open_engine(plain_server.target()).engine for alias in opened}
    for alias, (dtypes, decimals) in opened.items():
        engine = engines[alias]
        statements = SilentStatements(
            engine, partial(held_connection, alias, engine), dtypes=dtypes, decimals=decimals
        )
        register(shell, engine, alias, statements)
    yield {alias: decimals for alias, (_, decimals) in opened.items()}
    for alias, engine in engines.items():
        unregister(alias)
        engine.dispose()


@pytest.fixture
def cells(shell: Any, plain_server: MariaDb, capsys: pytest.CaptureFixture[str]) -> Iterator[Cells]:
    """Provide both connections with a table `things`, and restore jupysql's options afterwards."""
    plain_server.execute(
        "CREATE OR REPLACE TABLE test.things (id BIGINT PRIMARY KEY, name VARCHAR(40), price DECIMAL(10,2), "
        "ratio DOUBLE, small FLOAT, at DATETIME, day DATE, span TIME, raw BLOB, doc JSON)"
    )
    plain_server.execute(f"INSERT INTO test.things VALUES {', '.join(ROWS)}")
    magic = shell.find_line_magic("sql").__self__
    before = {name: getattr(magic, name) for name in magic.trait_names(config=True)}
    yield Cells(shell, capsys)
    with magic.hold_trait_notifications():
        for name, value in before.items():
            setattr(magic, name, value)


def views(value: Any) -> Any:
    """Return everything that a user can see or take from a cell's value."""
    if type(value).__name__ == "ResultSet":
        shown = str(value), value._repr_html_()
        rows = [tuple(row) for row in value]
        return *shown, list(value.keys), rows, value.dict(), list(value.dicts()), len(value), value.csv()
    if isinstance(value, pd.DataFrame):
        return list(value.columns), [[known(item) for item in row] for row in value.itertuples(index=False)]
    if isinstance(value, pl.DataFrame):
        return value.columns, value.rows()
    if hasattr(value, "_repr_html_"):
        return str(value)
    return value


def known(value: Any) -> Any:
    """Return a value of a frame as a Python value, with None for every missing value."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, pd.Timestamp) and plain == plain.normalize():
        return plain.date()
    return plain.date() if isinstance(plain, dt.datetime) and plain.time() == dt.time() else plain


MANY = "SELECT seq AS n, seq * 2 AS m FROM seq_1_to_25"
# A profile names each column's most frequent value; the server may choose among equally frequent ones.
PROFILED = (
    "%sql CREATE OR REPLACE TABLE profiled AS SELECT 1 AS id, 'one' AS name, 1.10 AS price, "
    "TIMESTAMP '2013-01-01 10:00:00' AS at UNION ALL SELECT 1, 'one', 1.10, '2013-01-01 10:00:00' "
    "UNION ALL SELECT 2, 'it''s <b>  three', -0.05, '1000-01-01' UNION ALL SELECT NULL, NULL, NULL, NULL"
)


@pytest.mark.parametrize(
    "typed",
    [
        ("%sql SELECT * FROM things ORDER BY id",),
        ("%%sql\nSELECT id, name -- a comment: :x\nFROM things\nWHERE id > 1 ORDER BY id;",),
        ("%sql found << SELECT id, price FROM things", "found"),
        ("%%sql found <<\nSELECT id, price FROM things ORDER BY id DESC", "found"),
        ("%sql found= << SELECT id FROM things",),
        ("found = %sql SELECT id, name FROM things", "found[1], found[1][0], found[0].name"),
        (
            "%sql --save few --no-execute SELECT * FROM things WHERE id < 3",
            "%sql --with few SELECT id FROM few",
        ),
        ("%sql --save few SELECT id FROM things WHERE id < 3", "%sql SELECT COUNT(*) AS n FROM few"),
        ("least = 2\n%sql SELECT id FROM things WHERE id >= {{least}}",),
        (
            "names = ['id', 'name']",
            "%%sql\nSELECT {{names | join(', ')}} FROM things",
        ),
        ("%config SqlMagic.displaylimit = 3", f"%sql {MANY}"),
        ("%config SqlMagic.displaylimit = 0", f"%sql {MANY}"),
        ("%config SqlMagic.displaylimit = 25", f"%sql {MANY}"),
        ("%config SqlMagic.autolimit = 4", f"%sql {MANY}"),
        ("%config SqlMagic.style = 'MARKDOWN'", f"%sql {MANY}"),
        ("%config SqlMagic.feedback = 2", f"%sql {MANY}"),
        ("%config SqlMagic.column_local_vars = True", "%sql SELECT id AS kept FROM things", "kept"),
        (f"%sql {MANY} WHERE FALSE",),
        ("%sql SELECT 1 AS a, 2 AS a, 3 AS b",),
        ("%%sql\nSELECT 1 AS a;\nSELECT 2 AS b",),
        ("%sql SHOW TABLES LIKE 'things'",),
        ("%sql SELECT 'a %' AS a, 5 % 3 AS b, '%s' AS c, '%%' AS d FROM DUAL",),
        ("%sql REPLACE INTO things (id) VALUES (4), (5)",),
        ("%sql UPDATE things SET name = 'x' WHERE id < 0",),
        ("%config SqlMagic.autopandas = True", f"%sql {MANY}"),
        ("%config SqlMagic.autopandas = True", "%sql SELECT * FROM things ORDER BY id"),
        ("%config SqlMagic.autopandas = True", "%sql DELETE FROM things WHERE id = 3"),
        ("%config SqlMagic.autopolars = True", f"%sql {MANY}"),
        ("found = %sql SELECT id, name FROM things ORDER BY id", "found.DataFrame()"),
        ("found = %sql SELECT id, name FROM things ORDER BY id", "found.PolarsDataFrame()"),
        (
            "%config SqlMagic.named_parameters = 'enabled'",
            "least = 2\n%sql SELECT id FROM things WHERE id >= :least",
        ),
        ("%config SqlMagic.named_parameters = 'disabled'", "%sql SELECT ':least' AS a, '12:30' AS b"),
        (
            "%config SqlMagic.named_parameters = 'enabled'",
            "def ask(least):\n    return get_ipython().run_line_magic('sql', 'SELECT 1')\nask(2)",
        ),
        ("%sqlcmd tables",),
        ("%sqlcmd columns --table things",),
        (PROFILED, "%sqlcmd profile --table profiled"),
        ("%sqlcmd snippets",),
    ],
    ids=lambda typed: typed[-1][:60],
)
def test_a_cell_is_the_same_as_on_an_ordinary_connection(cells: Cells, typed: tuple[str, ...]) -> None:
    """Values, texts and other output are the same; only the count of rows has other words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        (ours, written), (plain, expected) = cells.both(*typed)
    assert type(ours) is type(plain)
    assert views(ours) == views(plain)
    if not typed[-1].startswith("%config"):
        assert written.split("Out[0]:")[0] == expected.split("Out[0]:")[0]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 5--1 AS n",
        "SELECT /*! 7 + */ 1 AS n -- the server executes it",
        "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1 AS n",
        "SELECT '-- a; b' AS a, \"# c;\" AS `d;e` # f; g",
        "SELECT 1 AS a\n-- b; c\n, 2 AS b",
        "SELECT 'it\\'s; x' AS a",
        "/* a; */ SELECT 1 AS n; -- b;",
    ],
)
def test_a_statement_arrives_as_typed(cells: Cells, plain_server: MariaDb, statement: str) -> None:
    """Text that only looks like a comment or an end reaches the server, as with the driver."""
    (found,) = cells.run(OURS, f"%%sql\nSELECT 0 AS n;\n{statement}")[0]
    (expected,) = plain_server.execute(statement.removesuffix("; -- b;"))
    assert tuple(found) == expected


def test_a_session_without_backslash_escapes_is_split_its_way(cells: Cells) -> None:
    """With NO_BACKSLASH_ESCAPES a backslash escapes no quote before a semicolon or a parameter."""
    cells.run(OURS, "%sql SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
    typed = "x = 5\n%sql SELECT '\\' AS a, '; :x' AS b, :x AS c"
    try:
        (row,) = cells.run(OURS, typed)[0]
    finally:
        cells.run(OURS, "%sql SET sql_mode = DEFAULT")
    assert tuple(row) == ("\\", "; :x", 5)


def test_a_decimal_that_polars_cannot_hold_is_refused(cells: Cells) -> None:
    """Polars has 38 digits: a longer value is one line that names the column, and others arrive exact."""
    cells.run(OURS, "%config SqlMagic.autopolars = True")
    frame = cells.run(OURS, f"%sql SELECT {'9' * 38} AS n")[0]
    assert frame["n"].to_list() == [int("9" * 38)]
    with pytest.raises(
        InvalidRequest, match=r"column n has DECIMALs of more than 38 digits.*CAST\(n AS CHAR\)"
    ):
        cells.run(OURS, f"%sql SELECT {'9' * 39} AS n")


def test_a_snippet_is_stored_as_typed(cells: Cells) -> None:
    """Only what the server takes for a comment is left out of a saved query."""
    saved = "%%sql --save typed --no-execute\nSELECT 5--1 AS n, '-- x' AS t, /*! 7 + */ 1 AS m -- end; )"
    ((number, text, more),) = cells.run(OURS, saved, "%sql SELECT * FROM typed")[0]
    assert (number, text, more) == (6, "-- x", 8)


def test_a_routine_is_one_statement(cells: Cells, plain_server: MariaDb) -> None:
    """The semicolons of a procedure, on a server that has procedures, do not end it."""
    body = "BEGIN SET @a = 1; SELECT 1 AS n; END"
    cells.run(OURS, f"%%sql\nCREATE OR REPLACE PROCEDURE two() {body}")
    ((_, _, created, *_),) = plain_server.execute("SHOW CREATE PROCEDURE test.two")
    cells.run(OURS, "%sql DROP PROCEDURE two")
    assert str(created).endswith(body)


def plotted(axes: Any) -> list[Any]:
    """Return the contents of a plot."""
    return [
        [patch.get_bbox().bounds for patch in axes.patches],
        [line.get_xydata().tolist() for line in axes.lines],
        axes.get_title(),
        axes.get_xlabel(),
    ]


# jupysql passes an argument that matplotlib renamed.
@pytest.mark.filterwarnings("ignore:.*deprecated in Matplotlib")
@pytest.mark.parametrize(
    "cell",
    [
        "%sqlplot bar --table things --column name",
        "%sqlplot histogram --table things --column id --bins 3",
        "%sqlplot histogram --table test.things --column ratio --breaks 0 0.5 2",
        "%sqlplot boxplot --table things --column id",
        "%sqlplot boxplot --table things --column id ratio --orient h",
    ],
)
def test_a_plot_is_the_same(cells: Cells, cell: str) -> None:
    """A plot has the same bars in the same places, or the same error."""
    import matplotlib  # noqa: ICN001, PLC0415 - slow to import
    import matplotlib.pyplot as plt  # noqa: PLC0415

    matplotlib.use("agg")
    found = []
    for alias in (OURS, PLAIN):
        try:
            found.append(plotted(cells.run(alias, cell)[0]))
        except Exception as error:  # noqa: BLE001 - whatever jupysql makes of it
            found.append([type(error).__name__])
        finally:
            plt.close("all")
    assert found[0] == found[1]
    assert len(found[0]) > 1, "an error"


def test_the_parser_of_snippets_is_silent(cells: Cells, caplog: pytest.LogCaptureFixture) -> None:
    """With a saved snippet jupysql parses every statement; no warning of its parser is shown in our cells."""
    saved = "%sql --save some --no-execute SELECT `id` FROM things"
    cells.run(OURS, saved, "%sql SHOW STATUS LIKE 'Uptime'", "%sql SET @x = 1", "%sql CHECKSUM TABLE things")
    cells.run(OURS, "%sql DESCRIBE things", "%sql ANALYZE TABLE things", "%sql SHOW CREATE TABLE things")
    assert not caplog.records
    assert cells.run(OURS, "%sql SELECT COUNT(`id`) AS n FROM `some`")[0].dict() == {"n": (3,)}
    logging.getLogger("sqlglot").warning("Another warning of the parser is still shown")
    assert [record.getMessage() for record in caplog.records] == [
        "Another warning of the parser is still shown"
    ]


def test_explore_is_the_same(cells: Cells) -> None:
    """`%sqlcmd explore` shows the same page, rows and count, and pages and sorts alike."""
    shown = [
        re.sub(r"tableContainer_\d+", "container", value._repr_html_())
        for value, _ in cells.both("%sqlcmd explore --table things")
    ]
    assert shown[0] == shown[1]
    assert '"name": "one"' in shown[0]
    page = "fetch_sql_with_pagination('things', 1, 1, 'id', 'DESC')"
    (ours, _), (plain, _) = cells.both("from sql.inspect import fetch_sql_with_pagination", page)
    assert [tuple(row) for row in ours[0]] == [tuple(row) for row in plain[0]]
    assert ours[0][0][0] == 2
    assert list(ours[1]) == list(plain[1])


def test_a_name_takes_the_variable_that_the_cell_sees(cells: Cells) -> None:
    """Without any option, a name means a variable of the function around `%sql`, then of the notebook."""
    assert cells.run(
        OURS,
        "least, ids = 3, [1, 3]",
        "def ask(least):\n    found = %sql SELECT id FROM things WHERE id >= :least AND id IN (:ids)\n"
        "    return list(found)",
        "ask(2), ask(4)",
    )[0] == ([(3,)], [])
    (found,) = cells.run(OURS, "%sql SELECT id FROM things WHERE id >= :least")[0]
    assert tuple(found) == (3,)


@pytest.mark.parametrize("setting", ["warn", "enabled", "disabled"])
def test_colons_outside_parameters_reach_the_server(cells: Cells, setting: str) -> None:
    """JSON, times, and names in strings and comments reach the server, whatever jupysql's option is."""
    ((found, clock),) = cells.run(
        OURS,
        f"%config SqlMagic.named_parameters = {setting!r}",
        """%%sql\nSELECT JSON_EXTRACT('{"a":1}', '$.a') AS j, '10:30:00' AS t -- :x\n""",
    )[0]
    assert (str(found), clock) == ("1", "10:30:00")


@pytest.mark.parametrize(
    ("cell", "error", "words"),
    [
        ("%sql SELECT nope FROM things", QueryFailed, "1054"),
        ("%sql SELECT :nope", InvalidRequest, ":nope: the notebook has no variable nope."),
    ],
)
def test_an_error_is_shown_without_its_traceback(
    cells: Cells, capsys: pytest.CaptureFixture[str], cell: str, error: type, words: str
) -> None:
    """The error shows what is wrong and where, without a traceback, and the next cell works."""
    cells.ip.run_line_magic("sql", OURS)
    cells.ip.run_line_magic("config", "SqlMagic.displaycon = False")
    capsys.readouterr()
    failed = cells.ip.run_cell(cell).error_in_exec
    assert isinstance(failed, error)
    line, *place = capsys.readouterr().out.strip().splitlines()
    assert words in line
    assert place in ([], ["    SELECT nope FROM things", "           ^"])
    ((one,),) = cells.run(OURS, "%sql SELECT 1")[0]
    assert one == 1


def test_an_autocommit_that_is_off_is_off(shell: Any, plain_server: MariaDb, cells: Cells) -> None:
    """If jupysql's option is off when the connection opens, nothing is saved without COMMIT."""
    magic = shell.find_line_magic("sql").__self__
    magic.autocommit = False
    opened = open_engine(plain_server.target())
    try:
        silent_statements.register(shell, opened.engine, "manual")
        for end, count in (("ROLLBACK", 3), ("COMMIT", 4)):
            cells.run("manual", "%sql INSERT INTO things (id) VALUES (9)", f"%sql {end}")
            assert plain_server.value("SELECT COUNT(*) FROM test.things") == count
    finally:
        unregister("manual")
        opened.engine.dispose()


TYPES = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "BIGINT UNSIGNED": st.integers(0, 2**64 - 1),
    "TINYINT": st.integers(-128, 127),
    "DOUBLE": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "DECIMAL(20,4)": st.decimals(-(10**15), 10**15, places=4),
    "VARCHAR(20) CHARACTER SET utf8mb4": st.text(
        st.characters(codec="utf-8", exclude_characters="\0"), max_size=20
    ),
    "VARBINARY(20)": st.binary(max_size=20),
    "DATE": st.dates(dt.date(1000, 1, 1)),
    "DATETIME(6)": st.datetimes(dt.datetime.fromisoformat("1000-01-01")),
    "TIME(6)": st.timedeltas(dt.timedelta(hours=-838), dt.timedelta(hours=838)),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    """Draw a table: the types of its columns, and its rows."""
    types = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=5))
    row = st.tuples(*(st.none() | TYPES[each] for each in types)).map(list)
    return types, draw(st.lists(row, max_size=6))


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_every_mode_matches_the_driver(
    shell: Any, cells: Cells, opened_modes: dict[str, str], drawn: tuple[list[str], list[list[Any]]]
) -> None:
    """On random tables with NULLs, `%%sql` in each mode matches PyMySQL's own cursor.

    A DECIMAL that became a number automatically has all its digits; an explicit conversion is the nearest
    float.
    """
    types, rows = drawn
    engine = shell.user_ns["engine"]
    names = [f"c{number}" for number in range(len(types))]
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS random_table")
        connection.exec_driver_sql(f"CREATE TABLE random_table (place INT, {columns})")
        for number, row in enumerate(rows):
            marks = ", ".join(["%s"] * (len(row) + 1))
            connection.exec_driver_sql(f"INSERT INTO random_table VALUES ({marks})", (number, *row))
        sql = f"SELECT {', '.join(names)} FROM random_table ORDER BY place"
        expected = [list(row) for row in connection.exec_driver_sql(sql)]
    shell.run_line_magic("config", "SqlMagic.autopandas = True")
    for alias, decimals in opened_modes.items():
        frame, _ = cells.run(alias, f"%sql {sql}")
        assert list(frame.columns) == names
        found = [[known(item) for item in row] for row in frame.itertuples(index=False)]
        wanted = [[known(item) for item in row] for row in expected]
        for place in (place for place, kind in enumerate(types) if kind.startswith("DECIMAL")):
            for values, rights in zip(found, wanted, strict=True):
                if decimals == "float" and rights[place] is not None:
                    rights[place] = float(rights[place])
                elif isinstance(values[place], float):
                    assert decimals == "auto", alias
                    values[place] = Decimal(repr(values[place]))
        assert found == wanted, alias


def test_a_percent_sign_in_a_plain_string_is_one(plain_server: MariaDb) -> None:
    """A percent sign works in plain strings, single or doubled, with parameters, and in compiled ones."""
    engine = open_engine(plain_server.target()).engine
    wanted = "SELECT 'U%' LIKE 'U%' AS found"
    try:
        assert pd.read_sql(wanted, engine)["found"].tolist() == [1]
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT '5%', '%Y'").one() == ("5%", "%Y")
            assert connection.exec_driver_sql("SELECT '5%%'").scalar() == "5%"
            assert connection.exec_driver_sql("SELECT '5%%', %s", ("a%",)).one() == ("5%", "a%")
            assert connection.execute(sqlalchemy.text("SELECT '5%', '%%'")).one() == ("5%", "%%")
    finally:
        engine.dispose()
