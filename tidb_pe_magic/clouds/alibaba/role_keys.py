"""Temporary keys of Alibaba Cloud: what the SDK's credential providers exchange, once for each source."""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidb_pe_magic import errors
from tidb_pe_magic.clouds.alibaba.errors import translate
from tidb_pe_magic.clouds.alibaba.sdk_http import no_proxy, refuse_redirects
from tidb_pe_magic.clouds.causes import is_hopeless, redirect_target
from tidb_pe_magic.clouds.hosts import unreachable_advice
from tidb_pe_magic.clouds.json_fields import mapping, mappings
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidb_pe_magic.credentials.search import Chain, Found

_LONGEST = 200
_SHORTEST = 9  # characters of what could be a key
# The SDK repeats the answers that it cannot use, which may hold all of a key.
_NAMED_SECRET = re.compile(
    r"""((?:secret|token|password|access_?key)\w*["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}]+)""",
    re.IGNORECASE,
)
# And the URL that it could not reach, which holds an OIDC token.
_URL = re.compile(r" with url: \S+")
_QUERY_SECRET = re.compile(r"((?:Token|Signature)=)[^&\s\"]+")
_REFUSED = re.compile(r"error refreshing credentials from \w+, http_code: (\d{3}), result: (.*)", re.DOTALL)
_OPERATIONS = {"role": "AssumeRole", "oidc": "AssumeRoleWithOIDC"}
# A part of the code of STS, and what to do.
_ADVICE = (
    ("OIDCToken", "Take a new token of the provider."),
    ("OIDCProvider", "Check the ARN of the OIDC provider."),
    (
        "NoPermission",
        "Ask for the RAM action sts:AssumeRole on it, and that its trust policy names who asks.",
    ),
    ("Role", "Check the role's ARN: RAM console > Roles."),
    ("InvalidAccessKeyId", "Check the access key there."),
    ("SignatureDoesNotMatch", "Check the access key there."),
    ("DurationSeconds", "Shorten expired_seconds, or have the role's longest session prolonged."),
)
_NO_ROLE = "HttpCode=404"
_INSTANCE_ADVICE = (
    "Attach a RAM role that trusts ecs.aliyuncs.com to this instance, run: aliyun configure, or set "
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment."
)


class Exchange:
    """The temporary key of a source, as the SDK's clients ask for it.

    The SDK's provider renews it 15 minutes before its end. It is asked by `renew`, before each call, since
    the SDK's clients wrap what is raised within them, with all that it repeats.
    """

    def __init__(self, found: Found, endpoint: str) -> None:
        """Take what makes the key, and the `scheme://host[:port]` of an STS that is not the cloud's own."""
        if found.chain is None:
            msg = "a key of its own needs no exchange"
            raise AssertionError(msg)
        self._found, self._chain, self._endpoint = found, found.chain, endpoint
        self._client: Any = None
        self._current: Any = None
        self._secrets: tuple[Secret, ...] = ()
        self._accepted = False
        self._lock = threading.Lock()

    def get_credential(self) -> Any:
        """Return the key that was had last, in the SDK's model."""
        if self._current is None:
            self.renew()
        return self._current

    def renew(self) -> None:
        """Get a key where there is none, or where its end is near.

        Raises:
            MissingCredentials: there is none to be had; the reason is told.
            ApiError: STS refuses the role, or does not answer.
        """
        from alibabacloud_credentials.exceptions import CredentialException  # noqa: PLC0415 - slow to import
        from Tea.core import TeaCore  # noqa: PLC0415 - slow to import
        from Tea.exceptions import RetryError, TeaException  # noqa: PLC0415 - slow to import

        _silence()
        refuse_redirects(TeaCore)
        failure: BaseException
        try:
            with self._lock, no_proxy(self._host(), always=self._chain.kind == "ecs"):
                if self._client is None:
                    self._client = _client(self._chain, self._endpoint)
                current = self._client.get_credential()
                if self._current is None or current.access_key_id != self._current.access_key_id:
                    self._current, self._accepted = current, False
                    # So that errors that repeat them are shown without.
                    self._secrets = tuple(
                        Secret(str(each or ""))
                        for each in (current.access_key_secret, current.security_token)
                    )
                return
        # What its providers raise for a file, an answer, a command or a network that is not as they need it.
        except (
            CredentialException,
            TeaException,
            RetryError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OSError,
        ) as error:
            failure = self._failure(error, unreachable=isinstance(error, RetryError))
        except KeyboardInterrupt:
            failure = KeyboardInterrupt()
        # Outside the handler: the SDK's frames hold keys.
        raise failure

    def accept(self) -> None:
        """Note that the cloud has taken the key."""
        self._accepted = True

    def discard(self) -> bool:
        """Forget a key that the cloud refuses; tell whether another one may be taken, as it took this one."""
        accepted, self._accepted = self._accepted, False
        with self._lock:
            self._client = None
        return accepted

    def _host(self) -> str:
        return urlsplit(self._endpoint).hostname or ""

    def _failure(self, error: Exception, *, unreachable: bool) -> errors.TidbPeError:
        chain, place = self._chain, self._found.place
        text = str(error) or type(error).__name__
        operation = _OPERATIONS.get(chain.kind, "")
        refused = _REFUSED.match(text)
        if operation and refused:
            return _refusal(operation, int(refused[1]), refused[2], chain, place)
        elsewhere = redirect_target(error)
        reason = _harmless(text if elsewhere is None else f"a redirect to {elsewhere}; not followed", chain)
        if operation and unreachable:
            failure = errors.ServiceUnavailable(
                f"no usable answer: {reason}", operation=operation, advice=unreachable_advice(self._host())
            )
            failure.transient = elsewhere is None and not is_hopeless(error)
            return failure
        advice = "See %tidb_pe whoami."
        if chain.kind == "ecs" and _NO_ROLE in text:
            reason, advice = "the metadata service has no key of such a role", _INSTANCE_ADVICE
        return errors.MissingCredentials("Alibaba Cloud access key", (f"{place} ({reason})",), advice=advice)


_exchanges: dict[tuple[Chain | None, str], Exchange] = {}
_making = threading.Lock()


def exchange(found: Found, endpoint: str = "") -> Exchange:
    """Return the one exchange of a source, which all clients share."""
    with _making:
        return _exchanges.setdefault((found.chain, endpoint), Exchange(found, endpoint))


def _refusal(operation: str, status: int, answer: str, chain: Chain, place: str) -> errors.ApiError:
    """Return the error of an STS that gives no key for the role.

    It is no `PermissionDenied` and no `NotFound`: those are about one call, which a step may do without.
    """
    try:
        body = mapping(json.loads(answer))
    except (ValueError, RecursionError):
        body = {}
    code = str(body.get("Code") or "")
    message = _harmless(str(body.get("Message") or "no reason given"), chain)
    failure = translate(operation, code, status, {**body, "Message": message})
    if isinstance(failure, errors.Throttled | errors.ServiceUnavailable):
        return failure
    advice = next((advice for part, advice in _ADVICE if part in code), "")
    return errors.AuthenticationFailed(
        message,
        operation=operation,
        code=failure.code,
        request_id=failure.request_id,
        advice=f"The role is {chain.role}, of {place}. {advice}".strip(),
    )


def _silence() -> None:
    """Keep the SDK from printing: each failure with the answer, and with `DEBUG=sdk` each request.

    It sends tokens in the query of a GET, which its HTTP library logs at DEBUG. Adding a filter again
    changes nothing.
    """
    logging.getLogger("credentials").addFilter(_is_foreign)
    logging.getLogger("urllib3.connectionpool").addFilter(_without_tokens)
    logging.getLogger("alibabacloud-tea").disabled = True


def _is_foreign(record: logging.LogRecord) -> bool:
    return "alibabacloud_credentials" not in record.pathname


def _without_tokens(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if "Token=" in message:
        record.msg, record.args = _QUERY_SECRET.sub(r"\1***", message), ()
    return True


def _client(chain: Chain, endpoint: str) -> Any:
    """Make the SDK's client; each new one of some kinds starts a thread that lasts."""
    from alibabacloud_credentials.client import Client  # noqa: PLC0415 - slow to import

    return Client(provider=_provider(chain, endpoint))


def _provider(chain: Chain, endpoint: str) -> Any:
    from alibabacloud_credentials import provider  # noqa: PLC0415 - slow to import

    if chain.kind == "cli":
        return provider.CLIProfileCredentialsProvider(profile_name=chain.profile, profile_file=chain.path)
    if chain.kind == "ini":
        return provider.ProfileCredentialsProvider(profile_name=chain.profile, profile_file=chain.path)
    if chain.kind == "uri":
        return provider.URLCredentialsProvider(uri=chain.uri.reveal() if chain.uri else None)
    if chain.kind == "ecs":
        # Without its own thread: a key that is too old is renewed by the next call.
        role = provider.EcsRamRoleCredentialsProvider(role_name=chain.role, async_update_enabled=False)
        if chain.metadata:
            role._EcsRamRoleCredentialsProvider__metadata_service_host = chain.metadata  # noqa: SLF001 - no option
        return role
    common = {
        "role_arn": chain.role,
        "role_session_name": chain.session or None,
        "duration_seconds": chain.seconds,
        "policy": chain.policy or None,
        "sts_region_id": chain.sts_region or None,
        "enable_vpc": chain.vpc,
        "sts_endpoint": _sts(endpoint) or None,
    }
    if chain.kind == "oidc":
        return provider.OIDCRoleArnCredentialsProvider(
            oidc_provider_arn=chain.identity_provider, oidc_token_file_path=chain.path, **common
        )
    return provider.RamRoleArnCredentialsProvider(
        credentials_provider=_signer(chain, endpoint), external_id=chain.external_id or None, **common
    )


def _signer(chain: Chain, endpoint: str) -> Any:
    """Return the provider of the key that signs AssumeRole."""
    from alibabacloud_credentials import provider  # noqa: PLC0415 - slow to import

    if chain.source is not None:
        return _provider(chain.source, endpoint)
    key = chain.key
    if key is None:
        raise AssertionError(chain.kind)
    if key.token:
        return provider.StaticSTSCredentialsProvider(
            access_key_id=key.public,
            access_key_secret=key.private.reveal(),
            security_token=key.token.reveal(),
        )
    return provider.StaticAKCredentialsProvider(
        access_key_id=key.public, access_key_secret=key.private.reveal()
    )


def _sts(endpoint: str) -> str:
    """Return the endpoint as the SDK's providers take it: https unless a scheme says otherwise."""
    return endpoint.removeprefix("https://")


def _harmless(reason: str, chain: Chain) -> str:
    """Return the SDK's reason without what could be a part of a key, and not longer than a line."""
    reason = _URL.sub("", reason)
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
    elif chain.kind == "oidc":
        found = [_text(chain.path).strip()]
    elif chain.key is not None:
        found = [
            chain.key.public,
            chain.key.private.reveal(),
            chain.key.token.reveal() if chain.key.token else "",
        ]
    elif chain.uri is not None:
        parts = urlsplit(chain.uri.reveal())
        found = [chain.uri.reveal(), f"{parts.path}?{parts.query}", parts.path, parts.query]
    yield from sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)
    if chain.source is not None:
        yield from _values(chain.source)


def _cli_values(path: str) -> list[str]:
    try:
        config = mapping(json.loads(_text(path)))
    except (ValueError, RecursionError):
        return []
    return [
        value
        for profile in mappings(config.get("profiles"))
        for name, value in profile.items()
        if name not in {"name", "mode"} and isinstance(value, str)
    ]


def _ini_values(path: str) -> list[str]:
    pairs = (line.partition("=") for line in _text(path).splitlines())
    return [value.partition("#")[0].strip() for name, _, value in pairs if name.strip() != "type"]


def _text(path: str) -> str:
    from pathlib import Path  # noqa: PLC0415 - only a failure needs it

    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
