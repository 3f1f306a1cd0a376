"""STS and the roles' keys of the emulated Alibaba Cloud, with the official credentials package."""

from __future__ import annotations

import base64
import hmac
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_credentials.provider import (
    OIDCRoleArnCredentialsProvider,
    RamRoleArnCredentialsProvider,
)
from darabonba.exceptions import DaraException

from tidb_pe_magic.sandbox.alibaba.metadata import ANALYTICS, MetadataService
from tidb_pe_magic.sandbox.alibaba.network_seed import seed
from tidb_pe_magic.sandbox.alibaba.roles import ACCOUNT, OIDC_PROVIDER
from tidb_pe_magic.sandbox.http_server import HttpServer

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.conftest import Cloud, StartCloud

ANALYST, WORKLOAD = (f"acs:ram::{ACCOUNT}:role/{name}" for name in ("analyst", "workload"))


def assume(cloud: Cloud, secret: str = "", **options: Any) -> Any:
    """Assume the role of analysts through the official provider, and return its key."""
    own = cloud.config()
    provider = RamRoleArnCredentialsProvider(
        access_key_id=own.access_key_id,
        access_key_secret=secret or own.access_key_secret,
        sts_endpoint=cloud.url,
        **{"role_arn": ANALYST, "role_session_name": "test"} | options,
    )
    return provider.get_credentials()


def read(cloud: Cloud, key_id: str, secret: str, token: str | None) -> str:
    """Make a read call with the key, and return the code of its refusal, or an empty text."""
    try:
        cloud.client(key_id, secret, token).check_product_open()
    except DaraException as error:
        return str(error.code)
    return ""


def test_an_assumed_roles_key_works_with_its_token_alone(cloud: Cloud) -> None:
    """A role's key is refused without its token, with another session's token, and under another ID."""
    key, other = assume(cloud), assume(cloud)
    key_id, secret, token = key.get_access_key_id(), key.get_access_key_secret(), key.get_security_token()
    assert key_id.startswith("STS.")
    assert read(cloud, key_id, secret, token) == ""
    assert read(cloud, key_id, secret, None) == "MissingSecurityToken"
    assert (
        read(cloud, key_id, secret, other.get_security_token())
        == "InvalidSecurityToken.MismatchWithAccessKey"
    )
    assert read(cloud, other.get_access_key_id(), secret, token) == "SignatureDoesNotMatch"


def test_a_roles_key_ends_at_its_expiration(start_cloud: StartCloud) -> None:
    """A role's key works until the second before its expiration by the cloud's clock, then it is expired."""
    now = [time.time()]
    cloud = start_cloud(clock=lambda: now[0])
    key = cloud.roles.issue(cloud.roles.by_arn[ANALYST], "test", 600)
    now[0] = key.expires - 1
    assert read(cloud, key.key_id, key.secret, key.token) == ""
    now[0] = key.expires
    assert read(cloud, key.key_id, key.secret, key.token) == "InvalidSecurityToken.Expired"


def test_a_session_is_as_long_as_was_asked(cloud: Cloud) -> None:
    """A session lasts the requested number of seconds, and Expiration is in UTC."""
    key = assume(cloud, duration_seconds=1800)
    assert key.get_expiration() == pytest.approx(time.time() + 1800, abs=30)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"role_arn": f"acs:ram::{ACCOUNT}:role/nobody"}, "404.*EntityNotExist.Role"),
        ({"role_arn": WORKLOAD}, "403.*NoPermission"),
        ({"role_arn": "analyst"}, "400.*InvalidParameter.RoleArn"),
        ({"role_session_name": "a"}, "400.*InvalidParameter.RoleSessionName"),
        ({"duration_seconds": 3601}, "400.*InvalidParameter.DurationSeconds"),
        ({"secret": "forged"}, "400.*SignatureDoesNotMatch"),
        ({"external_id": "guessed"}, "403.*NoPermission"),
    ],
)
def test_a_role_is_refused_as_sts_does(cloud: Cloud, options: dict[str, Any], code: str) -> None:
    """A refused role has the status and code of STS."""
    with pytest.raises(CredentialException, match=code):
        assume(cloud, **options)


def test_the_signature_of_a_query_is_checked(cloud: Cloud) -> None:
    """A call that is unsigned, changed in transit, old or repeated is refused."""
    own = cloud.config()
    sent = {
        "Action": "AssumeRole",
        "Version": "2015-04-01",
        "RoleArn": ANALYST,
        "RoleSessionName": "test@host",
    }
    signed = {
        **sent,
        "AccessKeyId": own.access_key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
    }
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    good = sign({**signed, "SignatureNonce": "1", "Timestamp": now}, own.access_key_secret)
    old = sign({**signed, "SignatureNonce": "2", "Timestamp": "2020-01-01T00:00:00Z"}, own.access_key_secret)
    assert ask(cloud, sent) == "MissingAccessKeyId"
    assert ask(cloud, good | {"RoleSessionName": "other"}) == "SignatureDoesNotMatch"
    assert ask(cloud, good | {"SignatureVersion": "2.0"}) == "IncompleteSignature"
    assert ask(cloud, old) == "InvalidTimeStamp.Expired"
    assert ask(cloud, good) == ""
    assert ask(cloud, good) == "SignatureNonceUsed"


def sign(parameters: dict[str, str], secret: str) -> dict[str, str]:
    """Add the signature, as the provider's reference describes it."""
    query = urlencode(sorted(parameters.items()), quote_via=quote, safe="~")
    digest = hmac.new(f"{secret}&".encode(), f"GET&%2F&{quote(query, safe='~')}".encode(), "sha1").digest()
    return parameters | {"Signature": base64.b64encode(digest).decode()}


def ask(cloud: Cloud, parameters: dict[str, str]) -> str:
    """Return the code of the refusal, or an empty text."""
    answer = httpx.get(cloud.url, params=parameters, trust_env=False).json()
    return str(answer.get("Code", ""))


def test_the_record_of_calls_holds_no_token(cloud: Cloud, tmp_path: Path) -> None:
    """The record of calls contains neither the signature nor the OIDC token."""
    path = tmp_path / "token"
    path.write_text(cloud.roles.oidc_token, encoding="utf-8")
    provider = OIDCRoleArnCredentialsProvider(
        role_arn=WORKLOAD,
        oidc_provider_arn=OIDC_PROVIDER,
        oidc_token_file_path=str(path),
        sts_endpoint=cloud.url,
    )
    assert provider.get_credentials().get_security_token()
    assume(cloud)
    assert cloud.calls.operations == ["AssumeRoleWithOIDC", "AssumeRole"]
    assert cloud.roles.oidc_token not in str(cloud.calls)
    assert "Signature'" not in str(cloud.calls)


def test_an_instances_role_is_returned_with_its_key(cloud: Cloud) -> None:
    """The same key is returned until shortly before its end; a role that does not trust ECS has none."""
    now = [1000.0]
    cloud.roles.now = lambda: now[0]
    service = MetadataService(seed(), roles=cloud.roles)
    paths = "/latest/meta-data/ram/security-credentials/"
    with HttpServer(service.app) as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.get(paths).status_code == 404
        service.place = replace(ANALYTICS, role="instance")
        assert http.get(paths).text == "instance"
        first = http.get(paths + "instance").json()
        assert (first["Code"], first["AccessKeyId"][:4]) == ("Success", "STS.")
        assert first["Expiration"] == "1970-01-01T06:16:40Z"
        assert http.get(paths + "instance").json() == first
        now[0] += 6 * 60 * 60 - 29 * 60
        assert http.get(paths + "instance").json()["AccessKeyId"] != first["AccessKeyId"]
        assert http.get(paths + "analyst").status_code == 404
        service.place = replace(ANALYTICS, role="analyst")
        assert (http.get(paths).text, http.get(paths + "analyst").status_code) == ("analyst", 404)
