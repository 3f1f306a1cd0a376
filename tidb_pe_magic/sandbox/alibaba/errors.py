"""What the provider answers when it refuses: HTTP status, code and message.

The codes of the gateway and of the PrivateLink operations are those of the Alibaba Cloud API references
(common error codes, and the tables of Get, Delete, RemoveZone and CheckProductOpen). What is marked
"modelled" stands in no such table: its code follows the naming of those that do. Messages are the
references' where they give one; a client should branch on codes only.
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
    """A reason to refuse a call, with the provider's code and message.

    `access_denied` is the answer's AccessDeniedDetail, where RAM refuses.
    """

    code: str
    message: str
    status: int = _BAD_REQUEST
    access_denied: Mapping[str, str] | None = None


class ApiError(Exception):
    """A call is refused."""

    def __init__(self, refusal: Refusal) -> None:
        """Take the reason."""
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.refusal = refusal


# The gateway, before any product sees the call
def missing(parameter: str) -> Refusal:
    """Refuse a call that lacks a mandatory parameter."""
    return Refusal(f"Missing{parameter}", f"{parameter} is mandatory for this action.")


def invalid(parameter: str, detail: str = "") -> Refusal:
    """Refuse a parameter's value (modelled: the reference gives rules but no code)."""
    reason = f" {detail}" if detail else ""
    return Refusal("InvalidParameter", f"The specified parameter {parameter} is not valid.{reason}")


def no_permission(action: str) -> Refusal:
    """Refuse an action that no policy allows (fields as in the examples of the provider's SDKs)."""
    return Refusal(
        "NoPermission",
        "You are not authorized to do this action. You should be authorized by RAM.",
        _FORBIDDEN,
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


def wrongly_formed(parameter: str) -> Refusal:
    """Refuse a parameter of STS by its shape."""
    return Refusal(f"InvalidParameter.{parameter}", f"The parameter {parameter} is wrongly formed.")


def session_length(longest: int) -> Refusal:
    """Refuse a length of a role's session; `longest` is in seconds."""
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
SIGNATURE_DOES_NOT_MATCH = Refusal(
    "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."
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
NO_GROUP_TO_ADD_TO = Refusal(
    "AddSecurityGroupNotSupportWhenHaveNoSg",
    "The specified haven not security group endpoint add security group is not supported.",
)

# PrivateLink, modelled
REGION_NOT_FOUND = Refusal("InvalidRegionId.NotFound", "The specified RegionId does not exist.")
VPC_NOT_FOUND = Refusal("VpcNotFound", "The specified Vpc does not exist.")
VSWITCH_NOT_FOUND = Refusal("VSwitchNotFound", "The specified VSwitch does not exist.")
VSWITCH_ZONE_MISMATCH = Refusal("VSwitchZoneMismatch", "The specified VSwitch is not in the specified zone.")
ADDRESSES_NOT_ENOUGH = Refusal(
    "InvalidVSwitchId.IpNotEnough", "The specified VSwitch does not have enough IP addresses."
)
ZONE_NOT_SUPPORTED = Refusal(
    "ZoneNotSupported", "The specified zone is not supported by the endpoint service."
)
ZONE_EXISTS = Refusal("EndpointZoneExist", "The specified EndpointZone already exists.")
SECURITY_GROUP_EXISTS = Refusal("SecurityGroupExist", "The specified SecurityGroup already exists.")
SECURITY_GROUP_TYPES_MIXED = Refusal(
    "SecurityGroupTypeMismatch", "Basic and advanced security groups cannot be used together."
)

# VPC and ECS
RESOURCE_REGION_NOT_FOUND = Refusal(
    "InvalidRegionId.NotFound", "The specified RegionId does not exist.", _NOT_FOUND
)
GROUP_ID_NOT_FOUND = Refusal(
    "InvalidSecurityGroupId.NotFound", "The specified SecurityGroupId does not exist.", _NOT_FOUND
)
