"""Finds a statement's parameters: `?` by position, or `:name` by name. They are bound, never inserted."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tidb_pe_magic.database.frames.scalars import plain
from tidb_pe_magic.database.tokens import pieces
from tidb_pe_magic.errors import InvalidRequest

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from tidb_pe_magic.database.frames.scalars import Plain

_FIELD = "--params"
_ADVICE = """Use --params '{"name": value}' for each :name, or '[value]' for each ?."""

_CODE = r"""
    | (?P<marker> \? )
    | (?P<word> [\w$@.]+ )
    | (?P<assigned> := )
    | (?P<cast> :: )
    | : (?P<name> [^\W\d]\w* )
    | (?P<bracket> [()] )
    | (?P<comma> , )
    | (?P<other> [^\s] )
"""
# If a session treats backslashes as plain characters, the reader counts the markers again, and refuses.
_TOKEN = pieces(_CODE, escapes=True)
_PLAIN_TOKEN = pieces(_CODE, escapes=False)
# A query without rows for `x IN ()`, which SQL does not have. `x NOT IN` of it is true, as in Python.
_NOTHING = "SELECT NULL FROM (SELECT 1 AS one) AS empty_list WHERE FALSE"
_ONE_VALUE = (str, bytes, bytearray, memoryview, Mapping)
_TELLING = frozenset({"word", "bracket", "comma"})
_NAMES = frozenset({"word", "quoted", "cast"})
_QUERIES = frozenset({"SELECT", "WITH", "TABLE", "VALUES"})
_NO_VALUE = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


class _Parameter(NamedTuple):
    """One parameter position in the statement.

    Attributes:
        name: empty for a question mark.
        start: its first character.
        end: after its last character.
        before: the code before it, nearest first: one or two tokens.
        after: the token after it.
        excluded: it is in the list of a NOT IN.
    """

    name: str
    start: int
    end: int
    before: tuple[str, str]
    after: str
    excluded: bool


def bind(
    sql: str,
    params: Mapping[str, object] | Sequence[object] | None,
    *,
    backslash_escapes: Callable[[], bool] = lambda: True,
) -> tuple[str, tuple[object, ...]]:
    """Return the statement with `?` for each parameter, and the parameters in that order.

    A list, tuple, set, array or Series becomes as many parameters as it has values, in `IN (:ids)` or in any
    other list of the statement. An empty one becomes an empty list.

    Args:
        sql: the statement.
        params: names with values for each `:name`, or values for each `?`.
        backslash_escapes: returns whether a backslash in a string is an escape character; called only if
            there are parameters and a backslash.

    Raises:
        InvalidRequest: a parameter is missing, unused, or cannot be bound.
    """
    found = _parameters(sql, _TOKEN)
    if params is None:
        if found and _certain(sql):
            first = f":{found[0].name}" if found[0].name else "?"
            raise InvalidRequest(
                _FIELD, f"is missing: no value was given for {first} in the SQL.", advice=_ADVICE
            )
        return sql, ()
    if "\\" in sql and not backslash_escapes():
        found = _parameters(sql, _PLAIN_TOKEN)
    if isinstance(params, Mapping):
        return _fill(sql, found, _values(found, params))
    marks = [each for each in found if not each.name]
    if len(marks) != len(params):
        reason = f"question marks in the SQL: {len(marks)}; values given: {len(params)}."
        raise InvalidRequest(_FIELD, reason)
    return _fill(sql, marks, list(params))


def with_variables(
    sql: str,
    params: Mapping[str, object] | Sequence[object] | None,
    variables: Mapping[str, object],
) -> Mapping[str, object] | Sequence[object] | None:
    """Return the parameters, adding the notebook variable for each `:name` without a value.

    Args:
        sql: the statement.
        params: the given parameters, if any.
        variables: of the notebook.

    Raises:
        InvalidRequest: the variable does not exist, or is a module, a function or a class.
    """
    if params is not None and not isinstance(params, Mapping):
        return params
    found = _parameters(sql, _TOKEN)
    given = params or {}
    names = dict.fromkeys(each.name for each in found if each.name and each.name not in given)
    if not names or not _certain(sql):
        return params
    return {**given, **{name: _variable(name, variables) for name in names}}


def outer_words(sql: str) -> Iterator[str]:
    """Yield the statement's words outside of parentheses, quotes and comments, in upper case."""
    depth = 0
    for token in _TOKEN.finditer(sql):
        if token.lastgroup == "bracket":
            depth += 1 if token.group() == "(" else -1
        elif token.lastgroup == "word" and depth == 0:
            yield token.group().upper()


def _certain(sql: str) -> bool:
    """Return whether there are parameters if backslashes escape or not: one may see a string as code."""
    return "\\" not in sql or bool(_parameters(sql, _PLAIN_TOKEN))


def _parameters(sql: str, pattern: re.Pattern[str]) -> list[_Parameter]:
    """Return the parameters of a statement; colons of labels, casts and assignments are not parameters."""
    found: list[_Parameter] = []
    if ":" not in sql and "?" not in sql:
        return found
    before = further = ""
    lists: list[bool] = []  # for each open bracket, whether it is the list of a NOT IN
    name_end = -1  # a colon directly after a name belongs to the name: `again:LOOP` labels a loop
    open_ended = False
    for token in pattern.finditer(sql):
        kind = token.lastgroup
        if kind == "comment":
            continue
        # The text of a quoted token may be long, and does not matter here.
        text = token.group().upper() if kind in _TELLING else ""
        if open_ended:
            found[-1] = found[-1]._replace(after=text)
        open_ended = kind == "marker" or (kind == "name" and token.start() != name_end)
        after_not_in = (before, further) == ("IN", "NOT")
        if open_ended:
            name = token["name"] or ""
            excluded = after_not_in or (bool(lists) and lists[-1])
            found.append(_Parameter(name, token.start(), token.end(), (before, further), "", excluded))
        elif text == "(":
            lists.append(after_not_in)
        elif text == ")" and lists:
            lists.pop()
        elif text in _QUERIES and before == "(":
            lists[-1:] = [False]
        before, further = text, before
        name_end = token.end() if kind in _NAMES else -1
    return found


def _values(found: list[_Parameter], params: Mapping[str, object]) -> list[object]:
    if any(not each.name for each in found):
        raise InvalidRequest(_FIELD, "the SQL has question marks, which take a list of values, not names.")
    for each in found:
        if each.name not in params:
            raise InvalidRequest(_FIELD, f":{each.name} is in the SQL, but no value was given for it.")
    used = {each.name for each in found}
    if unused := [str(name) for name in params if name not in used]:
        raise InvalidRequest(_FIELD, f"{', '.join(unused)}: not found as :name in the SQL.")
    return [params[each.name] for each in found]


def _variable(name: str, variables: Mapping[str, object]) -> object:
    if name not in variables:
        raise InvalidRequest(
            f":{name}",
            f"the notebook has no variable {name}.",
            advice=f"Assign it in a cell before this one: {name} = …",
        )
    value = variables[name]
    if isinstance(value, _NO_VALUE):
        kind = "module" if isinstance(value, types.ModuleType) else "function or a class"
        raise InvalidRequest(f":{name}", f"the variable {name} is a {kind}.", advice="Use another name.")
    return value


def _fill(sql: str, found: list[_Parameter], values: list[object]) -> tuple[str, tuple[object, ...]]:
    """Return the statement with a question mark for each value of each parameter, and the values."""
    parts: list[str] = []
    bound: list[object] = []
    once: dict[int, list[object]] = {}  # an iterator can be read only once, and a name may occur twice
    last = 0
    for number, (each, value) in enumerate(zip(found, values, strict=True), 1):
        field, subject = (f":{each.name}", "") if each.name else (_FIELD, f"number {number}")
        marks = "?"
        if _is_collection(value):
            if id(value) not in once:
                once[id(value)] = _elements(value, field, subject)
            elements = once[id(value)]
            if not elements and isinstance(value, Iterator):
                reason = f"{subject} is a {type(value).__name__} without values, perhaps because it was read."
                raise InvalidRequest(field, reason.strip(), advice="Bind a list, which can be read again.")
            items = [_bindable(element, field, f"a value of {subject}".strip(" of")) for element in elements]
            marks = _marks(each, len(elements), field, subject)
        else:
            items = [_bindable(value, field, subject)]
        if each.excluded and None in items:
            _refuse_missing(value, items.count(None), field, subject)
        bound += items
        parts += (sql[last : each.start], marks)
        last = each.end
    return "".join((*parts, sql[last:])), tuple(bound)


def _is_collection(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, _ONE_VALUE) and _dimensions(value) != 0


def _dimensions(value: object) -> object:
    return getattr(value, "ndim", 1)


def _elements(value: Any, field: str, subject: str) -> list[object]:
    if _dimensions(value) != 1:
        kind = type(value).__name__
        raise InvalidRequest(
            field, f"{subject} is a {kind}, not a list of values.".strip(), advice="Bind one column of it."
        )
    return list(value)


def _refuse_missing(value: object, count: int, field: str, subject: str) -> None:
    if _is_collection(value):
        found = f"contains {count:,} missing value{'s' if count > 1 else ''}"
        advice = "Bind it without them; a Series has dropna()."
    else:
        found, advice = "has no value", "Leave it out of the list."
    reason = f"{subject} {found}, and NOT IN finds no row if its list contains a NULL.".strip()
    raise InvalidRequest(field, reason, advice=advice)


def _marks(place: _Parameter, count: int, field: str, subject: str) -> str:
    """Return the question marks for a list: `IN (:ids)`, `IN :ids`, or among the arguments of a function."""
    before, further = place.before
    marks = ", ".join("?" * count)
    if before == "IN":
        return f"({marks or _NOTHING})"
    listed = before in {"(", ","} and place.after in {")", ","}
    if listed and count:
        return marks
    if (further, before, place.after) == ("IN", "(", ")"):
        return _NOTHING
    if listed:
        reason, advice = "is empty, but only IN accepts an empty list.", ""
    else:
        reason = f"contains {count:,} values, but this place takes one."
        advice = f"Write IN ({field if place.name else '?'})."
    raise InvalidRequest(field, f"{subject} {reason}".strip(), advice=advice)


def _bindable(value: object, field: str, subject: str) -> Plain:
    if _is_collection(value) or isinstance(value, Mapping):
        reason = f"{subject} is a {type(value).__name__}; one parameter is one value.".strip()
        raise InvalidRequest(field, reason, advice="Bind a list of plain values, or one of them.")
    return plain(value, field, subject)
