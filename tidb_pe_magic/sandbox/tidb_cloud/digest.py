"""HTTP Digest access authentication (RFC 7616), with all checks.

In addition to the response, it checks the `uri` parameter against the requested path and query, the nonce
(its signature and age), and that a nonce count is used only once. Nonces are stateless: a signed time. Only
the used counts are stored, up to a limit.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REALM = "tidbcloud"
NONCE_SECONDS = 300.0
#: Refusals that are answered only with a challenge.
NO_CREDENTIALS, STALE_NONCE = "no digest credentials", "stale nonce"
# The strongest first, so that clients choose it (RFC 7616, 3.7); MD5 for clients without other algorithms.
_HASHES: Mapping[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_REQUIRED = ("username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce")
_NONCE_COUNT = re.compile(r"[0-9a-fA-F]{8}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a request's credentials.

    `key` is the request's public key, if the key exists. `refusal` is the reason for refusing the request;
    None means that it is allowed. `stale` tells a client that its private key is correct and only the nonce
    must be replaced. `first_use_of_keyless_nonce` is true once for each nonce that was issued to a request
    without a key.
    """

    key: str | None = None
    refusal: str | None = None
    stale: bool = False
    first_use_of_keyless_nonce: bool = False


@dataclass(frozen=True, slots=True)
class _Nonce:
    generation: int
    issued: float
    keyless: bool


def request_target(environ: Mapping[str, object]) -> str:
    """Return the path and query of a WSGI request, as sent if the server provides them."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if isinstance(raw, str):
        return raw
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


def _path_and_query(uri: str) -> tuple[str, str]:
    """Return path and query of a target, which may be a whole URL, as proxies send it."""
    if uri.startswith("/"):
        path, _, query = uri.partition("?")
        return path, query
    parts = urlsplit(uri)
    return parts.path or "/", parts.query


class DigestAuthenticator:
    """Issues challenges and checks the credentials that answer them."""

    def __init__(
        self,
        keys: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
        nonce_seconds: float = NONCE_SECONDS,
        remembered: int = 10_000,
    ) -> None:
        """Set the keys (public to private) and the maximum number of stored nonce counts."""
        self._keys = keys
        self._clock = clock
        self._nonce_seconds = nonce_seconds
        self._remembered = remembered
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._generation = 0
        self._used: dict[str, set[int]] = {}

    def challenges(self, verdict: Verdict) -> list[str]:
        """Return the `WWW-Authenticate` headers for a refused request, one for each algorithm."""
        nonce = self._new_nonce(keyless=verdict.key is None)
        stale = ", stale=true" if verdict.stale else ""
        return [
            f'Digest realm="{REALM}", qop="auth", algorithm={algorithm}, nonce="{nonce}"{stale}'
            for algorithm in _HASHES
        ]

    def judge(self, method: str, target: str, credentials: Mapping[str, str | None] | None) -> Verdict:
        """Check the parameters of an `Authorization: Digest` header; None without the header."""
        if credentials is None:
            return Verdict(refusal=NO_CREDENTIALS)
        given = {name: value for name, value in credentials.items() if value is not None}
        key = given.get("username", "")
        if key not in self._keys:
            return Verdict(refusal="unknown key")
        refusal = self._fault(method, target, given)
        if refusal is not None:
            return Verdict(key, refusal)
        return self._spend_nonce_count(key, given["nonce"], int(given["nc"], 16))

    def expire(self) -> None:
        """Make every issued nonce stale."""
        with self._lock:
            self._expire()

    def _expire(self) -> None:
        self._used.clear()
        self._generation += 1

    def _fault(self, method: str, target: str, given: Mapping[str, str]) -> str | None:
        missing = [name for name in _REQUIRED if name not in given]
        if missing:
            return f"missing {missing[0]}"
        hashed = _HASHES.get(given.get("algorithm", "MD5").upper())
        if hashed is None or given["qop"] != "auth" or given["realm"] != REALM:
            return "not what the challenge asked for"
        if _NONCE_COUNT.fullmatch(given["nc"]) is None or int(given["nc"], 16) == 0:
            return "malformed nonce count"
        if _path_and_query(given["uri"]) != _path_and_query(target):
            return "uri is not the request's"
        ha1 = hashed(f"{given['username']}:{REALM}:{self._keys[given['username']]}".encode())
        ha2 = hashed(f"{method}:{given['uri']}".encode())
        parts = (ha1, given["nonce"], given["nc"], given["cnonce"], "auth", ha2)
        # Bytes, because compare_digest() refuses strings that are not ASCII.
        if not hmac.compare_digest(hashed(":".join(parts).encode()).encode(), given["response"].encode()):
            return "wrong response"
        return None

    def _spend_nonce_count(self, key: str, text: str, count: int) -> Verdict:
        nonce = self._read_nonce(text)
        with self._lock:
            # An unknown nonce, for example from before a restart, is treated like an old one: the response
            # proves that the client knows the private key.
            if (
                nonce is None
                or nonce.generation != self._generation
                or self._clock() - nonce.issued > self._nonce_seconds
            ):
                return Verdict(key, STALE_NONCE, stale=True)
            counts = self._used.get(text, set())
            if count in counts:
                return Verdict(key, "replayed nonce count")
            first = not counts
            self._used.setdefault(text, counts).add(count)
            self._forget()
        return Verdict(key, first_use_of_keyless_nonce=first and nonce.keyless)

    def _forget(self) -> None:
        """Limit the record's size, without ever accepting a used count again."""
        if sum(map(len, self._used.values())) <= self._remembered:
            return
        now = self._clock()
        for text in list(self._used):
            nonce = self._read_nonce(text)
            if nonce is None or now - nonce.issued > self._nonce_seconds:
                del self._used[text]
        if sum(map(len, self._used.values())) > self._remembered:
            # Every client gets one stale answer, and continues with a new nonce.
            self._expire()

    def _new_nonce(self, *, keyless: bool) -> str:
        with self._lock:
            generation = self._generation
        # The random part distinguishes clients that are challenged within one millisecond.
        text = f"{generation}.{int(self._clock() * 1000)}.{int(keyless)}.{secrets.token_hex(8)}"
        return f"{text}.{self._sign(text)}"

    def _read_nonce(self, nonce: str) -> _Nonce | None:
        text, _, signature = nonce.rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            return None
        generation, issued, keyless, _ = text.split(".")
        return _Nonce(int(generation), int(issued) / 1000, keyless == "1")

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]
