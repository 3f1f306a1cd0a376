"""Statements in a list: short, on one line, and without possible secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.database.abbreviation import abbreviate

SECRET = "hunter2Zx"


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        (
            "SELECT  a,\n  b -- why\nFROM t WHERE c = 'x' AND d > 5",
            "SELECT a, b FROM t WHERE c = … AND d > 5",
        ),
        ("SELECT `a b` FROM t WHERE c IN (:ids)", "SELECT `a b` FROM t WHERE c IN (:ids)"),
        ("CREATE USER u IDENTIFIED WITH p AS 0x6869", "CREATE USER u IDENTIFIED …"),
        ("SET PASSWORD = 'x'", "SET PASSWORD …"),
        ("SELECT X'6869', 0x6869", "SELECT X…, …"),
        ("SELECT 'it\\'s', 2", "SELECT …"),
        ("SELECT 'C:\\dir', 2", "SELECT …, 2"),
        ("SELECT 'open", "SELECT …"),
        ("", "…"),
    ],
)
def test_a_statement_is_recognized_without_its_strings(sql: str, shown: str) -> None:
    """Names and numbers stay; strings and the words after a password clause are removed."""
    assert abbreviate(sql) == shown


@given(
    st.text(st.sampled_from("a '\"\\`-#/*\n"), max_size=12),
    st.sampled_from("'\""),
    st.text(st.sampled_from("a '\"\\`-#/*\n"), max_size=12),
)
def test_no_string_is_shown(before: str, quote: str, after: str) -> None:
    """The text of a string is hidden, whatever surrounds it and however the server reads a backslash."""
    for sql in (f"SELECT {quote}{SECRET}{quote}, {before}", f"SELECT {quote}{after}{SECRET}{quote}"):
        shown = abbreviate(sql)
        if sql.count(quote) == 2:
            assert SECRET not in shown
        assert "\n" not in shown


def test_a_long_statement_is_cut() -> None:
    """A long statement is cut to the width of a table's line."""
    shown = abbreviate("SELECT " + ", ".join(f"column_{number}" for number in range(100)))
    assert len(shown) < 130
    assert shown.endswith("…")
