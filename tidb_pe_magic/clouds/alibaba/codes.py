"""The codes with which Alibaba Cloud's APIs refuse a call: which error, whose fault, and what to do next.

Sources: the error tables of the vendor's OpenAPI metadata for PrivateLink 2020-04-15 (CreateVpcEndpoint and
the operations that change an endpoint), the references of VPC and ECS, and the common client errors of
RPC-style APIs. The metadata gives few messages: what the other codes mean is read from their names [GUESS].
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidb_pe_magic import errors

DRY_RUN_PASSED = "DryRunOperation"
NOT_ACTIVATED = "NeedOpenProduct"
CLOCK_REFUSED = "InvalidTimeStamp"
ALREADY_EXISTS = frozenset({"EndpointDuplicated", "EndpointExist"})
"""The service has an endpoint in this VPC: look again, and reuse it. Which of the two comes when: [GUESS]."""


class Fault(StrEnum):
    """Who can change what led to a refusal."""

    REQUEST = "request"
    """Whoever makes the call: with other options it is accepted."""
    ACCOUNT = "account"
    """The owner of the Alibaba Cloud account: permissions, quotas, orders."""
    KEY = "key"
    """Whoever keeps the access key, or this machine's clock."""
    SERVICE = "service"
    """The owner of the endpoint service, which is TiDB Cloud."""
    CLOUD = "cloud"
    """Alibaba Cloud."""
    NOBODY = "nobody"
    """It passes by itself."""


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means.

    Attributes:
        beginning: how the code begins, in Alibaba Cloud's spelling.
        error: the class of the error.
        fault: who can change it.
        advice: the next step.
        passing: the same call, with the same token, may succeed in a moment, and this one changed nothing.
    """

    beginning: str
    error: type[errors.ApiError]
    fault: Fault
    advice: str
    passing: bool = False


_REQUEST, _ACCOUNT, _KEY, _SERVICE, _CLOUD, _NOBODY = Fault

_CHECK_KEY = "Check the access key. %tidb_pe whoami shows where it comes from."
_BUSY = "The endpoint is being changed; try again in a minute."
_PROTECTED = "Only the cloud service that created this endpoint can delete it."
_SEE_ENDPOINTS = "See %tidb_pe endpoints."
_SEE_NETWORKS = "See %tidb_pe networks."
_SEE_SERVICE = "Run %tidb_pe verify."
_REUSE = "Run the same command again: it finds the endpoint and reuses it."
_SAME_CALL = "The same call is still being processed; try again in a minute."
_ASK_TIDB_CLOUD = "If it stays so, contact TiDB Cloud support with the request ID."
_ASK_ALIBABA = "If it stays so, contact Alibaba Cloud support with the request ID."
_ONE_TYPE = "Choose security groups of one type, basic or advanced: --security-group. See %tidb_pe networks."
_QUOTA = "Raise the quota in the Quota Center, or delete endpoints you do not need. See %tidb_pe endpoints."

CODES: tuple[Code, ...] = (
    # The endpoint
    Code("EndpointDuplicated", errors.Conflict, _REQUEST, _REUSE),
    Code("EndpointExist", errors.Conflict, _REQUEST, _REUSE),
    Code("EndpointNotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    Code("EndpointConnectionNotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    Code("EndpointOperationDenied", errors.Conflict, _NOBODY, _BUSY, passing=True),
    Code("EndpointConnectionOperationDenied", errors.Conflict, _NOBODY, _BUSY, passing=True),
    Code("EndpointLocked", errors.Conflict, _NOBODY, _BUSY, passing=True),
    Code("ConcurrentCallNotSupported", errors.Conflict, _NOBODY, _BUSY, passing=True),
    Code("EndpointDependenceViolation", errors.Conflict, _NOBODY, _BUSY),
    Code("OperationDenied.EndpointProtected", errors.Conflict, _CLOUD, _PROTECTED),
    Code("EndpointProtected", errors.Conflict, _CLOUD, _PROTECTED),
    Code(
        "Mismatch.EndpointType",
        errors.ApiError,
        _REQUEST,
        f"The service takes endpoints of another type than Interface. {_SEE_SERVICE}",
    ),
    Code(
        "OperationDenied.EndpointPolicyNotSupport",
        errors.ApiError,
        _REQUEST,
        "Leave the endpoint policy out: the service does not support one.",
    ),
    Code(
        "OperationDenied.PrivateDomain",
        errors.ApiError,
        _SERVICE,
        "Create the endpoint without a private domain name. " + _ASK_TIDB_CLOUD,
    ),
    Code(
        "DependencyViolation.PrivateDnsName",
        errors.Conflict,
        _REQUEST,
        "Another endpoint of this VPC has the private domain name. " + _SEE_ENDPOINTS,
    ),
    # Its zones, vSwitches and addresses
    Code(
        "EndpointServiceNotSupportedZone",
        errors.ApiError,
        _REQUEST,
        "Choose a zone that the service is in: --zone. %tidb_pe verify lists them.",
    ),
    Code(
        "EndpointZoneDuplicated",
        errors.Conflict,
        _REQUEST,
        "Name each zone once; a zone the endpoint has cannot be added again.",
    ),
    Code("EndpointZoneNotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    Code(
        "ResourceNotEnough.VSwitchIp",
        errors.Conflict,
        _REQUEST,
        "Choose a vSwitch with free addresses: --zone ZONE=VSWITCH. See %tidb_pe networks.",
    ),
    Code(
        "VSwitchStatusNotAllowed",
        errors.Conflict,
        _NOBODY,
        "Wait until the vSwitch is Available, or choose another: --zone ZONE=VSWITCH. See %tidb_pe networks.",
    ),
    Code("VSwitchNotFound", errors.NotFound, _REQUEST, _SEE_NETWORKS),
    Code("VpcNotFound", errors.NotFound, _REQUEST, _SEE_NETWORKS),
    Code(
        "EniIpUnavailable",
        errors.Conflict,
        _REQUEST,
        "Another network interface has the address: choose another one, or none.",
    ),
    Code("VpcTunnelNotFound", errors.ApiError, _CLOUD, "Try again in a few minutes. " + _ASK_ALIBABA),
    Code(
        "VpcNatServiceException",
        errors.ServiceUnavailable,
        _CLOUD,
        "Try again. " + _ASK_ALIBABA,
        passing=True,
    ),
    # Its security groups
    Code(
        "EndpointMustContainSecurityGroup",
        errors.ApiError,
        _REQUEST,
        "Name at least one security group: --security-group. See %tidb_pe networks.",
    ),
    Code("SecurityGroupTypeOnlySingleTypeSupporteded", errors.ApiError, _REQUEST, _ONE_TYPE),  # sic
    Code("SecurityGroupTypeNotSupport", errors.ApiError, _REQUEST, _ONE_TYPE),
    Code("SecurityGroupNotFound", errors.NotFound, _REQUEST, _SEE_NETWORKS),
    Code("SecurityGroupExist", errors.Conflict, _REQUEST, "The endpoint has this security group already."),
    # The service
    Code("EndpointServiceNotFound", errors.NotFound, _REQUEST, _SEE_SERVICE),
    Code(
        "EndpointServiceNotAuthorized",
        errors.NotFound,
        _SERVICE,
        "Ask TiDB Cloud support to allow this Alibaba Cloud account to use the endpoint service.",
    ),
    Code(
        "EndpointServiceDeleted",
        errors.NotFound,
        _SERVICE,
        "Look the service name up again: %tidb_pe clusters. " + _ASK_TIDB_CLOUD,
    ),
    Code(
        "EndpointServiceResourceNotFound",
        errors.NotFound,
        _SERVICE,
        "The endpoint service has no load balancer: contact TiDB Cloud support with the request ID.",
    ),
    Code(
        "IncorrectStatus.VpcEndpointService",
        errors.Conflict,
        _SERVICE,
        "The endpoint service is being changed; try again in a few minutes. " + _ASK_TIDB_CLOUD,
    ),
    # Quotas
    Code(
        "QuotaExceeded.epZonePerEndpoint",
        errors.QuotaExceeded,
        _REQUEST,
        "Choose fewer zones: --zone. The quota can be raised in the Quota Center.",
    ),
    Code("QuotaExceeded.IpQuotaPerEp", errors.QuotaExceeded, _ACCOUNT, _QUOTA),
    Code(
        "QuotaExceeded.totalIdleEndpoint",
        errors.QuotaExceeded,
        _ACCOUNT,
        "Delete endpoints that are not connected. See %tidb_pe endpoints.",
    ),
    Code(
        "QuotaExceed.TagsPerResource",
        errors.QuotaExceeded,
        _REQUEST,
        "Remove a tag that you do not need first.",
    ),
    Code("QuotaExceed", errors.QuotaExceeded, _ACCOUNT, _QUOTA),
    Code("QuotaMisMatched", errors.QuotaExceeded, _ACCOUNT, _QUOTA),
    # Tags, and other resources
    Code("DuplicatedTagKey", errors.ApiError, _REQUEST, "Give each tag key once."),
    Code("InvalidResourceId.NotFound", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    Code("ResourceNotFound.", errors.NotFound, _REQUEST, _SEE_ENDPOINTS),
    # The call
    Code("OperationFailed.IdempotentTokenProcessing", errors.Conflict, _NOBODY, _SAME_CALL, passing=True),
    Code("IdempotentProcessing", errors.Conflict, _NOBODY, _SAME_CALL, passing=True),
    Code(
        "IdempotentParameterMismatch",
        errors.Conflict,
        _REQUEST,
        "An earlier call was carried out with other options: run the same command again.",
    ),
    Code(
        "MissingParam.",
        errors.ApiError,
        _REQUEST,
        "Set the option; if there is none for it, report this message.",
    ),
    Code("IllegalParamFormat.", errors.ApiError, _REQUEST, "Correct the value, and run the command again."),
    # The account, the key, the cloud
    Code(
        NOT_ACTIVATED,
        errors.ApiError,
        _ACCOUNT,
        "Activate PrivateLink in the Alibaba Cloud console (it is an order).",
    ),
    Code(
        "CheckServiceLinkRoleError",
        errors.ApiError,
        _ACCOUNT,
        "PrivateLink needs its service-linked role. Ask for the RAM action ram:CreateServiceLinkedRole, or "
        "have the account's owner create the first endpoint.",
    ),
    Code("InvalidAccessKeyId", errors.AuthenticationFailed, _KEY, _CHECK_KEY),
    Code("SignatureDoesNotMatch", errors.AuthenticationFailed, _KEY, _CHECK_KEY),
    Code("SignatureNonceUsed", errors.AuthenticationFailed, _NOBODY, "Try again.", passing=True),
    Code("InvalidCredentials", errors.AuthenticationFailed, _KEY, _CHECK_KEY),
    Code(
        "InvalidSecurityToken",
        errors.AuthenticationFailed,
        _KEY,
        "The STS token has expired, or belongs to another key: get a new one.",
    ),
    Code(
        CLOCK_REFUSED,
        errors.AuthenticationFailed,
        _KEY,
        "Set this machine's clock: it is more than 15 minutes off.",
    ),
    Code(
        "GenerateResourceIdFailed",
        errors.ServiceUnavailable,
        _CLOUD,
        "Try again. " + _ASK_ALIBABA,
        passing=True,
    ),
    Code("ServiceUnavailable", errors.ServiceUnavailable, _CLOUD, "Try again.", passing=True),
)
"""Each code once; of those that fit, the first decides."""

DENIALS = ("Forbidden", "NoPermission", "NotAuthorized", "OperationFailed.NoPermission")
"""How the codes of RAM begin: VPC answers `Forbidden.RAM` with HTTP 400, ECS with 403."""


def find(code: str) -> Code | None:
    """Return what the code means; None for one that is not known."""
    return next((each for each in CODES if code.startswith(each.beginning)), None)
