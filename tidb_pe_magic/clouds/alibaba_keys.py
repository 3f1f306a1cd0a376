"""Temporary keys of Alibaba Cloud: what the SDK's credential providers exchange, once for each source."""

from __future__ import annotations

import functools
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidb_pe_magic import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.keys.places import Chain, Found

_LONGEST = 200
_SHORTEST = 9  # characters of what could be a key
# The SDK repeats the answers that it cannot use, which may hold all of a key.
_NAMED_SECRET = re.compile(
    r"""((?:secret|token|password|access_?key)\w*["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}]+)""",
    re.IGNORECASE,
)


def credential(found: Found) -> Any:
    """Return the SDK's credential object, which renews its key by itself, after a first key was had.

    Raises:
        MissingCredentials: the SDK gets no key; its reason is told.
    """
    chain = found.chain
    if chain is None:
        msg = "a key of its own needs no exchange"
        raise AssertionError(msg)
    from alibabacloud_credentials.exceptions import CredentialException  # noqa: PLC0415 - slow to import
    from Tea.exceptions import TeaException  # noqa: PLC0415 - slow to import

    logging.getLogger("credentials").addFilter(_is_foreign)  # adding it again changes nothing
    try:
        client = _client(chain)
        client.get_credential()
    # What its providers raise for a file, an answer, a command or a network that is not as they need it.
    except (
        CredentialException,
        TeaException,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OSError,
    ) as error:
        reason = _harmless(str(error) or type(error).__name__, chain)
    else:
        return client
    # Outside the handler: the SDK's frames hold keys.
    raise errors.MissingCredentials(
        "Alibaba Cloud access key",
        (f"{found.place} ({reason})",),
        advice="See %tidb_pe whoami.",
    )


def _is_foreign(record: logging.LogRecord) -> bool:
    """Let pass what is not the SDK's own: it prints each failure with the answer, and the key in it."""
    return "alibabacloud_credentials" not in record.pathname


def provider_name(found: Found) -> str:
    """Return the SDK's name of what made the key, such as `cli_profile/ram_role_arn/static_ak`."""
    return str(credential(found).get_credential().provider_name or "")


def public_id(found: Found) -> str:
    """Return the ID of the temporary access key, which is not secret."""
    return str(credential(found).get_credential().access_key_id or "")


@functools.cache
def _client(chain: Chain) -> Any:
    """Make the SDK's client; each new one of some kinds starts a thread that lasts."""
    from alibabacloud_credentials.client import Client  # noqa: PLC0415 - slow to import

    return Client(provider=_provider(chain))


def _provider(chain: Chain) -> Any:
    from alibabacloud_credentials import provider  # noqa: PLC0415 - slow to import

    if chain.kind == "cli":
        return provider.CLIProfileCredentialsProvider(profile_name=chain.profile, profile_file=chain.path)
    if chain.kind == "ini":
        return provider.ProfileCredentialsProvider(profile_name=chain.profile, profile_file=chain.path)
    if chain.kind == "oidc":
        return provider.OIDCRoleArnCredentialsProvider(
            role_arn=chain.role,
            oidc_provider_arn=chain.identity_provider,
            oidc_token_file_path=chain.path,
            role_session_name=chain.session or None,
        )
    if chain.kind == "uri":
        return provider.URLCredentialsProvider(uri=chain.uri.reveal() if chain.uri else None)
    # Without its own thread: a key that is too old is renewed by the next call.
    role = provider.EcsRamRoleCredentialsProvider(role_name=chain.role, async_update_enabled=False)
    if chain.metadata:
        role._EcsRamRoleCredentialsProvider__metadata_service_host = chain.metadata  # noqa: SLF001 - no option
    return role


def _harmless(reason: str, chain: Chain) -> str:
    """Return the SDK's reason without what could be a part of a key, and not longer than a line."""
    for value in _values(chain):
        reason = reason.replace(value, "***")
    return " ".join(_NAMED_SECRET.sub(r"\1***", reason).split())[:_LONGEST]


def _values(chain: Chain) -> Iterator[str]:
    """Yield what the SDK was given, the longest first, which its reason may repeat."""
    found: list[str] = []
    if chain.kind == "cli":
        found = _cli_values(chain.path)
    elif chain.kind == "ini":
        found = _ini_values(chain.path)
    elif chain.uri is not None:
        parts = urlsplit(chain.uri.reveal())
        found = [chain.uri.reveal(), f"{parts.path}?{parts.query}", parts.path, parts.query]
    yield from sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)


def _cli_values(path: str) -> list[str]:
    import json  # noqa: PLC0415 - only a failure needs it
    from pathlib import Path  # noqa: PLC0415 - only a failure needs it

    try:
        profiles = json.loads(Path(path).read_bytes()).get("profiles", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [
        value
        for profile in profiles
        for name, value in profile.items()
        if name not in {"name", "mode"} and isinstance(value, str)
    ]


def _ini_values(path: str) -> list[str]:
    from pathlib import Path  # noqa: PLC0415 - only a failure needs it

    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    pairs = (line.partition("=") for line in lines)
    return [value.partition("#")[0].strip() for name, _, value in pairs if name.strip() != "type"]
