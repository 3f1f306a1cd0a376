"""The console command: its output, the streams, and its exit codes.

Its entry point is called in this process, except for claims about a program: streams, signals, terminal. The
programs without a key, with closed streams, in a pipe and at a terminal start cold, as a user's do.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flows.places import GROUP, VPC
from support import warm
from support.requirements import need

from tidb_pe_magic import Runbook, __version__, cli, errors
from tidb_pe_magic.commands.table import FIRST_GROUPS, Skin, available
from tidb_pe_magic.exports.marks import is_untouched_export
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = str(Path(sys.executable).with_name("tidb-pe"))
_SECONDS = 120.0


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Provide an environment that points at embedded clouds, which one test after another changes."""
    with Sandbox(flights=50) as sandbox:
        yield {**_clean(), **sandbox.environment()}


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("TIDB", "ALIBABA"))}


class Console:
    """Calls the command's entry point, in an environment that points at embedded clouds."""

    def __init__(self, environment: dict[str, str], capture: pytest.CaptureFixture[str]) -> None:
        """Take the command's environment, and the capture of its output."""
        self.environment = dict(environment)
        self._capture = capture

    def run(self, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run a command with these bytes in a file as its standard input."""
        self._capture.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            for name in set(os.environ) - set(self.environment):
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
            code = cli.main(words)
        return subprocess.CompletedProcess(words, code, *self._capture.readouterr())

    def must(self, *words: str) -> Any:
        """Run a command, check that it succeeds, and return its JSON."""
        done = self.run(*words, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def console(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Console:
    """Provide the entry point."""
    return Console(environment, capsys)


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a separate program."""
    return warm.run([PROGRAM, *words], env=environment)


def test_the_whole_way_in_a_script(environment: dict[str, str], console: Console) -> None:
    """A script gets JSON on standard output, progress on standard error, and code 0, up to the deletion."""
    clusters = console.must("clusters")
    usable = [item["display_name"] for item in clusters["items"] if item["restriction"] is None]
    assert "demo" in usable
    words = ["run", "demo", "--vpc", VPC, "--security-group", GROUP, "--output=json"]
    done = run(environment, *words)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["endpoint"]["ready"] is True
    assert "✔ create: " in done.stderr
    assert "the connection was closed" in done.stderr
    endpoint_id = report["endpoint"]["endpoint_id"]
    console.environment |= {"TIDB_PE_CLUSTER": "demo"}
    assert [item["endpoint_id"] for item in console.must("endpoints")["items"]] == [endpoint_id]
    deletion = console.must("--output", "json", "delete", endpoint_id, "--yes", "--shared")
    assert deletion["endpoint_id"] == endpoint_id


def test_without_output_there_is_a_table(console: Console) -> None:
    """Without --output the result is text with the shell's commands, and standard error is empty."""
    done = console.run("cluster", "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "epsrv-t4ndemo" in done.stdout
    assert "%tidb_pe" not in done.stdout
    assert "Next: tidb-pe " in done.stdout


def test_the_next_command_names_the_cluster(console: Console) -> None:
    """The suggested command names the cluster, because a shell does not remember it."""
    done = console.run("plan", "--cluster", "demo", "--vpc", VPC, "--security-group", GROUP)
    (following,) = re.findall(r"Next: tidb-pe (.*)", " ".join(done.stdout.split()))
    made = console.must(*shlex.split(following))
    endpoint_id = made["endpoint"]["endpoint_id"]
    missing = console.run("wait", "--cluster", "jakarta")
    assert "--cluster jakarta" in missing.stderr
    region = ("--region", "ap-southeast-1")
    assert console.must("delete", endpoint_id, "--yes", "--shared", *region)["found"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("status --cluster demo", "tidb-pe networks --cluster demo"),
        ("doctor --host 127.0.0.1 --port 1", "tidb-pe "),
        ("plan --cluster demo --vpc vpc-t4nlegacy9d2k5p --security-group sg-t4nlegacy", ""),
        (
            "sql-user create json --role readonly --store file --cluster demo",
            "tidb-pe connect --user 2vKmPqRsTuWxYzA.json --cluster demo",
        ),
        ("help costs", "tidb-pe "),
        ("whoami", ""),
        ("fleet plan fleet.toml", "tidb-pe clusters"),
    ],
)
def test_json_advises_in_words_of_the_shell(
    console: Console, words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands in JSON are written for the shell, so that they can be pasted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.toml").write_text(
        f'[[endpoint]]\ncluster = "demmo"\nvpc = "{VPC}"\n', encoding="utf-8"
    )
    done = console.run(*words.split(), "--output", "json")
    assert told in done.stdout
    assert "%tidb_pe" not in done.stdout


def test_a_fleet_names_commands_of_the_shell(console: Console, tmp_path: Path) -> None:
    """A fleet's progress names commands in the shell's spelling, and its columns are aligned."""
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(f'[[endpoint]]\ncluster = "demmo"\nvpc = "{VPC}"\n', encoding="utf-8")
    done = console.run("fleet", "plan", str(fleet))
    assert done.returncode == 1
    assert "%tidb_pe" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    (head,) = (number for number, line in enumerate(lines) if line.endswith("Check it alone"))
    assert lines[head + 2].endswith("tidb-pe clusters")
    assert lines[head + 2].rindex("tidb-pe") == lines[head].index("Check it")


def test_an_export_is_the_text_alone(environment: dict[str, str], console: Console, tmp_path: Path) -> None:
    """Standard output contains only the export; everything else is on standard error."""
    words = ["export", "terraform", "--cluster", "demo", "--vpc", VPC, "--security-group", GROUP]
    done = run(environment, *words)
    assert done.returncode == 0, done.stderr
    assert is_untouched_export(done.stdout)
    assert "Terraform: the endpoint that create would make" in done.stderr
    assert "SANDBOX: nothing is billed" in done.stderr
    path = tmp_path / "main.tf"
    path.write_text(done.stdout, encoding="utf-8")
    again = console.run(*words, "--to", str(path))
    assert again.returncode == 0, again.stderr
    assert str(path) in again.stdout
    assert "resource " not in again.stdout
    assert console.must(*words, "--to", str(path))["text"] + "\n" == done.stdout
    assert path.read_text(encoding="utf-8") == done.stdout


def test_a_missing_key_is_code_4() -> None:
    """An expected error has no traceback, and names the places searched and commands."""
    done = subprocess.run(
        [PROGRAM, "clusters"],
        env=_clean() | {"HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("tidb-pe: No TiDB Cloud API key found")
    assert done.stderr.splitlines()[-2:] == ["Try: tidb-pe help keys", " Or: python -m tidb_pe_magic.sandbox"]
    assert "%tidb_pe" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("plan --vpc nowhere", 2, "InvalidRequest"),
        ("clustres", 2, "InvalidRequest"),
        ("cluster nowhere", 3, "UnknownName"),
        ("wait --cluster jakarta", 3, "StepOrderError"),
        ("connect @nowhere", 3, "UnknownName"),
        ("cluster aws-sales", 5, "NotEligible"),
    ],
)
def test_the_exit_code_and_the_json_distinguish_errors(
    console: Console, words: str, code: int, kind: str
) -> None:
    """A script branches on the code, and reads class, words and commands from one document."""
    done = console.run(*words.split(), "--output", "json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["class"]) == (code, code, kind)
    assert error["message"]
    assert all(command.startswith("tidb-pe ") for command in error["commands"])


@pytest.mark.parametrize(
    ("change", "words", "code", "kind"),
    [
        ({"TIDBCLOUD_PRIVATE_KEY": "wrong"}, "clusters", 4, "AuthenticationFailed"),
        ({"TIDB_PASSWORD": "wrong"}, "run demo --vpc {VPC} --security-group {GROUP}", 6, "ConnectionFailed"),
        ({"TIDBCLOUD_SERVERLESS_ENDPOINT": "http://127.0.0.1:1"}, "clusters", 5, "ServiceUnavailable"),
    ],
)
def test_the_exit_code_distinguishes_key_cloud_and_connection(
    console: Console, change: dict[str, str], words: str, code: int, kind: str
) -> None:
    """A refusal by a cloud, the network or the server has its own code."""
    console.environment |= change
    done = console.run(*words.format(VPC=VPC, GROUP=GROUP).split(), "--output", "json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["class"]) == (code, kind), done.stderr
    assert error["message"] in done.stderr.replace("\n", " ").replace("No connection", "no connection")


def test_each_class_of_errors_has_an_exit_code() -> None:
    """Code 1 is only for bugs, missing packages, the journal and fleets."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    expected = {kind for kind in kinds if issubclass(kind, errors.TidbPeError)}
    others = {kind for kind in expected if cli.exit_code(kind.__new__(kind)) == cli.Exit.FAILED}
    assert others == {errors.TidbPeError, errors.MissingDependency, errors.JournalError, errors.FleetFailed}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clustres"], "Unknown command. Did you mean clusters?"),
        (["wait", "--timeot", "3"], "did you mean --timeout?"),
        (["wait", "--timeout", "never"], "--timeout: must be a number of seconds"),
        (["clusters", "--output", "xml"], "--output: must be one of table, json."),
        (["clusters", "--output"], "--output: must be one of table, json."),
        (["disconnect"], "Connections of `tidb-pe` close when the command ends."),
        (["clusters", "--output", "csv"], "csv is only for query. Use table or json."),
        (["query", "@tidb", "SELECT 1", "--engine", "dask"], "which a console cannot show"),
        (["completion"], "completion: takes one argument: bash or zsh."),
        (["completion", "fish"], "completion: takes one argument: bash or zsh."),
        (["connect", "--password", "hunter2"], "this flag does not exist"),
    ],
)
def test_a_wrong_command_line_is_code_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error names the error, and a password is not repeated."""
    assert cli.main(words) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert told in written.err
    assert "hunter2" not in written.err
    assert written.err.count("tidb-pe: ") == 1


@pytest.fixture(scope="module")
def saved(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Provide an environment with the saved connection @db and without cloud keys."""
    known = environment | {"TIDB_PE_CONFIG_DIR": str(tmp_path_factory.mktemp("config"))}
    with Runbook(environ=known) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP])
    named = ("connect", "--cluster", "demo", "--database", "nycflights13", "--alias", "db", "--save")
    done = run(known, *named)
    assert done.returncode == 0, done.stderr
    return {name: value for name, value in known.items() if "KEY" not in name}


@pytest.fixture
def saved_console(saved: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Console:
    """Provide the entry point in that environment."""
    return Console(saved, capsys)


ROWS = "SELECT 1 AS id, CAST(1.50 AS DECIMAL(10,2)) AS fee, 'é, \"x\"' AS name UNION ALL SELECT 2, NULL, ''"


@pytest.mark.parametrize(
    ("output", "written"),
    [
        ("csv", 'id,fee,name\n1,1.50,"é, ""x"""\n2,,""\n'),
        (
            "json",
            '[\n{"id": 1, "fee": "1.50", "name": "é, \\"x\\""},\n{"id": 2, "fee": null, "name": ""}\n]\n',
        ),
        ("table", 'id   fee  name\n--  ----  ------\n 1  1.50  é, "x"\n 2  NULL\n'),
    ],
)
def test_a_query_over_a_saved_connection_writes_its_rows(
    saved_console: Console, output: str, written: str
) -> None:
    """Standard output has only the rows, exact and in UTF-8; the summary is on standard error."""
    words = ("query", "@db", ROWS, "--output", output)
    # The rows of CSV pass by Python's text stream, so a program writes them.
    done = run(saved_console.environment, *words) if output == "csv" else saved_console.run(*words)
    assert (done.returncode, done.stdout) == (0, written), done.stderr
    assert "2 rows" in done.stderr


def test_a_statement_without_a_result_is_one_json_object(saved_console: Console, tmp_path: Path) -> None:
    """JSON is an object with the changed rows, or with the written file; a table and CSV are empty."""
    console = saved_console
    for statement, changed in (
        ("CREATE OR REPLACE VIEW two AS SELECT 1 AS a UNION ALL SELECT 2", None),
        ("CREATE TABLE IF NOT EXISTS changes (a INT)", None),
        ("INSERT INTO changes VALUES (1), (2)", 2),
        ("UPDATE changes SET a = 3 WHERE a = 1", 1),
        ("DELETE FROM changes WHERE a = 7", 0),
        ("DROP TABLE changes", None),
    ):
        done = console.run("query", "@db", statement, "--output", "json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["changed"], found["returned"], found["alias"]) == (changed, False, "db"), statement
    for output in ("csv", "table"):
        done = console.run("query", "@db", "DELETE FROM flights WHERE year = 1", "--output", output)
        assert (done.returncode, done.stdout) == (0, "")
        assert "0 rows changed" in done.stderr
    path = tmp_path / "one.csv"
    done = console.run("query", "@db", "SELECT 1 AS a", "--to-csv", str(path), "--output", "json")
    found = json.loads(done.stdout)
    assert (found["path"], found["rows"], found["returned"]) == (str(path), 1, True)
    none = console.run("query", "@db", "SELECT 1 AS a FROM flights WHERE year = 1", "--output", "json")
    assert json.loads(none.stdout) == []


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("@db", "-"), b"SELECT 7 AS a"),
        (("--alias", "db", "-"), b"SELECT 7 AS a"),
        (("@db",), b"-- a file\n\nSELECT 7 AS a;\n"),
        (("@db", "--params", '{"n": 7}'), b"\xef\xbb\xbfSELECT :n AS a\r\n"),
        (("@db", "SELECT 7 AS a"), b"SELECT 8 AS a"),
    ],
)
def test_a_statement_is_read_from_standard_input(
    saved_console: Console, words: tuple[str, ...], given: bytes
) -> None:
    """`-`, or no statement, reads standard input; a statement on the command line leaves it unread."""
    done = saved_console.run("query", *words, "--output", "csv", given=given)
    assert (done.returncode, done.stdout) == (0, "a\n7\n"), done.stderr


@pytest.mark.parametrize(
    ("words", "given", "told"),
    [
        (("@db",), b"", "SQL: is missing, and standard input is empty."),
        (("@db", "-"), b" \n", "SQL: is missing, and standard input is empty."),
        (("@db",), b"\xff\xfe\xff", "SQL: standard input cannot be read: it is not valid UTF-16."),
        (("@db", ""), b"SELECT 1", "SQL: must not be empty."),
        (("@db", "--alias"), b"SELECT 1", "--alias: expected one argument."),
    ],
)
def test_a_missing_statement_is_code_2(
    saved_console: Console, words: tuple[str, ...], given: bytes, told: str
) -> None:
    """Without a statement, or with an empty standard input as in cron, the error says what is missing."""
    done = saved_console.run("query", *words, given=given)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"tidb-pe: {told}" in done.stderr


def test_a_statement_can_be_typed(saved: dict[str, str]) -> None:
    """At a terminal, `-` asks for the statement until Ctrl-D, and no statement is an error at once."""
    person, terminal = pty.openpty()
    try:
        os.write(person, b"SELECT 7 AS a\n\x04")
        typed, missing = (
            warm.run([PROGRAM, "query", "@db", *words], env=saved, given=terminal)
            for words in (("--output", "csv", "-"), ())
        )
    finally:
        os.close(person)
        os.close(terminal)
    assert (typed.returncode, typed.stdout) == (0, "a\n7\n"), typed.stderr
    assert "tidb-pe: type the statement, and end it with Ctrl-D on a line of its own.\n" in typed.stderr
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "tidb-pe: SQL: is missing" in missing.stderr


def test_a_query_writes_a_file_or_says_what_is_wrong(saved_console: Console, tmp_path: Path) -> None:
    """A query with parameters writes a file; a refused statement and an unknown name have code 1."""
    path = tmp_path / "long.csv"
    ask = "SELECT carrier FROM airlines WHERE carrier IN (:some) ORDER BY carrier"
    console = saved_console
    done = console.run("query", "@db", ask, "--params", '{"some": ["UA", "AA"]}', "--to-csv", str(path))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert path.read_text(encoding="utf-8") == "carrier\nAA\nUA\n"
    assert "2 rows" in done.stderr
    assert f" · written to {path}\n" in done.stderr
    refused = console.run("query", "@db", "SELECT nope FROM airlines")
    assert (refused.returncode, refused.stdout) == (7, "")
    assert refused.stderr.endswith("    SELECT nope FROM airlines\n           ^\n")
    plan = console.run("query", "@db", "SELECT * FROM airlines", "--explain", "--output", "json")
    assert [each["name"][:5] for each in json.loads(plan.stdout)["operators"]] == ["Table", "Table"]
    missing = console.run("query", "SELECT 1")
    assert (missing.returncode, missing.stdout) == (3, "")
    assert "Connection tidb is not open.\nTry: tidb-pe connect --alias tidb --save" in missing.stderr
    wide = console.run("query", "@db", "SELECT flight FROM flights, airlines, airlines b")
    assert len(wide.stdout.splitlines()) == 1002
    assert "first 1,000 of 12,800 rows" in wide.stderr


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_help_lists_the_commands(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists the console's operations of the first groups, the exit codes, and shell completion."""
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    first = {name for name, each in available(Skin.CONSOLE).items() if each.group in FIRST_GROUPS}
    listed = {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}
    assert listed - {"python", "tidb-pe"} == first
    assert "%tidb_pe" not in shown
    assert "130 interrupted" in shown
    assert "tidb-pe completion bash|zsh" in shown


def test_each_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's example can be typed in the shell, which has files instead of variables, and `-`."""
    for name, example in (
        ("create", "example: tidb-pe create --vpc vpc-"),
        ("load", "example: tidb-pe load delays.csv --table delays"),
        (
            "query",
            "  -                               in place of SQL: read the statement from standard input",
        ),
    ):
        assert cli.main([name, "-h"]) == 0
        assert example in capsys.readouterr().out


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the package's."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"tidb-pe {__version__}\n"


@pytest.fixture
def creating() -> Iterator[dict[str, str]]:
    """Provide an environment whose default cluster has an endpoint that remains in creation."""
    with Sandbox(mode="manual", flights=10) as sandbox:
        environment = {**_clean(), **sandbox.environment(), "TIDB_PE_CLUSTER": "demo"}
        with Runbook(environ=environment) as runbook:
            runbook.create(vpc=VPC, security_group=[GROUP])
        yield environment


def test_an_interrupted_wait_is_code_130(creating: dict[str, str]) -> None:
    """Control-C ends only the wait, and the line says how to continue."""
    with warm.Popen(
        [PROGRAM, "wait"], env=creating, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=_SECONDS)
    assert first.startswith("waiting ")
    assert (process.returncode, out) == (130, "")
    assert "Detached" in err
    assert "Traceback" not in err
    assert "tidb-pe wait" in err


_LOSING = """
import io, os, signal, sys
from tidb_pe_magic.__main__ import main

class Finalizer:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

class Lines(io.StringIO):
    def write(self, text):
        if text.startswith("waiting "):
            Finalizer()
        return sys.__stderr__.write(text)

sys.stderr = Lines()
sys.argv = ["tidb-pe", "wait"]
sys.exit(main())
"""


def test_an_interrupt_that_python_drops_still_ends_the_wait(creating: dict[str, str]) -> None:
    """Control-C during a finalizer, whose exceptions Python ignores, ends the wait too."""
    done = warm.run([sys.executable, "-c", _LOSING], env=creating)
    assert "Exception ignored in" in done.stderr
    assert "detached while waiting" in done.stderr.lower()
    assert done.returncode == 130


_STARTING = """
import os, signal, sys
from tidb_pe_magic.__main__ import main

class Interrupting:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "tidb_pe_magic.runbook":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
sys.exit(main())
"""


def test_an_interrupted_start_is_one_line(environment: dict[str, str]) -> None:
    """Control-C while the command imports its modules ends it in one line, with code 130."""
    done = subprocess.run(
        [sys.executable, "-c", _STARTING],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tidb-pe: interrupted.\n")


def test_any_interruption_is_code_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Control-C outside a step ends the command in one line."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Runbook, "perform", interrupted)
    assert cli.main(["clusters"]) == 130
    assert capsys.readouterr().err == "tidb-pe: interrupted.\n"


def test_a_reader_that_leaves_causes_no_traceback(environment: dict[str, str]) -> None:
    """`tidb-pe … | head -1` ends quietly."""
    pipe = f"{shlex.quote(PROGRAM)} clusters --output json | true; exit ${{PIPESTATUS[0]}}"
    bash = need("bash", apt="bash")
    done = subprocess.run([bash, "-c", pipe], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode in {0, 1}  # The reader may leave before or after.


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_unencodable_output_is_escaped(console: Console, encoding: str) -> None:
    """A table is written escaped, and JSON stays JSON, without a traceback that hides the result."""
    # One process writes both.
    both = "from tidb_pe_magic.cli import main; main(['clusters', '--output', 'json']); main(['clusters'])"
    done = subprocess.run(
        [sys.executable, "-c", both],
        env={**console.environment, "PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding=encoding,
        timeout=_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    document, end = json.JSONDecoder().raw_decode(done.stdout)
    assert document == console.must("clusters")
    assert "\\u2714 ACTIVE" in done.stdout[end:]


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        ("<&-", f"run demo --vpc {VPC} --security-group {GROUP}", 4),
        (">&-", "clusters", 0),
        ("2>&-", "clusters --output json", 0),
    ],
)
def test_a_closed_stream_causes_no_traceback(console: Console, closed: str, words: str, code: int) -> None:
    """Started by a daemon with closed streams, a command works or fails as it does elsewhere."""
    without = {name: value for name, value in console.environment.items() if name != "TIDB_PASSWORD"}
    before = console.must("endpoints", "--cluster", "demo")["items"]
    done = subprocess.run(
        ["sh", "-c", f"{shlex.quote(PROGRAM)} {words} {closed}"],
        env=without,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    if "json" in words:
        json.loads(done.stdout)
    if words.startswith("run"):
        assert "has no terminal or notebook to ask in" in done.stderr
        assert "did not finish" not in done.stderr  # Nothing was started.
        assert console.must("endpoints", "--cluster", "demo")["items"] == before


def test_the_password_is_asked_for_at_a_terminal_alone(environment: dict[str, str]) -> None:
    """Without a terminal the line names the other sources; at a terminal the answer is not echoed."""
    secret = environment["TIDB_PASSWORD"]
    unset = {name: value for name, value in environment.items() if name != "TIDB_PASSWORD"}
    with Runbook(environ=environment) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP])
    piped = warm.run([PROGRAM, "connect", "--cluster", "demo"], env=unset, given=secret)
    assert piped.returncode == 4
    assert "No SQL password found" in piped.stderr
    assert "--password-from env:NAME" in piped.stderr
    code, shown = _at_a_terminal([PROGRAM, "connect", "--cluster", "demo"], unset, secret)
    assert code == 0, shown
    assert "Password of " in shown
    assert "Connected to cluster demo" in shown
    assert secret not in shown


def _at_a_terminal(command: list[str], environment: dict[str, str], answer: str) -> tuple[int, str]:
    """Run a command at a separate terminal, answer its first question, and return the output."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, environment)  # noqa: S606 - the child becomes our own program
    shown = b""
    asked = False
    while True:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # Linux's error for a terminal whose program has ended
            break
        if not read:
            break
        shown += read
        if not asked and b"Password of " in shown and shown.endswith(b": "):
            asked = True
            os.write(terminal, answer.encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    """Provide the script for each shell, as the program writes it."""
    return {shell: run(_clean(), "completion", shell).stdout for shell in ("bash", "zsh")}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stat"], {"status"}),
        (["co"], {"connect", "connections", "connection-string", "completion"}),
        (["connect", "--tls", "ver"], {"verify-ca", "verify-identity"}),
        (["connect", "--al"], {"--alias"}),
        (["connect", "--alias", ""], set()),
        (["connect", "--ca", "au"], {"authority one.pem"}),
        (["clusters", "--output", ""], {"table", "json"}),
        (["query", "--output", "c"], {"csv"}),
        (["connection-string", "--with", "mysq"], {"mysql", "mysqlclient", "mysql-connector"}),
        (["completion", "z"], {"zsh"}),
        (["fleet", "a"], {"apply"}),
        (["fleet", "apply", "au"], {"authority one.pem"}),
        (["disc"], set()),
        (["delete", "ep-1", "--y"], {"--yes"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes(
    scripts: dict[str, str], shell: str, words: list[str], expected: set[str], tmp_path: Path
) -> None:
    """The written script offers the valid completions in a real shell."""
    (tmp_path / "authority one.pem").touch()
    program = _BASH if shell == "bash" else _ZSH
    done = subprocess.run(
        [need(shell, apt=shell), "-c", scripts[shell] + program, shell, *words],
        cwd=tmp_path,
        env=os.environ | {"TIDB_PE_CONFIG_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert set(filter(None, done.stdout.split("\n"))) == expected


_BASH = """
COMP_WORDS=(tidb-pe "$@") COMP_CWORD=$#
_tidb_pe
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Outside of zsh's line editor, its builtins for completion are replaced.
_ZSH = """
words=(tidb-pe "$@") CURRENT=${#words}
last=${words[-1]}
compadd() { shift; print -rl -- ${(M)@:#${last}*} }
_files() { print -rl -- ${last}*(N) }
_tidb_pe
"""
