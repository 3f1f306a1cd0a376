"""Parameters by position and by name, in statements with any text in their quotes and comments."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.database.queries.placeholders import bind, outer_words, with_variables
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _text(without: str, min_size: int = 0) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters=without, codec="utf-8"), min_size=min_size)


# Pieces of SQL without a parameter, although they look like one.
INERT = st.one_of(
    _text("'\\").map("'{}'".format),
    _text("`", min_size=1).map("`{}`".format),
    _text("*/").map("/* {}*/".format),
    _text("\n").map("-- {}\n".format),
    st.sampled_from(("'it''s ?'", r"'\' :a ?'", '"? :a"', "@a := 1", "# ? :a\n", " SELECT ", " 1 + 2 ")),
)


@given(st.lists(INERT), st.data())
def test_names_are_found_where_code_is(pieces: list[str], data: st.DataObject) -> None:
    """Each :name outside of quotes and comments becomes one ?, and the rest stays unchanged."""
    names = [data.draw(st.sampled_from("abc")) for _ in pieces]
    sql = "".join(f"{piece} :{name} " for piece, name in zip(pieces, names, strict=True))
    bound, values = bind(sql, {name: name.upper() for name in names})
    assert bound == "".join(f"{piece} ? " for piece in pieces)
    assert values == tuple(name.upper() for name in names)


@given(st.lists(INERT))
def test_marks_are_counted_where_code_is(pieces: list[str]) -> None:
    """A statement takes as many values as it has question marks outside of quotes and comments."""
    sql = " ? ".join(pieces)
    wanted = max(0, len(pieces) - 1)
    assert bind(sql, range(wanted)) == (sql, tuple(range(wanted)))
    with pytest.raises(InvalidRequest, match="question marks"):
        bind(sql, range(wanted + 1))


@pytest.mark.parametrize(("params", "bound"), [([5], (5,)), ({"b": 5}, (5,))])
def test_a_session_without_backslash_escapes(params: Any, bound: tuple[object, ...]) -> None:
    """With NO_BACKSLASH_ESCAPES a backslash does not escape a quote, so code follows the quote."""
    sql = r"SELECT '\' AS a, ? AS b, 'c'" if isinstance(params, list) else r"SELECT '\' AS a, :b AS b, 'c'"
    assert bind(sql, params, backslash_escapes=lambda: False) == (r"SELECT '\' AS a, ? AS b, 'c'", bound)
    with pytest.raises(InvalidRequest):
        bind(sql, params, backslash_escapes=lambda: True)


@given(st.lists(INERT))
def test_a_statement_without_parameters_is_not_touched(pieces: list[str]) -> None:
    """Without parameters, question marks and colons reach the server unchanged."""
    sql = " ".join(pieces)
    assert bind(sql, None) == (sql, ())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT @a := 1, @b:=2",
        "SELECT '12:30:00', TIME '10:11:12', doc->'$.a:b', doc->>\"$[0]?\" FROM t",
        "CREATE PROCEDURE p() again: LOOP LEAVE again; END LOOP",
        "CREATE PROCEDURE p() again:LOOP LEAVE again; END LOOP",
        "CREATE PROCEDURE p() `a b`:BEGIN END",
        "SELECT 1::int",
        "SELECT /*+ HASH_JOIN(t) */ 1 /* :a */ -- :b ?\n",
        "SELECT '\\', ':a'",  # a session with NO_BACKSLASH_ESCAPES has two strings here
        "SELECT '\\' :a'",  # and this has one in any other
    ],
)
def test_colons_that_mean_something_else_reach_the_server(sql: str) -> None:
    """Colons in assignments, labels, times and paths reach the server if --params is not given."""
    assert bind(sql, None) == (sql, ())


@pytest.mark.parametrize(
    ("sql", "parameter"),
    [
        ("SELECT :a", ":a"),
        ("SELECT * FROM t WHERE a=:carrier AND b > 1", ":carrier"),
        ("SELECT * FROM t WHERE x IN (:a,:b)", ":a"),
        ("SELECT @a := ?", "?"),
        ("SELECT 'it''s :quoted', :code", ":code"),
    ],
)
def test_a_parameter_without_values_is_refused_before_the_server(sql: str, parameter: str) -> None:
    """A parameter without a value is refused in one line that names it and shows how to give a value."""
    with pytest.raises(InvalidRequest, match="--params: is missing") as caught:
        bind(sql, None)
    assert f"for {parameter} in" in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("SELECT :a", {}, ":a is in the SQL, but no value was given for it"),
        ("SELECT :a", {"a": 1, "b": 2}, "b: not found as :name"),
        ("SELECT ?, :a", {"a": 1}, "take a list"),
        ("SELECT ?", [], "question marks in the SQL: 1; values given: 0"),
        ("SELECT :a", {"a": [1, 2]}, ":a: contains 2 values, but this place takes one. Write IN (:a)."),
        ("SELECT f(:a, 1)", {"a": []}, ":a: is empty, but only IN accepts an empty list."),
        ("SELECT 1 IN (:a)", {"a": [[1]]}, ":a: a value is a list; one parameter is one value."),
        ("SELECT 1 IN (:a)", {"a": pd.DataFrame({"b": [1]})}, ":a: is a DataFrame, not a list of values."),
        ("SELECT 1 IN (?)", [[1, -np.inf]], "--params: a value of number 1 is -inf"),
        ("SELECT ?", [{"x": 1}], "--params: number 1 is a dict"),
        ("SELECT ?", [float("inf")], "number 1 is inf, for which SQL has no value. Bind a finite number"),
        ("SELECT :a", {"a": Decimal("Infinity")}, ":a: is Infinity"),
        ("SELECT :a", {"a": "\ud83d"}, ":a: contains half of a surrogate pair"),
        ("SELECT :a", {"a": pd.Timestamp("2013-01-01", tz="UTC")}, ":a: has a time zone"),
        ("SELECT :a", {"a": np.timedelta64(1, "ns")}, ":a: is np.timedelta64(1,'ns'); SQL's times end"),
        ("SELECT :a", {"a": pd.Timestamp(1)}, "SQL's times end at microseconds. Round it"),
        ("SELECT :a", {"a": np.timedelta64(1, "M")}, "for which SQL has no value"),
        ("SELECT :a", {"a": dt.timedelta(hours=839)}, "SQL's TIME ends at 838:59:59"),
        ("SELECT :a", {"a": object()}, "of type object, for which SQL has no value"),
        ("SELECT :a", {"a": 10**65}, ":a: is 1.000e+65; SQL's numbers have up to 65 digits"),
        ("SELECT :a", {"a": Decimal("1e400")}, ":a: is 1.000e+400; SQL's numbers have up to 65 digits"),
        ("SELECT :a", {"a": Decimal("1e-31")}, ":a: is 1.000e-31; SQL's numbers have up to 65 digits"),
        ("SELECT :a", {"a": Decimal("1" * 60 + ".000001")}, "30 of them decimals"),
        ("SELECT :a", {"a": Fraction(1, 3)}, ":a: is Fraction(1, 3), which has more digits than"),
        ("SELECT :a", {"a": np.longdouble(1) + np.finfo(np.longdouble).eps}, "more digits than SQL's DOUBLE"),
    ],
)
def test_what_does_not_fit_is_refused(
    sql: str, params: Mapping[str, Any] | Sequence[Any], words: str
) -> None:
    """The message names the invalid parameter and the reason."""
    with pytest.raises(InvalidRequest) as caught:
        bind(sql, params)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (None, None),
        (pd.NA, None),
        (pd.NaT, None),
        (float("nan"), None),
        (np.float32("nan"), None),
        (Decimal("NaN"), None),
        (np.array(np.nan), None),
        (pa.scalar(float("nan")), None),
        (np.datetime64("NaT", "s"), None),
        (np.timedelta64("NaT", "s"), None),
        (np.True_, True),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(0.1), 0.10000000149011612),
        (np.str_("a"), "a"),
        (np.bytes_(b"a"), b"a"),
        (np.array(7), 7),
        (pa.scalar(Decimal("1.10")), Decimal("1.10")),
        (pa.scalar(None, pa.int64()), None),
        (pd.Timestamp("2013-01-01 10:00:00.000001"), dt.datetime.fromisoformat("2013-01-01 10:00:00.000001")),
        (np.datetime64("2013-01-01T10", "ns"), dt.datetime.fromisoformat("2013-01-01 10:00")),
        (np.datetime64("2013-01-01"), dt.date(2013, 1, 1)),
        (pd.Timedelta("-1h"), dt.timedelta(hours=-1)),
        (np.timedelta64(3600 * 10**9, "ns"), dt.timedelta(hours=1)),
        (np.timedelta64(1, "h"), dt.timedelta(hours=1)),
        (dt.time(1, 2, 3), dt.time(1, 2, 3)),
        (1 - 10**65, 1 - 10**65),
        (Decimal("1." + "0" * 40), Decimal(1)),
        (Decimal("0e-400"), Decimal(0)),
        (Fraction(1, 4), 0.25),
    ],
    ids=repr,
)
def test_scalars_of_numpy_and_pandas_are_bound_as_themselves(given: object, plain: object) -> None:
    """Each scalar of numpy and pandas is bound as the equal Python value; a missing value is NULL."""
    (value,) = bind("SELECT :a", {"a": given})[1]
    assert (type(value), value) == (type(plain), plain)


@pytest.mark.parametrize(
    "ids",
    [
        [1, 2],
        (1, 2),
        {1: 0, 2: 0}.keys(),
        np.array([1, 2]),
        pd.Series([1, 2]),
        pd.Index([1, 2]),
        pa.array([1, 2]),
    ],
    ids=lambda ids: type(ids).__name__,
)
@pytest.mark.parametrize("written", ["IN (:ids)", "IN :ids", "IN ( :ids /* so many */ )"])
def test_a_list_is_as_many_values(ids: object, written: str) -> None:
    """A list in IN becomes one question mark per value, with or without brackets; a name may repeat."""
    bound, values = bind(f"SELECT a {written} OR b NOT IN (0, :ids)", {"ids": ids})
    assert bound.count("?") == 4
    assert values == (1, 2, 1, 2)
    assert {type(value) for value in values} == {int}


def test_an_iterator_is_read_once() -> None:
    """A generator is read once, and its values are used at each occurrence of its name."""
    values = (number for number in (1, 2))
    assert bind("SELECT 1 IN (:ids), 2 IN (:ids)", {"ids": values})[1] == (1, 2, 1, 2)
    with pytest.raises(InvalidRequest, match=r":ids: is a generator without values, perhaps because it was"):
        bind("SELECT 1 IN (:ids)", {"ids": values})


@given(
    st.lists(st.integers(0, 9), max_size=5),
    st.sampled_from(["IN (:ids)", "IN :ids", "NOT IN (:ids)", "NOT IN :ids"]),
    st.integers(0, 9),
)
def test_in_means_what_it_means_in_python(ids: list[int], written: str, value: int) -> None:
    """As in Python, no value is in an empty list, and every value is not in it."""
    bound, values = bind(f"SELECT {value} {written}", {"ids": ids})
    with sqlite3.connect(":memory:") as connection:
        ((found,),) = connection.execute(bound, values).fetchall()
    connection.close()
    assert bool(found) == ((value in ids) != ("NOT" in written))


@pytest.mark.parametrize(
    "written", ["NOT IN (:ids)", "not in :ids", "NOT /* a */ IN (0, `b`, f(1), :ids, 2)"]
)
@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1, None], "contains 1 missing value, and NOT IN finds no row if its list contains a NULL. Bind it"),
        (pd.Series([1, np.nan, np.nan]), "contains 2 missing values, and NOT IN finds no row"),
        (pd.Series([pd.NaT]), "a Series has dropna()."),
    ],
    ids=["list", "series", "times"],
)
def test_a_missing_value_in_not_in_is_refused(written: str, ids: object, words: str) -> None:
    """A NULL in the list of NOT IN would find no row in silence, so the list is refused."""
    with pytest.raises(InvalidRequest) as caught:
        bind(f"SELECT a {written} FROM t", {"ids": ids})
    assert words in str(caught.value)


def test_a_missing_scalar_in_not_in_is_refused() -> None:
    """A single NULL among the values of NOT IN is refused too."""
    with pytest.raises(InvalidRequest, match=r":b: has no value, and NOT IN finds no row .* Leave it out of"):
        bind("SELECT 1 NOT IN (:a, :b)", {"a": 1, "b": None})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a IN (:ids) AND NOT f(:ids)",
        "SELECT NOT (a IN (:ids))",
        "SELECT a NOT IN (SELECT b FROM t WHERE b IN (:ids))",
        "SELECT a NOT IN (SELECT coalesce(1, :ids, 2) FROM t)",
        "SELECT a NOT IN (1, 2), (:ids)",
        "SELECT a NOT IN (f(:ids))",
    ],
)
def test_a_missing_value_elsewhere_is_null(sql: str) -> None:
    """Outside of NOT IN's own list, a missing value is bound as NULL."""
    assert bind(sql.replace("(:ids)", "(0, :ids)"), {"ids": [1, None]})[1][:2] == (1, None)


def test_variables_fill_missing_values() -> None:
    """Notebook variables fill only the names in the statement, and a given value has priority."""
    sql = "SELECT :a, :b, ':c', :a -- :d"
    variables = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    assert with_variables(sql, None, variables) == {"a": 1, "b": 2}
    assert with_variables(sql, {"b": 7}, variables) == {"b": 7, "a": 1}
    assert with_variables("SELECT '12:30', x->'$.a' -- :a", None, variables) is None
    assert with_variables("SELECT ?", [1], variables) == [1]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, ":origin: the notebook has no variable origin. Assign it in a cell before this one: origin = …"),
        ({"origin": math}, ":origin: the variable origin is a module."),
        ({"origin": print}, ":origin: the variable origin is a function or a class."),
    ],
)
def test_a_name_without_a_value_is_refused(variables: Mapping[str, object], words: str) -> None:
    """A name whose variable is not a value is refused in one line with the name and its type."""
    with pytest.raises(InvalidRequest) as caught:
        with_variables("SELECT :origin", None, variables)
    assert words in str(caught.value)


def test_words_within_brackets_and_quotes_are_not_the_statements_own() -> None:
    """Only the words outside brackets and quotes are returned."""
    sql = "SELECT a FROM (SELECT b FROM t LIMIT 1) x WHERE c = 'LIMIT' -- LIMIT\n ORDER BY `limit`"
    assert list(outer_words(sql)) == ["SELECT", "A", "FROM", "X", "WHERE", "C", "ORDER", "BY"]
