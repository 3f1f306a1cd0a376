"""The log of every request that has reached the sandbox, for tests to assert on.

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

# Enough for any test to read; a sandbox that runs for days must not grow.
_REMEMBERED: Final = 10_000
_NUMBER: Final = "tidb_pe_sandbox.request_number"
_MASK: Final = "***"
#: Names of parameters, without case and punctuation, whose values are no one's business.
_SECRET: Final = frozenset(
    {"accesskeyid", "accesskeysecret", "oidctoken", "password", "privatekey", "securitytoken", "signature"}
)
_HEADINGS: Final = ("#", "time (UTC)", "service", "operation", "answer", "parameters")
_SHOWN_PARAMETERS: Final = 80
_SHOWN_NAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Request:
    """One request that has arrived; it holds no secret.

    Attributes:
        number: from 1, over all services.
        service: who was asked.
        operation: the API operation (`CreateVpcEndpoint`, `ListClusters`), the metadata service's path, or a
            SQL statement's first word (`INSERT`; `LOGIN`, `PING`).
        time: of its arrival by this machine's clock, in seconds since 1970.
        method: of HTTP.
        path: of the URL.
        params: of the query and the body, where it was carried out; the values of secrets are `***`.
        key: the public half of the TiDB Cloud API key that it named, where there is such a key.
        status: of the HTTP answer, be it a fault's; 0 where there was none, and for SQL.
        code: of the error in the answer; empty where it is none.
        request_id: of the answer.
        refusal: why the Digest was not let in.
        fault: what went wrong by order.
        carried_out: it reached the cloud or the database, which may have refused it.
        answered: the whole answer was sent; else it was lost.
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
        """Whether it was only told to send its Digest credentials, as every client's first one is."""
        return self.refusal in {NO_CREDENTIALS, STALE_NONCE}

    @property
    def answer(self) -> str:
        """What became of it, in a few words."""
        words = [str(self.status) if self.status else "", "challenge" if self.challenge else self.code]
        if not self.answered:
            words.append("lost" if self.carried_out else "not carried out")
        if self.fault is not None:
            words.append(f"({self.fault.kind})")
        return " ".join(filter(None, words)) or "ok"


class Requests(Sequence[Request]):
    """Requests in the order of their arrival, which never change; as text they are a table."""

    def __init__(self, requests: Iterable[Request] = ()) -> None:
        """Take these."""
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
        """Return those to a service: "tidb-cloud", "alibaba", "metadata" or "sql"."""
        wanted = Service(service)
        return Requests(request for request in self._all() if request.service is wanted)

    def of(self, operation: str = "*", *, status: int | None = None, **params: object) -> Requests:
        """Return those for an operation; a mere Digest challenge is none.

        Args:
            operation: its name; `*` stands for any letters.
            status: of the HTTP answer.
            params: parameters that it was sent with, compared as text.
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
        """Return how many `of` finds."""
        return len(self.of(operation, **criteria))

    def since(self, mark: int) -> Requests:
        """Return those that arrived after the log's `mark` was taken."""
        return Requests(request for request in self._all() if request.number > mark)

    @property
    def operations(self) -> list[str]:
        """The names of their operations in order, without mere Digest challenges."""
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
    """The requests so far; safe to use from any thread. It remembers the last 10,000."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start empty; `clock` gives seconds since 1970."""
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[int, Request] = {}
        self._number = 0

    def _all(self) -> tuple[Request, ...]:
        with self._lock:
            return tuple(self._known.values())

    @property
    def mark(self) -> int:
        """This moment, for `since`."""
        with self._lock:
            return self._number

    def clear(self) -> None:
        """Forget all of them; the numbers go on."""
        with self._lock:
            self._known.clear()

    # What the servers call

    def arrived(self, service: Service, operation: str, fault: Fault | None = None) -> Request:
        """Take note of a request."""
        with self._lock:
            self._number += 1
            request = Request(self._number, service, operation, self._clock(), fault=fault)
            self._known[request.number] = request
            while len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
            return request

    def ended(self, number: int, **outcome: Any) -> None:
        """Complete what is known of a request, unless it has been forgotten."""
        if "params" in outcome:
            outcome["params"] = _masked(outcome["params"])
        with self._lock:
            if (known := self._known.get(number)) is not None:
                self._known[number] = replace(known, **outcome)

    def announce(self, environ: WSGIEnvironment, request: Request) -> None:
        """Tell the application behind that this request has been taken note of."""
        environ[_NUMBER] = request.number

    def answered(self, environ: WSGIEnvironment, service: Service, operation: str, **outcome: Any) -> None:
        """Take note of what an application answered; nobody stands before one that is alone."""
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


def _masked(params: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType({name: _MASK if _is_secret(name) else value for name, value in params.items()})


def _is_secret(name: str) -> bool:
    return "".join(filter(str.isalnum, name)).lower() in _SECRET


def _row(request: Request) -> tuple[str, ...]:
    moment = datetime.fromtimestamp(request.time, UTC).strftime("%H:%M:%S.%f")[:-3]
    sent = " ".join(f"{name}={value}" for name, value in request.params.items())
    if len(sent) > _SHOWN_PARAMETERS:
        sent = sent[: _SHOWN_PARAMETERS - 3] + "..."
    cells = (str(request.number), moment, request.service, request.operation, request.answer, sent)
    # What a client sent stays on its line.
    return tuple("".join(c if c.isprintable() else "?" for c in cell) for cell in cells)
