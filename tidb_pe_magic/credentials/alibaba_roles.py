"""RAM roles in profiles, with the field names of the CLI or of credentials.ini."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidb_pe_magic.advice import Advice, ShellCommand
from tidb_pe_magic.credentials.search import Chain, check_for_sdk
from tidb_pe_magic.errors import InvalidRequest, MissingCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidb_pe_magic.credentials.secrets import Key

WHAT = "Alibaba Cloud access key"

_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")
_ROLE = ("ram_role_arn", "role_arn")
_PROVIDER = ("oidc_provider_arn",)
_TOKEN_FILE = ("oidc_token_file", "oidc_token_file_path")
_SESSION = ("ram_session_name", "role_session_name")


def role_chain(profile: Mapping[str, Any], place: str, key: Key | None, source: Chain | None = None) -> Chain:
    """Return the role that is assumed with the profile's own key or with the key of `source`.

    Raises:
        MissingCredentials: the profile has no role.
        InvalidRequest: a value has a type that the SDK does not accept.
    """
    return Chain(
        kind="role",
        role=_required(profile, _ROLE, place),
        key=key,
        source=source,
        external_id=_text(profile, ("external_id",), place),
        **_common(profile, place),
    )


def identity_provider(profile: Mapping[str, Any], place: str) -> Chain:
    """Return the role that is assumed with the token of an OIDC provider.

    Raises:
        MissingCredentials: the profile lacks the role, the provider or the token's file.
        InvalidRequest: a value has a type that the SDK does not accept, or the SDK cannot read the file.
    """
    file = _required(profile, _TOKEN_FILE, place)
    check_for_sdk(Path(file))
    return Chain(
        kind="oidc",
        role=_required(profile, _ROLE, place),
        identity_provider=_required(profile, _PROVIDER, place),
        path=file,
        **_common(profile, place),
    )


def _common(profile: Mapping[str, Any], place: str) -> dict[str, Any]:
    seconds, vpc = profile.get("expired_seconds"), profile.get("enable_vpc")
    if not isinstance(seconds, int | None):
        raise InvalidRequest(f"expired_seconds of {place}", "must be a whole number.")
    return {
        "session": _text(profile, _SESSION, place),
        "seconds": seconds or None,
        "policy": _text(profile, ("policy",), place),
        "sts_region": _text(profile, ("sts_region",), place),
        "sts_endpoint": _host(profile, place),
        "vpc": vpc if isinstance(vpc, bool) else None,
    }


def _host(profile: Mapping[str, Any], place: str) -> str:
    """Return the profile's `sts_endpoint`, a host for https."""
    host = _text(profile, ("sts_endpoint",), place).removeprefix("https://").removesuffix("/")
    if host and not _HOST.fullmatch(host):
        raise InvalidRequest(f"sts_endpoint of {place}", "must be a host, such as sts.aliyuncs.com.")
    return host


def _required(profile: Mapping[str, Any], names: tuple[str, ...], place: str) -> str:
    value = _text(profile, names, place)
    if not value:
        # Only credentials.ini has types, and its field names come last.
        raise incomplete_profile(names[-1 if "type" in profile else 0], place)
    return value


def incomplete_profile(name: str, place: str) -> MissingCredentials:
    """Return the error for an incomplete profile."""
    return MissingCredentials(
        WHAT, (f"{place}, which has no {name}",), advice=Advice("", ShellCommand("aliyun configure"))
    )


def _text(profile: Mapping[str, Any], names: tuple[str, ...], place: str) -> str:
    for name in names:
        value = profile.get(name)
        if not isinstance(value, str | None):
            raise InvalidRequest(f"{name} of {place}", "must be text.")
        if value and value.strip():
            return value.strip()
    return ""
