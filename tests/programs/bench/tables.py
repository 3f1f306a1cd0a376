"""The tables for the readings, which the server itself creates."""

from __future__ import annotations

from typing import NamedTuple

_MD5 = "MD5(RAND())"


class Table(NamedTuple):
    """A table: its columns, the expression that fills a row for each `seq`, and the number of its rows."""

    name: str
    columns: str
    row: str
    rows: int

    def statements(self, rows: int) -> tuple[str, ...]:
        """Return the statements that create the table with this many rows."""
        return (
            f"CREATE OR REPLACE TABLE {self.name} ({self.columns}) ENGINE=InnoDB CHARACTER SET utf8mb4",
            f"INSERT INTO {self.name} SELECT {self.row} FROM seq_1_to_{rows}",
            f"ANALYZE TABLE {self.name}",
        )


def _some(value: str) -> str:
    """Return a value that is NULL in a tenth of the rows."""
    return f"IF(RAND() < 0.1, NULL, {value})"


def _text(shortest: int, longest: int) -> str:
    return f"LEFT(CONCAT({_MD5}, {_MD5}), {shortest} + FLOOR(RAND() * {longest - shortest + 1}))"


_DATE = "'2000-01-01' + INTERVAL FLOOR(RAND() * 9000) DAY"
_MOMENT = "'2000-01-01' + INTERVAL FLOOR(RAND() * 8e14) MICROSECOND"

NARROW = Table(
    "narrow",
    "id BIGINT NOT NULL, k INT NOT NULL, v DOUBLE NOT NULL",
    "seq, RAND() * 2e6 - 1e6, RAND() * 1e6",
    1_000_000,
)
# Three keys, two INTs, four DECIMALs, two DOUBLEs, five VARCHARs, two DATEs, two DATETIMEs; eight nullable.
_WIDE = (
    ("k1 BIGINT NOT NULL", "seq"),
    ("k2 INT NOT NULL", "seq MOD 1000"),
    ("k3 BIGINT NOT NULL", "seq * 7919"),
    ("i1 INT", _some("RAND() * 1e6")),
    ("i2 INT NOT NULL", "RAND() * 1e6"),
    ("d1 DECIMAL(15,2)", _some("RAND() * 1e6 - 5e5")),
    ("d2 DECIMAL(15,2) NOT NULL", "RAND() * 1e10"),
    ("d3 DECIMAL(15,2)", _some("RAND() * 1e4")),
    ("d4 DECIMAL(15,2) NOT NULL", "RAND() * 100"),
    ("f1 DOUBLE", _some("RAND()")),
    ("f2 DOUBLE NOT NULL", "RAND() * 1e5"),
    ("s1 VARCHAR(20) NOT NULL", _text(10, 20)),
    ("s2 VARCHAR(30)", _some(_text(15, 30))),
    ("s3 VARCHAR(40) NOT NULL", _text(20, 40)),
    ("s4 VARCHAR(50) NOT NULL", _text(25, 50)),
    ("s5 VARCHAR(60)", _some(_text(30, 60))),
    ("a1 DATE", _some(_DATE)),
    ("a2 DATE NOT NULL", _DATE),
    ("t1 DATETIME(6)", _some(_MOMENT)),
    ("t2 DATETIME(6) NOT NULL", _MOMENT),
)
WIDE = Table(
    "wide", ", ".join(column for column, _ in _WIDE), ", ".join(value for _, value in _WIDE), 300_000
)
TEXT = Table(
    "text",
    "id BIGINT NOT NULL, doc JSON NOT NULL, body VARCHAR(500) NOT NULL",
    f"""seq,
    CONCAT('{{"id": ', seq, ', "name": "', {_MD5}, '", "tags": ["', {_MD5}, '", "', {_MD5}, '"], "note": "é ',
      {_MD5}, ' ', LEFT({_MD5}, 20), '"}}'),
    LEFT(REPEAT(CONCAT({_MD5}, ' '), 16), 200 + RAND() * 300)""",
    200_000,
)
TABLES = (NARROW, WIDE, TEXT)
# With a key, so that the server can send the first rows without reading all of them.
GROWTH = NARROW._replace(name="growth", columns=f"{NARROW.columns}, PRIMARY KEY (id)", rows=3_000_000)
