"""A company proxy that inspects TLS with its own authority."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from flows.places import GROUP, VPC
from support.inspecting_proxy import InspectingProxy

from tidb_pe_magic import Runbook
from tidb_pe_magic.commands.table import OPERATIONS
from tidb_pe_magic.errors import ServiceUnavailable
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.roles import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidb_pe_magic.model import Event

HOSTS = {
    "aliyuncs.com": "TIDB_PE_ALIBABA_ENDPOINT",
    "iam.tidbapi.com": "TIDBCLOUD_IAM_ENDPOINT",
    "serverless.tidbapi.com": "TIDBCLOUD_SERVERLESS_ENDPOINT",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Provide the embedded clouds, which the proxy puts in place of the real ones."""
    with Sandbox(flights=20) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def proxy(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InspectingProxy]:
    """Provide the company's proxy."""

    def upstream(host: str) -> str:
        return sandbox.environment()[next(HOSTS[end] for end in HOSTS if host.endswith(end))]

    with InspectingProxy(tmp_path_factory.mktemp("company"), upstream) as proxy:
        yield proxy


def company(sandbox: Sandbox, proxy: InspectingProxy, **changed: str) -> dict[str, str]:
    """Return the environment of a machine that reaches the clouds only through the proxy."""
    own = {name: value for name, value in sandbox.environment().items() if name not in HOSTS.values()}
    return own | {"HTTPS_PROXY": proxy.url} | changed


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "ALL_PROXY and SSL_CERT_FILE"]
)
def test_one_variable_is_enough_for_every_cloud(
    sandbox: Sandbox, proxy: InspectingProxy, variable: str
) -> None:
    """With the company's authority in any one variable every step works, and each call uses the proxy."""
    environ = company(sandbox, proxy, **{variable.rsplit(maxsplit=1)[-1]: proxy.authority})
    if variable.startswith("ALL_PROXY"):
        environ["ALL_PROXY"] = environ.pop("HTTPS_PROXY")
    proxy.asked.clear()
    with Runbook(environ=environ) as runbook:
        assert runbook.clusters().items
        assert runbook.plan(cluster="demo", vpc=VPC, security_group=[GROUP])
        assert runbook.sql_user("list", cluster="demo")
        whoami = runbook.whoami()
    assert (whoami.tidb_cloud.works, whoami.alibaba.works) == (True, True)
    assert {route.proxy for route in whoami.routes} == {proxy.url}
    assert {route.trust for route in whoami.routes} == {
        f"{variable.rsplit(maxsplit=1)[-1]}={proxy.authority}"
    }
    assert {host.split(".")[0] for host in proxy.asked} == {
        "serverless",
        "iam",
        "privatelink",
        "vpc",
        "ecs",
        "sts",
    }


# Operations that call no cloud, and skins of their own.
APART = {"connections", "disconnect", "form", "help", "load", "query", "sandbox", "tables"}


def test_every_command_works_behind_the_proxy(
    sandbox: Sandbox, proxy: InspectingProxy, tmp_path: Path
) -> None:
    """From the first lookup to the deletion, every operation that calls a cloud works through the proxy."""
    rows = tmp_path / "fleet.toml"
    rows.write_text(
        f'[[endpoint]]\ncluster = "demo"\nvpc = "{VPC}"\nsecurity_group = "{GROUP}"\n', encoding="utf-8"
    )
    place: dict[str, object] = {"cluster": "demo", "vpc": VPC, "security_group": [GROUP]}
    environ = company(sandbox, proxy, SSL_CERT_FILE=proxy.authority)
    with Runbook(environ=environ) as runbook:
        calls: list[tuple[str, dict[str, object]]] = [
            ("clusters", {}),
            ("cluster", {"cluster": "demo"}),
            ("networks", {}),
            ("verify", {}),
            ("permissions", {}),
            ("plan", place),
            ("create", place),
            ("wait", {}),
            ("authorize", {}),
            ("status", {}),
            ("endpoints", {}),
            ("connect", {"database": "nycflights13"}),
            ("connection-string", {"with_": "jdbc"}),
            ("doctor", {"cluster": "demo"}),
            ("sql-user", {"action": "list"}),
            ("export", {"format": "terraform", "to": str(tmp_path / "main.tf")}),
            ("fleet", {"action": "plan", "file": str(rows)}),
            ("run", place),
            ("history", {}),
            ("whoami", {}),
        ]
        asked = {name for name, _ in calls}
        assert asked | {"delete"} == set(OPERATIONS) - APART
        for name, fields in calls:
            runbook.perform(name, OPERATIONS[name].request.of(**fields))
        (made,) = runbook.endpoints().items
        runbook.delete(made.endpoint_id, yes=True, shared=True)


def test_a_ram_role_is_assumed_through_the_proxy(
    sandbox: Sandbox, proxy: InspectingProxy, tmp_path: Path
) -> None:
    """STS, which another part of the SDK calls, is reached through the same proxy with the same trust."""
    environ = company(sandbox, proxy, SSL_CERT_FILE=proxy.authority, HOME=str(tmp_path))
    profile = {
        "name": "team",
        "mode": "RamRoleArn",
        "access_key_id": environ.pop("ALIBABA_CLOUD_ACCESS_KEY_ID"),
        "access_key_secret": environ.pop("ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        "ram_role_arn": f"acs:ram::{ACCOUNT}:role/analyst",
        "ram_session_name": tmp_path.name,
    }
    (tmp_path / ".aliyun").mkdir()
    content = json.dumps({"current": "team", "profiles": [profile]})
    (tmp_path / ".aliyun" / "config.json").write_text(content, encoding="utf-8")
    proxy.asked.clear()
    with Runbook(environ=environ) as runbook:
        assert runbook.networks(cluster="demo").vpcs
    assert any(host.startswith("sts") for host in proxy.asked)


def test_without_the_authority_the_error_has_reason_and_next_step(
    sandbox: Sandbox, proxy: InspectingProxy
) -> None:
    """Without the authority, both clouds' errors say that it is not trusted, and name the variable to set."""
    environ = company(sandbox, proxy)
    with Runbook(environ=environ) as runbook:
        with pytest.raises(ServiceUnavailable, match=r"certificate verify failed.*set SSL_CERT_FILE"):
            runbook.clusters()
        direct = environ | {
            HOSTS["serverless.tidbapi.com"]: sandbox.environment()[HOSTS["serverless.tidbapi.com"]]
        }
    with (
        Runbook(environ=direct) as runbook,
        pytest.raises(
            ServiceUnavailable, match=r"ListVpcEndpoints failed.*certificate verify failed.*SSL_CERT"
        ),
    ):
        runbook.endpoints(cluster="demo")


@pytest.mark.parametrize(
    "entries", ["localhost,::1", "fd07:b51a:cc66:f0::/64", "fe80::/10", "[::1]", "10.0.0.0/99,fd::zz/1"]
)
def test_no_entry_of_no_proxy_blocks_anything(sandbox: Sandbox, proxy: InspectingProxy, entries: str) -> None:
    """NO_PROXY entries for other hosts change nothing; unreadable ones are listed, in `whoami` too."""
    environ = company(sandbox, proxy, SSL_CERT_FILE=proxy.authority, NO_PROXY=entries)
    events: list[Event] = []
    with Runbook(environ=environ, on_event=events.append) as runbook:
        assert runbook.endpoints(cluster="demo") is not None
        skipped = runbook.whoami().skipped
    unreadable = [entry for entry in entries.split(",") if "99" in entry or "zz" in entry]
    assert list(skipped) == unreadable
    assert [event for event in events if "NO_PROXY" in str(event)] == [
        event for event in events if any(entry in str(event) for entry in unreadable)
    ]
    assert len([event for event in events if "NO_PROXY" in str(event)]) == len(unreadable)


def test_the_environment_of_the_process_is_never_touched(
    sandbox: Sandbox, proxy: InspectingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During calls to loopback other threads see their proxy at all times, and those calls do not use it."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    proxy.asked.clear()
    missing: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            missing.extend(name for name in ("HTTPS_PROXY", "HTTP_PROXY") if name not in os.environ)

    def work() -> None:
        with Runbook(environ=os.environ | sandbox.environment()) as runbook:
            for _ in range(5):
                assert runbook.networks(cluster="demo").vpcs

    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=work) for _ in range(2)]
    for thread in (watcher, *workers):
        thread.start()
    for thread in workers:
        thread.join(60)
    done.set()
    watcher.join(10)
    assert not missing
    assert not proxy.asked


def test_a_key_log_that_cannot_be_written_is_one_line(sandbox: Sandbox) -> None:
    """An unwritable SSLKEYLOGFILE, which the SDK opens on import, is one line without a traceback."""
    environ = os.environ | sandbox.environment() | {"SSLKEYLOGFILE": "/no/such/keys.log"}
    command = [sys.executable, "-m", "tidb_pe_magic", "networks", "--cluster", "demo"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "SSLKEYLOGFILE: file /no/such/keys.log cannot be opened: No such file" in done.stderr
    assert "Traceback" not in done.stderr
