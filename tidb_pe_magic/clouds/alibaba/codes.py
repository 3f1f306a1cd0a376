"""Error codes of Alibaba Cloud's APIs: the error class, who can fix it, and what to do next.

Sources: the error tables of the vendor's OpenAPI metadata for PrivateLink 2020-04-15 (CreateVpcEndpoint and
the operations that change an endpoint), the references of VPC and ECS, and the common client errors of
RPC-style APIs. The metadata gives few messages: the meaning of the other codes is read from their names
[GUESS].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion

DRY_RUN_PASSED = "DryRunOperation"
NOT_ACTIVATED = "NeedOpenProduct"
CLOCK_REFUSED = "InvalidTimeStamp"
ALREADY_EXISTS = frozenset({"EndpointDuplicated", "EndpointExist"})
"""The service has an endpoint in this VPC: look again, and reuse it. When each code occurs: [GUESS]."""


class Responsible(StrEnum):
    """Who can fix the cause of a refusal."""

    REQUEST = "request"
    """The caller: other options would be accepted."""
    ACCOUNT = "account"
    """The owner of the Alibaba Cloud account: permissions, quotas, orders."""
    KEY = "key"
    """The owner of the access key, or this machine's clock."""
    SERVICE = "service"
    """The owner of the endpoint service, which is TiDB Cloud."""
    CLOUD = "cloud"
    """Alibaba Cloud."""
    NOBODY = "nobody"
    """Nobody needs to act: it passes by itself."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """The meaning of a code.

    Attributes:
        beginning: the prefix of the code, in Alibaba Cloud's spelling.
        error: the class of the error.
        fault: who can fix it.
        advice: the next step.
        passing: the same call with the same token may succeed in a moment; this one changed nothing.
    """

    beginning: str
    error: type[errors.ApiError]
    fault: Responsible
    advice: str | Advice
    passing: bool = False


_REQUEST, _ACCOUNT, _KEY, _SERVICE, _CLOUD, _NOBODY = Responsible

_CHECK_KEY = Advice("Check the access key and where it comes from.", Suggestion("whoami"))
_BUSY = "The endpoint is being changed; try again in a minute."
_PROTECTED = "Only the cloud service that created this endpoint can delete it."
_ENDPOINTS, _NETWORKS, _SERVICE_STATE = Suggestion("endpoints"), Suggestion("networks"), Suggestion("verify")
_SEE_ENDPOINTS = Advice("", _ENDPOINTS)
_SEE_NETWORKS = Advice("", _NETWORKS)
_SEE_SERVICE = Advice("", _SERVICE_STATE)
_REUSE = "Run the same command again: it finds the endpoint and reuses it."
_SAME_CALL = "The same call is still being processed; try again in a minute."
_ASK_TIDB_CLOUD = "If the problem persists, contact TiDB Cloud support with the request ID."
_ASK_ALIBABA = "If the problem persists, contact Alibaba Cloud support with the request ID."
_ONE_TYPE = Advice("Choose security groups of one type, basic or advanced: --security-group.", _NETWORKS)
_QUOTA = Advice("Raise the quota in the Quota Center, or delete endpoints you do not need.", _ENDPOINTS)

CODES: tuple[ErrorCode, ...] = (
    # The endpoint
    ErrorCode("EndpointDuplicated", errors.Conflict, _REQUEST, _REUSE),
    ErrorCode("EndpointExist", errors.Conflict, _REQUEST, _REUSE),
    ErrorCode("EndpointNotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    ErrorCode("EndpointConnectionNotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    ErrorCode("EndpointOperationDenied", errors.Conflict, _NOBODY, _BUSY, passing=True),
    ErrorCode("EndpointConnectionOperationDenied", errors.Conflict, _NOBODY, _BUSY, passing=True),
    ErrorCode("EndpointLocked", errors.Conflict, _NOBODY, _BUSY, passing=True),
    ErrorCode("ConcurrentCallNotSupported", errors.Conflict, _NOBODY, _BUSY, passing=True),
    ErrorCode("EndpointDependenceViolation", errors.Conflict, _NOBODY, _BUSY),
    ErrorCode("OperationDenied.EndpointProtected", errors.Conflict, _CLOUD, _PROTECTED),
    ErrorCode("EndpointProtected", errors.Conflict, _CLOUD, _PROTECTED),
    ErrorCode(
        "Mismatch.EndpointType",
        errors.ApiError,
        _REQUEST,
        Advice("The service accepts only endpoints of another type than Interface.", _SERVICE_STATE),
    ),
    ErrorCode(
        "OperationDenied.EndpointPolicyNotSupport",
        errors.ApiError,
        _REQUEST,
        "Omit the endpoint policy: the service does not support one.",
    ),
    ErrorCode(
        "OperationDenied.PrivateDomain",
        errors.ApiError,
        _SERVICE,
        "Create the endpoint without a private domain name. " + _ASK_TIDB_CLOUD,
    ),
    ErrorCode(
        "DependencyViolation.PrivateDnsName",
        errors.Conflict,
        _REQUEST,
        Advice("Another endpoint of this VPC already uses the private domain name.", _ENDPOINTS),
    ),
    # Its zones, vSwitches and addresses
    ErrorCode(
        "EndpointServiceNotSupportedZone",
        errors.ApiError,
        _REQUEST,
        Advice("Choose a zone that the service supports: --zone.", _SERVICE_STATE),
    ),
    ErrorCode(
        "EndpointZoneDuplicated",
        errors.Conflict,
        _REQUEST,
        "Specify each zone once. A zone that the endpoint already has cannot be added again.",
    ),
    ErrorCode("EndpointZoneNotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    ErrorCode(
        "ResourceNotEnough.VSwitchIp",
        errors.Conflict,
        _REQUEST,
        Advice("Choose a vSwitch with free addresses: --zone ZONE=VSWITCH.", _NETWORKS),
    ),
    ErrorCode(
        "VSwitchStatusNotAllowed",
        errors.Conflict,
        _NOBODY,
        Advice("Wait until the vSwitch is Available, or choose another: --zone ZONE=VSWITCH.", _NETWORKS),
    ),
    ErrorCode("VSwitchNotFound", errors.NotFound, _REQUEST, _SEE_NETWORKS),
    ErrorCode("VpcNotFound", errors.NotFound, _REQUEST, _SEE_NETWORKS),
    ErrorCode(
        "EniIpUnavailable",
        errors.Conflict,
        _REQUEST,
        "Another network interface uses the address. Choose another address or omit it.",
    ),
    ErrorCode("VpcTunnelNotFound", errors.ApiError, _CLOUD, "Try again in a few minutes. " + _ASK_ALIBABA),
    ErrorCode(
        "VpcNatServiceException",
        errors.ServiceUnavailable,
        _CLOUD,
        "Try again. " + _ASK_ALIBABA,
        passing=True,
    ),
    # Its security groups
    ErrorCode(
        "EndpointMustContainSecurityGroup",
        errors.ApiError,
        _REQUEST,
        Advice("Specify at least one security group: --security-group.", _NETWORKS),
    ),
    ErrorCode("SecurityGroupTypeOnlySingleTypeSupporteded", errors.ApiError, _REQUEST, _ONE_TYPE),  # sic
    ErrorCode("SecurityGroupTypeNotSupport", errors.ApiError, _REQUEST, _ONE_TYPE),
    ErrorCode("SecurityGroupNotFound", errors.NotFound, _REQUEST, _SEE_NETWORKS),
    ErrorCode(
        "SecurityGroupExist", errors.Conflict, _REQUEST, "The endpoint already has this security group."
    ),
    # The service
    ErrorCode("EndpointServiceNotFound", errors.NotFound, _REQUEST, _SEE_SERVICE),
    ErrorCode(
        "EndpointServiceNotAuthorized",
        errors.NotFound,
        _SERVICE,
        "Ask TiDB Cloud support to allow this Alibaba Cloud account to use the endpoint service.",
    ),
    ErrorCode(
        "EndpointServiceDeleted",
        errors.NotFound,
        _SERVICE,
        Advice("Look up the service name again. " + _ASK_TIDB_CLOUD, Suggestion("clusters")),
    ),
    ErrorCode(
        "EndpointServiceResourceNotFound",
        errors.NotFound,
        _SERVICE,
        "The endpoint service has no load balancer: contact TiDB Cloud support with the request ID.",
    ),
    ErrorCode(
        "IncorrectStatus.VpcEndpointService",
        errors.Conflict,
        _SERVICE,
        "The endpoint service is being changed; try again in a few minutes. " + _ASK_TIDB_CLOUD,
    ),
    # Quotas
    ErrorCode(
        "QuotaExceeded.epZonePerEndpoint",
        errors.QuotaExceeded,
        _REQUEST,
        "Choose fewer zones: --zone. The quota can be raised in the Quota Center.",
    ),
    ErrorCode("QuotaExceeded.IpQuotaPerEp", errors.QuotaExceeded, _ACCOUNT, _QUOTA),
    ErrorCode(
        "QuotaExceeded.totalIdleEndpoint",
        errors.QuotaExceeded,
        _ACCOUNT,
        Advice("Delete endpoints that are not connected.", _ENDPOINTS),
    ),
    ErrorCode(
        "QuotaExceed.TagsPerResource",
        errors.QuotaExceeded,
        _REQUEST,
        "Remove a tag that you do not need first.",
    ),
    ErrorCode("QuotaExceed", errors.QuotaExceeded, _ACCOUNT, _QUOTA),
    ErrorCode("QuotaMisMatched", errors.QuotaExceeded, _ACCOUNT, _QUOTA),
    # Tags, and other resources
    ErrorCode("DuplicatedTagKey", errors.ApiError, _REQUEST, "Specify each tag key once."),
    ErrorCode("InvalidResourceId.NotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    ErrorCode("ResourceNotFound.", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    # The call
    ErrorCode(
        "OperationFailed.IdempotentTokenProcessing", errors.Conflict, _NOBODY, _SAME_CALL, passing=True
    ),
    ErrorCode("IdempotentProcessing", errors.Conflict, _NOBODY, _SAME_CALL, passing=True),
    ErrorCode(
        "IdempotentParameterMismatch",
        errors.Conflict,
        _REQUEST,
        "An earlier call used other options. Run the same command again.",
    ),
    ErrorCode(
        "MissingParam.",
        errors.ApiError,
        _REQUEST,
        "Set the option. If it does not exist, report this message.",
    ),
    ErrorCode(
        "IllegalParamFormat.", errors.ApiError, _REQUEST, "Correct the value and run the command again."
    ),
    # The account, the key, the cloud
    ErrorCode(
        NOT_ACTIVATED,
        errors.ApiError,
        _ACCOUNT,
        "Activate PrivateLink in the Alibaba Cloud console (it is an order).",
    ),
    ErrorCode(
        "CheckServiceLinkRoleError",
        errors.ApiError,
        _ACCOUNT,
        "PrivateLink needs its service-linked role. Ask for the RAM action ram:CreateServiceLinkedRole, or "
        "have the account owner create the first endpoint.",
    ),
    ErrorCode("InvalidAccessKeyId", errors.AuthenticationFailed, _KEY, _CHECK_KEY),
    ErrorCode("SignatureDoesNotMatch", errors.AuthenticationFailed, _KEY, _CHECK_KEY),
    ErrorCode("SignatureNonceUsed", errors.AuthenticationFailed, _NOBODY, "Try again.", passing=True),
    ErrorCode("InvalidCredentials", errors.AuthenticationFailed, _KEY, _CHECK_KEY),
    ErrorCode(
        "InvalidSecurityToken",
        errors.AuthenticationFailed,
        _KEY,
        "The STS token has expired or belongs to another key. Get a new one.",
    ),
    ErrorCode(
        CLOCK_REFUSED,
        errors.AuthenticationFailed,
        _KEY,
        "Set this machine's clock: it is more than 15 minutes off.",
    ),
    ErrorCode(
        "GenerateResourceIdFailed",
        errors.ServiceUnavailable,
        _CLOUD,
        "Try again. " + _ASK_ALIBABA,
        passing=True,
    ),
    ErrorCode("ServiceUnavailable", errors.ServiceUnavailable, _CLOUD, "Try again.", passing=True),
)
"""Each code once; the first one that matches decides."""

DENIALS = ("Forbidden", "NoPermission", "NotAuthorized", "OperationFailed.NoPermission")
"""The prefixes of RAM's codes: VPC answers `Forbidden.RAM` with HTTP 400, ECS with 403."""


def find(code: str) -> ErrorCode | None:
    """Return the meaning of the code; None if it is unknown."""
    return next((each for each in CODES if code.startswith(each.beginning)), None)
