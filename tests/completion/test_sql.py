"""Completions of a half-typed statement, from the known names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases import for_each

from tidb_pe_magic.completion.sql import MOST, complete
from tidb_pe_magic.database.schema.names import SchemaNames

NAMES = SchemaNames(
    databases=("nycflights13", "test"),
    tables={"nycflights13": ("airlines", "airports", "flights"), "test": ("order", "Taxi")},
    columns={
        ("nycflights13", "flights"): {"carrier": "varchar(2)", "dep_delay": "int", "dest": "varchar(3)"},
        ("nycflights13", "airlines"): {"carrier": "varchar(2)", "name": "varchar(64)"},
        ("test", "order"): {"order id": "int", "who": "varchar(9)"},
    },
)


def offered(text: str, current: str = "nycflights13") -> list[str] | None:
    """Return the completions at the mark |, without keywords and functions."""
    cursor = text.index("|")
    found = complete(text.replace("|", "", 1), cursor, NAMES, current)
    return (
        None
        if found is None
        else [word.text for word in found.words if word.kind not in {"keyword", "function"}]
    )


@for_each(
    {
        text: (text, words)
        for text, words in {
            "SELECT | FROM airlines": ["carrier", "name", "airlines"],
            "SELECT d| FROM flights": ["dep_delay", "dest"],
            "SELECT D| FROM FLIGHTS": ["dep_delay", "dest"],
            "SELECT f.| FROM flights f, airlines AS a": ["carrier", "dep_delay", "dest"],
            "SELECT * FROM flights f JOIN airlines AS a ON f.carrier = a.|": ["carrier", "name"],
            "SELECT n.| FROM (SELECT 1) AS x, airlines n": ["carrier", "name"],
            "SELECT n.| FROM (flights CROSS JOIN airlines n)": ["carrier", "name"],
            "SELECT na| FROM airlines ORDER BY 1 DESC, dest": ["name"],
            "SELECT * FROM flights WHERE de|\nORDER BY 1": ["dep_delay", "dest"],
            "SELECT de|": ["dep_delay", "dest"],
            "SELECT * FROM |": ["airlines", "airports", "flights", "nycflights13", "test"],
            "SELECT * FROM flights, air|": ["airlines", "airports"],
            "SELECT * FROM test.|": ["`order`", "Taxi"],
            "SELECT nycflights13.airlines.n|": ["name"],
            "SELECT * FROM test.`or|": ["`order`"],
            "SELECT `or| FROM test.`order`": ["`order id`", "`order`"],
            "INSERT INTO test.`order` (w|": ["who"],
            "UPDATE flights SET de|": ["dep_delay", "dest"],
            "DELETE FROM fl|": ["flights"],
            "DROP TABLE IF EXISTS fl|": ["flights"],
            "DESC fl|": ["flights"],
            "USE |": ["nycflights13", "test"],
            "WITH late AS (SELECT 1) SELECT * FROM la|": ["late"],
            "SELECT * FROM (SELECT na| FROM airlines) AS x": ["name"],
            "SELECT 1; SELECT w| FROM test.order; SELECT * FROM flights": ["who"],
            "SELECT carrier -- the name\n, de| FROM flights": ["dep_delay", "dest"],
            "SELECT * FROM flights WHERE carrier = 'A|": None,
            "SELECT * FROM flights WHERE carrier = 'it''s d|": None,
            "-- SELECT d|": None,
            "SELECT 1 /* d| */ FROM flights": None,
        }.items()
    }
)
def test_names_are_offered_in_their_places(text: str, words: list[str] | None) -> None:
    """Databases, tables and the statement's columns are offered, but not in strings and comments."""
    found = offered(text)
    assert found == words


def test_names_that_need_it_are_quoted() -> None:
    """A name of two words or a reserved word is inserted in backticks, any other name unchanged."""
    assert offered("SELECT * FROM |", "test") == ["`order`", "Taxi", "nycflights13", "test"]
    assert offered("SELECT o| FROM test.order") == ["`order id`", "`order`"]


def test_keywords_are_offered_in_the_case_that_is_typed() -> None:
    """Keywords and functions come after names, in lower case if the typed word is."""
    found = complete("sel", 3, NAMES, "")
    assert found is not None
    assert [word.text for word in found.words] == ["select"]
    found = complete("SELECT COU", 10, NAMES, "")
    assert found is not None
    assert [word.text for word in found.words] == ["COUNT"]


def test_a_long_list_is_cut() -> None:
    """Of thousands of tables only as many are offered as a list can show, and quickly."""
    many = SchemaNames(("d",), {"d": tuple(f"t{number:05}" for number in range(10_000))})
    found = complete("SELECT * FROM t", 15, many, "d")
    assert found is not None
    assert len(found.words) == MOST
    found = complete("SELECT * FROM t0999", 19, many, "d")
    assert found is not None
    assert [word.text for word in found.words] == [f"t{number:05}" for number in range(9990, 10_000)]


@given(st.text(alphabet="abc`'\".,;()/*-#@ \nSELECTFROM=", max_size=60), st.integers(0, 60))
def test_no_text_is_too_odd(text: str, cursor: int) -> None:
    """Whatever is typed, each completion continues the word at the cursor."""
    place = min(cursor, len(text))
    found = complete(text, place, NAMES, "nycflights13")
    if found is not None:
        assert text[:place].endswith(found.typed)
        typed = found.typed.lstrip("`").lower()
        assert all(word.text.lstrip("`").lower().startswith(typed) for word in found.words)


@pytest.mark.parametrize("text", ["SELECT * FROM nycflights13.", "SELECT f. FROM flights f"])
def test_the_tables_of_a_statement_are_reported(text: str) -> None:
    """The tables of a statement are reported to code that loads columns on demand."""
    found = complete(text, text.index(".") + 1, NAMES, "nycflights13")
    assert found is not None
    assert found.tables == ([("nycflights13", "flights")] if "flights f" in text else [])
