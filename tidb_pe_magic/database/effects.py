"""The effect of a statement on its session, derived from its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tidb_pe_magic.database.tokens import tokens
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidb_pe_magic.database.tokens import Token

# Statements that do not change the session, unless they contain user variables or locks.
_READS = frozenset({"SELECT", "WITH", "TABLE", "VALUES", "SHOW", "EXPLAIN", "DESC", "DESCRIBE"})
_PLAIN = _READS | {"INSERT", "REPLACE", "UPDATE", "DELETE"}
# These begin, end or prepare something that only later statements of the same session can use.
_SESSION_VERBS = frozenset(
    {"COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "USE", "PREPARE", "DEALLOCATE", "HANDLER", "XA"}
)
_SESSION_PAIRS = frozenset(
    {
        ("START", "TRANSACTION"),
        ("LOCK", "TABLE"),
        ("LOCK", "TABLES"),
        ("LOCK", "INSTANCE"),
        ("UNLOCK", "TABLE"),
        ("UNLOCK", "TABLES"),
        ("UNLOCK", "INSTANCE"),
        ("CREATE", "TEMPORARY"),
        ("DROP", "TEMPORARY"),
        ("DROP", "PREPARE"),
    }
)
# Of these, closing the connection undoes the effect.
_UNDONE = frozenset({("CREATE", "TEMPORARY"), ("LOCK", "TABLE"), ("LOCK", "TABLES"), ("LOCK", "INSTANCE")})
# Words after SET that are not session variables: their effect is permanent, or for one statement.
_LASTING = frozenset({"PASSWORD", "DEFAULT", "CONFIG", "BINDING", "STATEMENT"})
_WIDER = frozenset({"GLOBAL", "PERSIST", "PERSIST_ONLY", "INSTANCE"})
_NARROW = frozenset({"SESSION", "LOCAL"})
# Functions and variables about the previous statement.
_PAST_FUNCTIONS = frozenset({"LAST_INSERT_ID", "ROW_COUNT", "FOUND_ROWS"})
_PAST_VARIABLES = frozenset(
    {"IDENTITY", "LAST_INSERT_ID", "WARNING_COUNT", "ERROR_COUNT"}
    | {"TIDB_LAST_QUERY_INFO", "TIDB_LAST_TXN_INFO", "TIDB_LAST_DDL_INFO", "LAST_PLAN_FROM_CACHE"}
    | {"LAST_PLAN_FROM_BINDING", "LAST_SQL_USE_ALLOC"}
)

# Of these, another SELECT does not change the answer if the previous statement had no warnings.
_LASTING_PAST = frozenset(
    {"LAST_INSERT_ID", "IDENTITY", "WARNINGS", "ERRORS", "WARNING_COUNT", "ERROR_COUNT"}
)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of a statement on its session, and what it needs from it.

    Attributes:
        verb: its first word, in upper case.
        session_only: its first words if it changes only the session; otherwise empty.
        setting: the statement on one line if a new connection would lack its effect.
        database: the database that USE selects; empty for any other statement.
        about_past: it asks about the previous statement.
        about_statement: another statement must not run before it: it asks for more than warnings or a key.
        reads_variables: it reads a user variable.
        leaves_nothing: it leaves the session unchanged.
    """

    verb: str = ""
    session_only: str = ""
    setting: str = ""
    database: str = ""
    about_past: bool = False
    about_statement: bool = False
    reads_variables: bool = False
    leaves_nothing: bool = False

    @property
    def reads_only(self) -> bool:
        """Whether it changes no data, judging by its first word."""
        return self.verb in _READS


def effect_of(sql: str, *, escapes: bool = True) -> Effect:
    """Return the effect of a statement on its session.

    Args:
        sql: one statement.
        escapes: a backslash in a string is an escape character, according to the session's sql_mode.
    """
    found = list(tokens(sql, escapes=escapes))
    while found and found[0].text == "(":
        del found[0]
    verb = found[0].word if found else ""
    pair = _pair(found)
    targets = _targets(verb, found)
    variables = any(token.kind == "variable" for token in found)
    locks = "GET_LOCK" in _calls(found)
    past = _asked_past(verb, pair, found)
    session_only = _first_words(verb, pair, found, locks=locks, targets=targets)
    return Effect(
        verb=verb,
        session_only=session_only,
        setting=_one_line(sql, found) if _is_lost(verb, pair, found, locks=locks, targets=targets) else "",
        database=_used_database(found) if verb == "USE" else "",
        about_past=bool(past),
        about_statement=not past <= _LASTING_PAST,
        reads_variables=any(token.kind == "variable" and token.start not in targets for token in found),
        leaves_nothing=verb in _PLAIN and not session_only and not variables,
    )


def time_zone_setting(settings: Sequence[str]) -> str:
    """Return the last of these statements that sets the time zone; empty if it is the server's own."""
    for setting in reversed(settings):
        for assignment in _assignments(list(tokens(setting))):
            words = [token.text.upper().rpartition("@@")[2].rpartition(".")[2] for token in assignment]
            if "TIME_ZONE" in words[:2] and not _is_wider(assignment):
                return "" if "DEFAULT" in words else setting
    return ""


def refuse_session_statement(statement: str) -> None:
    """Reject a statement that has no effect over a separate connection, whose session ends with it.

    Raises:
        InvalidRequest: the error says where the statement would have an effect.
    """
    effect = effect_of(statement)
    if effect.session_only:
        reason = f"{effect.session_only} only affects its session, and every call opens its own."
    elif effect.about_past:
        reason = "it asks about the previous statement of its session, and every call opens its own."
    else:
        return
    raise InvalidRequest("SQL", reason, advice="Run it in a %%sql cell, or inside engine.begin().")


def _pair(found: Sequence[Token]) -> tuple[str, str]:
    """Return the first two words, ignoring what can be between them."""
    words = [token.word for token in found[:4]] + [""] * 2
    if words[1:3] == ["OR", "REPLACE"]:
        del words[1:3]
    return words[0], words[1]


def _targets(verb: str, found: Sequence[Token]) -> frozenset[int]:
    """Return the positions of the user variables that SET or INTO assigns."""
    if verb == "SET":
        firsts = (assignment[0] for assignment in _assignments(found))
        return frozenset(first.start for first in firsts if first.kind == "variable")
    places, behind_into = set(), False
    for token in found:
        behind_into = token.word == "INTO" or (
            behind_into and (token.kind == "variable" or token.text == ",")
        )
        if behind_into and token.kind == "variable":
            places.add(token.start)
    return frozenset(places)


def _first_words(
    verb: str, pair: tuple[str, str], found: Sequence[Token], *, locks: bool, targets: frozenset[int]
) -> str:
    """Return the first words of a statement that changes only the session; otherwise an empty string."""
    second = found[1].text if len(found) > 1 else ""
    if verb == "SET":
        return _set_words(found)
    if verb == "BEGIN":
        return verb if pair[1] in {"", "WORK", "PESSIMISTIC", "OPTIMISTIC"} else ""
    if verb == "FLUSH":
        words = {token.word for token in found}
        return f"FLUSH {second}" if words >= {"READ", "LOCK"} or words >= {"FOR", "EXPORT"} else ""
    if pair in _SESSION_PAIRS:
        return " ".join(pair)
    if verb in _SESSION_VERBS:
        return f"{verb} {second}" if verb == "USE" else verb
    if locks:
        return "GET_LOCK()"
    if targets:
        return f"{verb} … INTO @variable"
    return "DO" if verb == "DO" and any(token.kind == "variable" for token in found) else ""


def _is_lost(
    verb: str, pair: tuple[str, str], found: Sequence[Token], *, locks: bool, targets: frozenset[int]
) -> bool:
    """Return whether a new connection would lack the statement's effect."""
    if verb == "SET":
        return any(
            not _is_wider(assignment) and not _is_transient(assignment) for assignment in _assignments(found)
        )
    return pair in _UNDONE or verb == "PREPARE" or locks or bool(targets)


def _set_words(found: Sequence[Token]) -> str:
    """Return SET and its assignments if any of them is for the session."""
    if len(found) > 1 and found[1].word in _LASTING:
        return ""
    for assignment in _assignments(found):
        if not _is_wider(assignment):
            scoped = assignment[0].word in _NARROW
            return " ".join(["SET", *(token.text for token in assignment[: 1 + scoped])])
    return ""


def _assignments(found: Sequence[Token]) -> list[list[Token]]:
    """Return the tokens of each assignment of a SET."""
    if len(found) > 1 and found[1].word in _LASTING:
        return []
    assignments: list[list[Token]] = [[]]
    depth = 0
    for token in found[1:]:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            assignments.append([])
        else:
            assignments[-1].append(token)
    return [assignment for assignment in assignments if assignment]


def _is_wider(assignment: Sequence[Token]) -> bool:
    """Return whether a variable is set for more than the session."""
    first = assignment[0]
    scope = first.text[2:].partition(".")[0].upper() if first.kind == "system" else first.word
    return scope in _WIDER


def _is_transient(assignment: Sequence[Token]) -> bool:
    """Return whether it sets the transaction mode, reported by the server or for one transaction."""
    words = [token.text.removeprefix("@@").upper() for token in assignment]
    if words[0] in _NARROW:
        # For all later transactions of the session.
        return words[1:2] == ["AUTOCOMMIT"]
    return words[0].rpartition(".")[2] in {"AUTOCOMMIT", "TRANSACTION"}


def _asked_past(verb: str, pair: tuple[str, str], found: Sequence[Token]) -> frozenset[str]:
    """Return the functions and variables about the previous statement."""
    if pair == ("GET", "DIAGNOSTICS") or {"GET", "DIAGNOSTICS"} <= {token.word for token in found[:3]}:
        return frozenset({"DIAGNOSTICS"})
    if verb == "SHOW" and (shown := {"WARNINGS", "ERRORS"} & {token.word for token in found}):
        return frozenset(shown)
    systems = (token.text[2:].rpartition(".")[2].upper() for token in found if token.kind == "system")
    # With an argument, LAST_INSERT_ID sets the value that it returns.
    functions = (
        token.word
        for place, token in enumerate(found)
        if [each.text for each in found[place + 1 : place + 3]] == ["(", ")"]
    )
    return frozenset(systems) & _PAST_VARIABLES | frozenset(functions) & _PAST_FUNCTIONS


def _calls(found: Sequence[Token]) -> set[str]:
    """Return the names of the functions that are called."""
    return {
        token.word for token, following in pairwise(found) if token.kind == "word" and following.text == "("
    }


def _used_database(found: Sequence[Token]) -> str:
    """Return the name of the database after USE."""
    if len(found) < 2:  # noqa: PLR2004 - USE and a name
        return ""
    text = found[1].text
    if found[1].kind != "quoted":
        return text
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def _one_line(sql: str, found: Iterable[Token]) -> str:
    """Return the statement without comments and its terminator, on one line."""
    text, end = "", 0
    for token in found:
        if token.text == ";":
            break
        text += (" " if text and token.start > end else "") + token.text
        end = token.start + len(token.text)
    return text or sql
