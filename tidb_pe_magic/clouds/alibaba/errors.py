"""Alibaba Cloud's error codes to our errors.

PrivateLink answers HTTP 400 to everything, not-found included, so the code decides, not the status.
The codes are those of the error tables in the PrivateLink API reference (2020-04-15), and of the
common client errors of the RPC-style APIs.
"""

from __future__ import annotations

import json
from typing import Any

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.json_fields import mapping
from tidb_pe_magic.model import ram

DRY_RUN_PASSED = "DryRunOperation"
NOT_ACTIVATED = "NeedOpenProduct"
CLOCK_REFUSED = "InvalidTimeStamp"

_KEY_ADVICE = "Check the access key; %tidb_pe whoami shows where it comes from."
_CLOCK_ADVICE = "Set this machine's clock: it is more than 15 minutes off."
_BUSY_ADVICE = "The endpoint is being changed; try again in a minute."
_PROTECTED_ADVICE = "Only the cloud service that made this endpoint can delete it."
_SEE_ENDPOINTS = "See %tidb_pe endpoints."
# Refusals that are over in a moment; nothing was changed by the call that met them.
_PASSING = (
    "ConcurrentCallNotSupported",
    "EndpointConnectionOperationDenied",
    "EndpointLocked",
    "EndpointOperationDenied",
    "IdempotentProcessing",
    "SignatureNonceUsed",
)
_FORBIDDEN, _SERVER_ERROR = 403, 500

# The beginning of a code, the error that it is, and what to do; the first row that fits decides.
_RULES: tuple[tuple[str, type[errors.ApiError], str], ...] = (
    ("EndpointServiceNotFound", errors.NotFound, "Run %tidb_pe verify."),
    ("EndpointNotFound", errors.NotFound, _SEE_ENDPOINTS),
    ("EndpointConnectionNotFound", errors.NotFound, _SEE_ENDPOINTS),
    ("EndpointZoneNotFound", errors.NotFound, _SEE_ENDPOINTS),
    ("SecurityGroupNotFound", errors.NotFound, "See %tidb_pe networks."),
    ("EndpointOperationDenied", errors.Conflict, _BUSY_ADVICE),
    ("EndpointConnectionOperationDenied", errors.Conflict, _BUSY_ADVICE),
    ("EndpointLocked", errors.Conflict, _BUSY_ADVICE),
    ("ConcurrentCallNotSupported", errors.Conflict, _BUSY_ADVICE),
    ("EndpointDependenceViolation", errors.Conflict, _BUSY_ADVICE),
    ("IdempotentProcessing", errors.Conflict, "The same call is under way already; try again in a minute."),
    (
        "IdempotentParameterMismatch",
        errors.Conflict,
        "An earlier call was carried out with other options: run the same command again.",
    ),
    ("OperationDenied.EndpointProtected", errors.Conflict, _PROTECTED_ADVICE),
    ("EndpointProtected", errors.Conflict, _PROTECTED_ADVICE),
    ("InvalidAccessKeyId", errors.AuthenticationFailed, _KEY_ADVICE),
    ("SignatureDoesNotMatch", errors.AuthenticationFailed, _KEY_ADVICE),
    ("SignatureNonceUsed", errors.AuthenticationFailed, "Try again."),
    ("InvalidCredentials", errors.AuthenticationFailed, _KEY_ADVICE),
    (
        "InvalidSecurityToken",
        errors.AuthenticationFailed,
        "The STS token has expired, or is another key's: take a new one.",
    ),
    (CLOCK_REFUSED, errors.AuthenticationFailed, _CLOCK_ADVICE),
    ("QuotaExceed", errors.QuotaExceeded, "Raise the quota in the Quota Center, or delete some."),
    (
        NOT_ACTIVATED,
        errors.ApiError,
        "Activate PrivateLink in the Alibaba Cloud console (it is an order).",
    ),
    ("ServiceUnavailable", errors.ServiceUnavailable, "Try again."),
)


def translate(  # noqa: PLR0913 - what is known of one answer
    operation: str,
    code: str,
    status: int,
    body: dict[str, Any],
    *,
    retry_after: float | None = None,
    region_id: str = "",
) -> errors.ApiError:
    """Make the error for `code`.

    Args:
        operation: the API operation.
        code: the cloud's code.
        status: HTTP status; 0 where there was no answer.
        body: the answer; `Message`, `RequestId` and `AccessDeniedDetail` are used where they are there.
        retry_after: seconds that the cloud asks to wait.
        region_id: the region that was asked; empty where it does not matter.
    """
    message = str(body.get("Message") or body.get("message") or "no reason given")
    known: dict[str, str] = {
        "operation": operation,
        "code": code or f"HTTP {status}",
        "request_id": str(body.get("RequestId") or body.get("requestId") or ""),
    }
    if retry_after is not None or "Throttling" in code or message.startswith("QPS Limit"):
        return errors.Throttled(message, retry_after=retry_after, advice="Try again in a minute.", **known)
    for beginning, error, advice in _RULES:
        if code.startswith(beginning):
            found = error(message, advice=advice, **known)
            found.transient = found.transient or code.startswith(_PASSING)
            return found
    if code.startswith(("Forbidden", "NoPermission")) or status == _FORBIDDEN:
        return errors.PermissionDenied(
            message, advice=_permission_advice(operation, body, region_id), **known
        )
    if status >= _SERVER_ERROR:
        return errors.ServiceUnavailable(message, advice="Try again.", **known)
    return errors.ApiError(message, **known)


def _permission_advice(operation: str, body: dict[str, Any], region_id: str) -> str:
    """Name the action, the resource it was checked on, and the command that shows the whole policy."""
    detail = _access_denied_detail(body)
    told = detail.get("AuthAction")
    action = str(told) if ram.is_action(told) else ram.action_of(operation)
    if not action:
        return f"Ask for a RAM policy that allows {operation}. See %tidb_pe permissions."
    on = " and ".join(each for each in ram.resources(action, region_id) if each != ram.ANY)
    advice = f"Ask for the RAM action {action}" + (f" on {on}." if on else ".")
    if detail.get("NoPermissionType") == "ExplicitDeny":
        advice += " A policy denies it, which no other policy can allow: that one has to be changed."
    if ram.action_of(operation) in ram.CLEAN_UP:
        return f"{advice} See %tidb_pe permissions --clean-up."
    return f"{advice} See %tidb_pe permissions."


def _access_denied_detail(body: dict[str, Any]) -> dict[str, Any]:
    detail = body.get("AccessDeniedDetail")
    if isinstance(detail, str):
        try:
            detail = json.loads(detail)
        except (json.JSONDecodeError, RecursionError):
            return {}
    return mapping(detail)
