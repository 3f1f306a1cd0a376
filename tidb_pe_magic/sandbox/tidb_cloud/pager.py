"""Paging of lists."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, TypeVar

from tidb_pe_magic.sandbox.tidb_cloud.clusters import Code, RefusedError
from tidb_pe_magic.sandbox.tidb_cloud.parameters import single

if TYPE_CHECKING:
    from collections.abc import Sequence

ItemT = TypeVar("ItemT")


class Pager:
    """Divides a list into pages; a page token is signed and contains the request's parameters."""

    def __init__(self) -> None:
        """Create a secret for signatures."""
        self._secret = secrets.token_bytes(32)

    def page(
        self, items: Sequence[ItemT], *, size: int, skip: int = 0, params: Sequence[object]
    ) -> tuple[Sequence[ItemT], str]:
        """Return the page of the request's `pageToken`, and the token of the next one."""
        fingerprint = hashlib.sha256(repr((size, skip, params)).encode()).hexdigest()[:16]
        token = single("pageToken")
        start = self._offset(token, fingerprint) if token else skip
        end = start + size
        return items[start:end], self._token(end, fingerprint) if end < len(items) else ""

    def _token(self, offset: int, fingerprint: str) -> str:
        text = f"{offset}.{fingerprint}"
        return base64.urlsafe_b64encode(f"{text}.{self._sign(text)}".encode()).decode()

    def _offset(self, token: str, fingerprint: str) -> int:
        try:
            text, _, signature = base64.urlsafe_b64decode(token).decode().rpartition(".")
        except (binascii.Error, ValueError):
            text = signature = ""
        if not text or not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            raise RefusedError(Code.INVALID_ARGUMENT, "invalid pageToken")
        offset, _, asked = text.partition(".")
        if asked != fingerprint:
            reason = "when paginating, all other parameters must match the original request"
            raise RefusedError(Code.INVALID_ARGUMENT, reason)
        return int(offset)

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]
