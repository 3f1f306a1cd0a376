"""Alibaba Cloud's key from the environment, the CLI's profiles, the credentials file and RAM roles."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from credentials.rings import Ring, using
from support.secrets_in_traceback import holders

from tidb_pe_magic import Runbook
from tidb_pe_magic.credentials import alibaba
from tidb_pe_magic.credentials.secrets import Key, Secret
from tidb_pe_magic.errors import MissingCredentials, TidbPeError
from tidb_pe_magic.model import KeyState
from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidb_pe_magic.sandbox import Sandbox

HIDDEN = "hunter2-secret"
AK = {"name": "ak", "mode": "AK", "access_key_id": "cli-id", "access_key_secret": HIDDEN}
STS = {**AK, "name": "sts", "mode": "StsToken", "sts_token": f"{HIDDEN}-token"}
KEYS = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": HIDDEN}
INI = f"[default]\ntype = access_key  # of the team\naccess_key_id = ini-id\naccess_key_secret = {HIDDEN}\n"


def nowhere() -> bool:
    """Fail the test when the code asks whether this machine is an instance."""
    pytest.fail("unexpected request to the metadata service")


def configure(home: Path, *profiles: dict[str, Any], current: str = "ak") -> dict[str, str]:
    """Write the CLI's file, and return the user's environment."""
    (home / ".aliyun").mkdir(exist_ok=True)
    text = json.dumps({"current": current, "profiles": profiles, "meta_path": ""})
    (home / ".aliyun" / "config.json").write_text(text, encoding="utf-8")
    return {"HOME": str(home)}


def test_the_current_profile_of_the_cli_is_used(tmp_path: Path) -> None:
    """The modes AK and StsToken give their key; ALIBABA_CLOUD_PROFILE selects another profile."""
    environ = configure(tmp_path, AK, STS)
    assert alibaba.find(environ, nowhere).key == Key("cli-id", Secret(HIDDEN))
    found = alibaba.find(environ | {"ALIBABA_CLOUD_PROFILE": "sts"}, nowhere)
    assert found.key == Key("cli-id", Secret(HIDDEN), Secret(f"{HIDDEN}-token"))
    assert found.place == f"the Alibaba Cloud CLI's profile sts (StsToken) in {tmp_path}/.aliyun/config.json"


def test_the_environment_comes_before_the_files(tmp_path: Path) -> None:
    """The environment comes before the files, as in the SDK's chain, and skipped sources are listed."""
    environ = configure(tmp_path, AK) | KEYS
    (tmp_path / ".alibabacloud").mkdir()
    (tmp_path / ".alibabacloud" / "credentials.ini").write_text(INI, encoding="utf-8")
    searched = alibaba.search_keys(environ, nowhere, everywhere=True)
    assert searched.found is not None
    assert searched.found.place == "the environment"
    assert [place.state for place in searched.places] == [
        KeyState.USED,
        KeyState.EMPTY,
        KeyState.PASSED_OVER,
        KeyState.PASSED_OVER,
        KeyState.NOT_ASKED,
        KeyState.EMPTY,
    ]


def test_the_credentials_file_comes_after_the_cli(tmp_path: Path) -> None:
    """An unconfigured CLI has no key, and the credentials file is next; a disabled profile is skipped."""
    environ = configure(tmp_path, {**AK, "access_key_id": "", "access_key_secret": ""})
    path = tmp_path / "mine.ini"
    path.write_text(INI, encoding="utf-8")
    environ["ALIBABA_CLOUD_CREDENTIALS_FILE"] = str(path)
    assert alibaba.find(environ, nowhere).key == Key("ini-id", Secret(HIDDEN))
    environ |= configure(tmp_path, AK) | {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}
    assert alibaba.find(environ, nowhere).key == Key("ini-id", Secret(HIDDEN))


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({**AK, "access_key_secret": ""}, "has no access_key_secret"),
        ({**AK, "access_key_id": ""}, "has no access_key_id"),
        ({**STS, "name": "ak", "sts_token": ""}, "has no sts_token"),
        ({**AK, "mode": "RamRoleArn"}, "has no ram_role_arn"),
        ({**AK, "mode": "Telepathy"}, "has the mode Telepathy; supported are AK, StsToken"),
        ({**AK, "name": "other"}, "current profile ak is not among its profiles"),
        ({**AK, "access_key_secret": f"{HIDDEN}\n{HIDDEN}"}, "access_key_secret of the Alibaba Cloud CLI's"),
        ({"name": "ak", "mode": "EcsRamRole"}, "is not an ECS instance"),
    ],
)
def test_a_broken_profile_says_why(tmp_path: Path, profile: dict[str, Any], reason: str) -> None:
    """A broken profile is one line without secrets, and no other identity replaces it."""
    with pytest.raises(TidbPeError, match=reason) as caught:
        alibaba.find(configure(tmp_path, profile), lambda: False)
    assert holders(caught.value, HIDDEN) == []


@pytest.mark.parametrize("content", ["{", "[]", '{"profiles": 1}', f'{{"x": "{HIDDEN}'])
def test_a_broken_file_of_the_cli_is_named(tmp_path: Path, content: str) -> None:
    """A broken CLI file is an error; the SDK would treat it as missing and use another identity."""
    environ = configure(tmp_path, AK)
    (tmp_path / ".aliyun" / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(TidbPeError, match="it is not valid JSON") as caught:
        alibaba.find(environ, nowhere)
    assert holders(caught.value, HIDDEN) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (HIDDEN, "it is not an INI file"),
        (f"[default]\ntype = guess\naccess_key_id = {HIDDEN}\n", "a type that the SDK does not support"),
        (INI.replace("access_key_id = ini-id\n", ""), "has no access_key_id"),
        (INI.replace("default", "prod"), "have no profile elsewhere"),
    ],
)
def test_a_broken_credentials_file_is_named(tmp_path: Path, content: str, reason: str) -> None:
    """A broken credentials file gives one line with the reason and without its content."""
    path = tmp_path / "credentials.ini"
    path.write_text(content, encoding="utf-8")
    environ = {"HOME": str(tmp_path), "ALIBABA_CLOUD_CREDENTIALS_FILE": str(path)}
    if "prod" in content:
        environ["ALIBABA_CLOUD_PROFILE"] = "elsewhere"
    with pytest.raises(TidbPeError, match=reason) as caught:
        alibaba.find(environ, nowhere)
    assert holders(caught.value, HIDDEN) == []


def test_the_keyring_completes_an_access_key_id(tmp_path: Path) -> None:
    """The keyring may hold the secret under the access key's ID."""
    environ = {"HOME": str(tmp_path), "ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id"}
    with using(Ring({("alibabacloud", "env-id"): HIDDEN})):
        assert alibaba.find(environ, nowhere).key == Key("env-id", Secret(HIDDEN))
    with pytest.raises(MissingCredentials, match="ALIBABA_CLOUD_ACCESS_KEY_SECRET is unset"):
        alibaba.find(environ, nowhere)


def test_a_mode_that_the_sdk_exchanges_works_against_the_cloud(sandbox: Sandbox, tmp_path: Path) -> None:
    """The CLI's mode External runs its program through the SDK, once for all clients and without a thread."""
    settings = sandbox.environment()
    key_id, secret = (settings.pop(f"ALIBABA_CLOUD_ACCESS_KEY_{half}") for half in ("ID", "SECRET"))
    answer = tmp_path / "answer.json"
    key = {"mode": "AK", "access_key_id": key_id, "access_key_secret": secret}
    answer.write_text(json.dumps(key), encoding="utf-8")
    # The SDK splits the command at its spaces, and the interpreter's own path may contain one.
    profile = {"name": "ak", "mode": "External", "process_command": f"cat {answer}"}
    with Runbook(environ=settings | configure(tmp_path, profile)) as runbook:
        identity = runbook.whoami().alibaba
        assert identity.works, identity
        assert identity.provider.startswith("cli_profile/external")
        assert secret not in repr(identity)
        assert key_id not in repr(identity)
        before = threading.active_count()
        assert runbook.networks(cluster="demo").vpcs
        assert threading.active_count() <= before + 1  # The metadata service may still be asked.


def test_a_failed_exchange_is_one_quiet_line(
    sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reason of a failed exchange omits the profile's values, and the SDK prints no tracebacks."""
    settings = {name: value for name, value in sandbox.environment().items() if "ACCESS_KEY" not in name}
    profile = {"name": "ak", "mode": "External", "process_command": f"false {HIDDEN}"}
    with Runbook(environ=settings | configure(tmp_path, profile)) as runbook:
        identity = runbook.whoami().alibaba
        with pytest.raises(MissingCredentials, match="External") as caught:
            runbook.networks(cluster="demo")
    assert (identity.works, identity.call) == (False, "")
    assert holders(caught.value, HIDDEN) == []
    assert HIDDEN not in repr(identity)
    assert "Traceback" not in capfd.readouterr().err
    assert not logging.getLogger("credentials").disabled


def test_an_answer_that_holds_a_key_is_not_repeated(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A credentials URI that answers without Code gives a key, which the error does not repeat."""
    settings = {name: value for name, value in sandbox.environment().items() if "ACCESS_KEY" not in name}
    key = {"AccessKeyId": "STS.1", "AccessKeySecret": HIDDEN, "SecurityToken": f'{HIDDEN}"t'}
    with answering(json.dumps(key)) as url:
        uri = f"{url}/{HIDDEN}?{HIDDEN}"
        settings |= {"ALIBABA_CLOUD_CREDENTIALS_URI": uri, "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
        with Runbook(environ=settings) as runbook:
            identity = runbook.whoami().alibaba
            with pytest.raises(MissingCredentials, match=r"URI \(CredentialException\)") as caught:
                runbook.networks(cluster="demo")
    assert not identity.works
    assert HIDDEN not in f"{identity!r} {caught.value}"
    assert holders(caught.value, HIDDEN) == []
    assert HIDDEN not in capfd.readouterr().err + caplog.text


@contextmanager
def answering(text: str) -> Iterator[str]:
    """Answer every GET with the text, and yield the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


OWN_KEY = {"mode": "AK", "access_key_id": "id", "access_key_secret": "secret"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            ".aliyun/config.json",
            json.dumps({"current": "a", "profiles": [{"name": "a", **OWN_KEY}]}, indent=1).replace(
                "\n", "\r\n"
            ),
        ),
        (
            ".alibabacloud/credentials.ini",
            "[default]\r\ntype = access_key\r\naccess_key_id = id\r\naccess_key_secret = secret\r\n",
        ),
    ],
)
def test_a_file_that_windows_wrote_is_read(tmp_path: Path, name: str, content: str, encoding: str) -> None:
    """A byte order mark and CRLF, as PowerShell and Notepad write them, are ignored."""
    path = tmp_path / name
    path.parent.mkdir()
    path.write_bytes(content.encode(encoding))
    key = alibaba.find({"HOME": str(tmp_path)}, lambda: False).own_key
    assert (key.public, key.private.reveal()) == ("id", "secret")


written = partial(configure, current="a")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["External", "rsa_key_pair", "private_key_file", "variables", "OIDC"])
def test_a_byte_order_mark_in_a_file_of_the_sdk_is_named(tmp_path: Path, kind: str, encoding: str) -> None:
    """A file that only the SDK reads is refused for its byte order mark, with the way to save it."""
    environ, file = {"HOME": str(tmp_path)}, tmp_path / "token"
    file.write_text(HIDDEN, encoding=encoding)
    if kind == "External":
        written(tmp_path, {"name": "a", "mode": "External", "process_command": f"echo {HIDDEN}"})
        file = tmp_path / ".aliyun" / "config.json"
        file.write_text(file.read_text(encoding="utf-8"), encoding=encoding)
    elif kind in {"rsa_key_pair", "private_key_file"}:
        ini = tmp_path / "credentials.ini"
        environ["ALIBABA_CLOUD_CREDENTIALS_FILE"] = str(ini)
        text, key_file = "[default]\ntype = rsa_key_pair\n", f"private_key_file = {file}\n"
        if kind == "rsa_key_pair":
            ini.write_text(text, encoding=encoding)
            file = ini
        else:
            ini.write_text(text + key_file, encoding="utf-8")
    elif kind == "variables":
        arns = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN")
        environ |= dict.fromkeys(arns, "acs:x") | {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(file)}
    else:
        role = {"ram_role_arn": "acs:x", "oidc_provider_arn": "acs:x", "oidc_token_file": str(file)}
        written(tmp_path, {"name": "a", "mode": "OIDC", **role})
    with pytest.raises(TidbPeError, match=r"byte order mark.*Save it as UTF-8 without") as caught:
        alibaba.find(environ, lambda: False)
    assert str(file) in str(caught.value)
    assert HIDDEN not in str(caught.value)
    file.write_text(file.read_text(encoding=encoding), encoding="utf-8")
    assert alibaba.find(environ, lambda: False).chain is not None


@pytest.mark.parametrize("mode", ["RsaKeyPair", "BearerToken", "Anonymous"])
def test_a_mode_that_is_not_accepted_is_named_with_those_that_are(tmp_path: Path, mode: str) -> None:
    """A profile with an unsupported mode ends the search, and the error lists the supported modes."""
    environ = written(tmp_path, {"name": "a", **OWN_KEY, "mode": mode})
    with pytest.raises(TidbPeError, match=rf"the mode {mode}; supported are AK.*CredentialsURI, CloudSSO"):
        alibaba.find(environ, lambda: False)


def test_a_profile_can_name_a_credentials_uri(tmp_path: Path) -> None:
    """The mode CredentialsURI uses the profile's URI, which counts as a secret."""
    environ = written(
        tmp_path, {"name": "a", "mode": "CredentialsURI", "credentials_uri": f"http://127.0.0.1/{HIDDEN}"}
    )
    found = alibaba.find(environ, lambda: False)
    assert found.chain is not None
    assert found.chain.uri == Secret(f"http://127.0.0.1/{HIDDEN}")
    assert HIDDEN not in repr(found)


def test_an_instances_role_can_assume_another(tmp_path: Path) -> None:
    """The mode RamRoleArnWithRoleName signs AssumeRole with the key of the instance's own role."""
    profile = {"name": "a", "mode": "RamRoleArnWithRoleName", "ram_role_name": "own", "ram_role_arn": "acs:x"}
    environ = written(tmp_path, profile)
    chain = alibaba.find(environ, lambda: True).chain
    assert chain is not None
    assert chain.source is not None
    assert (chain.kind, chain.role, chain.source.kind, chain.source.role) == ("role", "acs:x", "ecs", "own")
    with pytest.raises(MissingCredentials, match="ECS instance"):
        alibaba.find(environ, lambda: False)


@pytest.mark.parametrize("mode", ["CloudSSO", "OAuth"])
def test_the_temporary_key_of_a_sign_in_is_used_until_it_expires(tmp_path: Path, mode: str) -> None:
    """While the key in the file is valid, no other one is requested."""
    kept = {
        "name": "a",
        **OWN_KEY,
        "mode": mode,
        "sts_token": HIDDEN,
        "sts_expiration": int(time.time()) + 600,
    }
    found = alibaba.find(written(tmp_path, kept), lambda: False)
    assert found.own_key == Key("id", Secret("secret"), Secret(HIDDEN))
    assert HIDDEN not in repr(found)


def test_a_sign_in_that_is_over_says_when_its_key_expired(tmp_path: Path) -> None:
    """If key and login have both expired, the error gives the time and the command."""
    over = {
        "name": "a",
        **OWN_KEY,
        "mode": "CloudSSO",
        "sts_token": HIDDEN,
        "sts_expiration": 1_700_000_000,
        "cloud_sso_sign_in_url": "https://x",
        "cloud_sso_access_token_expire": 1_700_000_000,
    }
    with pytest.raises(MissingCredentials, match=r"expired on 2023-11-14 22:13 UTC.*aliyun configure"):
        alibaba.find(written(tmp_path, over), lambda: False)


def test_the_profile_is_named_as_the_cli_reads_it(tmp_path: Path) -> None:
    """ALIBABACLOUD_PROFILE comes before ALIBABA_CLOUD_PROFILE and ALICLOUD_PROFILE, as in the CLI."""
    profiles = [{"name": name, **OWN_KEY, "access_key_id": name} for name in ("a", "b", "c", "d")]
    environ = written(tmp_path, *profiles)
    for variable, name in (
        ("ALICLOUD_PROFILE", "d"),
        ("ALIBABA_CLOUD_PROFILE", "c"),
        ("ALIBABACLOUD_PROFILE", "b"),
    ):
        environ[variable] = name
        assert alibaba.find(environ, lambda: False).own_key.public == name
    with pytest.raises(TidbPeError, match=r"ALIBABACLOUD_PROFILE: .*have no profile nobody"):
        alibaba.find(environ | {"ALIBABACLOUD_PROFILE": "nobody"}, lambda: False)


def test_sts_is_asked_where_the_profile_says(tmp_path: Path) -> None:
    """`sts_endpoint` is used, and an invalid host is refused before anything is signed."""
    role = {"name": "a", **OWN_KEY, "mode": "RamRoleArn", "ram_role_arn": "acs:x", "ram_session_name": "s"}
    chain = alibaba.find(written(tmp_path, role | {"sts_endpoint": "sts.example.com"}), lambda: False).chain
    assert chain is not None
    assert chain.sts_endpoint == "sts.example.com"
    with pytest.raises(TidbPeError, match=r"sts_endpoint of .* must be a host"):
        alibaba.find(written(tmp_path, role | {"sts_endpoint": "http://sts.example.com/x"}), lambda: False)


def test_an_instance_without_a_role_falls_back_to_the_credentials_uri(sandbox: Sandbox) -> None:
    """After an instance without a role, the URI from the environment gives the key, as in the SDK's chain."""
    settings = {name: value for name, value in sandbox.environment().items() if "ACCESS_KEY" not in name}
    own = sandbox.environment()
    key = {
        "Code": "Success",
        "AccessKeyId": own["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        "AccessKeySecret": own["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        "SecurityToken": "",
        "Expiration": "2999-01-01T00:00:00Z",
    }
    with (
        answering(json.dumps(key)) as url,
        Runbook(environ=settings | {"ALIBABA_CLOUD_CREDENTIALS_URI": url}) as rb,
    ):
        sandbox.place = replace(ANALYTICS, role="")
        identity = rb.whoami().alibaba
    assert identity.works, identity
    assert identity.provider == "credential_uri"
