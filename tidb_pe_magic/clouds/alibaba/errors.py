"""Convert Alibaba Cloud's error codes to errors of this package.

PrivateLink answers every error with HTTP 400, even not-found, so the code decides, not the status. `codes`
has the meaning of each code.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, Suggestion
from tidb_pe_magic.clouds.alibaba import codes
from tidb_pe_magic.clouds.json_fields import mapping
from tidb_pe_magic.model import ram

_FORBIDDEN, _SERVER_ERROR = 403, 500
_SIGNED = re.compile(
    r"\s*,?\s*(?:the )?server(?:'s)? (?:string[ -]?to[ -]?sign|canonical)|string[ -]?to[ -]?sign",
    re.IGNORECASE,
)


def translate(  # noqa: PLR0913 - the parts of one answer
    operation: str,
    code: str,
    status: int,
    body: dict[str, Any],
    *,
    retry_after: float | None = None,
    region_id: str = "",
) -> errors.ApiError:
    """Return the error for `code`.

    Args:
        operation: the API operation.
        code: the cloud's code.
        status: HTTP status; 0 if there was no answer.
        body: the answer; `Message`, `RequestId` and `AccessDeniedDetail` are optional.
        retry_after: seconds to wait, as sent by the cloud.
        region_id: the region of the call; empty if irrelevant.
    """
    message = _without_signature(str(body.get("Message") or body.get("message") or "no reason given"))
    known: dict[str, str] = {
        "operation": operation,
        "code": code or f"HTTP {status}",
        "request_id": str(body.get("RequestId") or body.get("requestId") or ""),
    }
    if retry_after is not None or "Throttling" in code or message.startswith("QPS Limit"):
        throttled = errors.Throttled(
            message, retry_after=retry_after, advice="Try again in a minute.", **known
        )
        throttled.fault = codes.Responsible.NOBODY
        return throttled
    found = codes.find(code)
    if found is not None:
        error = found.error(message, advice=found.advice, **known)
        error.transient, error.fault = error.transient or found.passing, found.fault
        return error
    if code.startswith(codes.DENIALS) or status == _FORBIDDEN:
        denied = errors.PermissionDenied(
            message, advice=_permission_advice(operation, body, region_id), **known
        )
        denied.fault = codes.Responsible.ACCOUNT
        return denied
    if status >= _SERVER_ERROR:
        failed = errors.ServiceUnavailable(message, advice="Try again.", **known)
        failed.fault = codes.Responsible.CLOUD
        return failed
    return errors.ApiError(message, **known)


def _without_signature(message: str) -> str:
    """Remove the signed text, such as an STS token, from the message: refused signatures repeat it.

    Such as "Specified signature is not matched with our calculation. server string to sign is:POST&%2F&Acc…".
    """
    return _SIGNED.split(message, maxsplit=1)[0].strip()


def _permission_advice(operation: str, body: dict[str, Any], region_id: str) -> Advice:
    """Return advice with the action, the resource and the command that shows the whole policy."""
    detail = _access_denied_detail(body)
    named = detail.get("AuthAction")
    action = str(named) if ram.is_action(named) else ram.action_of(operation)
    if not action:
        return Advice(f"Ask for a RAM policy that allows {operation}.", Suggestion("permissions"))
    on = " and ".join(each for each in ram.resources(action, region_id) if each != ram.ANY)
    advice = f"Ask for the RAM action {action}" + (f" on {on}." if on else ".")
    if detail.get("NoPermissionType") == "ExplicitDeny":
        advice += " A policy denies it. Other policies cannot override that: change this policy."
    if ram.action_of(operation) in ram.CLEAN_UP:
        return Advice(advice, Suggestion("permissions", "--clean-up"))
    return Advice(advice, Suggestion("permissions"))


def _access_denied_detail(body: dict[str, Any]) -> dict[str, Any]:
    detail = body.get("AccessDeniedDetail")
    if isinstance(detail, str):
        try:
            detail = json.loads(detail)
        except (json.JSONDecodeError, RecursionError):
            return {}
    return mapping(detail)
