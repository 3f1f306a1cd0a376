"""`tidb-pe`: the operations as a console command, for scripts, cron and CI.

Results go to standard output, everything else to standard error. With --output json, an error is also written
to standard output as a JSON document. Exit codes: see `Exit`.
"""

from __future__ import annotations

import argparse
import codecs
import io
import json
import os
import sys
from contextlib import closing
from dataclasses import replace
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors, model
from tidb_pe_magic.advice import Advice, Suggestion, console
from tidb_pe_magic.commands.parse import VERBOSE, Command, Help, flags, parse, without_verbose
from tidb_pe_magic.commands.requests import QueryRequest, WhoamiRequest
from tidb_pe_magic.commands.table import Skin, available
from tidb_pe_magic.completion.shell import SHELLS, script
from tidb_pe_magic.credentials.prompt import Prompt, ask
from tidb_pe_magic.credentials.redaction import bug_error
from tidb_pe_magic.display import render
from tidb_pe_magic.display.as_json import plain, plain_error
from tidb_pe_magic.display.events import EventLines
from tidb_pe_magic.display.views.topics import spelled_topic
from tidb_pe_magic.files import decode_text
from tidb_pe_magic.runbook import Runbook

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from tidb_pe_magic.advice import Spelling

PROG = "tidb-pe"
_CLUSTERED = frozenset(
    name for name, operation in available(Skin.CONSOLE).items() if "--cluster" in flags(operation)
)
_COMPLETION, _QUERY = "completion", "query"
_OUTPUTS = ("table", "json")
_CSV = "csv"  # only for the rows of a query
_MOST_SHOWN = 1000  # rows; a printed table is read by a person
_JSON = _OUTPUTS[1]
_INPUT = "-"  # instead of a statement: standard input contains it
_FOOT = f"""
All commands take: --output {"|".join(_OUTPUTS)} (default: table), --profile NAME (ticloud profile), {VERBOSE}
query also takes --output {_CSV}. With csv or json it prints only the rows.
For a statement without a result, such as UPDATE, json is an object with its figures, such as "changed".
{PROG} {_COMPLETION} {"|".join(SHELLS)} prints a completion script; {PROG} --version prints the version.
Exit codes: 0 done, 1 another error, 2 usage, 3 not found, 4 permission or key, 5 cloud, 6 connection,
7 query, 130 interrupted. With --output json, errors are JSON documents too."""

_FOOT_OF_QUERY = f"""

only in a shell:
  -                               in place of SQL: read the statement from standard input; can be omitted
                                  after a pipe or < FILE
  --output table|json|csv         print the first {_MOST_SHOWN:,} rows as a table, or all rows as JSON or CSV;
                                  default: table
  --dtypes, --decimals            change only a file of --to-parquet: printed values are always exact
  --arrow, --engine dask          have no use in a shell

with the statement in a file:
{PROG} query @tidb --output csv < flights.sql"""


class Exit(IntEnum):
    """Exit codes of the command."""

    DONE = 0
    FAILED = 1
    """Another error: a missing package, an unusable journal, failed rows of a fleet, or a bug."""
    USAGE = 2
    """The command line or one of its values is invalid, or --yes is missing."""
    NOT_FOUND = 3
    """A cluster, an endpoint, a connection or another resource does not exist (yet)."""
    PERMISSION = 4
    """A key is missing or refused, or has no permission."""
    CLOUD = 5
    """A cloud refused the call or did not answer, the preflight stopped the command, or a wait timed out."""
    CONNECTION = 6
    """The SQL connection could not be opened."""
    QUERY = 7
    """The server refused the query or ended it."""
    INTERRUPTED = 130


# The first match decides.
_EXITS: tuple[tuple[tuple[type[errors.TidbPeError], ...], Exit], ...] = (
    ((errors.WaitCancelled, errors.QueryCancelled), Exit.INTERRUPTED),
    ((errors.NotFound, errors.StepOrderError, errors.UnknownName), Exit.NOT_FOUND),
    ((errors.PermissionDenied, errors.AuthenticationFailed, errors.MissingCredentials), Exit.PERMISSION),
    ((errors.ApiError, errors.NotEligible, errors.PreflightFailed, errors.WaitError), Exit.CLOUD),
    ((errors.ConnectionFailed,), Exit.CONNECTION),
    ((errors.QueryError,), Exit.QUERY),
    ((errors.InvalidRequest, errors.NotConfirmed), Exit.USAGE),
)


def exit_code(error: errors.TidbPeError) -> Exit:
    """Return the exit code for an expected error."""
    return next((code for classes, code in _EXITS if isinstance(error, classes)), Exit.FAILED)


def main(arguments: Sequence[str] | None = None, interrupt: threading.Event | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: the words after the program's name; default: this process's arguments.
        interrupt: set it to end a wait.
    """
    _open_streams()
    try:
        return _main(sys.argv[1:] if arguments is None else list(arguments), interrupt)
    except BrokenPipeError:
        # The reader closed the pipe; without this, Python would report it again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001 - shown without secrets, which the message can repeat
        bug = bug_error(error)
        print(bug.trace, end="", file=sys.stderr)  # noqa: T201 - the console is for it
        _print_error(str(bug))
        return Exit.FAILED
    except KeyboardInterrupt:
        _print_error("interrupted.")
        return Exit.INTERRUPTED


def _open_streams() -> None:
    """Open missing standard streams, and escape the characters that standard output cannot encode."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the parent process
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - to the end
    if isinstance(sys.stdout, io.TextIOWrapper) and not _takes_everything():
        sys.stdout.reconfigure(errors="backslashreplace")


def _takes_everything() -> bool:
    """Return whether standard output can encode every character."""
    return codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"


def _main(arguments: list[str], interrupt: threading.Event | None) -> int:
    output = _OUTPUTS[0]
    try:
        verbose, arguments = without_verbose(arguments)
        output, profile, words = _common(arguments)
        if words == ["--version"]:
            return _show(f"{PROG} {version('tidb_pe_magic')}")
        if words[:1] == [_COMPLETION]:
            return _show(_script(words[1:]))
        command = parse(
            words, prog=PROG, skin=Skin.CONSOLE, extra=(_COMPLETION,), defaults=_from_input(words)
        )
        if isinstance(command, Command):
            command = _of_console(command, output)
    except errors.InvalidRequest as error:
        return _report_failure(error, output, console)
    if isinstance(command, Help):
        foot = _FOOT_OF_QUERY if words[:1] == [_QUERY] else ""
        return _show(command.text + (foot if words[1:] else _FOOT))
    return _execute(command, output, profile, interrupt, verbose=verbose)


def _from_input(words: list[str]) -> dict[str, str]:
    """Return the statement of a query without one: standard input, unless a person would have to type it."""
    return {"sql": _INPUT} if words[:1] == [_QUERY] and not _at_a_terminal() else {}


def _of_console(command: Command, output: str) -> Command:
    """Return the command with its statement, and with its rows read in the form in which they are printed.

    Raises:
        InvalidRequest: the command has no rows for this output format, a console cannot show them, or
            standard input contains no statement.
    """
    request = command.request
    if not isinstance(request, QueryRequest):
        if output == _CSV:
            raise errors.InvalidRequest("--output", f"csv is only for query. Use {' or '.join(_OUTPUTS)}.")
        return command
    if request.engine == "dask":
        raise errors.InvalidRequest("--engine", "dask returns a DataFrame, which a console cannot show.")
    if request.sql == _INPUT:
        request = replace(request, sql=_read_statement())
        command = replace(command, request=request)
    if request.to_csv or request.to_parquet or request.explain or request.explain_analyze:
        return command
    return replace(command, request=replace(request, arrow=True))


def _read_statement() -> str:
    """Read the statement from standard input.

    Raises:
        InvalidRequest: it is empty, or not text.
    """
    field = QueryRequest.label("sql")
    if _at_a_terminal():
        _print_error("type the statement, and end it with Ctrl-D on a line of its own.")
    try:
        statement = decode_text(sys.stdin.buffer.read()).strip()
    except UnicodeError as error:
        raise errors.InvalidRequest(field, f"standard input cannot be read: {error}.") from None
    if not statement:
        raise errors.InvalidRequest(
            field,
            "is missing, and standard input is empty.",
            advice=Advice("Write it in quotes after the connection.", Suggestion(_QUERY, "-h")),
        )
    return statement


def _execute(
    command: Command, output: str, profile: str, interrupt: threading.Event | None, *, verbose: bool
) -> int:
    spelling = _spelling(getattr(command.request, "cluster", None) or "")
    with Runbook(prompt=Prompt(ask, _at_a_terminal), profile=profile, cancel=interrupt) as runbook:
        try:
            with closing(EventLines(sys.stderr, spelling)) as lines:
                result = runbook.perform(command.operation.name, command.request, lines.show)
        except errors.TidbPeError as error:
            if isinstance(error, errors.FleetFailed) and output != _JSON:
                _show_result(error.fleet, output, spelling)
            return _report_failure(error, output, spelling)
        _show_result(replace(result, verbose=verbose), output, spelling)
    if isinstance(result, model.Connection | model.RunReport):
        _print_error("the login works; the connection was closed when this command ended.")
    return Exit.DONE


def _common(arguments: list[str]) -> tuple[str, str, list[str]]:
    """Take `--output` and `--profile` out of the words, at any position.

    Raises:
        InvalidRequest: a value is missing or not one of the choices.
    """
    parser = argparse.ArgumentParser(prog=PROG, add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--output", default=_OUTPUTS[0], nargs="?", const="")
    parser.add_argument("--profile", nargs="?", const="")
    found, words = parser.parse_known_args(arguments)
    if found.profile == "":
        raise errors.InvalidRequest("--profile", "must be the name of a ticloud profile.")
    profile = WhoamiRequest.check_value("profile", found.profile) if found.profile else ""
    if found.output not in {*_OUTPUTS, _CSV}:
        raise errors.InvalidRequest("--output", f"must be one of {', '.join(_OUTPUTS)}.")
    return str(found.output), profile, words


def _script(words: list[str]) -> str:
    if len(words) != 1 or words[0] not in SHELLS:
        raise errors.InvalidRequest(_COMPLETION, f"takes one argument: {' or '.join(SHELLS)}.")
    return script(
        words[0],
        PROG,
        own={_COMPLETION: SHELLS},
        common=_own_flags,
    )


def _own_flags(operation: str) -> dict[str, tuple[str, ...]]:
    """Return the flags that every command takes, each with its choices; only query rows can be CSV."""
    outputs = (*_OUTPUTS, _CSV) if operation == _QUERY else _OUTPUTS
    return {"--output": outputs, "--profile": (), VERBOSE: ()}


def _at_a_terminal() -> bool:
    """Return whether a person can answer; evaluated late, as `_open_streams` can replace standard input."""
    return sys.stdin.isatty()


def _report_failure(error: errors.TidbPeError, output: str, spelling: Spelling) -> int:
    """Show the error, also as a JSON document if requested, and return the exit code."""
    code = exit_code(error)
    if output == _JSON:
        _show_json({"error": plain_error(error, spelling) | {"exit_code": int(code)}})
    _print_error(error.text(spelling))
    return code


def _show_json(document: object) -> None:
    _show(json.dumps(document, indent=2, ensure_ascii=not _takes_everything()))


def _show_result(result: model.Result, output: str, spelling: Spelling) -> None:
    if isinstance(result, model.HelpText):
        result = spelled_topic(result, spelling)
    if isinstance(result, model.QueryResult):
        _show_rows(result, output, spelling)
    elif output == _JSON:
        _show_json(plain(result, spelling))
    elif isinstance(result, model.Export) and not result.path:
        # Only the text, so that it can be redirected to a file.
        _print_error(render.without_block(result, spelling))
        _show(result.text)
    else:
        _show(render.text(result, spelling))


def _show_rows(result: model.QueryResult, output: str, spelling: Spelling) -> None:
    """Print the rows of a query to standard output, and notes to standard error.

    After an UPDATE or with --to-csv, a table and CSV are empty. An empty document would not be JSON, so it is
    an object with the figures of the result.
    """
    if result.data is None or not result.returned:
        if output == _JSON:
            _show_json(plain(result, spelling))
        return
    if isinstance(result.data, model.QueryPlan):
        if output == _CSV:
            _print_error("a query plan cannot be written as CSV. Use --output json.")
        _show_result(result.data, _OUTPUTS[0] if output == _CSV else output, spelling)
        return
    from tidb_pe_magic.database.queries import csv_file, json_rows  # noqa: PLC0415 - they need pyarrow

    if output == _CSV:
        sys.stdout.flush()
        csv_file.write_names(sys.stdout.buffer, result.data.column_names)
        csv_file.write_rows(sys.stdout.buffer, result.data)
        sys.stdout.buffer.flush()
    elif output == _JSON:
        _show("\n".join(json_rows.lines(result.data, ascii_only=not _takes_everything())))
    else:
        _show_table(result.data)


def _show_table(table: Any) -> None:
    from tidb_pe_magic.database.queries.texts import is_number, texts  # noqa: PLC0415 - they need pyarrow
    from tidb_pe_magic.display.rows import table_lines  # noqa: PLC0415 - only a query needs it

    rows: list[tuple[str | None, ...]] = []
    for batch in table.slice(0, _MOST_SHOWN).to_batches():
        rows += zip(*(texts(column).to_pylist() for column in batch.columns), strict=True)
    numbers = {place for place, kind in enumerate(table.schema.types) if is_number(kind)}
    _show("\n".join(table_lines(table.column_names, rows, numbers)))
    if table.num_rows > _MOST_SHOWN:
        shown = f"these are the first {_MOST_SHOWN:,} of {table.num_rows:,} rows."
        _print_error(f"{shown} Use --output csv to write all of them.")


def _spelling(cluster: str) -> Spelling:
    """Return how commands are written here: a shell does not remember the cluster of an earlier command."""

    def spell(suggestion: Suggestion) -> str:
        # A shell keeps no connection open, so only a saved one is of use to the next command.
        words = suggestion.words
        if suggestion.operation == "connect" and words[:1] == ("--alias",) and "--save" not in words:
            suggestion = Suggestion(suggestion.operation, *suggestion.words, "--save")
        named = {"--cluster", "--region"} & set(suggestion.words)
        if cluster and suggestion.operation in _CLUSTERED and not named:
            suggestion = Suggestion(suggestion.operation, *suggestion.words, "--cluster", cluster)
        return console(suggestion)

    return spell


def _print_error(text: str) -> None:
    print(f"{PROG}: {text}", file=sys.stderr)  # noqa: T201 - the console is for it


def _show(text: str) -> int:
    print(text)  # noqa: T201 - the console is for it
    sys.stdout.flush()
    return Exit.DONE
