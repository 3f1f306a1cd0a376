"""`%%tidb_pe query`: the cell's body is the SQL, and `--into` a name of the notebook."""

from __future__ import annotations

import keyword
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.commands.parse import HELP_FLAGS, Command, Help, options_help, parse_options, words
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import QueryResult
from tidb_pe_magic.notebook.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.notebook.magics import Commands

QUERY = "query"
_CELL = "%%tidb_pe"
_INTO, _PARAMS = "--into", "--params"
_OWN = """\
of the cell alone:
  --into NAME                    keep the result under this name too; without it, it is only shown
  --params NAME                  a variable of the notebook in the place of JSON

example:
%%tidb_pe query --into delays --params '{"origin": "JFK"}'
SELECT carrier, dep_delay FROM flights WHERE origin = :origin"""


def needs_a_cell() -> InvalidRequest:
    """Say how a query is written."""
    return InvalidRequest(
        "query",
        "is a cell magic.",
        advice="Write %%tidb_pe query [OPTIONS] in the cell's first line, and the SQL below it.",
    )


def cell_help() -> str:
    """Return the help of the cell: its SQL is no option, and some options are only here."""
    return f"{options_help(OPERATIONS[QUERY], _CELL, ('sql',))}\n\n{_OWN}"


def run_cell(commands: Commands, line: str, cell: str) -> Any:
    """Run the cell's SQL, and return its data to be shown; `--into` keeps them under a name too.

    Raises:
        TidbPeError: the name is as it was.
    """
    name, *options = words(line) or [""]
    if name != QUERY:
        raise InvalidRequest(
            "command",
            "only query takes the cell's body.",
            advice=f"Write it in a line: %tidb_pe {name}".rstrip(),
        )
    into, options = _taken(options, _INTO)
    if into is not None and (not into.isidentifier() or keyword.iskeyword(into)):
        raise InvalidRequest(_INTO, "must be a name that Python can give, such as frame.")
    namespace: dict[str, Any] = commands.shell.user_ns  # type: ignore[union-attr]
    given: dict[str, Any] = {"sql": cell.strip(), **_variable(options, namespace)}
    command = parse_options(OPERATIONS[QUERY], options, prog=_CELL, given=given)
    if isinstance(command, Help):
        print(cell_help())  # noqa: T201
        return None
    result = _performed(commands, command)
    if into is not None:
        namespace[into] = result.data
    return result.data


def _performed(commands: Commands, command: Command) -> QueryResult:
    with closing(Progress(commands.shell)) as progress:
        result = commands.runbook.perform(QUERY, command.request, progress)
    if not isinstance(result, QueryResult):
        raise TypeError(type(result).__name__)
    return result


def _taken(options: list[str], flag: str) -> tuple[str | None, list[str]]:
    """Take a flag and its value out of the options: it is the magic's own."""
    value: str | None = None
    left: list[str] = []
    words_left = iter(options)
    for word in words_left:
        typed, equals, attached = word.partition("=")
        if typed != flag:
            left.append(word)
        elif value is not None:
            raise InvalidRequest(flag, "is given twice.")
        else:
            value = attached if equals else next(words_left, "")
    return value, left


def _variable(options: list[str], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters where `--params` names a variable of the notebook, which is then taken out."""
    typed, left = _taken(options, _PARAMS)
    if typed is None or HELP_FLAGS & set(left) or not typed.isidentifier():
        return {}
    if typed not in namespace:
        raise InvalidRequest(_PARAMS, "the notebook has no variable of this name.")
    options[:] = left
    return {"params": namespace[typed]}
