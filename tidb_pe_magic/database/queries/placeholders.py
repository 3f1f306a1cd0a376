"""Where a statement's parameters stand: `?` by position, or `:name` by name; they are bound, never pasted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tidb_pe_magic.database.tokens import pieces
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FIELD = "--params"
# JSON can write one half of what UTF-16 takes two for.
_HALF = re.compile(r"[\ud800-\udfff]")
_ADVICE = """Give --params '{"name": value}' for each :name, or '[value]' for each ?."""

_CODE = r"""
    | (?P<marker> \? )
    | (?P<word> [\w$@.]+ )
    | (?P<assigned> := )
    | : (?P<name> [A-Za-z_]\w* )
    | (?P<bracket> [()] )
"""
# Where a session takes backslashes for themselves, the reader counts the markers once more, and refuses.
_TOKEN = pieces(_CODE, escapes=True)
_PLAIN_TOKEN = pieces(_CODE, escapes=False)
# Behind a word a colon ends a label (a routine's `again: LOOP`), and behind another it is no parameter's.
_NO_PARAMETER = re.compile(r"[\w$:`]\Z")


def bind(
    sql: str,
    params: Mapping[str, object] | Sequence[object] | None,
    *,
    backslash_escapes: Callable[[], bool] = lambda: True,
) -> tuple[str, tuple[object, ...]]:
    """Return the statement with `?` in the place of each parameter, and the parameters in that order.

    Without parameters the statement stays as it is.

    Args:
        sql: the statement.
        params: its parameters.
        backslash_escapes: tells whether a backslash in a string escapes what follows it; it is asked only
            where there are parameters and a backslash.

    Raises:
        InvalidRequest: a parameter is missing, is not used, or cannot be bound.
    """
    if params is None:
        # In both readings of a backslash: what one takes for a string may be code in the other.
        unbound = _unbound(sql, _TOKEN)
        if unbound and _unbound(sql, _PLAIN_TOKEN):
            raise InvalidRequest(
                _FIELD, f"is missing: no value came for {unbound} in the SQL.", advice=_ADVICE
            )
        return sql, ()
    token = _TOKEN if "\\" not in sql or backslash_escapes() else _PLAIN_TOKEN
    if isinstance(params, Mapping):
        return _named(sql, params, token)
    values = tuple(params)
    markers = sum(each.lastgroup == "marker" for each in token.finditer(sql))
    if markers != len(values):
        raise InvalidRequest(_FIELD, f"the SQL has {markers} question marks, and {len(values)} values came.")
    return sql, tuple(_bindable(value, f"number {place}") for place, value in enumerate(values, 1))


def _unbound(sql: str, token: re.Pattern[str]) -> str:
    """Return the first parameter of the statement, as it is written; empty where it has none."""
    for each in token.finditer(sql):
        if each.lastgroup == "marker":
            return "?"
        if each["name"] and not _NO_PARAMETER.search(sql[max(0, each.start() - 1) : each.start()]):
            return each.group()
    return ""


def _named(
    sql: str, params: Mapping[str, object], pattern: re.Pattern[str]
) -> tuple[str, tuple[object, ...]]:
    pieces: list[str] = []
    values: list[object] = []
    used: set[str] = set()
    last = 0
    for token in pattern.finditer(sql):
        if token.lastgroup == "marker":
            raise InvalidRequest(
                _FIELD, "the SQL has question marks, which take a list of values, not names."
            )
        name = token["name"]
        if name is None:
            continue
        if name not in params:
            raise InvalidRequest(_FIELD, f":{name} is in the SQL, and no value came for it.")
        used.add(name)
        values.append(_bindable(params[name], name))
        pieces += (sql[last : token.start()], "?")
        last = token.end()
    unused = [str(name) for name in params if name not in used]
    if unused:
        raise InvalidRequest(_FIELD, f"{', '.join(unused)}: no such :name is in the SQL.")
    return "".join((*pieces, sql[last:])), tuple(values)


def _bindable(value: object, name: str) -> object:
    if isinstance(value, (list, tuple, set, frozenset, Mapping)):
        raise InvalidRequest(_FIELD, f"{name} is a collection; one parameter is one value.")
    if (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, Decimal) and not value.is_finite()
    ):
        raise InvalidRequest(_FIELD, f"{name} is {value}, which SQL has no value for.")
    if isinstance(value, str) and _HALF.search(value):
        raise InvalidRequest(_FIELD, f"{name} holds half of a character, which cannot be sent.")
    return value


def outer_words(sql: str) -> Iterator[str]:
    """Yield the statement's words outside of brackets, quotes and comments, in capitals."""
    depth = 0
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "bracket":
            depth += 1 if token.group() == "(" else -1
        elif token.lastgroup == "word" and depth == 0:
            yield token.group().upper()
