"""Answers that are sent instead of the real one."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

from tidb_pe_magic.sandbox.alibaba.errors import WITHOUT_CONDITION
from tidb_pe_magic.sandbox.faults.fault import Fault, Kind
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The header or field with each service's request ID.
REQUEST_ID: Mapping[Service, str] = MappingProxyType(
    {Service.TIDB_CLOUD: "X-Debug-Trace-Id", Service.ALIBABA: "x-acs-request-id"}
)
_HTML = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    "<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n"
)
# Codes and messages of the Alibaba Cloud API references: common error codes, and PrivateLink's tables.
_ALIBABA: Mapping[Kind, tuple[int, str, str]] = MappingProxyType(
    {
        Kind.THROTTLED: (400, "Throttling.User", "Request was denied due to user flow control."),
        Kind.SERVER_ERROR: (500, "InternalError", "The request processing has failed due to some error."),
        Kind.CONCURRENT_CALL: (
            400,
            "ConcurrentCallNotSupported",
            "The specified operation does not support concurrent calls.",
        ),
        Kind.ENDPOINT_LOCKED: (400, "EndpointLocked", "The specified endpoint is locked."),
        Kind.STS_EXPIRED: (400, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."),
    }
)
# google.rpc.Status, as TiDB Cloud's Swagger has it.
_TIDB_CLOUD: Mapping[Kind, tuple[int, int, str]] = MappingProxyType(
    {
        Kind.THROTTLED: (
            429,
            49900007,
            "The request exceeded the limit of 100 times per apikey per minute.",
        ),
        Kind.SERVER_ERROR: (500, 13, "Internal server error."),
    }
)
_MS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, with header names as the server wrote them."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's value, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status.split()[0])

    @property
    def error_code(self) -> str:
        """The API's error code; empty if the answer is not an error in the API's format."""
        if self.code < HTTPStatus.BAD_REQUEST:
            return ""
        try:
            body = json.loads(self.body)
        except ValueError:
            return ""
        return str(body.get("Code", body.get("code", ""))) if isinstance(body, dict) else ""

    def with_body(self, body: bytes) -> Answer:
        """Return the answer with another body and the matching length."""
        kept = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        return replace(self, headers=(*kept, ("Content-Length", str(len(body)))), body=body)


def refusal(service: Service, fault: Fault) -> Answer:
    """Return the answer of a fault that refuses the call, or seems to."""
    request_id = str(uuid.uuid4()).upper() if service is Service.ALIBABA else uuid.uuid4().hex
    if fault.kind is Kind.BAD_GATEWAY:
        return _answer(HTTPStatus.BAD_GATEWAY, "text/html", _HTML, {})
    throttled = fault.kind.startswith("throttled")
    kind = Kind.THROTTLED if throttled else fault.kind
    headers = {REQUEST_ID[service]: request_id, **_retry_headers(fault)}
    if service is Service.ALIBABA:
        status, name, message = _alibaba(fault, kind)
        body: dict[str, object] = {"RequestId": request_id, "Code": name, "Message": message}
    else:
        status, code, message = _TIDB_CLOUD[kind]
        body = {"code": code, "message": message, "details": []}
    return _answer(status, "application/json", json.dumps(body), headers)


def _alibaba(fault: Fault, kind: Kind) -> tuple[int, str, str]:
    if kind is not Kind.REFUSED:
        return _ALIBABA[kind]
    refused = WITHOUT_CONDITION[fault.code]
    return refused.status, refused.code, refused.message


def _retry_headers(fault: Fault) -> dict[str, str]:
    whole = str(max(1, round(fault.seconds)))
    match fault.kind:
        case Kind.THROTTLED_RETRY_AFTER:
            return {"Retry-After": whole}
        case Kind.THROTTLED_RATELIMIT_RESET:
            return {"X-Ratelimit-Reset": whole}
        case Kind.THROTTLED_ACS_RETRY_AFTER:
            return {"x-acs-retry-after": str(max(1, round(fault.seconds * _MS)))}
        case _:
            return {}


def _answer(status: int, kind: str, text: str, headers: Mapping[str, str]) -> Answer:
    body = text.encode()
    every = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
    return Answer(f"{status} {HTTPStatus(status).phrase}", tuple(every.items()), body)
