"""`%tidb_pe`: parse a line, perform the operation, and return its result for display."""

from __future__ import annotations

import keyword
import re
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.commands.parse import (
    HELP_FLAGS,
    Command,
    Help,
    help_for,
    options_help,
    parse,
    parse_options,
    without_verbose,
)
from tidb_pe_magic.commands.requests import FormRequest, LoadRequest, SandboxRequest
from tidb_pe_magic.commands.table import OPERATIONS, Skin
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import QueryResult
from tidb_pe_magic.notebook.cell_events import CellEvents
from tidb_pe_magic.notebook.form_command import FormCommand
from tidb_pe_magic.notebook.frames import frame_or_path
from tidb_pe_magic.notebook.progress import Progress
from tidb_pe_magic.notebook.sandbox_command import SandboxCommand
from tidb_pe_magic.runbook import Runbook
from tidb_pe_magic.runtime.context import usual_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell


QUERY = "query"
_CELL = "%%tidb_pe"
_INTO, _PARAMS = "--into", "--params"
# `--params` and its value, a shell word: quoted and unquoted parts without spaces between them.
_PARAMS_VALUE = re.compile(
    r"""(?<!\S)--params(?:=|\s+)(?:'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\])*""", re.DOTALL
)
_NAMED = re.compile(r"([^\W\d]\w*)|\$([^\W\d]\w*)|\{([^\W\d]\w*)\}")
_TEMPLATE = re.compile(r"\{\{\s*(?:(?P<name>[^\W\d]\w*)|[^{}]*[^\W\d{}][^{}]*?)\s*\}\}")
_OWN = """\
only in a notebook:
  --into NAME                    assign the result to this variable; default: only show it
  --params NAME                  a notebook variable instead of JSON

:name in the SQL is replaced with the notebook variable `name`; use a list with IN (:names).

as a cell:
%{}
SELECT carrier, dep_delay FROM flights WHERE origin = :origin""".format(
    Suggestion("query", "--into", "delays")
)


PROG = "%tidb_pe"
_NO_FRAME = 1_000_000


class Commands:
    """The commands of one shell's lines and cells, and their shared state."""

    def __init__(
        self,
        shell: InteractiveShell | None,
        frames: Callable[[], tuple[str, str]] = usual_frames,
        counts_units: Callable[[], bool] = lambda: True,
    ) -> None:
        """Create the runbook that all cells of this shell share.

        Args:
            shell: IPython's shell.
            frames: returns `dtypes` and `decimals` for the results of `%%sql`.
            counts_units: returns whether Request Units are looked up.
        """
        self.shell = shell
        self.events = CellEvents(shell)
        self.runbook = Runbook(
            shell=shell, cell_events=self.events.query, cell_frames=frames, counts_units=counts_units
        )
        self.sandbox = SandboxCommand(self.runbook)
        self.form = FormCommand(
            self.runbook, self.sandbox, widgets=getattr(shell, "kernel", None) is not None
        )

    def close(self) -> None:
        """Close the forms and connections, and restore the environment; a sandbox keeps running."""
        self.form.close()
        self.events.close()
        self.runbook.close()
        if self.sandbox.restore():
            print("This kernel's environment was restored to its values before the sandbox.")  # noqa: T201

    def cell(self, line: str, cell: str) -> Any:
        """Run `%%tidb_pe`; the line is as typed."""
        return run_cell(self, expand_line(line, self._expand), cell)

    def _expand(self, text: str) -> str:
        # A depth beyond the end of the stack expands only the notebook's variables, not this method's.
        return self.shell.var_expand(text, depth=_NO_FRAME) if self.shell else text  # type: ignore[no-untyped-call]

    def line(self, line: str) -> Any:
        """Run `%tidb_pe`."""
        # IPython leaves the semicolon, which hides the result, in the line.
        arguments = words(line.rstrip().removesuffix(";"))
        if arguments[:1] == [QUERY]:
            return _run_query(self, arguments[1:], {}, prog=PROG)
        verbose, arguments = without_verbose(arguments)
        command = parse(arguments, prog=PROG, skin=Skin.LINE)
        if isinstance(command, Help):
            print(command.text)  # noqa: T201
            return None
        if isinstance(command.request, SandboxRequest):
            print(self.sandbox.do(command.request))  # noqa: T201
            return None
        if isinstance(command.request, FormRequest):
            return self.form.do(command.request)
        if isinstance(command.request, LoadRequest):
            frame = frame_or_path(command.request.frame, self.shell.user_ns if self.shell else {})
            command = replace(command, request=replace(command.request, frame=frame))
        try:
            with closing(Progress(self.shell)) as progress:
                result = self.runbook.perform(command.operation.name, command.request, progress)
                if isinstance(command.request, LoadRequest):
                    progress.clear()
                return replace(result, verbose=True) if verbose else result
        except errors.FleetFailed as error:
            from IPython.display import display  # noqa: PLC0415 - if a cell fails, it is already imported

            display(error.fleet)  # type: ignore[no-untyped-call] # every row, before the one line of the error
            raise


def query_help(prog: str) -> str:
    """Return the help of `query`: some options exist only here, and in a cell the SQL is not an argument."""
    if prog == PROG:
        return f"{help_for(OPERATIONS[QUERY], PROG)}\n\n{_OWN}"
    return f"{options_help(OPERATIONS[QUERY], prog, ('sql',))}\n\n{_OWN}"


def run_cell(commands: Commands, line: str, cell: str) -> Any:
    """Run the cell's SQL, and return its data for display; None for a statement without a result.

    Raises:
        TidbPeError: no variable was changed.
    """
    name, *options = words(line) or [""]
    if name != QUERY:
        raise InvalidRequest(
            "command",
            "only `query` works as a cell magic.",
            advice=Advice(
                "Use a line instead of a cell.", *((Suggestion(name),) if name in OPERATIONS else ())
            ),
        )
    return _run_query(commands, options, {"sql": cell.strip()}, prog=_CELL)


def _run_query(commands: Commands, options: list[str], given: dict[str, Any], *, prog: str) -> Any:
    """Run a query, and return its data for display; `--into` also assigns them to a variable.

    Args:
        commands: the shell's commands.
        options: the options as typed.
        given: the SQL, if it is a cell's body.
        prog: the magic's name, as typed.

    Raises:
        TidbPeError: the variable was not changed.
    """
    into, options = _take_flag(options, _INTO)
    if into is not None and (not into.isidentifier() or keyword.iskeyword(into)):
        raise InvalidRequest(_INTO, "must be a valid Python variable name, such as frame.")
    namespace: dict[str, Any] = commands.shell.user_ns if commands.shell else {}
    given = given | _variable(options, namespace)
    command = parse_options(OPERATIONS[QUERY], options, prog=prog, given=given)
    if isinstance(command, Help):
        print(query_help(prog))  # noqa: T201
        return None
    refuse_templates(getattr(command.request, "sql", ""))
    result = _perform_query(commands, _with_variables(command, namespace))
    if into is not None:
        namespace[into] = result.data
    # A line says what a statement without a result did; beside it a frame would show "Empty DataFrame".
    return result.data if result.returned else None


def refuse_templates(sql: str) -> None:
    """Refuse `{{name}}`, which `%%sql` replaces but this cell would send to the server unchanged.

    Raises:
        InvalidRequest: the SQL contains it; the error shows the equivalent.
    """
    found = _TEMPLATE.search(sql)
    if found is None:
        return
    name = found["name"]
    advice = (
        f"Write :{name} instead, without quotes." if name else "Assign it to a variable, and write :name."
    )
    raise InvalidRequest("SQL", f"{found.group()} is not replaced in this cell.", advice=advice)


def _with_variables(command: Command, namespace: Mapping[str, Any]) -> Command:
    """Set each `:name` without a value to the notebook variable of that name."""
    from tidb_pe_magic.database.queries.placeholders import with_variables  # noqa: PLC0415 - slow to import

    request: Any = command.request
    params = with_variables(request.sql, request.params, namespace)
    return replace(command, request=replace(request, params=params))


def _perform_query(commands: Commands, command: Command) -> QueryResult:
    with commands.events.query() as on_event:
        result = commands.runbook.perform(QUERY, command.request, on_event, cell=True)
    if not isinstance(result, QueryResult):
        raise TypeError(type(result).__name__)
    return result


def _take_flag(options: list[str], flag: str) -> tuple[str | None, list[str]]:
    """Remove a flag of the magic, with its value, from the options, and return both."""
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
    """Return the parameters if `--params` names a notebook variable, and remove the option.

    The name may have IPython's form `$name` or `{name}`. A string variable contains JSON.
    """
    typed, left = _take_flag(options, _PARAMS)
    named = _NAMED.fullmatch(typed or "")
    if named is None or HELP_FLAGS & set(left):
        return {}
    name = named[1] or named[2] or named[3]
    if name not in namespace:
        raise InvalidRequest(_PARAMS, "the notebook has no variable of this name.")
    value = namespace[name]
    options[:] = [*left, f"{_PARAMS}={value}"] if isinstance(value, str) else left
    return {} if isinstance(value, str) else {"params": value}


def expand_line(line: str, expand: Callable[[str], str]) -> str:
    """Return the cell's first line, with `$name` and `{name}` expanded by IPython except in `--params`.

    Args:
        line: the text after the magic's name.
        expand: IPython's expansion.

    The value of `--params` stays as typed, because JSON contains braces.
    """
    found = _PARAMS_VALUE.search(line)
    if found is None:
        return expand(line)
    return expand(line[: found.start()]) + found.group() + expand(line[found.end() :])
