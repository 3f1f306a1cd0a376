"""Alibaba Cloud's codes become the product's errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clouds.alibaba.codes import CODES
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

# Code, HTTP status, the error, a word of the advice, and the responsible party.
TABLE: list[tuple[str, int, type[ApiError], str, str]] = [
    # CreateVpcEndpoint's error table (vendor's OpenAPI metadata, PrivateLink 2020-04-15), each row of it.
    ("EndpointServiceNotSupportedZone", 400, ApiError, "%tidb_pe verify", "request"),
    ("ResourceNotEnough.VSwitchIp", 400, Conflict, "--zone ZONE=VSWITCH", "request"),
    ("VSwitchStatusNotAllowed", 400, Conflict, "Wait until", "nobody"),
    ("EndpointZoneDuplicated", 400, Conflict, "once", "request"),
    ("EndpointMustContainSecurityGroup", 400, ApiError, "--security-group", "request"),
    ("SecurityGroupTypeOnlySingleTypeSupporteded", 400, ApiError, "one type", "request"),
    ("SecurityGroupTypeNotSupport", 400, ApiError, "one type", "request"),
    ("SecurityGroupNotFound", 400, NotFound, "networks", "request"),
    ("VSwitchNotFound", 400, NotFound, "networks", "request"),
    ("VpcNotFound", 400, NotFound, "networks", "request"),
    ("EndpointServiceNotFound", 400, NotFound, "verify", "request"),
    ("EndpointServiceNotAuthorized", 400, NotFound, "TiDB Cloud support", "service"),
    ("EndpointServiceDeleted", 400, NotFound, "%tidb_pe clusters", "service"),
    ("EndpointServiceResourceNotFound", 400, NotFound, "TiDB Cloud support", "service"),
    ("IncorrectStatus.VpcEndpointService", 400, Conflict, "try again", "service"),
    ("EndpointDuplicated", 400, Conflict, "reuses it", "request"),
    ("EndpointExist", 400, Conflict, "reuses it", "request"),
    ("QuotaMisMatched", 400, QuotaExceeded, "quota", "account"),
    ("QuotaExceeded.IpQuotaPerEp", 400, QuotaExceeded, "quota", "account"),
    ("QuotaExceeded.epZonePerEndpoint", 400, QuotaExceeded, "fewer zones", "request"),
    ("QuotaExceeded.totalEpPerVpc", 400, QuotaExceeded, "quota", "account"),
    ("QuotaExceeded.totalIdleEndpoint", 400, QuotaExceeded, "not connected", "account"),
    ("EniIpUnavailable", 400, Conflict, "address", "request"),
    ("MissingParam.ServiceName", 400, ApiError, "option", "request"),
    ("IllegalParamFormat.EndpointName", 400, ApiError, "value", "request"),
    ("GenerateResourceIdFailed", 400, ServiceUnavailable, "Alibaba Cloud support", "cloud"),
    ("VpcTunnelNotFound", 400, ApiError, "Alibaba Cloud support", "cloud"),
    ("Mismatch.EndpointType", 400, ApiError, "verify", "request"),
    ("CheckServiceLinkRoleError", 400, ApiError, "ram:CreateServiceLinkedRole", "account"),
    ("OperationDenied.EndpointPolicyNotSupport", 400, ApiError, "policy", "request"),
    ("OperationDenied.PrivateDomainNotSupport", 400, ApiError, "private domain", "service"),
    ("DependencyViolation.PrivateDnsName", 400, Conflict, "endpoints", "request"),
    # The other operations' tables
    ("EndpointLocked", 400, Conflict, "try again", "nobody"),
    ("SecurityGroupExist", 400, Conflict, "already", "request"),
    ("VpcNatServiceException", 400, ServiceUnavailable, "Try again", "cloud"),
    ("EndpointZoneNotFound", 400, NotFound, "endpoints", "request"),
    ("InvalidResourceId.NotFound", 400, NotFound, "endpoints", "request"),
    ("DuplicatedTagKey", 400, ApiError, "once", "request"),
    ("QuotaExceed.TagsPerResource", 400, QuotaExceeded, "tag", "request"),
    ("ResourceNotFound.EndpointConnection", 404, NotFound, "endpoints", "request"),
    ("NeedOpenProduct", 400, ApiError, "Activate PrivateLink", "account"),
    ("EndpointNotFound", 400, NotFound, "endpoints", "request"),
    ("EndpointConnectionNotFound", 400, NotFound, "endpoints", "request"),
    ("EndpointOperationDenied", 400, Conflict, "try again", "nobody"),
    ("EndpointConnectionOperationDenied", 400, Conflict, "try again", "nobody"),
    ("ConcurrentCallNotSupported", 400, Conflict, "try again", "nobody"),
    ("EndpointDependenceViolation", 400, Conflict, "try again", "nobody"),
    ("OperationDenied.EndpointProtected", 400, Conflict, "created this endpoint", "cloud"),
    ("EndpointProtected", 400, Conflict, "created this endpoint", "cloud"),
    # Tokens: VPC's code, ECS's code, and the same token with other parameters
    ("OperationFailed.IdempotentTokenProcessing", 400, Conflict, "try again", "nobody"),
    ("IdempotentProcessing", 403, Conflict, "try again", "nobody"),
    ("IdempotentParameterMismatch", 400, Conflict, "Run the same command", "request"),
    # RAM: VPC's status and ECS's, and the codes of other products
    ("Forbidden.RAM", 400, PermissionDenied, "RAM", "account"),
    ("Forbidden.RAM", 403, PermissionDenied, "RAM", "account"),
    ("NoPermission", 403, PermissionDenied, "RAM", "account"),
    ("NotAuthorized", 400, PermissionDenied, "RAM", "account"),
    ("OperationFailed.NoPermission", 400, PermissionDenied, "RAM", "account"),
    ("Forbidden", 400, PermissionDenied, "RAM", "account"),
    ("AnythingElse", 403, PermissionDenied, "RAM", "account"),
    # The gateway
    ("Throttling", 400, Throttled, "minute", "nobody"),
    ("Throttling.User", 429, Throttled, "minute", "nobody"),
    ("Throttling.Api", 400, Throttled, "minute", "nobody"),
    ("Rejected.Throttling", 400, Throttled, "minute", "nobody"),
    ("ServiceUnavailable", 503, ServiceUnavailable, "Try again", "cloud"),
    ("ServiceUnavailable", 400, ServiceUnavailable, "Try again", "cloud"),
    ("InternalError", 500, ServiceUnavailable, "Try again", "cloud"),
    ("InvalidAccessKeyId.NotFound", 404, AuthenticationFailed, "%tidb_pe whoami", "key"),
    ("InvalidAccessKeyId.Inactive", 400, AuthenticationFailed, "%tidb_pe whoami", "key"),
    ("SignatureDoesNotMatch", 403, AuthenticationFailed, "%tidb_pe whoami", "key"),
    ("SignatureNonceUsed", 400, AuthenticationFailed, "Try again", "nobody"),
    ("InvalidTimeStamp.Expired", 400, AuthenticationFailed, "clock", "key"),
    ("InvalidSecurityToken.Expired", 400, AuthenticationFailed, "STS token", "key"),
    ("InvalidCredentials", 0, AuthenticationFailed, "%tidb_pe whoami", "key"),
    ("QuotaExceeded.VpcEndpoint", 400, QuotaExceeded, "quota", "account"),
    ("MissingRegionId", 400, ApiError, "", ""),
]

PASSING = {
    "ConcurrentCallNotSupported",
    "EndpointConnectionOperationDenied",
    "EndpointLocked",
    "EndpointOperationDenied",
    "GenerateResourceIdFailed",
    "IdempotentProcessing",
    "InternalError",
    "OperationFailed.IdempotentTokenProcessing",
    "Rejected.Throttling",
    "ServiceUnavailable",
    "SignatureNonceUsed",
    "Throttling",
    "Throttling.Api",
    "Throttling.User",
    "VpcNatServiceException",
}


@pytest.mark.parametrize(
    ("code", "status", "kind", "advice", "fault"), TABLE, ids=[f"{r[0]}-{r[1]}" for r in TABLE]
)
def test_the_code_decides_the_error(
    code: str, status: int, kind: type[ApiError], advice: str, fault: str
) -> None:
    """Each code of the API reference maps to one kind of error, with advice and the responsible party."""
    error = translate("Op", code, status, {"Code": code, "Message": "Because.", "RequestId": "R-1"})
    assert type(error) is kind
    assert str(error).startswith(f"Op failed ({code}): Because. [request id R-1]")
    told = str(error.full_advice)
    assert advice in told
    assert bool(told) == bool(advice)
    assert error.fault == fault
    assert error.transient == (code in PASSING)


def test_every_code_of_the_table_is_in_these_tests() -> None:
    """Every row of the error table has a test."""
    checked = [row[0] for row in TABLE]
    assert [each.beginning for each in CODES if not any(c.startswith(each.beginning) for c in checked)] == []


def test_no_rule_hides_behind_an_earlier_one() -> None:
    """The first matching rule decides, so a rule never starts with an earlier rule's text."""
    beginnings = [each.beginning for each in CODES]
    hidden = [
        (later, earlier)
        for place, later in enumerate(beginnings)
        for earlier in beginnings[:place]
        if later.startswith(earlier)
    ]
    assert hidden == []


def test_the_first_rule_is_not_the_shorter_one() -> None:
    """EndpointServiceNotFound is about the service, although EndpointNotFound is also a code."""
    assert translate("Op", "EndpointServiceNotFound", 400, {}).commands == (Suggestion("verify"),)


def test_a_wait_that_the_cloud_asks_for_is_throttling_whatever_the_code() -> None:
    """The retry header alone identifies throttling, and its seconds are preserved."""
    error = translate("Op", "Whatever", 400, {}, retry_after=2.5)
    assert isinstance(error, Throttled)
    assert error.retry_after == 2.5


def test_the_limit_of_calls_per_second_is_recognized_by_its_message() -> None:
    """Some operations report their rate limit in the message only, and it is recognized."""
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
    """AccessDeniedDetail may be an object, JSON in a string, another type, or absent."""
    body = {"Code": "NoPermission", "Message": "No.", "AccessDeniedDetail": detail}
    advice = translate("Op", "NoPermission", 403, body, region_id="ap-southeast-1").full_advice
    assert advice == Advice(asked, Suggestion("permissions"))


def test_a_denial_without_detail_names_the_operations_own_action_on_its_resources() -> None:
    """CreateVpcEndpoint's action is checked on four resources, in any region if the region is unknown."""
    advice = translate("CreateVpcEndpoint", "NoPermission", 403, {}).full_advice
    assert advice == Advice(
        "Ask for the RAM action privatelink:CreateVpcEndpoint on acs:privatelink:*:*:vpcendpoint/* "
        "and acs:vpc:*:*:vpc/* and acs:vpc:*:*:vswitch/* and acs:ecs:*:*:securitygroup/*.",
        Suggestion("permissions"),
    )


def test_a_denied_deletion_names_the_option_of_the_policy() -> None:
    """A denied deletion names the deletion policy's option, --clean-up."""
    denied = translate("DeleteVpcEndpoint", "NoPermission", 403, {})
    assert denied.commands == (Suggestion("permissions", "--clean-up"),)


def test_an_explicit_denial_says_that_no_other_policy_helps() -> None:
    """For an explicit Deny the advice says that another Allow has no effect."""
    detail = {"AuthAction": "vpc:DescribeVpcs", "NoPermissionType": "ExplicitDeny"}
    advice = translate("DescribeVpcs", "NoPermission", 403, {"AccessDeniedDetail": detail}).advice
    assert "Other policies cannot override" in advice


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "IncompleteSignature", "Other"])
@pytest.mark.parametrize(
    "signed",
    [
        "calculation. server string to sign is:POST&%2F&SecurityToken%3DCAIS-canary",
        "calculation. server string to sign is:ACS3-HMAC-SHA256\nab, server canonical request is:CAIS",
        "calculation, the server's StringToSign is [CAIS-canary]",
        "calculation. Server canonical request: x-acs-security-token:CAIS-canary",
    ],
)
def test_a_signature_error_ends_before_the_signed_string(code: str, signed: str) -> None:
    """A signature error is shown up to the string to sign, which contains an STS token."""
    shown = str(translate("ListVpcEndpoints", code, 400, {"Message": f"No match with our {signed}"}))
    assert "No match with our calculation" in shown
    assert "CAIS" not in shown


def test_without_a_code_the_status_replaces_it() -> None:
    """An answer without details is one line with the operation and the status."""
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
    """Every answer of the cloud gives an error that can be displayed."""
    error = translate("Op", code, status, body)
    assert isinstance(error, ApiError)
    assert str(error).startswith("Op failed")
