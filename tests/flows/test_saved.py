"""A connection saved in one kernel and opened again in the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC

from tidb_pe_magic import ConnectionFailed, InvalidRequest, Runbook
from tidb_pe_magic.advice import Suggestion
from tidb_pe_magic.display import render
from tidb_pe_magic.sandbox import Sandbox

if TYPE_CHECKING:
    from support.certificates import Authority
    from support.mariadb import MariaDb


@pytest.fixture
def directory(tmp_path: Path) -> dict[str, str]:
    """Provide the setting of a configuration directory."""
    return {"TIDB_PE_CONFIG_DIR": str(tmp_path)}


@pytest.fixture
def saved(sandbox: Sandbox, directory: dict[str, str]) -> Sandbox:
    """Provide the sandbox after a kernel has saved its connection as `analytics`."""
    with Runbook(environ=sandbox.environment() | directory) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        runbook.wait()
        connection = runbook.connect(alias="analytics", database="nycflights13", save=True)
        written = Path(connection.saved).read_text(encoding="utf-8")
        assert sandbox.environment()["TIDB_PASSWORD"] not in written
    return sandbox


def next_kernel(sandbox: Sandbox, directory: dict[str, str]) -> Runbook:
    """Return a runbook of an analyst with the password and without cloud keys."""
    return Runbook(environ=directory | {"TIDB_PASSWORD": sandbox.environment()["TIDB_PASSWORD"]})


def test_the_next_kernel_connects_without_asking_a_cloud(saved: Sandbox, directory: dict[str, str]) -> None:
    """With only the password, the next kernel gets the same host, user and database under the same alias."""
    with next_kernel(saved, directory) as runbook:
        listed = runbook.connections()
        assert (len(listed), [each.name for each in listed.saved]) == (0, ["analytics"])
        connection = runbook.connect("@analytics")
        assert (connection.alias, connection.database) == ("analytics", "nycflights13")
        assert connection.cluster.display_name == "demo"
        with connection.engine.connect() as live:
            assert live.exec_driver_sql("SELECT COUNT(*) FROM flights").scalar_one() == 500
        assert runbook.connections()["analytics"] is connection
        with pytest.raises(KeyError):
            runbook.connections()["tidb"]


def test_given_options_replace_saved_ones(saved: Sandbox, directory: dict[str, str]) -> None:
    """Another alias and another password source override the saved ones; the target cannot be overridden."""
    environ = directory | {"OTHER": saved.environment()["TIDB_PASSWORD"]}
    with Runbook(environ=environ) as runbook:
        connection = runbook.connect("@analytics", alias="mine", password_from="env:OTHER")
        assert (connection.alias, connection.password_source) == ("mine", "env:OTHER")
        with pytest.raises(InvalidRequest, match="--cluster: cannot be given with @analytics"):
            runbook.connect("@analytics", cluster="demo")


def test_a_saved_source_of_the_password_is_used_again(sandbox: Sandbox, directory: dict[str, str]) -> None:
    """The profile includes the typed --password-from, but not the password."""
    environ = sandbox.environment() | directory
    environ["ELSEWHERE"] = environ.pop("TIDB_PASSWORD")
    with Runbook(environ=environ) as runbook:
        runbook.run("demo", vpc=VPC, security_group=[GROUP], password_from="env:ELSEWHERE")
        runbook.connect(password_from="env:ELSEWHERE", save=True)
    with Runbook(environ=directory | {"ELSEWHERE": environ["ELSEWHERE"]}) as runbook:
        assert runbook.connect("@tidb").password_source == "env:ELSEWHERE"


def test_a_failed_login_saves_nothing(sandbox: Sandbox, directory: dict[str, str]) -> None:
    """Only a connection that has worked is saved."""
    with Runbook(environ=sandbox.environment() | directory) as runbook:
        runbook.cluster("demo")
        runbook.create(vpc=VPC, security_group=[GROUP])
        runbook.wait()
        with pytest.raises(ConnectionFailed, match="login"):
            runbook.connect(user="2vKmPqRsTuWxYzA.nobody", save=True)
        assert runbook.connections().saved == ()


def test_an_endpoint_that_is_gone_is_explained(saved: Sandbox, directory: dict[str, str]) -> None:
    """The failure for a deleted endpoint has its stage and advice, without asking a cloud."""
    with Runbook(environ=saved.environment()) as runbook:
        runbook.cluster("demo")
        (endpoint,) = runbook.endpoints()
        runbook.delete(endpoint.endpoint_id, yes=True, shared=True)
    with (
        next_kernel(saved, directory) as runbook,
        pytest.raises(ConnectionFailed, match=r"no connection \(tcp\).*runbook.doctor"),
    ):
        runbook.connect("@analytics")


def test_disconnect_can_forget(saved: Sandbox, directory: dict[str, str]) -> None:
    """Closing a connection keeps its profile, unless --forget is given."""
    with next_kernel(saved, directory) as runbook:
        runbook.connect("@analytics")
        assert not runbook.disconnect(alias="analytics").forgotten
        assert len(runbook.connections().saved) == 1
        gone = runbook.disconnect(alias="analytics", forget=True)
        assert (gone.closed, gone.forgotten) == (False, True)
        assert runbook.connections().saved == ()


def test_tls_is_verified_again_as_it_was(
    tls_server: MariaDb, authority: Authority, directory: dict[str, str]
) -> None:
    """The profile includes the gateway's name and the authority, and another certificate is refused."""
    with Sandbox(upstream=f"{tls_server.host}:{tls_server.port}") as sandbox:
        login = {"TIDB_PASSWORD": tls_server.password, **directory}
        with Runbook(environ=sandbox.environment() | login) as runbook:
            gateway = runbook.cluster("demo").gateway_names[0]
            runbook.create(vpc=VPC, security_group=[GROUP])
            runbook.wait()
            with tls_server.certificate(authority, gateway):
                runbook.connect(user=tls_server.user, no_prefix=True, ca=str(authority.path), save=True)
        with Runbook(environ=login) as runbook:
            with tls_server.certificate(authority, gateway):
                assert runbook.connect("@tidb").tls.verified_name == gateway
            runbook.disconnect()
            with pytest.raises(ConnectionFailed, match=r"tls.*is for 127\.0\.0\.1"):
                runbook.connect("@tidb")


def test_a_saved_connection_whose_endpoint_is_gone_says_what_was_saved(
    saved: Sandbox, directory: dict[str, str]
) -> None:
    """The error names endpoint, cluster and time of saving, and how to save it again or delete it."""
    with Runbook(environ=saved.environment() | directory) as runbook:
        (endpoint_id,) = saved.world.endpoints
        runbook.delete(endpoint_id, cluster="demo", yes=True, shared=True)
        with pytest.raises(ConnectionFailed, match=rf"endpoint {endpoint_id} no longer exists") as gone:
            runbook.connect("@analytics")
    assert "@analytics was saved on 20" in gone.value.message
    assert "for cluster demo in ap-southeast-1" in gone.value.message
    assert [command.operation for command in gone.value.commands if isinstance(command, Suggestion)] == [
        "connect",
        "disconnect",
    ]


def test_connect_keeps_the_database_of_its_alias(saved: Sandbox, directory: dict[str, str]) -> None:
    """Without --database an alias keeps its previous database, and a new alias has none."""
    with Runbook(environ=saved.environment() | directory) as runbook:
        assert runbook.connect(cluster="demo", database="nycflights13").database == "nycflights13"
        assert runbook.connect(cluster="demo").database == "nycflights13"
        assert runbook.connect(cluster="demo", database="test").database == "test"
        assert runbook.connect(cluster="demo", alias="other").database == ""


def test_status_without_keys_shows_what_this_machine_knows(
    saved: Sandbox, directory: dict[str, str], tmp_path: Path
) -> None:
    """Without keys status shows the saved connection, the journal's last change, and how to connect."""
    state = {"TIDB_PE_STATE_DIR": str(tmp_path / "state")}
    with Runbook(environ=saved.environment() | state) as runbook:
        runbook.create(cluster="jakarta")
    with Runbook(environ=directory | state | {"HOME": str(tmp_path)}) as runbook:
        status = runbook.status(cluster="demo")
        assert status.steps[0].done is None
        assert status.steps[0].detail == "cannot tell: no TiDB Cloud API key found"
        assert "Saved connections: @analytics." in status.known
        assert any("CreateVpcEndpoint ep-" in each for each in status.known)
        assert status.next_command == Suggestion("connect", "@analytics")
        shown = " ".join(render.text(status).split())
        assert all(each in shown for each in status.known)
