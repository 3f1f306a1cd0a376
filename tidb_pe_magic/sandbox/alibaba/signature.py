"""The signature ACS3-HMAC-SHA256, and the older one of RPC calls, checked as Alibaba Cloud's gateway does.

They follow "Request syntax and signature method V3" and "… V2 for RPC APIs" of the Alibaba Cloud SDK
reference (SDKs use the older one for STS, in the query of a GET). They share no code with an SDK, so that the
check does not repeat an error of the signer.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from tidb_pe_magic.sandbox.alibaba import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidb_pe_magic.sandbox.alibaba.roles import Roles

ALGORITHM = "ACS3-HMAC-SHA256"
#: Maximum difference between a call's date and the server's, in seconds.
MAX_SKEW = 15 * 60

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^,\s]+), *SignedHeaders=(?P<headers>[^,\s]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_ALWAYS_SIGNED = frozenset(
    {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parts of a request that the signature covers; header names in lower case."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def canonical_query(query_string: str) -> str:
    """Return the canonical form of a query: sorted, and percent-encoded by RFC 3986."""
    # Decode and encode again, because clients send a space as "+" and sign it as "%20".
    pairs = parse_qsl(query_string, keep_blank_values=True)
    return "&".join(f"{_encode(key)}={_encode(value)}" for key, value in sorted(pairs))


def canonical_request(request: SignedRequest, signed_headers: str) -> str:
    """Return the canonical form of a request."""
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed_headers.split(";"))
    return "\n".join(
        (
            request.method,
            request.path,
            canonical_query(request.query_string),
            headers,
            signed_headers,
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def string_to_sign(canonical: str) -> str:
    """Return the string to sign for a canonical request."""
    return f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def query_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return the string to sign for a call whose signature is a parameter."""
    pairs = sorted((key, value) for key, value in parameters.items() if key != "Signature")
    canonical = "&".join(f"{_encode(key)}={_encode(value)}" for key, value in pairs)
    return f"{method}&{_encode('/')}&{_encode(canonical)}"


class Verifier:
    """Checks the signatures of calls; stores nonces as long as a call's date is valid."""

    def __init__(
        self,
        keys: Mapping[str, str],
        security_tokens: Mapping[str, str],
        clock: Callable[[], float],
        roles: Roles,
    ) -> None:
        """Set the secret of each access key ID, the tokens of temporary keys, and the roles' keys."""
        self._keys = keys
        self._security_tokens = security_tokens
        self._roles = roles
        self._clock = clock
        self._lock = threading.Lock()
        self._nonces: dict[tuple[str, str], float] = {}

    def verify(self, request: SignedRequest) -> str:
        """Return the access key id that signed the request, or refuse the request."""
        authorization = request.headers.get("authorization", "")
        if not authorization:
            raise errors.ApiError(errors.missing_parameter("AccessKeyId"))
        match = _AUTHORIZATION.fullmatch(authorization)
        if match is None:
            raise errors.ApiError(errors.INCOMPLETE_SIGNATURE)
        key_id, signed_headers = match["key"], match["headers"]
        self._check_coverage(request, signed_headers.split(";"))
        self._check_date(request.headers["x-acs-date"])
        secret = self._secret(key_id)
        canonical = canonical_request(request, signed_headers)
        text = string_to_sign(canonical)
        expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        body_is_signed = request.headers["x-acs-content-sha256"] == hashlib.sha256(request.body).hexdigest()
        if not (body_is_signed and hmac.compare_digest(expected, match["signature"])):
            repeated = f"{text}, server canonical request is:{canonical}"
            raise errors.ApiError(errors.signature_mismatch(repeated))
        self._check_security_token(key_id, request.headers.get("x-acs-security-token", ""))
        if request.headers.get("x-acs-accesskey-id", key_id) != key_id:
            raise errors.ApiError(errors.SECURITY_TOKEN_INVALID)
        # Last, so that a forged call cannot use up the nonce of a genuine one.
        self._use_nonce(key_id, request.headers["x-acs-signature-nonce"])
        return key_id

    def verify_query(self, method: str, parameters: Mapping[str, str]) -> str:
        """Return the access key id that signed a call by its parameters, or refuse the call."""
        for name in ("AccessKeyId", "Signature", "SignatureNonce", "Timestamp"):
            if not parameters.get(name):
                raise errors.ApiError(errors.missing_parameter(name))
        kind = (parameters.get("SignatureMethod"), parameters.get("SignatureVersion"))
        if kind != ("HMAC-SHA1", "1.0"):
            raise errors.ApiError(errors.INCOMPLETE_SIGNATURE)
        self._check_date(parameters["Timestamp"])
        key_id = parameters["AccessKeyId"]
        text = query_string_to_sign(method, parameters)
        digest = hmac.new(f"{self._secret(key_id)}&".encode(), text.encode(), hashlib.sha1).digest()
        if not hmac.compare_digest(base64.b64encode(digest), parameters["Signature"].encode()):
            raise errors.ApiError(errors.signature_mismatch(text))
        self._check_security_token(key_id, parameters.get("SecurityToken", ""))
        self._use_nonce(key_id, parameters["SignatureNonce"])
        return key_id

    def _secret(self, key_id: str) -> str:
        if (secret := self._keys.get(key_id)) is not None:
            return secret
        if (key := self._roles.key(key_id)) is not None:
            return key.secret
        raise errors.ApiError(errors.ACCESS_KEY_NOT_FOUND)

    @staticmethod
    def _check_coverage(request: SignedRequest, signed: list[str]) -> None:
        sent = {name for name in request.headers if name.startswith("x-acs-")}
        if any(not request.headers.get(name) for name in _ALWAYS_SIGNED):
            raise errors.ApiError(errors.INCOMPLETE_SIGNATURE)
        ordered = signed == sorted(set(signed))
        if not ordered or not (sent | _ALWAYS_SIGNED) <= set(signed) <= request.headers.keys():
            raise errors.ApiError(errors.INCOMPLETE_SIGNATURE)

    def _check_date(self, text: str) -> None:
        try:
            date = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise errors.ApiError(errors.TIMESTAMP_FORMAT) from None
        if abs(date.timestamp() - self._clock()) > MAX_SKEW:
            raise errors.ApiError(errors.TIMESTAMP_EXPIRED)

    def _check_security_token(self, key_id: str, given: str) -> None:
        key = self._roles.key(key_id)
        expected = self._security_tokens.get(key_id, "") if key is None else key.token
        if expected and not given:
            raise errors.ApiError(errors.missing_parameter("SecurityToken"))
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise errors.ApiError(errors.SECURITY_TOKEN_INVALID)
        if key is not None and self._roles.is_over(key):
            raise errors.ApiError(errors.SECURITY_TOKEN_EXPIRED)

    def _use_nonce(self, key_id: str, nonce: str) -> None:
        now = self._clock()
        with self._lock:
            # A date may be in the future, so store a nonce for twice the skew.
            while self._nonces and next(iter(self._nonces.values())) < now - 2 * MAX_SKEW:
                self._nonces.pop(next(iter(self._nonces)))
            if (key_id, nonce) in self._nonces:
                raise errors.ApiError(errors.NONCE_USED)
            self._nonces[key_id, nonce] = now
