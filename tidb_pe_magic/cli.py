"""`tidb-pe`: the operations as a console command, for scripts, cron and CI.

Results go to standard output, everything else to standard error. With --output json, an error is a JSON
document on standard output, too. Exit codes: see `Exit`.
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
from tidb_pe_magic.advice import Suggestion, console
from tidb_pe_magic.commands.parse import VERBOSE, Command, Help, flags, parse, without_verbose
from tidb_pe_magic.commands.requests import QueryRequest, WhoamiRequest
from tidb_pe_magic.commands.table import Skin, available
from tidb_pe_magic.completion.shell import SHELLS, script
from tidb_pe_magic.credentials.prompt import Prompt, ask
from tidb_pe_magic.credentials.redaction import unexpected
from tidb_pe_magic.display import render
from tidb_pe_magic.display.as_json import plain, plain_error
from tidb_pe_magic.display.events import EventLines
from tidb_pe_magic.display.views.topics import spelled_topic
from tidb_pe_magic.runbook import Runbook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidb_pe_magic.advice import Spelling

PROG = "tidb-pe"
_CLUSTERED = frozenset(
    name for name, operation in available(Skin.CONSOLE).items() if "--cluster" in flags(operation)
)
_COMPLETION = "completion"
_OUTPUTS = ("table", "json")
_CSV = "csv"  # of the rows of a query alone
_MOST_SHOWN = 1000  # rows of a table, which is for a person
_JSON = _OUTPUTS[1]
_FOOT = f"""
In every command: --output {"|".join(_OUTPUTS)}   (default: table), --profile NAME   (of ticloud's), {VERBOSE}
Of query also --output {_CSV}, which writes its rows alone, as json does.
{PROG} {_COMPLETION} {"|".join(SHELLS)} writes a completion script; {PROG} --version tells the version.
Exit codes: 0 done, 1 another error, 2 usage, 3 not found, 4 permission or key, 5 cloud, 6 connection,
7 query, 130 interrupted. With --output json, an error is a JSON document too."""


class Exit(IntEnum):
    """What the command tells the program that started it."""

    DONE = 0
    FAILED = 1
    """Another error: a missing package, an unusable journal, failed rows of a fleet, or a bug."""
    USAGE = 2
    """The command line, or a value in it, cannot be used, or --yes is missing."""
    NOT_FOUND = 3
    """A cluster, an endpoint, a connection or another resource does not exist, or not yet."""
    PERMISSION = 4
    """A key is missing or refused, or has no permission."""
    CLOUD = 5
    """A cloud refused or did not answer, the preflight stopped the command, or a wait timed out."""
    CONNECTION = 6
    """The SQL connection could not be opened."""
    QUERY = 7
    """The server refused or ended a query."""
    INTERRUPTED = 130


# The first that fits decides.
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
    """Return what an expected error tells the program that started this one."""
    return next((code for classes, code in _EXITS if isinstance(error, classes)), Exit.FAILED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one command, and return its exit code.

    Args:
        arguments: the words after the program's name; default: the process's own.
    """
    _mend_streams()
    try:
        return _main(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:
        # The reader has seen enough; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001 - shown without secrets, which the message can repeat
        bug = unexpected(error)
        print(bug.trace, end="", file=sys.stderr)  # noqa: T201 - the console is for it
        _tell(str(bug))
        return Exit.FAILED
    except KeyboardInterrupt:
        _tell("interrupted.")
        return Exit.INTERRUPTED


def _mend_streams() -> None:
    """Have every standard stream, and none that fails at a character: what was done has to be told."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started the program
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - to the end
    if isinstance(sys.stdout, io.TextIOWrapper) and not _takes_everything():
        sys.stdout.reconfigure(errors="backslashreplace")


def _takes_everything() -> bool:
    """Tell whether standard output takes every character."""
    return codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"


def _main(arguments: list[str]) -> int:
    output = _OUTPUTS[0]
    try:
        verbose, arguments = without_verbose(arguments)
        output, profile, words = _common(arguments)
        if words == ["--version"]:
            return _show(f"{PROG} {version('tidb_pe_magic')}")
        if words[:1] == [_COMPLETION]:
            return _show(_script(words[1:]))
        command = parse(words, prog=PROG, skin=Skin.CONSOLE, extra=(_COMPLETION,))
        if isinstance(command, Command):
            command = _of_console(command, output)
    except errors.InvalidRequest as error:
        return _failed(error, output, console)
    if isinstance(command, Help):
        return _show(command.text + (_FOOT if not words[1:] else ""))
    return _do(command, output, profile, verbose=verbose)


def _of_console(command: Command, output: str) -> Command:
    """Return the command, whose rows are read as they will be printed.

    Raises:
        InvalidRequest: there are no rows to print in this form, or none that a console can take.
    """
    request = command.request
    if not isinstance(request, QueryRequest):
        if output == _CSV:
            raise errors.InvalidRequest("--output", f"csv is only for query: {', '.join(_OUTPUTS)}.")
        return command
    if request.engine == "dask":
        raise errors.InvalidRequest("--engine", "dask returns a DataFrame, which a console cannot show.")
    if request.to_csv or request.to_parquet or request.explain or request.explain_analyze:
        return command
    return replace(command, request=replace(request, arrow=True))


def _do(command: Command, output: str, profile: str, *, verbose: bool) -> int:
    spelling = _spelling(getattr(command.request, "cluster", None) or "")
    with Runbook(prompt=Prompt(ask, _at_a_terminal), profile=profile) as runbook:
        try:
            with closing(EventLines(sys.stderr, spelling)) as lines:
                result = runbook.perform(command.operation.name, command.request, lines.show)
        except errors.TidbPeError as error:
            if isinstance(error, errors.FleetFailed) and output != _JSON:
                _show_result(error.fleet, output, spelling)
            return _failed(error, output, spelling)
        _show_result(replace(result, verbose=verbose), output, spelling)
    if isinstance(result, model.Connection | model.RunReport):
        _tell("the login works; the connection was closed when this command ended.")
    return Exit.DONE


def _common(arguments: list[str]) -> tuple[str, str, list[str]]:
    """Take `--output` and `--profile` out of the words, wherever they stand.

    Raises:
        InvalidRequest: a value is missing, or none of those that there are.
    """
    parser = argparse.ArgumentParser(prog=PROG, add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--output", default=_OUTPUTS[0], nargs="?", const="")
    parser.add_argument("--profile", nargs="?", const="")
    found, words = parser.parse_known_args(arguments)
    if found.profile == "":
        raise errors.InvalidRequest("--profile", "takes the name of a ticloud profile.")
    profile = WhoamiRequest.checked("profile", found.profile) if found.profile else ""
    if found.output not in {*_OUTPUTS, _CSV}:
        raise errors.InvalidRequest("--output", f"must be one of {', '.join(_OUTPUTS)}.")
    return str(found.output), profile, words


def _script(words: list[str]) -> str:
    if len(words) != 1 or words[0] not in SHELLS:
        raise errors.InvalidRequest(_COMPLETION, f"takes one word: {' or '.join(SHELLS)}.")
    return script(
        words[0],
        PROG,
        own={_COMPLETION: SHELLS},
        common=_own_flags,
    )


def _own_flags(operation: str) -> dict[str, tuple[str, ...]]:
    """Return the flags that every command takes, each with its words; only the rows of a query become CSV."""
    outputs = (*_OUTPUTS, _CSV) if operation == "query" else _OUTPUTS
    return {"--output": outputs, "--profile": (), VERBOSE: ()}


def _at_a_terminal() -> bool:
    """Tell whether there is a person to ask: standard input may be mended after this module's import."""
    return sys.stdin.isatty()


def _failed(error: errors.TidbPeError, output: str, spelling: Spelling) -> int:
    """Show the error, as a JSON document too where that was asked for, and return the exit code."""
    code = exit_code(error)
    if output == _JSON:
        _show_json({"error": plain_error(error, spelling) | {"exit_code": int(code)}})
    _tell(error.text(spelling))
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
        # The text alone, so that it can go to a file.
        _tell(render.beside(result, spelling))
        _show(result.text)
    else:
        _show(render.text(result, spelling))


def _show_rows(result: model.QueryResult, output: str, spelling: Spelling) -> None:
    """Write the rows that a query returned; what was read is told on standard error."""
    if result.data is None or not result.returned:
        return
    if isinstance(result.data, model.QueryPlan):
        if output == _CSV:
            _tell("a plan has no CSV form. Use --output json.")
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
        _tell(f"{shown} Use --output csv to write all of them.")


def _spelling(cluster: str) -> Spelling:
    """Return how commands are written here: no shell remembers the cluster that was named."""

    def spell(suggestion: Suggestion) -> str:
        named = {"--cluster", "--region"} & set(suggestion.words)
        if cluster and suggestion.operation in _CLUSTERED and not named:
            suggestion = Suggestion(suggestion.operation, *suggestion.words, "--cluster", cluster)
        return console(suggestion)

    return spell


def _tell(text: str) -> None:
    print(f"{PROG}: {text}", file=sys.stderr)  # noqa: T201 - the console is for it


def _show(text: str) -> int:
    print(text)  # noqa: T201 - the console is for it
    sys.stdout.flush()
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
