"""What statements do to their session, determined from their tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.database.effects import effect_of, refuse_session_statement
from tidb_pe_magic.errors import InvalidRequest

SESSION_ONLY = [
    ("BEGIN", "BEGIN"),
    ("begin pessimistic", "BEGIN"),
    ("/* x */ START -- y\n TRANSACTION READ ONLY", "START TRANSACTION"),
    ("COMMIT AND CHAIN", "COMMIT"),
    ("ROLLBACK TO a", "ROLLBACK"),
    ("SAVEPOINT a", "SAVEPOINT"),
    ("SET time_zone = '+08:00'", "SET time_zone"),
    ("SET SESSION sql_mode = ''", "SET SESSION sql_mode"),
    ("SET @@sql_mode = ''", "SET @@sql_mode"),
    ("SET @@GLOBAL.a = f(1, 2), @@session.b = 2", "SET @@session.b"),
    ("SET @x = 5", "SET @x"),
    ("SET `a` = 5", "SET `a`"),
    ("SET NAMES utf8mb4", "SET NAMES"),
    ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "SET TRANSACTION"),
    ("/*!40101 SET @x = 1 */", "SET @x"),
    ("USE `my db`", "USE `my db`"),
    ("CREATE OR REPLACE TEMPORARY TABLE t (a INT)", "CREATE TEMPORARY"),
    ("LOCK TABLES t READ", "LOCK TABLES"),
    ("UNLOCK TABLES", "UNLOCK TABLES"),
    ("PREPARE s FROM 'SELECT 1'", "PREPARE"),
    ("SELECT a, b INTO @a, @b FROM t", "SELECT … INTO @variable"),
    ("SELECT get_lock('a', 1)", "GET_LOCK()"),
]
LASTING = [
    "SET GLOBAL max_connections = 10",
    "SET @@GLOBAL.max_connections = 10, PERSIST a = 1",
    "SET GLOBAL TRANSACTION READ ONLY",
    "SET PASSWORD = 'x'",
    "SET DEFAULT ROLE a TO b",
    "CREATE TABLE t (begin_at INT COMMENT 'SET @x = 1')",
    "CREATE GLOBAL TEMPORARY TABLE t (a INT) ON COMMIT DELETE ROWS",
    "BEGIN NOT ATOMIC SELECT 1; END",
    "LOCK STATS t",
    "INSERT INTO t VALUES ('BEGIN')",
    "SELECT @n := @n + 1",
    "SELECT * FROM t INTO OUTFILE 'x'",
    "SELECT `get_lock` FROM t",
    "CALL p(1)",
    "-- BEGIN\nSELECT 1",
    "",
]


@pytest.mark.parametrize(("sql", "words"), SESSION_ONLY)
def test_a_statement_that_only_changes_its_session_is_refused_by_its_words(sql: str, words: str) -> None:
    """A statement that only changes its session is refused, with the two places where it has an effect."""
    assert effect_of(sql).session_only == words
    with pytest.raises(InvalidRequest, match=r"%%sql cell, or inside engine\.begin") as refused:
        refuse_session_statement(sql)
    assert words in str(refused.value)
    assert not effect_of(sql).leaves_nothing


@pytest.mark.parametrize("sql", LASTING)
def test_a_statement_that_changes_more_is_carried_out(sql: str) -> None:
    """A statement that changes data, lasts on the server, or returns rows is allowed."""
    refuse_session_statement(sql)
    assert (effect_of(sql).session_only, effect_of(sql).about_past) == ("", False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT LAST_INSERT_ID()",
        "select row_count ( )",
        "SHOW COUNT(*) WARNINGS",
        "GET DIAGNOSTICS @n = NUMBER",
        "SELECT @@tidb_last_query_info",
        "SELECT @@session.warning_count",
    ],
)
def test_a_question_about_the_statement_before_needs_its_session(sql: str) -> None:
    """A question about the previous statement needs that statement's session."""
    assert effect_of(sql).about_past
    with pytest.raises(InvalidRequest, match="previous statement"):
        refuse_session_statement(sql)


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("SELECT @x", True),
        ("SET @y = @x", True),
        ("SET @y = f(1, @x)", True),
        ("SET @x = 5", False),
        ("SELECT 1 INTO @x", False),
        ("CREATE USER 'ann'@'%' IDENTIFIED BY 'x'", False),
        ("GRANT ALL ON *.* TO root@localhost, `b`@`c`", False),
        ("UPDATE s SET id = LAST_INSERT_ID(id + 1)", False),
        ("SELECT @@time_zone", False),
    ],
)
def test_reading_a_user_variable_differs_from_setting_one(sql: str, reads: bool) -> None:  # noqa: FBT001
    """Reading a user variable needs its session. Accounts, system variables and mere assignments do not."""
    assert effect_of(sql).reads_variables is reads


@pytest.mark.parametrize(
    ("sql", "setting"),
    [
        ("SET time_zone\n = '+08:00'; -- as at home", "SET time_zone = '+08:00'"),
        ("CREATE TEMPORARY TABLE t (a INT)", "CREATE TEMPORARY TABLE t (a INT)"),
        ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ ONLY"),
        ("SET autocommit = 0", ""),
        ("SET TRANSACTION READ ONLY", ""),
        ("SET GLOBAL a = 1", ""),
        ("BEGIN", ""),
        ("UNLOCK TABLES", ""),
        ("USE a", ""),
    ],
)
def test_lost_settings_fit_one_line(sql: str, setting: str) -> None:
    """A session's lost settings fit one line; transactions and USE are handled separately."""
    assert effect_of(sql).setting == setting


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from("'\"`"))
def test_no_text_in_quotes_or_comments_counts(text: str, quote: str) -> None:
    """Text in strings, quoted names and comments has no influence on a statement's effect."""
    quoted = text.replace("\\", "\\\\").replace(quote, quote * 2) if quote != "`" else text.replace("`", "``")
    comment = text.replace("*/", "")
    plain = effect_of("SELECT 'x' FROM t")
    assert effect_of(f"SELECT {quote}{quoted}{quote} FROM t") == plain
    assert effect_of(f"SELECT 'x' /* {comment} */ FROM t") == plain
    assert effect_of("SELECT 'x' FROM t -- " + " ".join(text.splitlines())) == plain


@given(st.text())
def test_any_text_has_an_effect(text: str) -> None:
    """Any typed text has an effect without an exception; the server reports syntax errors."""
    for escapes in (True, False):
        effect = effect_of(text, escapes=escapes)
        assert effect.verb == effect.verb.upper()
        assert "\n" not in effect.setting


def test_a_session_without_backslash_escapes_reads_strings_its_way() -> None:
    """With NO_BACKSLASH_ESCAPES a backslash does not escape the end of a string."""
    assert effect_of(r"SELECT '\', @x, '\'", escapes=False).reads_variables
    assert not effect_of(r"SELECT '\', @x, '\'", escapes=True).reads_variables
