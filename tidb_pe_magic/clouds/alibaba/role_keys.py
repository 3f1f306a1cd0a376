"""Temporary keys of Alibaba Cloud: exchanged once per source by the SDK's credential providers."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tidb_pe_magic import errors
from tidb_pe_magic.advice import Advice, ShellCommand, Suggestion
from tidb_pe_magic.clouds.alibaba.errors import translate
from tidb_pe_magic.clouds.alibaba.imports import load_sdk
from tidb_pe_magic.clouds.causes import (
    is_hopeless,
    is_of_the_system,
    is_untrusted,
    own_error,
    reason_of,
    redirect_target,
)
from tidb_pe_magic.clouds.hosts import unreachable_advice
from tidb_pe_magic.clouds.json_fields import mapping
from tidb_pe_magic.clouds.network import Network
from tidb_pe_magic.credentials.redaction import bug_error, redact
from tidb_pe_magic.credentials.secrets import Secret

if TYPE_CHECKING:
    from tidb_pe_magic.credentials.search import Chain, KeyMatch

_REFUSED = re.compile(r"error refreshing credentials from \w+, http_code: (\d{3}), result: (.*)", re.DOTALL)
# Nothing else of other refusals is shown: the answer can contain a complete key.
_STATUS = re.compile(r"(?:http_?code|status code)\s*[:=]\s*(\d{3})", re.IGNORECASE)
_CODE = re.compile(r"[\"']Code[\"']\s*:\s*[\"']([A-Za-z][A-Za-z.]{2,60})[\"']")
_OPERATIONS = {"role": "AssumeRole", "oidc": "AssumeRoleWithOIDC"}
# A part of the STS error code, and what to do.
_ADVICE = (
    ("OIDCToken", "Get a new token from the provider."),
    ("OIDCProvider", "Check the ARN of the OIDC provider."),
    (
        "NoPermission",
        "Ask for the RAM action sts:AssumeRole on the role, and for a trust policy that allows the caller.",
    ),
    ("Role", "Check the role's ARN: RAM console > Roles."),
    ("InvalidAccessKeyId", "Check the access key there."),
    ("SignatureDoesNotMatch", "Check the access key there."),
    ("DurationSeconds", "Shorten expired_seconds, or have the role's maximum session duration increased."),
)
_WHAT = "Alibaba Cloud access key"
_SHORTEST_SESSION = 900  # seconds (STS API reference, AssumeRole, DurationSeconds)
_NO_ROLE = "HttpCode=404"
_INSTANCE_ADVICE = Advice(
    "Attach a RAM role that trusts ecs.aliyuncs.com to this instance, configure the aliyun CLI, or set "
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET in the environment.",
    ShellCommand("aliyun configure"),
)


class Exchange:
    """The temporary key of a source, in the interface that the SDK's clients expect.

    The SDK's provider renews it 15 minutes before it expires. `renew` is called before each API call, because
    the SDK's clients wrap errors that are raised inside them, together with the secrets in their text.
    """

    def __init__(self, found: KeyMatch, endpoint: str, network: Network) -> None:
        """Take the source of the key, the network, and the `scheme://host[:port]` of another STS."""
        if found.chain is None:
            msg = "a long-lived key needs no exchange"
            raise AssertionError(msg)
        self._found, self._chain, self._endpoint = found, found.chain, endpoint
        self._network = network
        self._client: Any = None
        self._current: Any = None
        self._secrets: tuple[Secret, ...] = ()
        self._accepted = False
        self._lock = threading.Lock()

    def get_credential(self) -> Any:
        """Return the latest key, in the SDK's model."""
        if self._current is None:
            self.renew()
        return self._current

    def renew(self) -> None:
        """Get a key if there is none, or if it expires soon.

        Raises:
            MissingCredentials: no key is available; the message has the reason.
            ApiError: STS refuses the role or does not answer.
        """
        load_sdk()
        if self._chain.seconds is not None and self._chain.seconds < _SHORTEST_SESSION:
            place = f"{self._found.place} (expired_seconds is less than {_SHORTEST_SESSION}s)"
            raise errors.MissingCredentials(_WHAT, (place,), advice=f"Set it to {_SHORTEST_SESSION} or more.")
        from Tea.exceptions import RetryError  # noqa: PLC0415 - slow to import

        from tidb_pe_magic.clouds.alibaba.sdk_process import SdkSession, through  # noqa: PLC0415 - see load_sdk

        failure: BaseException
        try:
            with self._lock, SdkSession(self._network) as session, through(session):
                if self._client is None:
                    self._client = _client(self._chain, self._endpoint)
                current = self._client.get_credential()
        # Its providers raise anything that a file, an answer, a command or a network can cause.
        except Exception as error:  # noqa: BLE001 - raised below: the SDK's frames hold keys
            failure = self._failure(error, unreachable=isinstance(error, RetryError))
            fallback = self._chain.fallback if _NO_ROLE in str(error) else None
        except KeyboardInterrupt:
            failure, fallback = KeyboardInterrupt(), None
        else:
            self._take(current)
            return
        if fallback is None:
            raise failure
        # As in the SDK's own chain: if the instance has no role, the environment's key is next.
        self._chain, self._client = fallback, None
        self.renew()

    def _take(self, current: Any) -> None:
        if self._current is None or current.access_key_id != self._current.access_key_id:
            self._current, self._accepted = current, False
            # Registered, so that errors that repeat them are shown without them.
            self._secrets = tuple(
                Secret(str(each or "")) for each in (current.access_key_secret, current.security_token)
            )

    def accept(self) -> None:
        """Record that the cloud accepted the key."""
        self._accepted = True

    def discard(self) -> bool:
        """Drop a refused key; return whether another one can be tried, because this one worked before."""
        accepted, self._accepted = self._accepted, False
        with self._lock:
            self._client = None
        return accepted

    def _host(self) -> str:
        return urlsplit(self._endpoint).hostname or ""

    def _failure(self, error: Exception, *, unreachable: bool) -> Exception:
        """Return the error to raise, without the SDK's text, which repeats what it read and received."""
        chain, place = self._chain, self._found.place
        own = own_error(error)
        if own is not None:
            return own
        if not _is_of_the_sdk(error):
            return bug_error(error)
        operation = _OPERATIONS.get(chain.kind, "")
        refused = _REFUSED.search(str(error))
        if operation and refused:
            return _refusal(operation, int(refused[1]), refused[2], chain, place)
        elsewhere = redirect_target(error)
        reason = _reason(error) if elsewhere is None else f"a redirect to {elsewhere}; not followed"
        if operation and unreachable:
            failure = errors.ServiceUnavailable(
                f"no usable answer: {reason.rstrip('.')}.",
                operation=operation,
                advice=unreachable_advice(self._host(), untrusted=is_untrusted(error)),
            )
            failure.transient = elsewhere is None and not is_hopeless(error)
            return failure
        advice = Advice("", Suggestion("whoami"))
        if chain.kind == "ecs" and _NO_ROLE in str(error):
            reason, advice = "the metadata service has no key for this role", _INSTANCE_ADVICE
        return errors.MissingCredentials(_WHAT, (f"{place} ({reason})",), advice=advice)


_exchanges: dict[tuple[Chain | None, str, Network], Exchange] = {}
_making = threading.Lock()


def exchange(found: KeyMatch, endpoint: str = "", network: Network | None = None) -> Exchange:
    """Return the exchange of a source; all clients of one network share it."""
    network = network or Network.of()
    with _making:
        return _exchanges.setdefault((found.chain, endpoint, network), Exchange(found, endpoint, network))


def _is_of_the_sdk(error: Exception) -> bool:
    """Return whether the error comes from the SDK or a library that it calls, not from this package."""
    trace = error.__traceback__
    innermost = ""
    while trace is not None:
        innermost = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    return not innermost.startswith("tidb_pe_magic.")


def _reason(error: Exception) -> str:
    """Return why no key is available: the system's message, a status and code, or the error's class."""
    status = _STATUS.search(str(error))
    if status is None:
        return reason_of(error) if is_of_the_system(error) else type(error).__name__
    code = _CODE.search(str(error))
    return f"HTTP {status[1]}" + (f" {code[1]}" if code else "")


def _refusal(operation: str, status: int, answer: str, chain: Chain, place: str) -> errors.ApiError:
    """Return the error for an STS that gives no key for the role.

    It is neither `PermissionDenied` nor `NotFound`: those concern one call, which a step may skip.
    """
    try:
        body = mapping(json.loads(answer))
    except (ValueError, RecursionError):
        body = {}
    code = str(body.get("Code") or "")
    message = redact(str(body.get("Message") or "no reason given"))
    failure = translate(operation, code, status, {**body, "Message": message})
    if isinstance(failure, errors.Throttled | errors.ServiceUnavailable):
        return failure
    advice = next((advice for part, advice in _ADVICE if part in code), "")
    return errors.AuthenticationFailed(
        message,
        operation=operation,
        code=failure.code,
        request_id=failure.request_id,
        advice=f"The role is {chain.role}, from {place}. {advice}".strip(),
    )


def _client(chain: Chain, endpoint: str) -> Any:
    """Create the SDK's client; some kinds start a permanent thread for each new client."""
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
        # Without its own thread: the next call renews an expired key.
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
        "sts_endpoint": _sts(endpoint) or chain.sts_endpoint or None,
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
    """Return the endpoint in the form of the SDK's providers: https unless a scheme is given."""
    return endpoint.removeprefix("https://")
