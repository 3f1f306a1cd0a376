"""With failures planted in every layer and in every imported package, no output contains a key."""

from __future__ import annotations

import os
import ssl
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from flows.places import GROUP, VPC
from support.certificates import make_authority, write_server_certificate
from support.needles import find_secrets

from tidb_pe_magic.notebook.forms import Form

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from notebook.conftest import Shell

    from tidb_pe_magic.sandbox import Sandbox

SECRETS = (
    "TIDBCLOUD_PRIVATE_KEY",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
    "TIDB_PASSWORD",
    "CANARY_UNKNOWN_KEY",
)
PLACE = f"--vpc {VPC} --security-group {GROUP}"
CONNECT = "%tidb_pe connect --cluster demo --database nycflights13"
QUERY = "%%tidb_pe query\nSELECT carrier FROM flights LIMIT 3"
CHAINED = """
try:
    get_ipython().run_line_magic("tidb_pe", "clusters")
except Exception as error:
    raise LookupError("of the user's own") from error
"""
MISSED = "this plant was not met"
COMPLETION = """
from IPython.core.completer import provisionalcompleter
with provisionalcompleter():
    list(get_ipython().Completer.completions("%tidb_pe cl", 11))
"""
API = "from tidb_pe_magic import Runbook\nwith Runbook() as mine:\n    mine.clusters()"


class PlantedError(Exception):
    """An unexpected bug."""


def bug(*_: object, **__: object) -> NoReturn:
    """Fail with every secret in the message and in the frame."""
    environment = dict(os.environ)
    values = " ".join(environment.values())
    raise PlantedError(f"planted: {environment!r} {values}")


class Bug:
    """A class whose instances cannot be created."""

    def __init__(self, *_: object, **__: object) -> None:
        """Fail."""
        bug()


@dataclass(frozen=True)
class Plant:
    """A planted failure, and the cell that meets it.

    Attributes:
        target: `module:name` of the function that fails with a bug.
        environ: variables; {dir} and {tls} in a value mean a directory and an https server.
        files: contents by the name of the file in that directory.
        says: a part of the output.
        fails: whether the cell fails. Errors in widgets and completion leave the cell successful.
    """

    cell: str
    target: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    says: str = "PlantedError"
    fails: bool = True


CLI_PROFILE = (
    '{{"current": "a", "profiles": [{{"name": "a", "mode": "{mode}", "access_key_id": "x", '
    '"access_key_secret": "{secret}", "ram_role_arn": "acs:ram::1:role/r", "ram_session_name": "s"}}'
)
REAL_HOST = {"TIDBCLOUD_SERVERLESS_ENDPOINT": ""}  # refused before the call
NO_ACCESS_KEY = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "", "HOME": "{dir}"}
NO_API_KEY = {"TIDBCLOUD_PUBLIC_KEY": "", "TIDBCLOUD_PRIVATE_KEY": "", "HOME": "{dir}"}
PLANTS = {
    # Unusable files
    "SSL_CERT_FILE missing": Plant(
        "%tidb_pe clusters", environ={"SSL_CERT_FILE": "{dir}/none.pem", **REAL_HOST}, says="SSL_CERT_FILE"
    ),
    "SSL_CERT_FILE a directory": Plant(
        "%tidb_pe clusters", environ={"SSL_CERT_FILE": "{dir}", **REAL_HOST}, says="SSL_CERT_FILE"
    ),
    "SSL_CERT_FILE no certificate": Plant(
        "%tidb_pe clusters", environ={"SSL_CERT_FILE": "/etc/passwd", **REAL_HOST}, says="SSL_CERT_FILE"
    ),
    "--ca": Plant(f"{CONNECT} --alias ca --tls verify-ca --ca /etc/passwd", says="--ca"),
    "password file": Plant(f"{CONNECT} --alias file --password-from file:/none", says="--password-from"),
    "ticloud's file": Plant(
        "%tidb_pe clusters",
        environ=NO_API_KEY,
        files={".ticloud/config.toml": "[default\nprivate-key = '{secret}'"},
        says="config.toml",
    ),
    "aliyun's file": Plant(
        "%tidb_pe networks --cluster demo",
        environ=NO_ACCESS_KEY,
        files={".aliyun/config.json": CLI_PROFILE.format(mode="AK", secret="{secret}")},
        says="config.json",
    ),
    "credentials.ini": Plant(
        "%tidb_pe networks --cluster demo",
        environ=NO_ACCESS_KEY,
        files={".alibabacloud/credentials.ini": "access_key_secret = {secret}"},
        says="credentials.ini",
    ),
    # Certificates and signatures
    "certificate of TiDB Cloud": Plant(
        "%tidb_pe clusters",
        environ={"TIDBCLOUD_SERVERLESS_ENDPOINT": "{tls}"},
        says="CERTIFICATE_VERIFY_FAILED",
    ),
    "certificate of Alibaba Cloud": Plant(
        "%tidb_pe networks --cluster demo",
        environ={"TIDB_PE_ALIBABA_ENDPOINT": "{tls}"},
        says="failed: no ",
    ),
    "signature": Plant(
        "%tidb_pe networks --cluster demo",
        environ={"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "{secret}"},
        says="SignatureDoesNotMatch",
    ),
    "signature of STS": Plant(
        "%tidb_pe networks --cluster demo",
        environ=NO_ACCESS_KEY,
        files={".aliyun/config.json": CLI_PROFILE.format(mode="RamRoleArn", secret="{secret}") + "]}}"},
        says="AssumeRole failed",
    ),
    # Called packages
    "httpx": Plant("%tidb_pe clusters", "httpx:Client.request"),
    "httpx as it starts": Plant("%tidb_pe clusters", "httpx:Client.__init__", environ=REAL_HOST),
    "Alibaba's HTTP": Plant("%tidb_pe networks --cluster demo", "requests:Session.send"),
    "Alibaba's core": Plant("%tidb_pe networks --cluster demo", "darabonba.core:DaraCore.do_action"),
    "Alibaba's client": Plant(
        "%tidb_pe networks --cluster demo", "alibabacloud_tea_openapi.client:Client.call_api"
    ),
    "Alibaba's credentials": Plant(
        "%tidb_pe networks --cluster demo",
        "alibabacloud_credentials.client:Client.get_credential",
        environ=NO_ACCESS_KEY,
        files={".aliyun/config.json": CLI_PROFILE.format(mode="RamRoleArn", secret="{secret}") + "]}}"},
    ),
    "PyMySQL's login": Plant(
        f"{CONNECT} --alias login", "pymysql.connections:Connection._request_authentication"
    ),
    "PyMySQL's query": Plant(QUERY, "pymysql.connections:Connection._execute_command"),
    "PyMySQL in %%sql": Plant("%%sql tidb\nSELECT 1", "pymysql.connections:Connection._execute_command"),
    "the reader in %%sql": Plant(
        "%%sql tidb\nSELECT 1", "tidb_pe_magic.database.frames.result_stream:ResultStream._run"
    ),
    "SQLAlchemy": Plant(f"{CONNECT} --alias engine", "sqlalchemy:Engine.connect"),
    "jupysql": Plant(
        f"{CONNECT} --alias other",
        "sql.connection.connection:SQLAlchemyConnection._start_sqlalchemy_connection",
    ),
    "pandas": Plant(QUERY, "pandas:DataFrame.__setattr__"),
    "pyarrow": Plant(QUERY, "pyarrow:schema"),
    "keyring": Plant(f"{CONNECT} --alias ring --password-from keyring:tidb", "keyring:get_password"),
    "filelock": Plant(
        "%tidb_pe sql-user create analyst --cluster demo --role readonly", "filelock:FileLock.acquire"
    ),
    # Layers of this package
    "search for keys": Plant("%tidb_pe clusters", "tidb_pe_magic.credentials.tidb_cloud:find"),
    "client": Plant("%tidb_pe clusters", "tidb_pe_magic.clouds.tidb_cloud:TidbCloud.clusters"),
    "step": Plant("%tidb_pe status --cluster demo", "tidb_pe_magic.steps.status:status"),
    "parser": Plant("%tidb_pe clusters", "tidb_pe_magic.notebook.magics:parse"),
    "display": Plant("%tidb_pe clusters", "tidb_pe_magic.display.render:text", fails=False),
    "completion": Plant(
        COMPLETION,
        "tidb_pe_magic.notebook.completion:candidates",
        fails=False,
    ),
    "a click": Plant(
        "form.header.cancel.click()", "tidb_pe_magic.notebook.forms.worker:Worker.cancel", fails=False
    ),
    "load_ext": Plant("%reload_ext tidb_pe_magic", "tidb_pe_magic.notebook.completion:add"),
    "chained by the user": Plant(CHAINED, "httpx:Client.request", says="of the user's own"),
    "Python API": Plant(API, "httpx:Client.request"),
}


@pytest.fixture
def foreign_server(tmp_path: Path) -> Iterator[str]:
    """Provide the URL of an https server with an untrusted authority."""
    import socket  # noqa: PLC0415 - this server alone

    (tmp_path / "foreign").mkdir()
    write_server_certificate(
        make_authority("foreign", tmp_path / "foreign"), ("127.0.0.1",), tmp_path / "foreign"
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "foreign/server-cert.pem", tmp_path / "foreign/server-key.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed below
                return
            with client:
                try:
                    context.wrap_socket(client, server_side=True).close()
                except OSError:
                    continue  # The client has refused the certificate.

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def shown(shell: Shell, plant: Plant, directory: Path, tls: str, patch: pytest.MonkeyPatch) -> str:
    """Run the plant's cell, and return all of its traces: output, `%tb`, and the error's own words."""
    secret = os.environ["CANARY_UNKNOWN_KEY"]
    for name, content in plant.files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(
            content.replace("{secret}", secret).replace("}}", "}"), encoding="utf-8"
        )
    for name, written in plant.environ.items():
        value = written.replace("{dir}", str(directory)).replace("{tls}", tls).replace("{secret}", secret)
        if value:
            patch.setenv(name, value)
        else:
            patch.delenv(name, raising=False)
    if plant.target:
        module, _, path = plant.target.partition(":")
        *owners, name = path.split(".")
        owner: Any = import_module(module)
        for each in owners:
            owner = getattr(owner, each)
        patch.setattr(owner, name, bug)
    cell = shell.run(plant.cell)
    error = cell.error
    left = [cell.output, str(error), repr(error), str(getattr(error, "__notes__", ""))]
    left += [str(getattr(error, "args", "")), repr(vars(error) if error is not None else "")]
    if error is not None:
        left.append(shell.run("%tb").output)
    if plant.says not in cell.output or (error is not None) != plant.fails:
        left.append(f"{MISSED}: {plant.cell}\n{cell.output}")
    return "\n".join(left)


def test_no_planted_failure_shows_a_key(
    shell: Shell, sandbox: Sandbox, tmp_path: Path, foreign_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `%xmode Verbose`, a failure in a cell, a click or a completion shows no key."""
    monkeypatch.setenv("CANARY_UNKNOWN_KEY", "canary/Key+4a71==end")
    shell.must(f"%tidb_pe run demo {PLACE} --database nycflights13")
    shell.must("%load_ext sql")
    magic: Any = shell.ip.find_line_magic("tidb_pe")  # type: ignore[no-untyped-call]
    runbook = magic.__self__.runbook
    with ExitStack() as stack:
        form = Form(runbook, "connect", wait_for_page=threading.Event.is_set)
        stack.callback(form.close)
        shell.ip.user_ns["form"] = form
        assert form.join(30)
        shell.must("%xmode Verbose")
        assert sandbox.running
        leaks: list[tuple[str, str]] = []
        missed: list[str] = []
        texts: dict[str, str] = {}
        for number, (name, plant) in enumerate(PLANTS.items()):
            directory = tmp_path / str(number)
            directory.mkdir()
            with monkeypatch.context() as patch:
                patch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "canary-Sts/token+91cc==")
                if plant.says != "SignatureDoesNotMatch":
                    patch.delenv("ALIBABA_CLOUD_SECURITY_TOKEN")
                secrets = {each: os.environ[each] for each in SECRETS if each in os.environ}
                text = shown(shell, plant, directory, foreign_server, patch)
            texts[name] = text
            leaks += find_secrets(secrets, {name: text.encode()})
            missed += [f"{name}: {text}"] if MISSED in text else []
    assert not missed, "\n\n".join(missed)
    assert leaks == [], "\n\n".join(texts[name] for _, name in leaks)
    assert len(PLANTS) >= 30
