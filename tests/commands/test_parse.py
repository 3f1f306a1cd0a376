"""A typed line becomes a request, help, or a one-line error."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.commands import synonyms
from tidb_pe_magic.commands.overview import group_lines, overview
from tidb_pe_magic.commands.parse import Command, Help, flags, help_for, parse
from tidb_pe_magic.commands.requests import ConnectRequest, CreateRequest, DeleteRequest, ZoneChoice
from tidb_pe_magic.commands.table import FIRST_GROUPS, OPERATIONS, Operation, Skin, available
from tidb_pe_magic.commands.words import words
from tidb_pe_magic.credentials.secrets import PasswordSource
from tidb_pe_magic.errors import InvalidRequest

PROG = "%tidb_pe"
PASSWORD = "hunter2Zx"
LINES = available(Skin.LINE)
every_operation = pytest.mark.parametrize("operation", LINES.values(), ids=LINES)


def read(line: str) -> Command | Help:
    """Parse a line, and check that the parser neither prints nor exits."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            return parse(words(line), prog=PROG, skin=Skin.LINE, extra=("@file",))
        except SystemExit:
            pytest.fail(f"left the interpreter: {line!r}")
        finally:
            assert (out.getvalue(), err.getvalue()) == ("", "")


def refused(line: str) -> InvalidRequest:
    """Return the error for a line."""
    with pytest.raises(InvalidRequest) as caught:
        read(line)
    return caught.value


@pytest.mark.parametrize("line", ["", "   ", "-h", "--help", "-h connect", "--help whatever"])
def test_without_a_command_the_commands_are_listed(line: str) -> None:
    """An empty line and the help flags show the first groups; a topic lists each of the others."""
    shown = overview(PROG, Skin.LINE)
    assert read(line) == Help(shown)
    for name, operation in available(Skin.LINE, Skin.CELL).items():
        if operation.group in FIRST_GROUPS:
            assert re.search(rf"^  {name} +{re.escape(operation.summary)}$", shown, re.MULTILINE)
        else:
            assert re.search(rf"`%tidb_pe {name}[ `]", "".join(group_lines(operation.group)))
            assert f"{PROG} help {operation.group.topic}" in shown


def test_the_first_screen_answers_the_six_questions() -> None:
    """The first help screen fits a screen, starts with the three commands, and omits tutorial numbers."""
    shown = overview(PROG, Skin.LINE)
    lines = shown.splitlines()
    assert len(lines) <= 36
    assert [line.split()[:2] for line in lines[2:4]] == [[PROG, "sandbox"], [PROG, "run"]]
    for asked in ("cost?", "run again?", "Which cell", "Which tables", "stop paying?"):
        assert sum(asked in line for line in lines) == 1
    assert not re.search(r"\(\d\.\d", shown)


@every_operation
def test_the_help_of_a_command_names_each_value_that_an_argument_takes(operation: Operation) -> None:
    """The help lists every choice of every argument, and a wrong value is answered with all of them."""
    shown = help_for(operation, PROG)
    for name, described in operation.request.options().items():
        for choice in described.choices:
            assert re.search(rf"(?<![\w-]){re.escape(choice)}(?![\w-])", shown), (name, choice)
        if described.choices:
            with pytest.raises(InvalidRequest) as wrong:
                operation.request.check_value(name, "no-such-value")
            assert all(choice in str(wrong.value) for choice in described.choices)


@pytest.mark.parametrize("name", synonyms.COMMANDS)
def test_a_command_of_another_tool_leads_to_ours(name: str) -> None:
    """A command of another tool is unknown, and the error suggests existing commands."""
    assert name not in OPERATIONS
    error = refused(name)
    assert "Did you mean " in str(error)
    for command in error.commands:
        assert isinstance(command, Suggestion)
        assert command.operation == "sql" or Skin.LINE in OPERATIONS[command.operation].skins


@pytest.mark.parametrize("flag", synonyms.FLAGS)
def test_a_flag_of_another_tool_leads_to_ours(flag: str) -> None:
    """A flag of another tool leads to the matching flag of each operation; `--host` leads to the doctor."""
    meant = synonyms.FLAGS[flag]
    for operation in OPERATIONS.values():
        known = [each for each in meant if each in flags(operation)]
        if known and flag not in flags(operation) and Skin.LINE in operation.skins:
            line, _, body = operation.example.partition("\n")
            typed = f"{line} {shlex.quote(body)}" if body else line
            assert f"did you mean {known[0]}?" in str(refused(f"{typed} {flag} x"))
    assert refused("connect --host db").commands == (Suggestion("doctor", "--host", "HOST"),)


@every_operation
@pytest.mark.parametrize("flag", ["-h", "--help", "--nonsense -h", "-h --nonsense", "x y z -h"])
def test_every_operation_has_help(operation: Operation, flag: str) -> None:
    """Help names each flag and an example, even if the rest of the line is wrong."""
    found = read(f"{operation.name} {flag}")
    assert found == Help(help_for(operation, PROG))
    assert isinstance(found, Help)
    for typed, described in flags(operation).items():
        assert typed in found.text
        assert described.help.split()[0] in found.text
    assert f"{PROG} {operation.example}" in found.text


@every_operation
def test_help_lists_every_value_that_an_argument_takes(operation: Operation) -> None:
    """Help lists each value unbroken, whatever hyphens it has, and errors list the same values."""
    shown = re.split(r"[\s,;|]+", help_for(operation, PROG))
    for name, described in operation.request.options().items():
        assert set(described.choices) <= set(shown)
        if described.choices:
            with pytest.raises(InvalidRequest, match=re.escape(", ".join(described.choices))):
                operation.request.check_value(name, "none-of-these-values")


def test_help_has_no_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help is plain text even if the environment requests colors, which argparse has since Python 3.14."""
    operation, plain = OPERATIONS["create"], argparse.ArgumentParser.format_help

    def colored(parser: Any) -> str:
        return f"\x1b[1m{plain(parser)}" if parser.color else plain(parser)

    monkeypatch.setenv("FORCE_COLOR", "1")
    if sys.version_info < (3, 14):
        monkeypatch.setattr(argparse.ArgumentParser, "color", True, raising=False)
        monkeypatch.setattr(argparse.ArgumentParser, "format_help", colored)
    assert "\x1b" not in help_for(operation, PROG)


@every_operation
def test_the_example_of_every_operation_can_be_typed(operation: Operation) -> None:
    """The example in the help is a valid line of that operation."""
    found = read(operation.example)
    assert isinstance(found, Command)
    assert found.operation is operation
    assert type(found.request) is operation.request


@every_operation
def test_every_flag_of_an_operation_is_known_to_its_parser(operation: Operation) -> None:
    """A flag with a value takes exactly one word and is refused without it."""
    for typed, described in flags(operation).items():
        needed = {
            "delete": " ep-1",
            "cluster": " demo",
            "run": " demo",
            "query": " 'SELECT 1'",
            "sql-user": " list",
            "export": " terraform",
            "fleet": " plan fleet.toml",
        }.get(operation.name, "")
        if described.metavar:
            assert refused(f"{operation.name}{needed} {typed}").field == typed
        else:
            assert isinstance(read(f"{operation.name}{needed} {typed}"), Command)


def test_options_become_the_request() -> None:
    """Repeated flags, values with an equals sign, and quotes are read as a shell reads them."""
    found = read(
        "create --cluster 'my cluster' --vpc=vpc-1 --security-group sg-1 --security-group=sg-2 "
        '--zone ap-southeast-1a=vsw-1 --zone "ap-southeast-1b"'
    )
    assert isinstance(found, Command)
    assert found.request == CreateRequest(
        cluster="my cluster",
        vpc="vpc-1",
        security_group=("sg-1", "sg-2"),
        zone=(ZoneChoice("ap-southeast-1a", "vsw-1"), ZoneChoice("ap-southeast-1b")),
    )


def test_ids_are_separated_by_commas_too() -> None:
    """One text with commas is several IDs, and so is a list whose elements contain commas."""
    found = read("create --security-group sg-1,sg-2 --zone 'ap-southeast-1a=vsw-1, ap-southeast-1b'")
    assert isinstance(found, Command)
    assert found.request == CreateRequest(
        security_group=("sg-1", "sg-2"),
        zone=(ZoneChoice("ap-southeast-1a", "vsw-1"), ZoneChoice("ap-southeast-1b")),
    )
    assert CreateRequest.of(security_group=["sg-1,sg-2"]).security_group == ("sg-1", "sg-2")
    for typed in ("sg-1,", ",", "sg-1,,sg-2", "sg-1,sg-1"):
        assert refused(f"create --security-group {typed}").field == "--security-group"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("verify   # can this account reach it?", ["verify"]),
        ("verify # don't", ["verify"]),
        ("# nothing else", []),
        ("cluster a#b", ["cluster", "a#b"]),
        ("cluster '#1'", ["cluster", "#1"]),
        ("cluster 'a # b' #c", ["cluster", "a # b"]),
        ("cluster a\\ b ''", ["cluster", "a b", ""]),
    ],
)
def test_a_line_may_end_with_a_comment(line: str, expected: list[str]) -> None:
    """A word that starts with # starts a comment, as in a shell, except in quotes or within a word."""
    assert words(line) == expected


def test_flags_may_come_before_and_after_the_argument() -> None:
    """The order of flags and arguments does not matter."""
    expected = DeleteRequest(endpoint="ep-1", yes=True, cluster="demo")
    for line in ("delete ep-1 --yes --cluster demo", "delete --yes --cluster demo ep-1"):
        found = read(line)
        assert isinstance(found, Command)
        assert found.request == expected


def test_a_password_source_is_read() -> None:
    """The source in --password-from keyring:SERVICE keeps the spaces of the service."""
    found = read("connect --password-from 'keyring:my service' --tls off")
    assert isinstance(found, Command)
    assert found.request == ConnectRequest(password_from=PasswordSource("keyring", "my service"), tls="off")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("craete", "create"),
        ("cluser", "cluster"),
        ("conect", "connect"),
        ("sandbix", "sandbox"),
        ("STATUS", None),
    ],
)
def test_an_unknown_command_names_the_closest(typed: str, meant: str | None) -> None:
    """A misspelled command gets the closest one as a suggestion, including a skin's own commands."""
    error = refused(typed)
    assert error.field == "command"
    assert str(error).startswith("unknown command." + (f" Did you mean {meant}?" if meant else ""))
    assert error.commands == ((Suggestion(meant, "-h") if meant else Suggestion("-h")),)


@pytest.mark.parametrize(
    ("line", "flag", "meant"),
    [
        ("create --securty-group sg-1", "--securty-group", "--security-group"),
        ("create --zones all", "--zones", "--zone"),
        ("connect --databse=test", "--databse", "--database"),
        ("wait --time-out 3", "--time-out", "--timeout"),
        ("connect --password-form prompt", "--password-form", "--password-from"),
        ("connect --clus demo", "--clus", "--cluster"),
    ],
)
def test_an_unknown_flag_names_the_closest(line: str, flag: str, meant: str) -> None:
    """An abbreviated or misspelled flag gets the closest flag as a suggestion."""
    error = refused(line)
    assert error.field == flag
    assert f"did you mean {meant}?" in str(error)
    assert error.commands == (Suggestion(line.split(maxsplit=1)[0], "-h"),)


def test_a_flag_like_no_other_is_unknown() -> None:
    """For a flag without a close match the error names the operation."""
    assert "verify has no such flag" in str(refused("verify --quux"))


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("cluster", "NAME_OR_ID"),
        ("run", "NAME_OR_ID"),
        ("delete --yes", "ENDPOINT_ID"),
        ("cluster ''", "NAME_OR_ID"),
        ("delete nonsense", "ENDPOINT_ID"),
        ("cluster one two", "arguments"),
        ("verify demo", "arguments"),
        ("delete ep-1 --yes=1", "--yes"),
        ("wait --timeout 0", "--timeout"),
        ("create --vpc", "--vpc"),
        ("connect --tls none", "--tls"),
        ("clusters --help=x", "--help"),
    ],
)
def test_wrong_input_names_its_field(line: str, field: str) -> None:
    """Missing, extra or invalid input is named as the user types it."""
    assert refused(line).field == field


@pytest.mark.parametrize("line", ["cluster 'demo", 'cluster "demo', "cluster demo\\"])
def test_a_quote_that_is_not_closed_is_wrong_input(line: str) -> None:
    """Unbalanced quotes and a final backslash give one line, without the typed text."""
    error = refused(line)
    assert error.field == "quotes"
    assert "demo" not in str(error)


password_flags = st.sampled_from(
    ["--password", "--Password", "-password", "--passwd", "--pwd", "--pw", "--secret", "--sql-password"]
)


@given(
    password_flags, st.sampled_from([" ", "="]), st.sampled_from(["connect", "run demo", "wait", "clusters"])
)
def test_a_password_flag_is_refused_with_what_to_do_instead(flag: str, join: str, command: str) -> None:
    """A password flag is refused, and the error lists the sources for a password."""
    error = refused(f"{command} {flag}{join}{PASSWORD}")
    assert "the notebook would save the password" in str(error)
    assert "TIDB_PASSWORD" in error.advice
    assert PASSWORD not in f"{error} {error!r} {error.__cause__!r}"


passwords = st.one_of(
    st.text(min_size=1),
    st.text(st.sampled_from("-=:'\"\\ ab1$")),
).map(lambda text: f"{PASSWORD}{text}")
password_words = st.one_of(
    st.tuples(password_flags | st.just("-p") | st.just("--password-from"), passwords).map(list),
    st.tuples(password_flags | st.just("-p") | st.just("--password-from"), passwords)
    .map("=".join)
    .map(lambda w: [w]),
    passwords.map(lambda password: [f"-p{password}"]),
)
other_words = st.lists(
    st.sampled_from(
        ["connect", "run", "demo", "--user", "p.root", "--tls", "off", "--yes", "--", "-", "--vpc=vpc-1"]
    ),
    max_size=4,
)


@given(other_words, password_words, other_words)
def test_a_password_that_is_typed_is_not_repeated(
    before: list[str], typed: list[str], after: list[str]
) -> None:
    """Wherever a password flag is, and however its value is joined to it, the error omits the value."""
    for first in ([], ["connect"], ["run", "demo"]):
        line = shlex.join([*first, *before, *typed, *after])
        try:
            read(line)
        except InvalidRequest as error:
            assert PASSWORD not in f"{error} {error!r} {error.field} {error.reason} {error.advice}"  # noqa: PT017


odd_flags = ["-h", "--help", "-hh", "-hx", "-x", "-", "--", "--=", "-=", "--vpc", "--zone", "--yes"]
odd_words = [
    "--tls",
    "--tls=off",
    "--timeout",
    "5",
    "demo",
    "ep-1",
    "vpc-1",
    "'",
    '"',
    "\\",
    "%s",
    "%(prog)s",
]
pieces = st.sampled_from([*OPERATIONS, "sandbox", "@file", *odd_flags, *odd_words])
lines = st.one_of(
    st.text(),
    st.lists(pieces | st.text(max_size=6), max_size=6).map(" ".join),
    st.tuples(st.sampled_from(sorted(OPERATIONS)), pieces | st.text(), pieces | st.text()).map(" ".join),
)


@given(lines)
def test_any_line_is_a_command_help_or_wrong_input(line: str) -> None:
    """Every line gives a command, help or invalid input, without another exception, an exit or a print."""
    try:
        found = read(line)
    except InvalidRequest as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(found, Command | Help)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cluster demo  # it's mine", ["cluster", "demo"]),
        ("# only a comment", []),
        ("connect --password-from file:a#b", ["connect", "--password-from", "file:a#b"]),
        ("cluster 'two words' \"it's\"", ["cluster", "two words", "it's"]),
    ],
)
def test_a_comment_ends_the_line(line: str, expected: list[str]) -> None:
    """A word that starts with # ends the line; a # inside a word is part of the word."""
    assert words(line) == expected


@given(st.lists(st.text(max_size=8) | st.text(st.sampled_from("\\'\" C:#a$"), max_size=8), max_size=5))
def test_words_quoted_for_a_shell_come_back(texts: list[str]) -> None:
    """Words quoted for a shell come back unchanged; a shell splits the others alike."""
    assert words(shlex.join(texts)) == texts
    plain = " ".join(text for text in texts if not set(text) & set("\\'\"#"))
    assert words(plain) == shlex.split(plain)


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        (r"C:\Users\me\out.parquet", r"C:\Users\me\out.parquet"),
        (r"--to-csv=C:\Users\me\out.csv", r"--to-csv=C:\Users\me\out.csv"),
        (r"C:\\Users\\me", r"C:\Users\me"),
        (r"d:\(1)\$a\new", r"d:\(1)\$a\new"),
        ("C:\\data\\", "C:\\data\\"),
        (r"\\server\share\out.csv", r"\\server\share\out.csv"),
        (r'"\\server\my share\out.csv"', r"\\server\my share\out.csv"),
        (r'"C:\Program Files\out.csv"', r"C:\Program Files\out.csv"),
        (r"C:\'Program Files'\out.csv", r"C:\Program Files\out.csv"),
        (r"data\out.csv", r"data\out.csv"),
        (r"my\ data/it\'s\ mine\(1\).csv", "my data/it's mine(1).csv"),
    ],
)
def test_a_path_of_windows_keeps_its_backslashes(typed: str, word: str) -> None:
    """A backslash is literal in a Windows path and before a letter; it escapes a space or a symbol."""
    assert words(f"query {typed}") == ["query", word]


def test_a_blank_in_a_path_of_windows_has_to_be_in_quotes() -> None:
    """A backslash before a space is refused as ambiguous unless the path is quoted."""
    with pytest.raises(InvalidRequest, match="single quotes"):
        words(r"query --to-csv C:\Program\ Files\out.csv")
