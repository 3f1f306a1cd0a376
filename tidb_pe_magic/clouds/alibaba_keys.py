"""Temporary keys of Alibaba Cloud: what the SDK's credential providers exchange, once for each source."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from tidb_pe_magic import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.keys.places import Chain, Found

_LONGEST = 200


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

    logger = logging.getLogger("credentials")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # it prints a traceback for each failure
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
        reason = str(error) or type(error).__name__
    else:
        return client
    finally:
        logger.setLevel(level)
    # Outside the handler: the SDK's frames hold keys.
    raise errors.MissingCredentials(
        "Alibaba Cloud access key",
        (f"{found.place} ({_harmless(reason, chain)})",),
        advice="See %tidb_pe whoami.",
    )


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
        return provider.URLCredentialsProvider(uri=chain.role)
    # Without its own thread: a key that is too old is renewed by the next call.
    role = provider.EcsRamRoleCredentialsProvider(role_name=chain.role, async_update_enabled=False)
    if chain.metadata:
        role._EcsRamRoleCredentialsProvider__metadata_service_host = chain.metadata  # noqa: SLF001 - no option
    return role


def _harmless(reason: str, chain: Chain) -> str:
    """Return the SDK's reason without what the profile holds, and not longer than a line."""
    for value in _values(chain):
        reason = reason.replace(value, "***")
    return reason[:_LONGEST]


def _values(chain: Chain) -> Iterator[str]:
    """Yield every value of the file that the SDK read, which its reason may repeat."""
    import json  # noqa: PLC0415 - only a failure needs it
    from pathlib import Path  # noqa: PLC0415 - only a failure needs it

    if chain.kind != "cli":
        return
    try:
        profiles = json.loads(Path(chain.path).read_bytes()).get("profiles", [])
    except (OSError, ValueError, AttributeError):
        return
    for profile in profiles:
        for name, value in profile.items():
            if name not in {"name", "mode"} and isinstance(value, str) and len(value) > 8:  # noqa: PLR2004 - a key
                yield value
