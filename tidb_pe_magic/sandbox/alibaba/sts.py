"""STS 2015-04-01: the caller's identity, which needs no permission, and temporary keys of RAM roles."""

from __future__ import annotations

import hmac
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba import errors
from tidb_pe_magic.sandbox.alibaba.roles import ACCOUNT, OIDC_PROVIDER, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Query
    from tidb_pe_magic.sandbox.alibaba.roles import Role, TemporaryKey

#: Operations without a signature: the OIDC token proves the caller's identity.
UNSIGNED = frozenset({"AssumeRoleWithOIDC"})

_USER_ID, _ROLE_ID = "216959339000654321", "344584339364951186"
_SHORTEST = 900
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}")
_ROLE_ARN = re.compile(r"acs:ram::[0-9]+:role/[A-Za-z0-9.-]{1,64}")


def _caller_identity(call: Call) -> Body:
    if call.caller is None:
        return {
            "IdentityType": "RAMUser",
            "AccountId": ACCOUNT,
            "UserId": _USER_ID,
            "PrincipalId": _USER_ID,
            "Arn": USER,
        }
    return {
        "IdentityType": "AssumedRoleUser",
        "AccountId": ACCOUNT,
        "RoleId": _ROLE_ID,
        "PrincipalId": f"{_ROLE_ID}:{call.caller.session}",
        "Arn": _session_arn(call.caller),
    }


def _assume_role(call: Call) -> Body:
    role, session, seconds = _role_request(call)
    principal = USER if call.caller is None else call.caller.role.arn
    if principal not in role.trusts or call.parameters.text("ExternalId") != role.external_id:
        raise errors.ApiError(errors.no_permission("sts:AssumeRole"))
    return _answer(call.roles.issue(role, session, seconds))


def _assume_role_with_oidc(call: Call) -> Body:
    role, session, seconds = _role_request(call)
    provider = call.parameters.required("OIDCProviderArn")
    given = call.parameters.required("OIDCToken").strip()
    if provider != OIDC_PROVIDER:
        raise errors.ApiError(errors.OIDC_PROVIDER_NOT_FOUND)
    if not hmac.compare_digest(given.encode(), call.roles.oidc_token.encode()):
        raise errors.ApiError(errors.OIDC_TOKEN_INVALID)
    if provider not in role.trusts:
        raise errors.ApiError(errors.OIDC_NO_PERMISSION)
    info = {"Subject": "system:serviceaccount:notebooks:analyst", "ClientIds": "sts.aliyuncs.com"}
    return {**_answer(call.roles.issue(role, session, seconds)), "OIDCTokenInfo": info}


def _role_request(call: Call) -> tuple[Role, str, int]:
    arn, session = call.parameters.required("RoleArn"), call.parameters.required("RoleSessionName")
    if not _ROLE_ARN.fullmatch(arn):
        raise errors.ApiError(errors.malformed_parameter("RoleArn"))
    if not _SESSION_NAME.fullmatch(session):
        raise errors.ApiError(errors.malformed_parameter("RoleSessionName"))
    role = call.roles.by_arn.get(arn)
    if role is None:
        raise errors.ApiError(errors.ROLE_NOT_FOUND)
    seconds = call.parameters.text("DurationSeconds") or "3600"
    if not seconds.isdecimal() or not _SHORTEST <= int(seconds) <= role.longest:
        raise errors.ApiError(errors.session_length(role.longest))
    return role, session, int(seconds)


def _answer(key: TemporaryKey) -> Body:
    return {
        "AssumedRoleUser": {
            "Arn": _session_arn(key),
            "AssumedRoleId": f"{_ROLE_ID}:{key.session}",
        },
        "Credentials": {
            "AccessKeyId": key.key_id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.token,
            "Expiration": key.expiration,
        },
    }


def _session_arn(key: TemporaryKey) -> str:
    return f"acs:ram::{ACCOUNT}:assumed-role/{key.role.name}/{key.session}"


STS_QUERIES: Mapping[str, Query] = MappingProxyType(
    {
        "GetCallerIdentity": _caller_identity,
        "AssumeRole": _assume_role,
        "AssumeRoleWithOIDC": _assume_role_with_oidc,
    }
)
