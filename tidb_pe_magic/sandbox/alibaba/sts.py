"""STS 2015-04-01: who the caller is, which every key may ask."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.sandbox.alibaba.call import Body, Call, Query

_ACCOUNT, _USER = "1234567890123456", "216959339000654321"


def _caller_identity(call: Call) -> Body:
    del call  # every caller is the account's one RAM user
    return {
        "IdentityType": "RAMUser",
        "AccountId": _ACCOUNT,
        "UserId": _USER,
        "PrincipalId": _USER,
        "Arn": f"acs:ram::{_ACCOUNT}:user/notebook",
    }


STS_QUERIES: Mapping[str, Query] = MappingProxyType({"GetCallerIdentity": _caller_identity})
