"""The provider's refusals: HTTP status, code and message.

The codes of the gateway are the Alibaba Cloud API references' common error codes. Those of PrivateLink are
the vendor's OpenAPI metadata of 2020-04-15 (CreateVpcEndpoint and the operations that change an endpoint)
and the tables of Get, Delete, RemoveZone and CheckProductOpen; under which condition a code comes is [GUESS]
where its name leaves that open. Messages are the references' where they give one; a client should branch on
codes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BAD_REQUEST = 400
_FORBIDDEN = 403
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, with the provider's code and message.

    `access_denied` is the answer's AccessDeniedDetail, if RAM refuses.
    """

    code: str
    message: str
    status: int = _BAD_REQUEST
    access_denied: Mapping[str, str] | None = None


class ApiError(Exception):
    """A call is refused."""

    def __init__(self, refusal: Refusal) -> None:
        """Set the reason."""
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.refusal = refusal


# Refusals of the gateway, before a product gets the call
def missing_parameter(parameter: str) -> Refusal:
    """Refuse a call that lacks a mandatory parameter."""
    return Refusal(f"Missing{parameter}", f"{parameter} is mandatory for this action.")


def invalid(parameter: str, detail: str = "") -> Refusal:
    """Refuse a parameter's value in VPC and ECS."""
    reason = f" {detail}" if detail else ""
    return Refusal("InvalidParameter", f"The specified parameter {parameter} is not valid.{reason}")


#: Each product's refusal without RAM permission: code and HTTP status.
_DENIALS = {
    "vpc": ("Forbidden.RAM", _BAD_REQUEST),
    "ecs": ("Forbidden.RAM", _FORBIDDEN),
    "privatelink": ("NoPermission", _FORBIDDEN),
    "sts": ("NoPermission", _FORBIDDEN),
}


def no_permission(action: str) -> Refusal:
    """Refuse an action without a RAM permission (fields as in the examples of the provider's SDKs)."""
    code, status = _DENIALS[action.partition(":")[0]]
    return Refusal(
        code,
        "You are not authorized to do this action. You should be authorized by RAM.",
        status,
        {
            "AuthAction": action,
            "AuthPrincipalType": "SubUser",
            "AuthPrincipalDisplayName": "200000000000000001",
            "AuthPrincipalOwnerId": "5123456789012345",
            "NoPermissionType": "ImplicitDeny",
            "PolicyType": "AccountLevelIdentityBasedPolicy",
            "EncodedDiagnosticMessage": base64.b64encode(action.encode()).decode(),
        },
    )


def signature_mismatch(signed: str) -> Refusal:
    """Refuse a signature; like the provider, repeat what should have been signed, an STS token included.

    Users of many SDKs have published this text, and the provider's SDKs compare it with their own string.
    For ACS3-HMAC-SHA256 the canonical request that follows is [GUESS].
    """
    return Refusal(
        "SignatureDoesNotMatch",
        f"Specified signature is not matched with our calculation. server string to sign is:{signed}",
    )


def malformed_parameter(parameter: str) -> Refusal:
    """Refuse a malformed parameter of STS."""
    return Refusal(f"InvalidParameter.{parameter}", f"The parameter {parameter} is wrongly formed.")


def session_length(longest: int) -> Refusal:
    """Refuse the duration of a role's session; `longest` is in seconds."""
    return Refusal(
        "InvalidParameter.DurationSeconds",
        f"The Min/Max value of DurationSeconds is 15min/{longest // 60}min.",
    )


ACTION_NOT_FOUND = Refusal(
    "InvalidAction.NotFound",
    "Specified api is not found, please check your url and method.",
    _NOT_FOUND,
)
INVALID_VERSION = Refusal("InvalidVersion", "Specified parameter Version is not valid.")
INCOMPLETE_SIGNATURE = Refusal(
    "IncompleteSignature", "The request signature does not conform to Aliyun standards."
)
ACCESS_KEY_NOT_FOUND = Refusal(
    "InvalidAccessKeyId.NotFound", "Specified access key is not found.", _NOT_FOUND
)
NONCE_USED = Refusal("SignatureNonceUsed", "Specified signature nonce was used already.")
TIMESTAMP_EXPIRED = Refusal("InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
TIMESTAMP_FORMAT = Refusal(
    "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
)
SECURITY_TOKEN_INVALID = Refusal(
    "InvalidSecurityToken.MismatchWithAccessKey",
    "Specified SecurityToken mismatch with the AccessKey.",
)
SECURITY_TOKEN_EXPIRED = Refusal("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")

# STS; the codes of OIDC are modelled
ROLE_NOT_FOUND = Refusal("EntityNotExist.Role", "The specified Role not exists.", _NOT_FOUND)
OIDC_PROVIDER_NOT_FOUND = Refusal(
    "EntityNotExist.OIDCProvider", "The specified OIDC Provider does not exist.", _NOT_FOUND
)
OIDC_TOKEN_INVALID = Refusal("AuthenticationFail.OIDCToken.Invalid", "This OIDC Token is invalid.")
OIDC_NO_PERMISSION = Refusal(
    "AuthenticationFail.NoPermission",
    "You are not authorized to do this action. You should be authorized by RAM.",
    _FORBIDDEN,
)

# PrivateLink: HTTP status 400 throughout, "not found" included
ORDER_OPENED = Refusal("OrderOpend", "The product is activated already.")  # sic
NEED_OPEN_PRODUCT = Refusal("NeedOpenProduct", "The product is not activated.")
DRY_RUN = Refusal("DryRunOperation", "Request validation has been passed with DryRun flag set.")
PARAMETER_MISMATCH = Refusal(
    "IdempotentParameterMismatch",
    "The request uses a client token in a previous request but is not identical to that request.",
)
ENDPOINT_NOT_FOUND = Refusal("EndpointNotFound", "The specified Endpoint does not exist.")
SERVICE_NOT_FOUND = Refusal("EndpointServiceNotFound", "The specified Service does not exist.")
ENDPOINT_ZONE_NOT_FOUND = Refusal("EndpointZoneNotFound", "The specified EndpointZone does not exist.")
SECURITY_GROUP_NOT_FOUND = Refusal("SecurityGroupNotFound", "The specified SecurityGroup does not exist.")
OPERATION_DENIED = Refusal("EndpointOperationDenied", "The specified operation of endpoint is not allowed.")
CONNECTION_OPERATION_DENIED = Refusal("EndpointConnectionOperationDenied", "The endpoint is being connected.")
DEPENDENCE_VIOLATION = Refusal("EndpointDependenceViolation", "The specified endpoint has dependent zone(s).")
ENDPOINT_LOCKED = Refusal("EndpointLocked", "The specified endpoint is locked.")
CONCURRENT_CALL = Refusal(
    "ConcurrentCallNotSupported", "The specified operation does not support concurrent calls."
)
TOKEN_PROCESSING = Refusal(
    "OperationFailed.IdempotentTokenProcessing", "The operation with this client token is being processed."
)
REGION_NOT_FOUND = Refusal("InvalidRegionId.NotFound", "The specified RegionId does not exist.")
THROTTLED = Refusal("Throttling.User", "Request was denied due to user flow control.")

# CreateVpcEndpoint, and what changes an endpoint's zones, security groups and tags
VPC_NOT_FOUND = Refusal("VpcNotFound", "The specified Vpc does not exist.")
VSWITCH_NOT_FOUND = Refusal("VSwitchNotFound", "The specified VSwitch does not exist.")
VSWITCH_STATUS = Refusal("VSwitchStatusNotAllowed", "The status of the specified VSwitch is not allowed.")
ADDRESSES_NOT_ENOUGH = Refusal(
    "ResourceNotEnough.VSwitchIp", "The specified resource of VSwitchIp is not enough."
)
ADDRESS_IN_USE = Refusal("EniIpUnavailable", "The specified ip of the eni is unavailable.")
ZONE_NOT_SUPPORTED = Refusal(
    "EndpointServiceNotSupportedZone", "The specified endpoint service does not support the zone."
)
ZONE_TWICE = Refusal("EndpointZoneDuplicated", "The specified zone of the endpoint is duplicated.")
NO_SECURITY_GROUP = Refusal(
    "EndpointMustContainSecurityGroup", "The endpoint must contain at least one security group."
)
SECURITY_GROUP_EXISTS = Refusal("SecurityGroupExist", "The specified SecurityGroup already exists.")
SECURITY_GROUP_TYPES_MIXED = Refusal(
    "SecurityGroupTypeOnlySingleTypeSupporteded",  # sic
    "Only security groups of a single type are supported.",
)
SECURITY_GROUP_TYPE = Refusal(
    "SecurityGroupTypeNotSupport", "The type of the specified security group is not supported."
)
SERVICE_NOT_AUTHORIZED = Refusal(
    "EndpointServiceNotAuthorized", "The specified endpoint service is not authorized."
)
SERVICE_DELETED = Refusal("EndpointServiceDeleted", "The specified endpoint service is deleted.")
SERVICE_WITHOUT_RESOURCE = Refusal(
    "EndpointServiceResourceNotFound", "The specified endpoint service has no resource."
)
SERVICE_STATUS = Refusal(
    "IncorrectStatus.VpcEndpointService", "The status of the specified endpoint service is incorrect."
)
ENDPOINT_DUPLICATED = Refusal("EndpointDuplicated", "The specified endpoint is duplicated.")
ENDPOINT_EXISTS = Refusal("EndpointExist", "The specified endpoint already exists.")
ENDPOINT_TYPE_MISMATCH = Refusal(
    "Mismatch.EndpointType", "The type of the endpoint does not match that of the service."
)
POLICY_NOT_SUPPORTED = Refusal(
    "OperationDenied.EndpointPolicyNotSupport", "The endpoint service does not support endpoint policies."
)
RESOURCE_ID_NOT_FOUND = Refusal("InvalidResourceId.NotFound", "The specified ResourceId does not exist.")
TAG_KEY_TWICE = Refusal("DuplicatedTagKey", "The specified Tag.Key is duplicated.")
TOO_MANY_TAGS = Refusal("QuotaExceed.TagsPerResource", "The quota of tags per resource is exceeded.")


def missing_part(parameter: str) -> Refusal:
    """Refuse a PrivateLink call without a parameter that the product requires, but not the gateway."""
    return Refusal(f"MissingParam.{parameter}", f"The parameter {parameter} is missing.")


def illegal(parameter: str, detail: str = "") -> Refusal:
    """Refuse a parameter's value in PrivateLink."""
    reason = f" {detail}" if detail else ""
    return Refusal(
        f"IllegalParamFormat.{parameter}", f"The format of the parameter {parameter} is illegal.{reason}"
    )


def over_quota(quota: str, used: int, limit: int) -> Refusal:
    """Refuse to exceed a quota: IpQuotaPerEp, epZonePerEndpoint, totalEpPerVpc, totalIdleEndpoint."""
    return Refusal(f"QuotaExceeded.{quota}", f"The quota of {quota} is exceeded, usage {used}/{limit}.")


#: Codes of the same tables whose condition is internal to Alibaba Cloud; only faults return them.
WITHOUT_CONDITION = {
    refusal.code: refusal
    for refusal in (
        Refusal("QuotaMisMatched", "The quota is mismatched."),
        Refusal("GenerateResourceIdFailed", "Failed to generate the resource ID."),
        Refusal("VpcTunnelNotFound", "The specified tunnel of the Vpc does not exist."),
        Refusal("CheckServiceLinkRoleError", "Failed to check the service-linked role."),
        Refusal("VpcNatServiceException", "The NAT service of the Vpc is abnormal."),
        Refusal("OperationDenied.PrivateDomainNotSupport", "The private domain is not supported."),
        Refusal("DependencyViolation.PrivateDnsName", "The private DNS name is in use."),
        Refusal("ResourceNotFound.EndpointConnection", "The specified resource is not found.", _NOT_FOUND),
        Refusal("IdempotentProcessing", "The previous idempotent request is being processed.", _FORBIDDEN),
        Refusal("NotAuthorized", "You are not authorized to do this action."),
        Refusal("OperationFailed.NoPermission", "You are not authorized to do this action."),
        ENDPOINT_LOCKED,
        CONCURRENT_CALL,
        TOKEN_PROCESSING,
        ENDPOINT_DUPLICATED,
        ENDPOINT_EXISTS,
    )
}


# VPC and ECS
PROTOCOL_NOT_SUPPORTED = Refusal(
    "InvalidIpProtocol.ValueNotSupported", "The parameter IpProtocol must be one of the supported values."
)
PORTS_MALFORMED = Refusal("InvalidIpPortRange.Malformed", "The specified parameter PortRange is not valid.")
POLICY_MALFORMED = Refusal("InvalidPolicy.Malformed", "The specified parameter Policy is not valid.")
SOURCE_MALFORMED = Refusal(
    "InvalidSourceCidrIp.Malformed", "The specified parameter SourceCidrIp is not valid."
)
SOURCE_MISSING = Refusal(
    "MissingParameter.Source",
    "One of the parameters SourceCidrIp, Ipv6SourceCidrIp, SourceGroupId or SourcePrefixListId is required.",
)


def missing_input(parameter: str) -> Refusal:
    """Refuse a rule of a security group that lacks a part."""
    return Refusal(
        "MissingParameter", f'The input parameter "{parameter}" that is mandatory is not supplied.'
    )


RESOURCE_REGION_NOT_FOUND = Refusal(
    "InvalidRegionId.NotFound", "The specified RegionId does not exist.", _NOT_FOUND
)
GROUP_ID_NOT_FOUND = Refusal(
    "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.", _NOT_FOUND
)
