"""`%tidb_pe load` in a real IPython shell, and `tidb-pe load` in a system shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter

from tidb_pe_magic import errors, model
from tidb_pe_magic.notebook.completion import candidates

if TYPE_CHECKING:
    from notebook.conftest import Shell


@pytest.fixture(autouse=True)
def _delays(connected: Shell) -> None:
    """Add a frame of delays to the notebook's variables."""
    connected.ip.user_ns["delays"] = pd.DataFrame({"carrier": ["UA", "AA"], "delay": [3.5, None]})


def test_a_frame_becomes_a_table_and_comes_back(connected: Shell) -> None:
    """The CREATE TABLE comes before the result, and a repeat with a key changes nothing."""
    cell = connected.must("%tidb_pe load delays --table delays --keys carrier")
    assert isinstance(cell.value, model.LoadResult)
    shown = cell.output
    assert shown.index("PRIMARY KEY (`carrier`)") < shown.index("Loaded into nycflights13.delays over tidb")
    assert "\n  2 rows · " in shown
    assert "were updated" not in shown
    read = "%sql SELECT * FROM delays ORDER BY carrier DESC"
    pd.testing.assert_frame_equal(connected.must(read).value, connected.ip.user_ns["delays"])
    again = connected.must("%tidb_pe load delays --table delays --if-exists append --keys carrier")
    assert "Rows with an existing carrier were updated" in again.output
    pd.testing.assert_frame_equal(connected.must(read).value, connected.ip.user_ns["delays"])
    connected.must("%sql CREATE TABLE delays__load_0123abcd (a INT)")
    replaced = connected.must("%tidb_pe load delays --table delays --if-exists replace").output
    drop = "DROP TABLE `nycflights13`.`delays__load_0123abcd`"
    assert f"If no other load is running: {drop}" in replaced
    connected.must(f"%sql {drop}")
    assert connected.must("%sql SHOW TABLES LIKE 'delays%'").value.shape == (1, 1)


def test_the_statement_of_a_wide_frame_is_short(connected: Shell) -> None:
    """Of hundreds of columns the cell shows the first ones and the key, and the result has the statement."""
    wide = {f"c{number}": [number] for number in range(200)}
    connected.ip.user_ns["wide"] = pd.DataFrame(wide)
    cell = connected.must("%tidb_pe load wide --table wide --keys c199")
    assert "  `c48` BIGINT,\n  … and 151 more columns\n  PRIMARY KEY (`c199`)\n) DEFAULT" in cell.output
    assert "`c49`" not in cell.output
    assert "`c199` BIGINT NOT NULL," in cell.value.created


def test_a_refused_load_is_one_line(connected: Shell) -> None:
    """An unknown name, an existing table, a bad value and an open transaction each give one line."""
    for line, message in (
        ("delay --table x", "delay is neither a variable nor a file. Did you mean delays?"),
        ("missing.csv --table x", "missing.csv: No such file"),
        ("delays --table flights", "nycflights13.flights already exists"),
        ("delays --table flights --if-exists append", "has no such column"),
        (
            "delays --table flights --keys carrier",
            "Add new rows and update existing ones with --if-exists append",
        ),
        ("delays --table x --keys nope", "--keys: the frame has no column nope"),
        ("delays --table x --alias other", "connection other is not open; open: tidb."),
        ("delays", "--table: is missing"),
    ):
        cell = connected.run(f"%tidb_pe load {line}")
        assert isinstance(cell.error, errors.TidbPeError), line
        assert message in str(cell.error), line
    connected.must("%%tidb_pe query\nBEGIN")
    cell = connected.run("%tidb_pe load delays --table x")
    assert "COMMIT or ROLLBACK it first" in str(cell.error)
    connected.must("%%tidb_pe query\nROLLBACK")
    assert connected.must("%sql SHOW TABLES LIKE 'x%'").value.empty


@pytest.mark.parametrize(
    ("key", "frame", "advice"),
    [
        ("id INT PRIMARY KEY", {"id": [2, 1]}, "To update rows that have the same id, use --keys id."),
        (
            "ID INT, Day INT, UNIQUE KEY once (ID, Day)",
            {"id": [2, 1], "day": [1, 1]},
            "To update rows that have the same id, day, use --keys id,day.",
        ),
        (
            "id INT PRIMARY KEY",
            {"id": [2, 3, 2]},
            "The frame's rows 0 and 2 (counted from 0) have the same key (id). Keep one of them:",
        ),
        ("id INT PRIMARY KEY, day INT UNIQUE", {"id": [2, 1], "day": [3, 4]}, ""),
    ],
)
def test_a_duplicate_key_suggests_what_would_load_the_rows(
    connected: Shell, key: str, frame: dict[str, list[int]], advice: str
) -> None:
    """The error names --keys only if the load then works, or the two rows of the frame that have one key."""
    connected.must(f"%sql CREATE TABLE keyed ({key})")
    connected.must(f"%sql INSERT INTO keyed ({', '.join(frame)}) VALUES ({', '.join('1' * len(frame))})")
    connected.ip.user_ns["keyed"] = pd.DataFrame(frame)
    load = "%tidb_pe load keyed --table keyed --if-exists append"
    failed = connected.run(load)
    assert isinstance(failed.error, errors.LoadFailed)
    rows = len(connected.ip.user_ns["keyed"])
    assert f"0 of {rows} rows are committed in nycflights13.keyed: 1062: Duplicate entry" in str(failed.error)
    left = f"Frame rows that are not in the table: 0-{rows - 1}. {advice}".rstrip()
    assert left in str(failed.error)
    assert ("--keys" in str(failed.error)) == ("--keys" in advice)
    _, found, keys = advice.partition("--keys ")
    if found:
        connected.must(f"{load} --keys {keys.rstrip('.')}")
        counted = connected.must("%sql SELECT COUNT(*) AS n FROM keyed").value
        assert counted["n"].tolist() == [2]


def test_times_without_a_zone_are_refused_if_the_cells_have_a_time_zone(connected: Shell) -> None:
    """After SET time_zone, cells would show such times of a TIMESTAMP column shifted."""
    connected.must("%sql CREATE TABLE stamps (at TIMESTAMP NULL)")
    connected.ip.user_ns["stamps"] = pd.DataFrame({"at": pd.to_datetime(["2024-01-01 12:00:00"])})
    connected.must("%sql SET time_zone = '+08:00'")
    cell = connected.run("%tidb_pe load stamps --table stamps --if-exists append")
    assert "column at: times without a zone cannot go into a TIMESTAMP column" in str(cell.error)
    assert "SET time_zone = '+08:00'" in str(cell.error)
    assert connected.must("%sql SELECT * FROM stamps").value.empty
    connected.must("%sql SET time_zone = DEFAULT")
    connected.must("%tidb_pe load stamps --table stamps --if-exists append")


def test_a_document_that_a_json_column_would_change_is_refused(connected: Shell) -> None:
    """JSON columns keep float64 and 64-bit integers, and one value for each key."""
    connected.must("%sql CREATE TABLE documents (doc JSON)")
    for text, message in (
        ('{"a": 123456789012345678901}', "123456789012345678901 has more digits"),
        ("[1.00000000000000000001]", "1.00000000000000000001 has more digits"),
        ('{"b": 1e400}', "1e400 has more digits"),
        ('[{"a": 1, "a": 2}]', "the document has the key 'a' twice"),
        ("[NaN]", "is not valid JSON"),
    ):
        connected.ip.user_ns["documents"] = pd.DataFrame({"doc": ["[]", text]})
        cell = connected.run("%tidb_pe load documents --table documents --if-exists append")
        assert "column doc, row 1" in str(cell.error)
        assert message in str(cell.error)
    exact = '{"a": [18446744073709551615, -9223372036854775808, 0.1, 1.50, 1e3, 1e22]}'
    connected.ip.user_ns["documents"] = pd.DataFrame({"doc": [exact]})
    connected.must("%tidb_pe load documents --table documents --if-exists append")
    assert connected.must("%sql SELECT COUNT(*) AS n FROM documents").value["n"].tolist() == [1]


def test_the_cells_database_is_the_loads(connected: Shell) -> None:
    """USE in a cell counts, and the connection's own method loads as the command does."""
    connected.must("%sql CREATE DATABASE staging")
    connected.must("%sql USE staging")
    assert "staging.delays" in connected.must("%tidb_pe load delays --table delays").output
    result = connected.ip.user_ns["delays"]
    runbook = connected.ip.magics_manager.magics["line"]["tidb_pe"].__self__.runbook
    done = runbook.connection.load(result, "staging.copy", keys=["carrier"])
    assert (done.table, done.rows, done.created != "") == ("staging.copy", 2, True)
    assert runbook.load(result, "staging.copy", if_exists="append", keys=["carrier"]).created == ""


def test_an_index_without_a_name_is_reported(connected: Shell) -> None:
    """The note about an index that is not loaded shows the assignment that names all its levels."""
    levels = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    connected.ip.user_ns["indexed"] = pd.DataFrame({"v": [1, 2]}, index=levels)
    assert (
        "To load it: frame.index.names = […, …]" in connected.must("%tidb_pe load indexed --table i").output
    )


def test_names_of_frames_are_completed(connected: Shell) -> None:
    """Only variables that are frames are offered after `load`, and files in a shell."""
    connected.must("number, _hidden = 5, delays")
    line = "%tidb_pe load d"
    with provisionalcompleter():
        matches = [each.text for each in connected.ip.Completer.completions(line, len(line))]
    assert "delays" in matches
    found = candidates("%tidb_pe load ", variables=connected.ip.user_ns)
    assert found is not None
    assert "delays" in found[1]
    assert "--table" in found[1]
    assert "number" not in found[1]


def test_a_file_is_loaded_from_a_shell(connected: Shell, tmp_path: Path) -> None:
    """`tidb-pe load` uses the saved connection, and a refused load has exit code 2."""
    connected.must("%tidb_pe connect --database nycflights13 --save")
    connected.ip.user_ns["delays"].to_csv(tmp_path / "delays.csv", index=False)
    program = str(Path(sys.executable).with_name("tidb-pe"))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "load", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    done = run("delays.csv", "--table", "from_shell")
    assert (done.returncode, "2 rows" in done.stdout) == (0, True), done.stderr
    assert "CREATE TABLE" in done.stderr
    assert connected.must("%sql SELECT COUNT(*) AS n FROM from_shell").value["n"].tolist() == [2]
    again = run("delays.csv", "--table", "from_shell")
    assert (again.returncode, again.stdout) == (2, "")
    assert "from_shell already exists" in again.stderr
