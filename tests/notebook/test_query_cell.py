"""`%%tidb_pe query` in a real IPython shell."""

from __future__ import annotations

import re
import signal
import threading
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest

from tidb_pe_magic import errors
from tidb_pe_magic.database.queries import memory

if TYPE_CHECKING:
    from pathlib import Path

    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox

ENDLESS = (
    "SELECT SUM(a.temp * b.dewp * c.humid) FROM weather a, weather b, weather c "
    "WHERE a.temp < b.temp + c.temp"
)


def names(shell: Shell) -> set[str]:
    """Return the user's names in the notebook."""
    return {name for name in shell.ip.user_ns if not name.startswith("_")}


def test_a_cell_of_sql_is_a_frame(connected: Shell, tmp_path: Path) -> None:
    """The cell shows the frame and a line about the read rows, and only --into leaves a name behind."""
    before = names(connected)
    cell = connected.must("%%tidb_pe query\nSELECT carrier, name FROM airlines\nORDER BY carrier;")
    assert isinstance(cell.value, pd.DataFrame)
    assert "Endeavor" in cell.output
    assert "16 rows" in cell.output
    assert names(connected) == before
    cell = connected.must("%%tidb_pe query --into airlines --arrow\nSELECT carrier FROM airlines")
    assert isinstance(connected.ip.user_ns["airlines"], pa.Table)
    assert names(connected) == before | {"airlines"}
    first = connected.must("%%tidb_pe query --into=airlines --max-rows 3\nSELECT carrier FROM airlines")
    assert len(connected.ip.user_ns["airlines"]) == 3
    assert "there are more" in first.output
    path = tmp_path / "airlines.parquet"
    written = connected.must(f"%%tidb_pe query --to-parquet {path}\nSELECT * FROM airlines")
    assert written.value is None
    assert path.name in written.output
    assert len(pd.read_parquet(path)) == 16


def test_a_statement_without_a_result_shows_only_its_line(connected: Shell) -> None:
    """After CREATE and INSERT there is a line about what was done, and no empty frame, in cell and line."""
    for typed, told in (
        ("%%tidb_pe query\nCREATE TABLE test.written (a INT)", "done · "),
        ("%tidb_pe query 'INSERT INTO test.written VALUES (1), (2)'", "2 rows changed · "),
        ("%%tidb_pe query --into changed\nDELETE FROM test.written WHERE a > 5", "0 rows changed · "),
    ):
        cell = connected.must(typed)
        assert cell.value is None
        assert told in cell.output
        assert "Empty DataFrame" not in cell.output
    assert connected.ip.user_ns["changed"].empty
    none = connected.must("%tidb_pe query 'SELECT a FROM test.written WHERE a > 5'")
    assert list(none.value.columns) == ["a"]
    connected.must("%tidb_pe query 'DROP TABLE test.written'")


def test_an_alias_that_is_only_saved_is_opened(connected: Shell) -> None:
    """`--alias NAME` opens a saved connection, in the line and in the cell, as `@NAME` does."""
    connected.must("%tidb_pe connect --alias later --database nycflights13 --save")
    for typed in ("%%tidb_pe query --alias later\n{}", "%tidb_pe query '{}' --alias later"):
        connected.must("%tidb_pe disconnect --alias later")
        counted = connected.must(typed.format("SELECT COUNT(*) AS n FROM airlines"))
        assert counted.value["n"].tolist() == [16]
    neither = connected.run("%tidb_pe query 'SELECT 1' --alias nope")
    assert isinstance(neither.error, errors.StepOrderError)
    assert "connection nope is not open; open: " in str(neither.error)


def test_a_line_is_a_query_as_well(connected: Shell) -> None:
    """`%tidb_pe query 'SELECT'` is the frame, with the notebook's variables; a semicolon hides it."""
    connected.must("origin = 'JFK'")
    cell = connected.must("%tidb_pe query 'SELECT COUNT(*) FROM flights WHERE origin = :origin' --into kept")
    assert isinstance(cell.value, pd.DataFrame)
    assert cell.value is connected.ip.user_ns["kept"]
    assert "1 row ·" in cell.output
    assigned = connected.must("n = %tidb_pe query 'SELECT 5 AS n'")
    assert assigned.value is None
    assert connected.ip.user_ns["n"]["n"].tolist() == [5]
    assert "5" not in connected.must("%tidb_pe query 'SELECT 5 AS n';").output.replace("0.0 s", "")
    shared = connected.must("%tidb_pe query 'SET @x = 4'\n%tidb_pe query @tidb 'SELECT @x AS x'")
    assert shared.value["x"].tolist() == [4]


def test_the_last_result_is_the_underscore(connected: Shell) -> None:
    """The frame of a cell or line is `_` and Out[n] for the next cell, including `%%sql`."""
    for source in (
        "%%tidb_pe query\nSELECT 7 AS n",
        "%tidb_pe query 'SELECT 8 AS n'",
        "%%sql\nSELECT 9 AS n",
    ):
        value = connected.must(source).value
        number = connected.ip.execution_count - 1
        assert connected.must(f"_ is Out[{number}]").value is True
        assert connected.ip.user_ns["Out"][number] is value


def test_a_connection_asks_over_its_own(connected: Shell) -> None:
    """connection.query takes the options of runbook.query, and is refused once the connection is closed."""
    connected.must("connection = %tidb_pe connect --database nycflights13 --alias second")
    asked = connected.must("connection.query('SELECT carrier FROM airlines WHERE carrier = :c', {'c': 'UA'})")
    assert asked.value["carrier"].tolist() == ["UA"]
    table = connected.must("connection.query('SELECT ? AS n', [1], arrow=True)").value
    assert table.to_pylist() == [{"n": 1}]
    connected.must("%tidb_pe disconnect --alias second")
    closed = connected.run("connection.query('SELECT 1')")
    assert isinstance(closed.error, errors.StepOrderError)
    assert "second is closed" in str(closed.error)


SLOW = "SELECT SLEEP(0.06), COUNT(*) AS n FROM flights WHERE origin <> 'hunter2Zx'"


def test_the_cost_of_a_slow_query_is_shown_and_listed(connected: Shell) -> None:
    """The line under the result has Request Units; the history has statements without their strings."""
    for cell in (f"%%sql\n{SLOW}", f"%%tidb_pe query\n{SLOW}", f'%tidb_pe query "{SLOW}"'):
        assert re.search(r" s · [\d.]+ RU", connected.must(cell).output), cell
    refused = connected.run("%%sql\nSELECT nope FROM flights")
    assert not refused.ok
    history = connected.must("%tidb_pe history --queries")
    assert "hunter2Zx" not in history.output
    assert history.value.queries[1].statement.endswith("FROM flights WHERE origin <> …")
    assert [query.outcome for query in history.value.queries] == ["failed", "done", "done", "done"]
    assert all(query.request_units > 0 for query in history.value.queries[1:])
    assert [query.rows for query in history.value.queries] == [0, 1, 1, 1]
    short = connected.must("%tidb_pe history --queries --limit 1")
    assert len(short.value.queries) == 1
    assert short.value.request_units == pytest.approx(
        sum(query.request_units for query in history.value.queries[1:])
    )
    assert f"{short.value.request_units:,.1f} RU in total, with queries that are not listed" in short.output


def test_a_question_mark_in_a_sql_cell_is_explained(connected: Shell) -> None:
    """A cell has no values for question marks: the error shows the form that takes a variable."""
    refused = connected.run("%%sql\nSELECT name FROM airlines WHERE carrier = ?")
    assert isinstance(refused.error, errors.InvalidRequest)
    message = "0 given, but the statement has 1 marker (?). In a SQL cell, write :name for a variable."
    assert message in " ".join(str(refused.error).split())


def test_a_question_about_an_overtaken_statement_is_refused(connected: Shell) -> None:
    """After a read of Request Units, a question about the previous statement is refused; else it works."""
    connected.must(f"%%sql\n{SLOW}")
    connected.must("%%sql\nSHOW WARNINGS")
    connected.must(f"%%sql\n{SLOW}")
    refused = connected.run("%%tidb_pe query\nSELECT ROW_COUNT()")
    assert isinstance(refused.error, errors.InvalidRequest)
    assert refused.output.endswith("\nTry: %config TidbPeMagics.request_units = False\n")
    connected.must("%config TidbPeMagics.request_units = False")
    assert "RU" not in connected.must(f"%%sql\n{SLOW}").output
    assert connected.must("%%tidb_pe query\nSELECT ROW_COUNT() AS n").value["n"].tolist() == [-1]


def test_a_result_above_the_cap_ends_the_cell(connected: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`%%sql` reads at most half of the free memory: above it the cell fails, and the session goes on."""
    connected.must("%%sql\nSET @x = 4")
    with monkeypatch.context() as patch:
        patch.setattr(memory, "free_memory", lambda: 2_000_000)
        failed = connected.run("%%sql\nSELECT a.* FROM flights a, airlines b, airlines c")
    assert isinstance(failed.error, errors.ResultTooLarge)
    told, command = failed.output.strip().rsplit("\n", 1)
    assert "\nThe result needs more than 1 MB (half of the memory that was free); reading" in told
    assert command == "Try: %tidb_pe query 'SELECT …' --to-parquet PATH"
    assert "Traceback" not in failed.output
    assert connected.must("%%sql\nSELECT @x AS x").value["x"].tolist() == [4]


def test_a_plan_is_shown_as_a_tree(connected: Shell) -> None:
    """--explain shows the operators, --explain-analyze their rows and times; parameters are bound."""
    connected.must("origin = 'JFK'")
    sql = "SELECT carrier, COUNT(*) AS n FROM flights WHERE origin = :origin GROUP BY carrier"
    cell = connected.must(f"%%tidb_pe query --explain\n{sql}")
    assert "Plan of SELECT" in cell.output
    assert "└─TableFullScan" in cell.output
    assert "estimate" in cell.output
    assert not cell.value.analyzed
    line = connected.must(f"%tidb_pe query --explain-analyze '{sql}'")
    assert "Plan of SELECT" in line.output
    assert all(operator.seconds is not None for operator in line.value.operators)
    expected = connected.must(f"%%tidb_pe query\n{sql}").value
    assert line.value.operators[0].rows == len(expected)
    refused = connected.run("%%tidb_pe query --explain-analyze\nDELETE FROM flights")
    assert "DELETE changes data" in refused.output
    assert connected.must("%%tidb_pe query\nSELECT COUNT(*) AS n FROM flights").value["n"].tolist() == [500]


def test_a_path_of_windows_is_written_as_it_is_typed(
    connected: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unquoted Windows path keeps its backslashes, which other systems treat as part of the file name."""
    monkeypatch.chdir(tmp_path)
    path = "C:\\Users\\me\\out.parquet"
    connected.must(f"%%tidb_pe query --to-parquet {path}\nSELECT carrier FROM airlines")
    assert len(pd.read_parquet(path)) == 16


def test_parameters_are_json_or_a_variable(connected: Shell) -> None:
    """JSON and a variable are both bound; a variable may hold what JSON cannot."""
    sql = "\nSELECT COUNT(*) AS n FROM flights WHERE origin = :origin AND dep_delay > :least"
    typed = connected.must('%%tidb_pe query --params \'{"origin": "JFK", "least": 30}\'' + sql)
    connected.must("wanted = {'origin': 'JFK', 'least': __import__('decimal').Decimal(30)}")
    named = connected.must("%%tidb_pe query --params wanted" + sql)
    assert typed.value["n"].tolist() == named.value["n"].tolist() != [0]


def test_a_name_takes_the_variable_of_the_notebook(connected: Shell) -> None:
    """A value, a numpy scalar and a list, even empty, are taken from variables; --params has priority."""
    connected.must(
        "import numpy as np\norigin, least, carriers, none = 'JFK', np.float64(30), ['UA', 'AA'], ()"
    )
    sql = "\nSELECT COUNT(*) AS n FROM flights WHERE origin = :origin AND dep_delay > :least"
    typed = connected.must('%%tidb_pe query --params \'{"origin": "JFK", "least": 30}\'' + sql)
    mixed = connected.must("%%tidb_pe query --params '{\"least\": 30}'" + sql)
    named = connected.must("%%tidb_pe query" + sql)
    assert typed.value["n"].tolist() == named.value["n"].tolist() == mixed.value["n"].tolist() != [0]
    listed = connected.must(
        "%%tidb_pe query\nSELECT SUM(carrier IN (:carriers)) AS a, SUM(carrier IN (:none)) AS b, "
        "SUM(carrier NOT IN (:none)) = COUNT(*) AS c, SUM(carrier IN ('UA', 'AA')) AS d FROM flights"
    ).value
    assert listed["a"].tolist() == listed["d"].tolist() != [0]
    assert (listed["b"].tolist(), listed["c"].tolist()) == ([0], [1])


@pytest.mark.parametrize("magic", ["%%sql", "%%tidb_pe query"])
def test_a_missing_value_of_pandas_is_null(connected: Shell, magic: str) -> None:
    """NaN, NA, NaT and None are NULL, alone and in a Series, as `load` stores them; infinity is refused."""
    connected.must("import pandas as pd; endless = float('inf')")
    for written in ("float('nan')", "pd.Series([1.5, None])[1]", "pd.NA", "pd.NaT", "None"):
        connected.must(f"value = {written}")
        assert connected.must(f"{magic}\nSELECT :value IS NULL AS n").value["n"].tolist() == [1], written
    connected.must("some = pd.Series([1.5, None, 3])")
    counted = "SELECT 1.5 IN (:some) AS a, 2 IN (:some) IS NULL AS b"
    assert connected.must(f"{magic}\n{counted}").value.iloc[0].tolist() == [1, 1]
    refused = connected.run(f"{magic}\nSELECT :endless")
    assert isinstance(refused.error, errors.InvalidRequest)
    assert ":endless: is inf, for which SQL has no value." in str(refused.error)


@pytest.mark.parametrize(
    ("line", "sql", "value"),
    [
        ("--params '[\"^a{2}$\"]'", "?", "^a{2}$"),
        ('--params={\\"p\\":\\"{total}\\"}', ":p", "{total}"),
        ('--params "[\\"US$total\\"]" --alias $alias', "?", "US$total"),
        ("--params $text --into {name}", ":p", "$total"),
        ("--params {given}", ":p", "{total}"),
    ],
)
def test_bound_values_are_not_expanded(connected: Shell, line: str, sql: str, value: str) -> None:
    """Braces and dollars in --params stay; elsewhere in the line `$name` and `{name}` are filled in."""
    connected.must("total, alias, name = 9, 'tidb', 'kept'")
    connected.must("text, given = '{\"p\": \"$total\"}', {'p': '{total}'}")
    cell = connected.must(f"%%tidb_pe query {line}\nSELECT {sql} AS value")
    assert cell.value["value"].tolist() == [value]


@pytest.mark.parametrize(
    ("cell", "usage"),
    [
        ("%tidb_pe query -h", "usage: %tidb_pe query [-h]"),
        ("%%tidb_pe query -h\nSELECT 1", "usage: %%tidb_pe query [-h]"),
    ],
)
def test_help_is_of_the_notebook(shell: Shell, cell: str, usage: str) -> None:
    """Its usage is of the line or of the cell, with the notebook's own --into and a working example."""
    output = shell.must(cell).output
    assert usage in output
    assert "--into NAME" in output
    assert "--max-rows N" in output
    assert "as a cell:\n%%tidb_pe query" in output
    assert (" SQL" in output.split("options:")[0]) == ("%%" not in usage)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%tidb_pe query --into 1a\nSELECT 1", "--into"),
        ("%%tidb_pe query --into class\nSELECT 1", "--into"),
        ("%%tidb_pe query --into\nSELECT 1", "--into"),
        ("%%tidb_pe query --into a --into b\nSELECT 1", "given twice"),
        ("%%tidb_pe query --inot a\nSELECT 1", "no such flag"),
        ('%%tidb_pe query --params {"a": 1}\nSELECT :a', "--params: must be JSON in single quotes"),
        ("%%tidb_pe query --params '{'\nSELECT 1", "--params: must be JSON"),
        (
            "%%tidb_pe query --params nowhere\nSELECT :a",
            "--params: the notebook has no variable of this name",
        ),
        ('%%tidb_pe query --params {"a":1}\nSELECT :a', "must be JSON in single quotes"),
        ("%%tidb_pe query\n   ", "SQL: must not be empty"),
        ("%%tidb_pe query\nSELECT :nowhere", ":nowhere: the notebook has no variable nowhere. Assign it"),
        (
            "%%tidb_pe query\nSELECT '{{ carrier }}'",
            "{{ carrier }} is not replaced in this cell. Write :carrier",
        ),
        ("%%tidb_pe query\nSELECT {{ ', '.join(a) }}", "Assign it to a variable, and write :name."),
        ("%%tidb_pe query nonsense\nSELECT 1", "@NAME: must be @NAME or @FILE.json"),
        ("%%tidb_pe clusters\nSELECT 1", "only `query` works as a cell magic"),
        ("%%tidb_pe\nSELECT 1", "only `query` works as a cell magic"),
        ("%tidb_pe query SELECT 1", "a statement, or a value with spaces, in single quotes"),
        ("%tidb_pe query", "SQL: is missing.\nTry: %tidb_pe query -h"),
    ],
)
def test_a_mistake_is_one_line_and_fails_the_cell(shell: Shell, cell: str, words: str) -> None:
    """Invalid input names its field without a traceback, and no server is asked."""
    failed = shell.run(cell)
    assert isinstance(failed.error, errors.InvalidRequest)
    assert " ".join(words.split()) in " ".join(failed.output.split())
    assert "Traceback" not in failed.output


def test_a_failure_leaves_the_name_alone(connected: Shell) -> None:
    """After a failure the name has its old value, and the server's error shows the place in the statement."""
    connected.must("frame = 'kept'")
    failed = connected.run("%%tidb_pe query --into frame\nSELECT nope FROM flights")
    assert isinstance(failed.error, errors.QueryFailed)
    assert connected.ip.user_ns["frame"] == "kept"
    told, line, caret = failed.output.rstrip().splitlines()[-3:]
    assert told.startswith("1054: Unknown column 'nope'")
    assert (line, caret) == ("    SELECT nope FROM flights", "           ^")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%sql\nSELECT '{{ carier }}' AS c", "SQL: the template cannot be filled: 'carier' is undefined."),
        ("%%sql tidb\nDELETE FROM t WHERE {{ row.nope }}", "no attribute 'nope'. Assign the variable"),
        ("%sql SELECT {{ carier }}", "'carier' is undefined"),
        ("%%sql\nSELECT 1,\n{{ 2 + }}", "SQL: the template is invalid: line 3: unexpected"),
        ("%%sql\nSELECT '{% 5'", "{% raw %}"),
        ("%%sql tibd\nSELECT 1", "Connection tibd is not open; open: tidb. Use the name of"),
    ],
)
def test_a_cell_with_an_unknown_name_is_not_sent(connected: Shell, cell: str, words: str) -> None:
    """An unknown name in a template or after `%%sql` fails the cell in one message, and nothing is sent."""
    connected.must("row = {}")
    failed = connected.run(cell)
    assert isinstance(failed.error, errors.InvalidRequest | errors.StepOrderError)
    assert " ".join(words.split()) in " ".join(failed.output.split())
    assert "Traceback" not in failed.output


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "SELECT 1;\nSELECT carier, 'hunter2Zx' FROM flights;\nSELECT 3",
            "This was statement 2 of 3: SELECT carier, … FROM flights. The statements after it were not run.",
        ),
        ("SELECT 1; SELECT :nope", "nope = … This was statement 2 of 2: SELECT :nope."),
    ],
)
def test_the_failed_statement_of_several_is_named(connected: Shell, sql: str, words: str) -> None:
    """The error names the failed statement, without its strings, and says that later ones were not run."""
    failed = connected.run(f"%%sql\n{sql}")
    assert isinstance(failed.error, errors.TidbPeError)
    assert words in " ".join(failed.output.split())
    assert ("not run" in failed.output) == ("not run" in words)
    assert "This was statement" not in connected.run("%%sql\nSELECT carier FROM flights;").output


def test_templates_keep_what_jinja_offers_for_optional_names(connected: Shell) -> None:
    """Defaults, tests for a definition, and raw text work as in jupysql's cells."""
    sql = "SELECT {{ nope | default(7) }} AS a, {% if nope is defined %}1{% else %}2{% endif %} AS b"
    assert connected.must(f"%%sql\n{sql}").value.to_numpy().tolist() == [[7, 2]]
    raw = connected.must("%%sql\nSELECT {% raw %}'{{ nope }}'{% endraw %} AS a").value
    assert raw.to_numpy().tolist() == [["{{ nope }}"]]


@pytest.mark.parametrize("cell", ["%%sql", "%%tidb_pe query"])
def test_an_error_shows_its_place_and_a_suggestion(connected: Shell, cell: str) -> None:
    """A failing cell shows its line with a caret, and suggests the intended column or table."""
    failed = connected.run(f"{cell}\nSELECT carier,\n  dep_delay FROM flights")
    told, line, caret = failed.output.rstrip().splitlines()[-3:]
    assert "Unknown column 'carier' in 'field list'. Did you mean carrier?" in told
    assert (line, caret) == ("    SELECT carier,", "           ^")
    failed = connected.run(f"{cell}\nSELECT *\nFORM flights")
    *message, line, caret = failed.output.rstrip().splitlines()
    assert "1064: You have an error in your SQL syntax" in " ".join(message)
    assert (line, caret) == ("    FORM flights", "         ^")
    assert "Did you mean nycflights13.flights?" in connected.run(f"{cell}\nSELECT * FROM test.flights").output
    assert "Did you mean nycflights13?" in connected.run(f"{cell}\nUSE nycflight").output


@pytest.mark.parametrize(
    ("sql", "code", "remedy"),
    [
        ("SELECT carrier FROM flights JOIN airlines ON 1 = 1", 1052, "t.id"),
        ("SELECT origin, dest, COUNT(*) FROM flights GROUP BY origin", 1055, "ANY_VALUE(column)"),
        ("LOAD DATA LOCAL INFILE 'a.csv' INTO TABLE flights", 1148, "Try: %tidb_pe load FILE --table NAME"),
    ],
)
def test_a_frequent_error_has_a_remedy(connected: Shell, sql: str, code: int, remedy: str) -> None:
    """Ambiguous columns, columns that are not grouped, and local files: the error says what to write."""
    failed = connected.run(f"%%sql\n{sql}")
    assert isinstance(failed.error, errors.QueryFailed)
    assert failed.error.code == code
    assert remedy in failed.output


def test_the_stop_button_ends_the_query(connected: Shell, sandbox: Sandbox) -> None:
    """An interrupt ends the cell in one line and the query on the server, and the alias is usable."""
    database = sandbox.database
    assert database is not None
    connected.must("%%tidb_pe query\nSELECT 1")
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.wait(0.02):
            if any(c.state.statement == ENDLESS for c in list(database._connections.values())):
                signal.raise_signal(signal.SIGINT)
                return

    thread = threading.Thread(target=interrupt)
    thread.start()
    cell = connected.run(f"%%tidb_pe query\n{ENDLESS}")
    ended.set()
    thread.join()
    assert isinstance(cell.error, errors.QueryCancelled)
    assert "stopped here, and the server was asked to stop it" in cell.output
    listed = connected.must("%%tidb_pe query\nSHOW PROCESSLIST").value
    assert ENDLESS not in set(listed["Info"].dropna())


def test_unloading_takes_the_cell_magic_away(shell: Shell) -> None:
    """After unloading, the line magic and the cell magic are gone."""
    shell.must("%unload_ext tidb_pe_magic")
    assert "tidb_pe" not in shell.ip.magics_manager.magics["cell"]
    assert "tidb_pe" not in shell.ip.magics_manager.magics["line"]


def test_cells_of_both_magics_share_one_session(connected: Shell) -> None:
    """BEGIN, UPDATE and ROLLBACK in three cells save nothing, and SET, USE and @x last for both magics."""
    connected.must("%%sql\nCREATE TABLE test.accounts (id INT, v INT)")
    connected.must("%%tidb_pe query\nINSERT INTO test.accounts VALUES (1, 100)")
    for one, other in (("%%tidb_pe query", "%%sql"), ("%%sql", "%%tidb_pe query")):
        connected.must(f"{one}\nBEGIN")
        connected.must(f"{other}\nUPDATE test.accounts SET v = 0")
        assert connected.must(f"{one}\nSELECT v FROM test.accounts").value["v"].tolist() == [0]
        connected.must(f"{one}\nROLLBACK")
        assert connected.must("%sql SELECT v FROM test.accounts").value["v"].tolist() == [100]
    connected.must("%%sql\nbegin;\nUPDATE test.accounts SET v = 0;\nROLLBACK")
    assert connected.must("%sql SELECT v FROM test.accounts").value["v"].tolist() == [100]
    assert isinstance(connected.run("%%sql\n/* a comment alone */").error, errors.InvalidRequest)
    connected.must("%%tidb_pe query\nUSE test")
    connected.must("%%sql\nSET @x = 5")
    found = connected.must("%%tidb_pe query\nSELECT DATABASE() AS d, @x AS x").value
    assert [str(value) for value in found.iloc[0]] == ["test", "5"]
    # A refused file costs the session nothing.
    file = connected.run("%%tidb_pe query --to-parquet twins.parquet\nSELECT 1 AS a, 2 AS a")
    assert isinstance(file.error, errors.InvalidRequest)
    assert connected.must("%sql SELECT @x AS x").value["x"].tolist() == [5]


@pytest.mark.parametrize("sql", ["BEGIN", "ROLLBACK", "SET @x = 1", "USE test", "SELECT LAST_INSERT_ID()"])
def test_a_separate_call_refuses_session_statements(connected: Shell, sql: str) -> None:
    """`Runbook.query` refuses session statements, and names the cell and engine.begin() instead."""
    connected.ip.user_ns["runbook"] = connected.ip.magics_manager.registry["TidbPeMagics"].runbook
    refused = connected.run(f"runbook.query({sql!r})")
    assert isinstance(refused.error, errors.InvalidRequest)
    assert "Run it in a %%sql cell, or inside engine.begin()." in " ".join(refused.output.split())
