"""Parameters by position and by name, in statements with anything in their quotes and comments."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.database.queries.placeholders import bind, outer_words
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _text(without: str, min_size: int = 0) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters=without, codec="utf-8"), min_size=min_size)


# Pieces of SQL in which nothing is a parameter, however much it looks like one.
INERT = st.one_of(
    _text("'\\").map("'{}'".format),
    _text("`", min_size=1).map("`{}`".format),
    _text("*/").map("/* {}*/".format),
    _text("\n").map("-- {}\n".format),
    st.sampled_from(("'it''s ?'", r"'\' :a ?'", '"? :a"', "@a := 1", "# ? :a\n", " SELECT ", " 1 + 2 ")),
)


@given(st.lists(INERT), st.data())
def test_names_are_found_where_code_is(pieces: list[str], data: st.DataObject) -> None:
    """Each :name outside of quotes and comments becomes one ?, and everything else stays as it is."""
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
    """With NO_BACKSLASH_ESCAPES a backslash ends no string's escape: what follows the quote is code."""
    sql = r"SELECT '\' AS a, ? AS b, 'c'" if isinstance(params, list) else r"SELECT '\' AS a, :b AS b, 'c'"
    assert bind(sql, params, backslash_escapes=lambda: False) == (r"SELECT '\' AS a, ? AS b, 'c'", bound)
    with pytest.raises(InvalidRequest):
        bind(sql, params, backslash_escapes=lambda: True)


@given(st.lists(INERT))
def test_a_statement_without_parameters_is_not_touched(pieces: list[str]) -> None:
    """In quotes and comments, question marks and colons are the server's business."""
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
    """Assignments, labels, times and paths, with no --params given."""
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
    """One line names it, and how a value is given."""
    with pytest.raises(InvalidRequest, match="--params: is missing") as caught:
        bind(sql, None)
    assert f"for {parameter} in" in str(caught.value)


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("SELECT :a", {}, ":a is in the SQL, and no value came for it"),
        ("SELECT :a", {"a": 1, "b": 2}, "b: no such :name"),
        ("SELECT ?, :a", {"a": 1}, "take a list"),
        ("SELECT ?", [], "has 1 question marks, and 0 values"),
        ("SELECT :a", {"a": [1, 2]}, "a is a collection"),
        ("SELECT ?", [{"x": 1}], "number 1 is a collection"),
        ("SELECT ?", [float("nan")], "number 1 is nan"),
        ("SELECT :a", {"a": Decimal("Infinity")}, "a is Infinity"),
        ("SELECT :a", {"a": "\ud83d"}, "a holds half of a character"),
    ],
)
def test_what_does_not_fit_is_refused(
    sql: str, params: Mapping[str, Any] | Sequence[Any], words: str
) -> None:
    """The message names the parameter and what is wrong with it."""
    with pytest.raises(InvalidRequest, match="--params") as caught:
        bind(sql, params)
    assert words in str(caught.value)


def test_words_within_brackets_and_quotes_are_not_the_statements_own() -> None:
    """Only the outermost words are told."""
    sql = "SELECT a FROM (SELECT b FROM t LIMIT 1) x WHERE c = 'LIMIT' -- LIMIT\n ORDER BY `limit`"
    assert list(outer_words(sql)) == ["SELECT", "A", "FROM", "X", "WHERE", "C", "ORDER", "BY"]
