"""The official SDK's signatures are accepted, whatever they sign, and all others are refused."""

from __future__ import annotations

import hashlib
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from alibabacloud_privatelink20200415 import models
from alibabacloud_tea_openapi.exceptions._client import ClientException
from alibabacloud_tea_openapi.utils import Utils
from darabonba.request import DaraRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidb_pe_magic.sandbox.alibaba.signature import MAX_SKEW, canonical_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.conftest import Cloud, StartCloud

KEY, SECRET = "LTAI5tSandboxKey", "a-secret-of-thirty-characters!"
STS_KEY, STS_SECRET = "STS.NSandboxKey", "another-secret-of-30-characters"
STS_TOKEN = "CAIS-token/with+signs=="
ALGORITHM = "ACS3-HMAC-SHA256"
# The SDK does not encode names when it signs, so only names that need no encoding can be sent.
PARAMETER_NAME = st.from_regex(r"X[A-Za-z0-9]{0,9}(\.[1-9][0-9]?(\.[A-Z][a-z]{0,5})?)?", fullmatch=True)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def headers_for(
    cloud: Cloud,
    *,
    query: Mapping[str, str],
    body: bytes = b"",
    date: float | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers of a call, signed by the official SDK's own function."""
    seconds = time.time() if date is None else date
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": cloud.host,
        "x-acs-action": "DescribeRegions",
        "x-acs-version": "2020-04-15",
        "x-acs-date": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": digest,
        **(extra or {}),
    }
    request = DaraRequest()
    request.method, request.pathname, request.query, request.headers = "POST", "/", dict(query), headers
    signature = Utils.get_authorization(request, ALGORITHM, digest, KEY, SECRET)
    return {**headers, "Authorization": signature}


def post(
    cloud: Cloud, headers: Mapping[str, str], *, query: Mapping[str, str], body: bytes = b""
) -> tuple[int, str]:
    """Send a call and return its HTTP status and its error code."""
    answer = httpx.post(cloud.url, headers=headers, params=query, content=body, trust_env=False)
    return answer.status_code, answer.json().get("Code", "")


QUERY = {"RegionId": "ap-southeast-1"}


def check(cloud: Cloud, key_id: str, secret: str, token: str | None = None) -> bool:
    """Make one call with a key."""
    success: bool = cloud.client(key_id, secret, token).check_product_open().body.success
    return success


def refusal(cloud: Cloud, key_id: str, secret: str, token: str | None = None) -> tuple[int, str]:
    """Return how a call with a key is refused."""
    with pytest.raises(ClientException) as caught:
        check(cloud, key_id, secret, token)
    return caught.value.status_code, caught.value.code


def test_a_wrong_secret_is_refused(cloud: Cloud) -> None:
    """A call signed with another secret does not match."""
    assert check(cloud, KEY, SECRET)
    assert refusal(cloud, KEY, f"{SECRET}x") == (400, "SignatureDoesNotMatch")


def test_a_refused_signature_repeats_the_string_to_sign(cloud: Cloud) -> None:
    """The error message contains the string to sign, including an STS token, as the provider's does."""
    with pytest.raises(ClientException) as caught:
        check(cloud, KEY, f"{SECRET}x", "token+of/sts==")
    message = caught.value.data["Message"]
    beginning = "Specified signature is not matched with our calculation. server string to sign is:"
    assert message.startswith(f"{beginning}ACS3-HMAC-SHA256")
    assert "token+of/sts==" in message


def test_an_unknown_key_is_not_found(cloud: Cloud) -> None:
    """An unknown key is refused as such, with status 404."""
    assert refusal(cloud, "LTAI5tNobody", SECRET) == (404, "InvalidAccessKeyId.NotFound")


def test_a_temporary_key_needs_its_token(cloud: Cloud) -> None:
    """A temporary key works only with its own security token, and a permanent key only without one."""
    mismatch = (400, "InvalidSecurityToken.MismatchWithAccessKey")
    assert check(cloud, STS_KEY, STS_SECRET, STS_TOKEN)
    assert refusal(cloud, STS_KEY, STS_SECRET) == (400, "MissingSecurityToken")
    assert refusal(cloud, STS_KEY, STS_SECRET, "stale") == mismatch
    assert refusal(cloud, KEY, SECRET, STS_TOKEN) == mismatch


@pytest.mark.parametrize("skew", [MAX_SKEW + 60, -MAX_SKEW - 60])
def test_a_date_that_is_off_is_expired(start_cloud: StartCloud, skew: int) -> None:
    """A call dated more than fifteen minutes before or after the server's time is refused."""
    cloud = start_cloud(clock=lambda: time.time() + skew)
    assert refusal(cloud, KEY, SECRET) == (400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize("skew", [MAX_SKEW - 60, 60 - MAX_SKEW])
def test_a_date_within_the_skew_is_accepted(start_cloud: StartCloud, skew: int) -> None:
    """A clock difference of less than fifteen minutes is accepted."""
    assert check(start_cloud(clock=lambda: time.time() + skew), KEY, SECRET)


def test_a_nonce_works_once(cloud: Cloud) -> None:
    """A repeated call is refused, although its signature is valid."""
    headers = headers_for(cloud, query=QUERY)
    assert post(cloud, headers, query=QUERY) == (200, "")
    assert post(cloud, headers, query=QUERY) == (400, "SignatureNonceUsed")


def test_a_nonce_is_stored_until_its_call_has_expired(start_cloud: StartCloud) -> None:
    """A replay is refused for its nonce while its date is valid, and for its date after that."""
    start = time.time()
    now = [start]
    cloud = start_cloud(clock=lambda: now[0])
    # Dated as far in the future as allowed, so that it stays valid for twice the skew.
    headers = headers_for(cloud, query=QUERY, date=start + MAX_SKEW - 1)
    assert post(cloud, headers, query=QUERY) == (200, "")
    now[0] = start + 2 * MAX_SKEW - 2
    assert post(cloud, headers_for(cloud, query=QUERY, date=now[0]), query=QUERY) == (200, "")
    assert post(cloud, headers, query=QUERY) == (400, "SignatureNonceUsed")
    now[0] = start + 2 * MAX_SKEW + 1
    assert post(cloud, headers, query=QUERY) == (400, "InvalidTimeStamp.Expired")


def test_a_forged_call_does_not_use_up_a_nonce(cloud: Cloud) -> None:
    """A nonce used with a wrong signature still works for the call that owns it."""
    headers = headers_for(cloud, query=QUERY)
    assert post(cloud, headers, query={"RegionId": "forged"}) == (400, "SignatureDoesNotMatch")
    assert post(cloud, headers, query=QUERY) == (200, "")


@pytest.mark.parametrize(
    "changed",
    [
        {"x-acs-action": "CheckProductOpen"},
        {"x-acs-signature-nonce": "another"},
        {"x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT00:00:01Z")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_header_is_refused(cloud: Cloud, changed: dict[str, str]) -> None:
    """A signed header that was changed in transit invalidates the signature."""
    headers = {**headers_for(cloud, query=QUERY), **changed}
    assert post(cloud, headers, query=QUERY)[1] in {"SignatureDoesNotMatch", "InvalidTimeStamp.Expired"}


def test_a_changed_body_is_refused(cloud: Cloud) -> None:
    """A changed body is refused, with or without a changed digest header."""
    headers = headers_for(cloud, query=QUERY, body=b"Tag=1")
    assert post(cloud, headers, query=QUERY, body=b"Tag=2") == (400, "SignatureDoesNotMatch")
    headers["x-acs-content-sha256"] = hashlib.sha256(b"Tag=2").hexdigest()
    assert post(cloud, headers, query=QUERY, body=b"Tag=2") == (400, "SignatureDoesNotMatch")


def test_every_header_of_the_provider_must_be_signed(cloud: Cloud) -> None:
    """An unsigned x-acs header, added in transit, is refused."""
    headers = {**headers_for(cloud, query=QUERY), "x-acs-security-token": "slipped-in"}
    assert post(cloud, headers, query=QUERY) == (400, "IncompleteSignature")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "MissingAccessKeyId"),
        ("Basic dXNlcjpwYXNz", "IncompleteSignature"),
        (f"{ALGORITHM} Credential={KEY},SignedHeaders=host,Signature={'0' * 64}", "IncompleteSignature"),
        (f"{ALGORITHM} Credential={KEY}", "IncompleteSignature"),
    ],
)
def test_a_call_without_a_proper_signature_is_refused(
    cloud: Cloud, authorization: str | None, code: str
) -> None:
    """A missing signature, one of another kind and one that covers too little are refused."""
    headers = headers_for(cloud, query=QUERY)
    del headers["Authorization"]
    if authorization is not None:
        headers["Authorization"] = authorization
    assert post(cloud, headers, query=QUERY) == (400, code)


def test_a_date_of_another_shape_is_refused(cloud: Cloud) -> None:
    """A date in a different notation is refused as such."""
    date = {"x-acs-date": "Sun, 22 Nov 2026 18:00:00 GMT"}
    assert post(cloud, headers_for(cloud, query=QUERY, extra=date), query=QUERY) == (
        400,
        "InvalidTimeStamp.Format",
    )


def test_another_path_is_not_found(cloud: Cloud) -> None:
    """A call signed for a path other than the root is refused."""
    headers = headers_for(cloud, query=QUERY)
    answer = httpx.post(f"{cloud.url}/v1", headers=headers, params=QUERY, trust_env=False)
    assert (answer.status_code, answer.json()["Code"]) == (400, "SignatureDoesNotMatch")


def test_the_query_is_signed_in_its_one_form() -> None:
    """The canonical query is sorted and percent-encoded by RFC 3986, however it was sent."""
    assert canonical_query("b=a+b%2Bc%2F~%2A%C3%A9&a.10=&a.1=x%20y") == (
        "a.1=x%20y&a.10=&b=a%20b%2Bc%2F~%2A%C3%A9"
    )


GENERATED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@GENERATED
@given(value=ANY_TEXT, other=ANY_TEXT, name=PARAMETER_NAME)
def test_any_query_that_the_sdk_signs_is_accepted(cloud: Cloud, value: str, other: str, name: str) -> None:
    """Whatever text a parameter contains, the SDK's signature matches and the text arrives unchanged."""
    query: dict[str, Any] = {"RegionId": value, name: other}
    cloud.rpc("DescribeRegions", "2020-04-15", **query)
    assert dict(cloud.calls[-1].params) == query


@GENERATED
@given(key=ANY_TEXT, value=ANY_TEXT)
def test_any_form_that_the_sdk_signs_is_accepted(cloud: Cloud, key: str, value: str) -> None:
    """Whatever text a form contains, the SDK's signature matches and the text arrives unchanged."""
    request = models.TagResourcesRequest(
        region_id="ap-southeast-1",
        resource_type="vpcendpoint",
        resource_id=["ep-none"],
        tag=[models.TagResourcesRequestTag(key=key, value=value)],
    )
    with pytest.raises(ClientException) as caught:
        cloud.client().tag_resources(request)
    assert caught.value.code == "InvalidResourceId.NotFound"
    params = cloud.calls[-1].params
    assert (params["Tag.1.Key"], params["Tag.1.Value"]) == (key, value)


@given(st.lists(st.tuples(ANY_TEXT, st.text(max_size=20).filter(str.isprintable)), max_size=6))
def test_the_order_of_a_query_does_not_matter(pairs: list[tuple[str, str]]) -> None:
    """The canonical query is the same for any order of the parameters."""
    forward = urlencode(pairs)
    backward = urlencode(pairs[::-1])
    assert canonical_query(forward) == canonical_query(backward)
