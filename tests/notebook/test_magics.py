"""`%tidb_pe` in a real IPython shell."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from flows.places import GROUP, VPC
from IPython.core.error import UsageError

from tidb_pe_magic import TidbPeError, errors, model
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.commands.table import Skin, available

if TYPE_CHECKING:
    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox

PLACEMENT = f"--vpc {VPC} --security-group {GROUP}"


@pytest.mark.usefixtures("sandbox")
def test_a_connection_without_a_database_needs_one(shell: Shell) -> None:
    """After `run` without --database, the error about a table says how to choose one, and USE does."""
    shell.must(f"%tidb_pe run demo {PLACEMENT}")
    for cell in ("%%sql\nSELECT carrier FROM airlines", "%%tidb_pe query\nSELECT carrier FROM airlines"):
        refused = shell.run(cell)
        assert "1046: No database selected." in refused.output
        assert "--database" in refused.output
        assert "USE" in refused.output
    assert len(shell.must("%sql SELECT carrier FROM nycflights13.airlines").value) == 16
    shell.must("%sql USE nycflights13")
    assert len(shell.must("%sql SELECT carrier FROM airlines").value) == 16


def test_the_table_of_commands_works_from_first_to_last(shell: Shell, sandbox: Sandbox) -> None:
    """Each command of the tutorial works as a cell, and the last one gives a DataFrame."""
    assert "demo" in shell.must("%tidb_pe clusters").output
    assert "epsrv-t4ndemo7c1x0qk2p9s8e" in shell.must("%tidb_pe cluster demo").output
    assert VPC in shell.must("%tidb_pe networks").output
    assert "verified" in shell.must("%tidb_pe verify").output
    assert "ap-southeast-1a, ap-southeast-1b" in shell.must(f"%tidb_pe plan {PLACEMENT}").output
    created = shell.must(f"%tidb_pe create {PLACEMENT}").value
    assert isinstance(created, model.CreatedEndpoint)
    assert "Connected" in shell.must("%tidb_pe wait").output
    connected = shell.must("%tidb_pe connect --database nycflights13")
    assert "%%sql tidb" in connected.output
    assert "SqlMagic.autopandas is on" in connected.output
    frame = shell.must("%%sql tidb\nSELECT origin, COUNT(*) AS n FROM flights GROUP BY origin").value
    assert isinstance(frame, pd.DataFrame)
    assert frame["n"].sum() == 500
    assert shell.must("%sql SELECT COUNT(*) AS n FROM airlines").value["n"].tolist() == [16]
    shown = shell.must("airlines = 3\n%sql SELECT * FROM airlines WHERE LENGTH(name) > :airlines").output
    assert "16 rows · " in shown.splitlines()[-1]
    assert "2 rows changed" in shell.must("%sql DELETE FROM airlines WHERE carrier IN ('AA', 'UA')").output
    assert "%%sql tidb" in shell.must("%tidb_pe status").output
    endpoint_id = created.endpoint.endpoint_id
    assert endpoint_id in shell.must("%tidb_pe endpoints").output
    assert "closed" in shell.must("%tidb_pe disconnect").output
    assert endpoint_id in shell.must(f"%tidb_pe delete {endpoint_id} --yes --shared").output
    assert not sandbox.world.endpoints


def test_run_shows_the_plan_and_each_step(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """`run` prints the plan in a line, a line for each step that changes something, and the connection."""
    output = shell.must(f"%tidb_pe run demo {PLACEMENT}").output
    for words in ("Plan: create tidb-demo in", "✔ create: ep-", "✔ wait: ", "✔ connect: ", "✔ Connected to"):
        assert words in output
    assert len(output.splitlines()) <= 12
    assert "LIMIT 5" in output.splitlines()[-1]


def test_results_are_values(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """A result can be assigned, and a semicolon hides it."""
    assert shell.must("c = %tidb_pe cluster demo").output == ""
    assert shell.ip.user_ns["c"].region_id == "ap-southeast-1"
    assert shell.must("%tidb_pe cluster demo;").output == ""


def test_variables_are_expanded(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """A notebook variable can be written in braces."""
    shell.must("name = 'demo'")
    assert shell.must("%tidb_pe cluster {name}").value.display_name == "demo"


def test_nothing_is_put_into_the_users_namespace(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """A run adds no name to the user's namespace."""
    before = set(shell.ip.user_ns)
    shell.must(f"%tidb_pe run demo {PLACEMENT}")
    new = {name for name in set(shell.ip.user_ns) - before if not name.startswith("_")}
    assert new == set()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cluster 'demo", "quote"),
        ("cluster", "NAME_OR_ID"),
        ("clustr demo", "Did you mean cluster?"),
        ("create --vcp x", "did you mean --vpc?"),
        ("create --vpc", "expected one argument"),
        ("create --vpc nonsense", "--vpc"),
        ("delete ep-1 --yes=now", "takes no value"),
        ("connect --password hunter2", "this flag does not exist"),
        ("connect hunter2", "@NAME: must be @NAME or @FILE.json; a cluster goes after"),
        ("connect --tls hunter2", "must be one of auto, off, verify-ca, verify-identity"),
        ("wait --timeout soon", "--timeout"),
        ("sandbox", "start|stop|status"),
        ("sandbox begin", "must be one of"),
        ("form nowhere", "must be one of cluster, create, connect"),
        ("form --clutser demo", "did you mean --cluster?"),
        ("verify --cluster nowhere", "no cluster has this name"),
    ],
)
def test_a_mistake_is_one_line_and_fails_the_cell(
    shell: Shell,
    sandbox: Sandbox,  # noqa: ARG001 - the last case asks the cloud
    line: str,
    words: str,
) -> None:
    """Invalid input names its field in at most two lines without a traceback, and Run All stops there."""
    cell = shell.run(f"%tidb_pe {line}")
    assert isinstance(cell.error, errors.InvalidRequest)
    assert words in cell.output
    assert len(cell.output.strip().splitlines()) <= 2
    assert "hunter2" not in cell.output


def test_an_expected_error_keeps_no_traceback_in_any_mode(shell: Shell) -> None:
    """In every traceback mode of IPython an expected error is one line."""
    for mode in ("Context", "Plain", "Verbose", "Minimal"):
        shell.must(f"%xmode {mode}")
        assert shell.run("%tidb_pe verify").output.startswith("No cluster has been chosen")


@pytest.mark.parametrize("name", sorted(available(Skin.LINE)))
def test_every_command_has_help(shell: Shell, name: str) -> None:
    """`-h` shows usage, options and an example, and is not an error."""
    output = shell.must(f"%tidb_pe {name} -h").output
    assert f"usage: %tidb_pe {name}" in output
    assert "example: %tidb_pe" in output


def test_the_overview_lists_every_command(shell: Shell) -> None:
    """`%tidb_pe`, `-h` and `--help` show the first screen, and each group's topic lists its commands."""
    for line in ("", "-h", "--help"):
        output = shell.must(f"%tidb_pe {line}").output
        for name, operation in available(Skin.LINE, Skin.CELL).items():
            assert f"  {name} " in output or f"help {operation.group.topic}" in output
    assert "`%tidb_pe verify`" in shell.must("%tidb_pe help steps").value.text


def test_a_terminal_has_no_forms(shell: Shell) -> None:
    """Without a kernel, where clicks are impossible, the error for a form names the equivalent command."""
    cell = shell.run("%tidb_pe form")
    assert isinstance(cell.error, TidbPeError)
    assert "A form needs a notebook" in cell.output
    assert "%tidb_pe -h" in cell.output


def test_sql_before_connect_names_the_command(shell: Shell) -> None:
    """After a restart of the kernel, SQL cells and lines say that no connection is open."""
    for typed in ("%%sql\nSELECT 1", "%sql SELECT {x}", "%%sql tidb\nSELECT 1"):
        cell = shell.run(typed)
        assert isinstance(cell.error, errors.StepOrderError)
        assert cell.output.split("\n")[:2] == [
            "No connection is open. Open one first.",
            "Try: %tidb_pe connect",
        ]
    shell.must("%unload_ext tidb_pe_magic")
    assert isinstance(shell.run("%%sql\nSELECT 1").error, UsageError)


def test_a_sql_magic_of_another_extension_stays(plain_shell: Shell) -> None:
    """Loading and unloading leave a platform's own `%%sql` alone."""
    plain_shell.must("%unload_ext tidb_pe_magic")
    plain_shell.must("get_ipython().register_magic_function(lambda line, cell: 'own', 'cell', 'sql')")
    plain_shell.must("%load_ext tidb_pe_magic")
    assert plain_shell.must("%%sql\nSELECT 1").value == "own"
    plain_shell.must("%unload_ext tidb_pe_magic")
    assert plain_shell.must("%%sql\nSELECT 1").value == "own"


def test_sql_after_disconnect_reports_the_missing_connection(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """`%sql` names the closed connection and the command that opens it, and no other kind of database."""
    shell.must(f"%tidb_pe run demo {PLACEMENT}")
    shell.must("%tidb_pe disconnect")
    cell = shell.run("%sql SELECT 1")
    assert isinstance(cell.error, errors.StepOrderError)
    assert cell.output.startswith("No active connection: 'tidb' is closed.")
    assert cell.output.rstrip().endswith("Try: %tidb_pe connect")


def test_an_alias_of_its_own(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """`--alias` names the connection for `%%sql` cells."""
    shell.must(f"%tidb_pe run demo {PLACEMENT} --alias flights --database nycflights13")
    shell.must("%%sql flights\nSELECT 1")
    for name in ("flights", "@flights"):
        assert (
            "\nTry: %tidb_pe disconnect --alias flights\n" in shell.run(f"%tidb_pe disconnect {name}").output
        )
    assert list(shell.must("%tidb_pe disconnect --alias flights").value.alias) == list("flights")


def test_a_result_is_a_table_without_the_extension(plain_shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """A `Runbook`'s result displays itself in any notebook, and is short inside a container."""
    plain_shell.must("%unload_ext tidb_pe_magic")
    plain_shell.must("from tidb_pe_magic import Runbook; runbook = Runbook()")
    assert "✔ Cluster demo" in plain_shell.must("runbook.cluster('demo')").output
    inside = plain_shell.must("[runbook.cluster('demo')]").output
    assert "[Cluster(cluster_id=" in inside
    assert "✔" not in inside
    plain_shell.must("runbook.close()")


def _leftovers(shell: Shell) -> dict[str, object]:
    ip = shell.ip
    return {
        "magics": sorted(ip.magics_manager.magics["line"]),
        "registry": sorted(ip.magics_manager.registry),
        "matchers": list(ip.Completer.custom_matchers),
        "configurables": list(map(type, ip.configurables)),
        # The embedded clouds have threads of their own in this process.
        "threads": sorted(t.name for t in threading.enumerate() if not t.name.startswith("sandbox")),
    }


def test_unload_takes_everything_away(plain_shell: Shell) -> None:
    """After an unload, and after a reload, nothing of the extension remains or is doubled."""
    plain_shell.must("%unload_ext tidb_pe_magic")  # The first use of %load_ext's family adds IPython's own.
    before = _leftovers(plain_shell)
    plain_shell.must("%load_ext tidb_pe_magic")
    loaded = _leftovers(plain_shell)
    plain_shell.must("%reload_ext tidb_pe_magic")
    assert _leftovers(plain_shell) == loaded
    plain_shell.must("%unload_ext tidb_pe_magic")
    assert _leftovers(plain_shell) == before
    assert isinstance(plain_shell.run("%tidb_pe status").error, UsageError)


def _sockets() -> int:
    """Count the open sockets of this process."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own socket
            links.append(str(descriptor.readlink()))
    return sum(link.startswith("socket:") for link in links)


def test_sixty_loads_and_unloads_leave_nothing_behind(shell: Shell, sandbox: Sandbox) -> None:
    """After sixty loads no thread, socket, matcher, configurable or connection is left or doubled."""
    cycle = ("%load_ext tidb_pe_magic", "%tidb_pe verify --cluster demo", "%unload_ext tidb_pe_magic")
    for cell in (cycle[1], f"%tidb_pe run demo {PLACEMENT}", cycle[2], *cycle):
        shell.must(cell)
    before, sockets = _leftovers(shell), _sockets()
    for number in range(60):
        shell.ip.run_line_magic("load_ext", "tidb_pe_magic")
        if number % 20 == 0:
            shell.must(f"%tidb_pe run demo {PLACEMENT}")
        if number % 10 == 0:
            shell.must("%reload_ext tidb_pe_magic")
        shell.ip.run_line_magic("unload_ext", "tidb_pe_magic")
    moment = threading.Event()
    for _ in range(100):  # Other threads close the server's ends of the connections.
        if _leftovers(shell) == before and _sockets() <= sockets:
            break
        moment.wait(0.1)
    assert _leftovers(shell) == before
    assert _sockets() <= sockets
    assert len(sandbox.world.endpoints) == 1
    assert "tidb" not in shell.must("%sql --connections").output


def test_an_export_to_a_file_shows_where_it_is(shell: Shell, sandbox: Sandbox, tmp_path: Path) -> None:  # noqa: ARG001
    """An export shows its text, or the path of the requested file, which contains the text."""
    command = f"%tidb_pe export terraform --cluster demo {PLACEMENT}"
    assert "resource " in shell.must(command).output
    path = tmp_path / "main.tf"
    written = shell.must(f"{command} --to {path}")
    assert "Written to" in written.output
    assert str(path) in written.output
    assert "resource " not in written.output
    assert path.read_text(encoding="utf-8") == f"{written.value.text}\n"


def test_unload_closes_the_connections(shell: Shell, sandbox: Sandbox) -> None:
    """Unloading closes the connections that `connect` opened; the endpoint stays."""
    shell.must(f"%tidb_pe run demo {PLACEMENT}")
    shell.must("%unload_ext tidb_pe_magic")
    assert "No active connection" in shell.run("%sql SELECT 1").output
    assert len(sandbox.world.endpoints) == 1


def test_an_unexpected_error_keeps_its_traceback(shell: Shell) -> None:
    """An unexpected error is a bug, and is shown with its traceback."""
    assert not isinstance(shell.run("1 / 0").error, TidbPeError)
    assert "Traceback" in shell.run("1 / 0").output


def test_a_connection_that_sql_has_closed_is_opened_again(shell: Shell, sandbox: Sandbox) -> None:  # noqa: ARG001
    """After `%sql --close`, `status` names `connect`, and `run` does not skip it."""
    shell.must(f"%tidb_pe run demo {PLACEMENT}")
    shell.must("%sql --close tidb")
    assert shell.must("%tidb_pe status").value.next_command == Suggestion("connect")
    assert not shell.must(f"%tidb_pe run demo {PLACEMENT}").value.steps[-1].skipped
    shell.must("%sql SELECT 1")
    assert shell.must(f"%tidb_pe run demo {PLACEMENT}").value.steps[-1].skipped


def test_reloading_restores_the_environment(shell: Shell) -> None:
    """A reload restores the environment first, because it loses the old values, and says so."""
    before = dict(os.environ)
    command = shell.ip.find_line_magic("tidb_pe").__self__.sandbox  # type: ignore[no-untyped-call]
    shell.must("%tidb_pe sandbox start --mode immediate --flights 50")
    try:
        assert dict(os.environ) != before
        assert "restored to its values before the sandbox" in shell.must("%reload_ext tidb_pe_magic").output
        assert dict(os.environ) == before
    finally:
        shell.must("%tidb_pe sandbox stop")
        assert command._process.wait(60) == 0  # the child of the extension that was loaded first
    assert "sandbox" not in shell.must("%unload_ext tidb_pe_magic").output
