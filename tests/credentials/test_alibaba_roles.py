"""RAM roles end to end: AssumeRole, OIDC and the ECS metadata service, whose keys then call the cloud."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.secrets_in_traceback import holders

from tidb_pe_magic import Runbook
from tidb_pe_magic.credentials import alibaba
from tidb_pe_magic.display.render import html, text
from tidb_pe_magic.errors import (
    AuthenticationFailed,
    MissingCredentials,
    ServiceUnavailable,
    TidbPeError,
)
from tidb_pe_magic.sandbox import Sandbox
from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS
from tidb_pe_magic.sandbox.alibaba.roles import ACCOUNT, OIDC_PROVIDER, USER, Role
from tidb_pe_magic.sandbox.faults import Fault, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANALYST, WORKLOAD = (f"acs:ram::{ACCOUNT}:role/{name}" for name in ("analyst", "workload"))


@pytest.fixture(scope="module")
def clouds() -> Iterator[Sandbox]:
    """Provide one sandbox for all tests: each test has its own session name, and so its own key."""
    with Sandbox(flights=20) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(clouds: Sandbox) -> Iterator[Sandbox]:
    """Provide the sandbox with an instance that has no role."""
    yield clouds
    clouds.place, clouds.roles.born_ended = ANALYTICS, False
    clouds.faults.clear()


@contextmanager
def user(sandbox: Sandbox, home: Path, **variables: str) -> Iterator[Runbook]:
    """Provide the runbook of a user without an access key in the environment."""
    settings = {name: value for name, value in sandbox.environment().items() if "ACCESS_KEY" not in name}
    environ = settings | {"HOME": str(home)} | variables
    with Runbook(environ=environ, sleep=lambda _: False) as runbook:
        yield runbook


def profile(sandbox: Sandbox, home: Path, *more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Write the CLI's file, whose current profile assumes the role of analysts, and return that profile."""
    environ = sandbox.environment()
    current = {
        "name": "team",
        "mode": "RamRoleArn",
        "access_key_id": environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        "access_key_secret": environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        "ram_role_arn": ANALYST,
        "ram_session_name": home.name,
    } | fields
    (home / ".aliyun").mkdir(exist_ok=True)
    content = json.dumps({"current": "team", "profiles": [current, *more]})
    (home / ".aliyun" / "config.json").write_text(content, encoding="utf-8")
    return current


def oidc(sandbox: Sandbox, home: Path, **changed: str) -> dict[str, str]:
    """Write the token's file, and return the variables that name it."""
    (home / "token").write_text(sandbox.roles.oidc_token + "\n", encoding="utf-8")
    return {
        "ALIBABA_CLOUD_ROLE_ARN": WORKLOAD,
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": OIDC_PROVIDER,
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(home / "token"),
    } | changed


def assert_silent(sandbox: Sandbox, *said: object) -> None:
    """Fail if a key, token or secret appears in the output, including an error's frames."""
    own = sandbox.environment()["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]
    secrets = [own, sandbox.roles.oidc_token]
    secrets += [value for key in sandbox.roles.issued for value in (key.secret, key.token, key.key_id)]
    for each in said:
        shown = f"{each!r} {each}"
        assert not [secret for secret in secrets if secret in shown], shown
        if isinstance(each, BaseException):
            assert not [secret for secret in secrets if holders(each, secret)]


def outputs(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that was printed or logged."""
    printed = capfd.readouterr()
    return printed.out + printed.err + caplog.text


def assert_works(sandbox: Sandbox, runbook: Runbook, provider: str, arn: str) -> None:
    """Check that whoami names the provider, and that a read call with the role's key succeeds."""
    whoami = runbook.whoami()
    identity = whoami.alibaba
    assert (identity.works, identity.call) == (True, "GetCallerIdentity"), identity
    assert identity.provider == provider
    assert arn in identity.detail
    assert runbook.networks(cluster="demo").vpcs
    assert_silent(sandbox, whoami, text(whoami), html(whoami))


def test_a_profile_of_mode_ram_role_arn_assumes_its_role(
    sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The profile's key signs one AssumeRole; every further call uses the role's key."""
    caplog.set_level("DEBUG")
    before = sandbox.requests.mark
    profile(sandbox, tmp_path)
    with user(sandbox, tmp_path) as runbook:
        assert_works(sandbox, runbook, "ram_role_arn/static_ak", f"assumed-role/analyst/{tmp_path.name}")
        assert "CLI's profile team (RamRoleArn)" in runbook.whoami().alibaba.source
    assert sandbox.requests.since(before).count("AssumeRole") == 1
    assert_silent(sandbox, outputs(capfd, caplog))


def test_a_chain_of_profiles_assumes_one_role_by_another(sandbox: Sandbox, tmp_path: Path) -> None:
    """The mode ChainableRamRoleArn signs with its source profile's temporary key and an external ID."""
    source = profile(sandbox, tmp_path) | {"name": "first"}
    sandbox.roles.add(Role(name="second", trusts=frozenset({ANALYST}), external_id="contract-7"))
    second = {"mode": "ChainableRamRoleArn", "source_profile": "first", "external_id": "contract-7"}
    profile(sandbox, tmp_path, source, **second, ram_role_arn=f"acs:ram::{ACCOUNT}:role/second")
    with user(sandbox, tmp_path) as runbook:
        assert_works(
            sandbox, runbook, "ram_role_arn/ram_role_arn/static_ak", f"assumed-role/second/{tmp_path.name}"
        )


def test_a_chain_of_profiles_that_goes_in_a_circle_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    """A circular chain of profiles is refused; the SDK would follow it forever."""
    ring = {"mode": "ChainableRamRoleArn", "ram_role_arn": ANALYST}
    profile(sandbox, tmp_path, {"name": "b", "source_profile": "team", **ring}, source_profile="b", **ring)
    with pytest.raises(TidbPeError, match="source_profile is missing or"):
        alibaba.find({"HOME": str(tmp_path)}, lambda: False)


def test_the_token_of_an_oidc_provider_assumes_its_role(
    sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """With the three variables that ACK sets in a pod, no access key is required."""
    caplog.set_level("DEBUG")
    with user(sandbox, tmp_path, **oidc(sandbox, tmp_path)) as runbook:
        assert_works(sandbox, runbook, "oidc_role_arn", "assumed-role/workload/")
    assert_silent(sandbox, outputs(capfd, caplog))


@pytest.mark.parametrize("kind", ["ram_role_arn", "oidc_role_arn", "ecs_ram_role"])
def test_the_credentials_file_has_roles_too(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """Each type of credentials.ini that exchanges a key gives a working key."""
    own, variables = sandbox.environment(), oidc(sandbox, tmp_path)
    sandbox.place = replace(ANALYTICS, role="instance")
    fields = {
        "ram_role_arn": f"access_key_id = {own['ALIBABA_CLOUD_ACCESS_KEY_ID']}\naccess_key_secret = "
        f"{own['ALIBABA_CLOUD_ACCESS_KEY_SECRET']}\nrole_arn = {ANALYST}  # of the team\n",
        "oidc_role_arn": f"role_arn = {WORKLOAD}\noidc_provider_arn = {OIDC_PROVIDER}\n"
        f"oidc_token_file_path = {variables['ALIBABA_CLOUD_OIDC_TOKEN_FILE']}\n",
        "ecs_ram_role": "role_name = instance\n",
    }
    path = tmp_path / "keys.ini"
    path.write_text(f"[default]\ntype = {kind}\n{fields[kind]}", encoding="utf-8")
    with user(sandbox, tmp_path, ALIBABA_CLOUD_CREDENTIALS_FILE=str(path)) as runbook:
        provider = kind + ("/static_ak" if kind == "ram_role_arn" else "")
        assert_works(sandbox, runbook, provider, "assumed-role/")


@pytest.mark.parametrize("named", [{}, {"mode": "EcsRamRole", "ram_role_name": "instance"}])
def test_an_instance_uses_its_ram_role(sandbox: Sandbox, tmp_path: Path, named: dict[str, str]) -> None:
    """An instance that requires a token uses its RAM role, with and without a profile that names it."""
    sandbox.place = replace(ANALYTICS, role="instance", token_required=True)
    if named:
        profile(sandbox, tmp_path, **named)
    with user(sandbox, tmp_path) as runbook:
        assert_works(sandbox, runbook, "ecs_ram_role", "assumed-role/instance/")


def test_an_instance_without_a_role_gets_advice(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An instance without a role gives one line in every command; the SDK would print three tracebacks."""
    # Its own sandbox: clients of one metadata service share an instance's key.
    with Sandbox(flights=20) as bare, user(bare, tmp_path) as runbook:
        detail = runbook.whoami().alibaba.detail
        with pytest.raises(MissingCredentials, match="Attach a RAM role") as caught:
            runbook.networks(cluster="demo")
    assert str(caught.value).startswith(detail)
    assert "Traceback" not in capfd.readouterr().err


def test_a_key_whose_end_is_near_is_renewed(sandbox: Sandbox, tmp_path: Path) -> None:
    """A session of 15 minutes is too short for the SDK, so each call renews the key."""
    profile(sandbox, tmp_path, expired_seconds=900)
    with user(sandbox, tmp_path) as runbook:
        runbook.whoami()
        first = sandbox.roles.issued
        runbook.whoami()
    assert len(sandbox.roles.issued) > len(first)


def test_a_key_that_the_cloud_has_ended_is_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    """A key that worked and was then revoked is replaced; a new key that is refused ends the command."""
    before = len(sandbox.roles.issued)
    profile(sandbox, tmp_path)
    with user(sandbox, tmp_path) as runbook:
        assert runbook.networks(cluster="demo").vpcs
        sandbox.roles.end_all()
        assert runbook.networks(cluster="demo").vpcs
        assert len(sandbox.roles.issued) - before == 2
        sandbox.roles.born_ended = True
        sandbox.roles.end_all()
        with pytest.raises(AuthenticationFailed, match=r"InvalidSecurityToken\.Expired") as caught:
            runbook.networks(cluster="demo")
        assert len(sandbox.roles.issued) - before == 3
    assert_silent(sandbox, caught.value)


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"ram_role_arn": f"acs:ram::{ACCOUNT}:role/nobody"}, ["EntityNotExist.Role", "nobody", "ARN"]),
        ({"ram_role_arn": f"acs:ram::{ACCOUNT}:role/other"}, ["NoPermission", "sts:AssumeRole", "other"]),
        ({"ram_role_arn": "analyst"}, ["InvalidParameter.RoleArn", "role is analyst"]),
        ({"access_key_id": "LTAInone"}, ["InvalidAccessKeyId", "profile team", "Check the access key"]),
        ({"access_key_secret": "hunter2"}, ["SignatureDoesNotMatch", "profile team"]),
        ({"expired_seconds": 7200}, ["DurationSeconds", ANALYST, "Shorten"]),
        ({"expired_seconds": 60}, ["900s", "profile team"]),
    ],
)
def test_a_role_that_is_not_given_is_one_line(
    sandbox: Sandbox, tmp_path: Path, fields: dict[str, Any], reasons: list[str]
) -> None:
    """A role that cannot be assumed gives one line with role, profile and cause, as in whoami."""
    sandbox.roles.add(Role(name="other", trusts=frozenset({f"{USER}-2"})))
    profile(sandbox, tmp_path, **fields)
    with user(sandbox, tmp_path) as runbook:
        with pytest.raises((AuthenticationFailed, MissingCredentials)) as caught:
            runbook.networks(cluster="demo")
        identity = runbook.whoami().alibaba
    line = str(caught.value)
    assert all(reason in line for reason in reasons), line
    assert "\n" not in line
    assert identity.works is False
    assert identity.call in {"AssumeRole", ""}
    assert all(reason in identity.detail for reason in reasons)
    assert_silent(sandbox, caught.value, identity)


@pytest.mark.parametrize(
    ("changed", "content", "reason"),
    [
        ({}, "another", "OIDCToken.Invalid"),
        ({}, None, "No such file"),
        ({"ALIBABA_CLOUD_ROLE_ARN": ANALYST}, "", "trust policy that allows"),
        ({"ALIBABA_CLOUD_OIDC_PROVIDER_ARN": f"{OIDC_PROVIDER}-2"}, "", "EntityNotExist"),
    ],
)
def test_an_oidc_role_that_is_not_given_is_one_line(
    sandbox: Sandbox, tmp_path: Path, changed: dict[str, str], content: str | None, reason: str
) -> None:
    """A wrong or missing token, an untrusting role and an unknown provider each give one line."""
    variables = oidc(sandbox, tmp_path, **changed)
    path = tmp_path / "token"
    if content is None:
        path.unlink()
    elif content:
        path.write_text(content, encoding="utf-8")
    with user(sandbox, tmp_path, **variables) as runbook, pytest.raises(TidbPeError, match=reason) as caught:
        runbook.networks(cluster="demo")
    assert variables["ALIBABA_CLOUD_ROLE_ARN"] in str(caught.value)
    assert_silent(sandbox, caught.value)


def test_an_sts_that_cannot_be_reached_repeats_no_token(
    sandbox: Sandbox, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error omits the token in the URL, and with DEBUG=sdk the output omits it too."""
    monkeypatch.setenv("DEBUG", "sdk")
    variables = oidc(sandbox, tmp_path)
    with user(sandbox, tmp_path, **variables) as runbook:
        sandbox.faults.add(Fault(kind=Kind.RESET, operation="AssumeRoleWithOIDC", times=20))
        with pytest.raises(ServiceUnavailable, match="AssumeRoleWithOIDC failed: no usable") as caught:
            runbook.networks(cluster="demo")
        sandbox.faults.clear()
        assert runbook.networks(cluster="demo").vpcs
    assert_silent(sandbox, caught.value, capfd.readouterr().err)
