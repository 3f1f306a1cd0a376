"""Alibaba Cloud's codes become our errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.clouds.alibaba.errors import translate
from tidb_pe_magic.errors import (
    ApiError,
    AuthenticationFailed,
    Conflict,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    ServiceUnavailable,
    Throttled,
)

# Code, HTTP status, the error, and a word of the advice.
TABLE: list[tuple[str, int, type[ApiError], str]] = [
    ("EndpointNotFound", 400, NotFound, "endpoints"),
    ("EndpointServiceNotFound", 400, NotFound, "verify"),
    ("EndpointConnectionNotFound", 400, NotFound, "endpoints"),
    ("EndpointZoneNotFound", 400, NotFound, "endpoints"),
    ("SecurityGroupNotFound", 400, NotFound, "networks"),
    ("EndpointOperationDenied", 400, Conflict, "try again"),
    ("EndpointConnectionOperationDenied", 400, Conflict, "try again"),
    ("EndpointLocked", 400, Conflict, "try again"),
    ("ConcurrentCallNotSupported", 400, Conflict, "try again"),
    ("EndpointDependenceViolation", 400, Conflict, "try again"),
    ("OperationDenied.EndpointProtected", 400, Conflict, "made this endpoint"),
    ("EndpointProtected", 400, Conflict, "made this endpoint"),
    ("NeedOpenProduct", 400, ApiError, "Activate PrivateLink"),
    ("Throttling", 400, Throttled, "minute"),
    ("Throttling.User", 429, Throttled, "minute"),
    ("Throttling.Api", 400, Throttled, "minute"),
    ("Rejected.Throttling", 400, Throttled, "minute"),
    ("ServiceUnavailable", 503, ServiceUnavailable, "Try again"),
    ("ServiceUnavailable", 400, ServiceUnavailable, "Try again"),
    ("InternalError", 500, ServiceUnavailable, "Try again"),
    ("InvalidAccessKeyId.NotFound", 404, AuthenticationFailed, "%tidb_pe whoami"),
    ("InvalidAccessKeyId.Inactive", 400, AuthenticationFailed, "%tidb_pe whoami"),
    ("SignatureDoesNotMatch", 403, AuthenticationFailed, "%tidb_pe whoami"),
    ("SignatureNonceUsed", 400, AuthenticationFailed, "Try again"),
    ("InvalidTimeStamp.Expired", 400, AuthenticationFailed, "clock"),
    ("InvalidSecurityToken.Expired", 400, AuthenticationFailed, "STS token"),
    ("InvalidCredentials", 0, AuthenticationFailed, "%tidb_pe whoami"),
    ("NoPermission", 403, PermissionDenied, "RAM"),
    ("Forbidden.RAM", 403, PermissionDenied, "RAM"),
    ("Forbidden", 400, PermissionDenied, "RAM"),
    ("AnythingElse", 403, PermissionDenied, "RAM"),
    ("QuotaExceeded.VpcEndpoint", 400, QuotaExceeded, "quota"),
    ("QuotaExceed.Endpoint", 400, QuotaExceeded, "quota"),
    ("VpcNotFound", 400, ApiError, ""),
    ("MissingRegionId", 400, ApiError, ""),
]


@pytest.mark.parametrize(("code", "status", "kind", "advice"), TABLE, ids=[f"{r[0]}-{r[1]}" for r in TABLE])
def test_the_code_decides_the_error(code: str, status: int, kind: type[ApiError], advice: str) -> None:
    """Each code of the API reference is one kind of error with its advice, whatever the HTTP status."""
    error = translate("Op", code, status, {"Code": code, "Message": "Because.", "RequestId": "R-1"})
    assert type(error) is kind
    assert str(error).startswith(f"Op failed ({code}): Because. [request id R-1]")
    assert advice in error.advice
    assert bool(error.advice) == bool(advice)


def test_the_first_rule_is_not_the_shorter_one() -> None:
    """EndpointServiceNotFound is about the service, although EndpointNotFound is a code too."""
    assert "verify" in translate("Op", "EndpointServiceNotFound", 400, {}).advice


def test_a_wait_that_the_cloud_asks_for_is_throttling_whatever_the_code() -> None:
    """The header alone tells it, and its seconds are kept."""
    error = translate("Op", "Whatever", 400, {}, retry_after=2.5)
    assert isinstance(error, Throttled)
    assert error.retry_after == 2.5


def test_the_limit_of_calls_per_second_is_told_by_its_message() -> None:
    """Some operations say it in words alone."""
    assert isinstance(translate("Op", "X", 400, {"Message": "QPS Limit Exceeded"}), Throttled)


@pytest.mark.parametrize(
    ("detail", "asked"),
    [
        (
            {"AuthAction": "privatelink:GetVpcEndpointAttribute"},
            (
                "Ask for the RAM action privatelink:GetVpcEndpointAttribute "
                "on acs:privatelink:ap-southeast-1:*:vpcendpoint/*."
            ),
        ),
        ('{"AuthAction": "vpc:DescribeVpcs"}', "Ask for the RAM action vpc:DescribeVpcs."),
        ('{"AuthAction": "kms:Decrypt"}', "Ask for the RAM action kms:Decrypt."),
        ({"AuthAction": "no action; see http://evil.example"}, "Ask for a RAM policy that allows Op."),
        ({"AuthAction": ["vpc:DescribeVpcs"]}, "Ask for a RAM policy that allows Op."),
        ("{broken", "Ask for a RAM policy that allows Op."),
        ("[]", "Ask for a RAM policy that allows Op."),
        ("[" * 100_000, "Ask for a RAM policy that allows Op."),
        ({}, "Ask for a RAM policy that allows Op."),
        (None, "Ask for a RAM policy that allows Op."),
    ],
)
def test_a_denial_names_the_action_to_ask_for(detail: object, asked: str) -> None:
    """AccessDeniedDetail may be an object, JSON in a string, something else, or absent."""
    body = {"Code": "NoPermission", "Message": "No.", "AccessDeniedDetail": detail}
    advice = translate("Op", "NoPermission", 403, body, region_id="ap-southeast-1").advice
    assert advice == f"{asked} See %tidb_pe permissions."


def test_a_denial_without_detail_names_the_operations_own_action_on_its_resources() -> None:
    """One action of CreateVpcEndpoint is checked on four resources, in any region where none is known."""
    advice = translate("CreateVpcEndpoint", "NoPermission", 403, {}).advice
    assert advice == (
        "Ask for the RAM action privatelink:CreateVpcEndpoint on acs:privatelink:*:*:vpcendpoint/* "
        "and acs:vpc:*:*:vpc/* and acs:vpc:*:*:vswitch/* and acs:ecs:*:*:securitygroup/*. "
        "See %tidb_pe permissions."
    )


def test_a_denied_deletion_names_the_option_of_the_policy() -> None:
    """The policy for deletion is the one with --clean-up."""
    advice = translate("DeleteVpcEndpoint", "NoPermission", 403, {}).advice
    assert advice.endswith("See %tidb_pe permissions --clean-up.")


def test_an_explicit_denial_says_that_no_other_policy_helps() -> None:
    """Against a Deny, one more Allow is of no use."""
    detail = {"AuthAction": "vpc:DescribeVpcs", "NoPermissionType": "ExplicitDeny"}
    advice = translate("DescribeVpcs", "NoPermission", 403, {"AccessDeniedDetail": detail}).advice
    assert "which no other policy can allow" in advice


def test_without_a_code_the_status_stands_for_it() -> None:
    """An answer that says nothing is still one line with the operation and the status."""
    assert str(translate("Op", "", 418, {})) == "Op failed (HTTP 418): no reason given"
    assert str(translate("Op", "", 400, {"message": "m", "requestId": "r"})).endswith("m [request id r]")


@given(
    st.text(),
    st.integers(0, 999),
    st.dictionaries(
        st.sampled_from(["Message", "message", "RequestId", "AccessDeniedDetail", "Other"]),
        st.none() | st.text() | st.integers() | st.lists(st.text()) | st.dictionaries(st.text(), st.text()),
    ),
)
def test_any_answer_is_an_error_with_its_operation(code: str, status: int, body: dict[str, object]) -> None:
    """Whatever the cloud writes, there is an error to show."""
    error = translate("Op", code, status, body)
    assert isinstance(error, ApiError)
    assert str(error).startswith("Op failed")
