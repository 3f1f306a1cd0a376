"""The log of all requests to the sandbox, for assertions in tests.

`sandbox.requests` is a sequence of `Request` over all services, in the order of arrival:
`sandbox.requests.count("CreateVpcEndpoint")`, `sandbox.requests.of("Create*", RegionId="ap-southeast-1")`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, overload

from tidb_pe_magic.sandbox.service import Service
from tidb_pe_magic.sandbox.tidb_cloud.digest import NO_CREDENTIALS, STALE_NONCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from tidb_pe_magic.sandbox.faults.fault import Fault

# Enough for tests, but bounded for a sandbox that runs for days.
_REMEMBERED: Final = 10_000
_NUMBER: Final = "tidb_pe_sandbox.request_number"
_MASK: Final = "***"
#: Names of secret parameters, without case and punctuation.
_SECRET: Final = frozenset(
    {"accesskeyid", "accesskeysecret", "oidctoken", "password", "privatekey", "securitytoken", "signature"}
)
_HEADINGS: Final = ("#", "time (UTC)", "service", "operation", "answer", "parameters")
_SHOWN_PARAMETERS: Final = 80
_SHOWN_NAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Request:
    """A received request, without secrets.

    Attributes:
        number: from 1, over all services.
        service: the requested service.
        operation: the API operation (`CreateVpcEndpoint`, `ListClusters`), the metadata service's path, or a
            SQL statement's first word (`INSERT`; `LOGIN`, `PING`).
        time: time of arrival by this machine's clock, in seconds since 1970.
        method: HTTP method.
        path: path of the URL.
        params: parameters of query and body, if it was executed; the values of secrets are `***`.
        key: the public half of the request's TiDB Cloud API key, if the key exists.
        status: status of the HTTP answer, including faults; 0 without an answer, and for SQL.
        code: error code of the answer; empty without an error.
        request_id: request ID of the answer.
        refusal: why the Digest was refused.
        fault: the staged fault.
        carried_out: it reached the cloud or the database, which may have refused it.
        answered: the complete answer was sent; otherwise it was lost.
    """

    number: int
    service: Service
    operation: str
    time: float = 0.0
    method: str = ""
    path: str = ""
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    key: str | None = None
    status: int = 0
    code: str = ""
    request_id: str = ""
    refusal: str | None = None
    fault: Fault | None = None
    carried_out: bool = False
    answered: bool = False

    @property
    def challenge(self) -> bool:
        """Whether it only got a Digest challenge, like every client's first request."""
        return self.refusal in {NO_CREDENTIALS, STALE_NONCE}

    @property
    def answer(self) -> str:
        """A short description of the outcome."""
        words = [str(self.status) if self.status else "", "challenge" if self.challenge else self.code]
        if not self.answered:
            words.append("lost" if self.carried_out else "not carried out")
        if self.fault is not None:
            words.append(f"({self.fault.kind})")
        return " ".join(filter(None, words)) or "ok"


class Requests(Sequence[Request]):
    """An immutable sequence of requests, in the order of arrival; its text is a table."""

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        """Store these requests."""
        self._requests = tuple(requests)

    def _all(self) -> tuple[Request, ...]:
        return self._requests

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> Requests: ...
    def __getitem__(self, index: int | slice) -> Request | Requests:
        """Return one, or a part."""
        found = self._all()[index]
        return found if isinstance(found, Request) else Requests(found)

    def to(self, service: str) -> Requests:
        """Return the requests to a service: "tidb-cloud", "alibaba", "metadata" or "sql"."""
        wanted = Service(service)
        return Requests(request for request in self._all() if request.service is wanted)

    def of(self, operation: str = "*", *, status: int | None = None, **params: object) -> Requests:
        """Return the requests for an operation, without Digest challenges.

        Args:
            operation: its name; `*` matches any letters.
            status: status of the HTTP answer.
            params: parameters of the request, compared as text.
        """
        return Requests(
            request
            for request in self._all()
            if not request.challenge
            and fnmatchcase(request.operation, operation)
            and status in {None, request.status}
            and all(
                name in request.params and str(request.params[name]) == str(value)
                for name, value in params.items()
            )
        )

    def count(self, operation: Any = "*", **criteria: Any) -> int:
        """Return the number of requests that `of` finds."""
        return len(self.of(operation, **criteria))

    def since(self, mark: int) -> Requests:
        """Return the requests that arrived after the log's `mark`."""
        return Requests(request for request in self._all() if request.number > mark)

    @property
    def operations(self) -> list[str]:
        """The names of the operations in order, without Digest challenges."""
        return [request.operation for request in self.of()]

    def __str__(self) -> str:
        """Return the table."""
        rows = [_HEADINGS, *map(_row, self._all())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def __repr__(self) -> str:
        """Return a line."""
        found = self._all()
        shown = [f"{request.operation} {request.answer}" for request in found[:_SHOWN_NAMES]]
        more = ["..."] if len(found) > _SHOWN_NAMES else []
        return f"<{len(found)} requests{': ' if found else ''}{', '.join([*shown, *more])}>"


class RequestLog(Requests):
    """The last 10,000 requests; thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start empty; `clock` returns seconds since 1970."""
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[int, Request] = {}
        # What has happened to a request since; most logs are never read.
        self._outcomes: dict[int, dict[str, Any]] = {}
        self._number = 0

    def _all(self) -> tuple[Request, ...]:
        with self._lock:
            for number, outcome in self._outcomes.items():
                self._known[number] = replace(self._known[number], **outcome)
            self._outcomes.clear()
            return tuple(self._known.values())

    @property
    def mark(self) -> int:
        """The current position, for `since`."""
        with self._lock:
            return self._number

    def clear(self) -> None:
        """Remove all requests; the numbers continue."""
        with self._lock:
            self._known.clear()
            self._outcomes.clear()

    # Called by the servers

    def arrived(self, service: Service, operation: str, fault: Fault | None = None) -> Request:
        """Record a request."""
        with self._lock:
            self._number += 1
            request = Request(self._number, service, operation, self._clock(), fault=fault)
            self._known[request.number] = request
            while len(self._known) > _REMEMBERED:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._outcomes.pop(oldest, None)
            return request

    def ended(self, number: int, **outcome: Any) -> None:
        """Update a recorded request, unless it has been removed."""
        if "params" in outcome:
            outcome["params"] = _mask_secrets(outcome["params"])
        with self._lock:
            if number in self._known:
                self._outcomes.setdefault(number, {}).update(outcome)

    def announce(self, environ: WSGIEnvironment, request: Request) -> None:
        """Mark a request as recorded, for the inner application."""
        environ[_NUMBER] = request.number

    def answered(self, environ: WSGIEnvironment, service: Service, operation: str, **outcome: Any) -> None:
        """Record an application's answer, unless an outer application already records the request."""
        number = environ.get(_NUMBER)
        if number is None:
            number = self.arrived(service, operation).number
            outcome |= {"answered": True}
        self.ended(
            number,
            method=environ["REQUEST_METHOD"],
            path=environ.get("PATH_INFO", ""),
            carried_out=True,
            **outcome,
        )


def _mask_secrets(params: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: _MASK if _is_secret(name) else value for name, value in params.items()})


def _is_secret(name: str) -> bool:
    return "".join(filter(str.isalnum, name)).lower() in _SECRET


def _row(request: Request) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(request.time, UTC).strftime("%H:%M:%S.%f")[:-3]
    sent = " ".join(f"{name}={value}" for name, value in request.params.items())
    if len(sent) > _SHOWN_PARAMETERS:
        sent = sent[: _SHOWN_PARAMETERS - 3] + "..."
    cells = (str(request.number), moment, request.service, request.operation, request.answer, sent)
    # Keep the client's text on one line.
    return tuple("".join(c if c.isprintable() else "?" for c in cell) for cell in cells)
