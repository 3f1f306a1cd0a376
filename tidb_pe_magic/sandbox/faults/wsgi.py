"""Faults of an HTTP API, between its server and its application, on the real wire."""

from __future__ import annotations

import contextlib
import io
import threading
from typing import TYPE_CHECKING, Any

from werkzeug.http import http_date
from werkzeug.test import run_wsgi_app

from tidb_pe_magic.sandbox.faults.answers import REQUEST_ID, Answer, refusal
from tidb_pe_magic.sandbox.faults.fault import Fault, Kind, Point
from tidb_pe_magic.sandbox.faults.json_answers import rewritten
from tidb_pe_magic.sandbox.http_server import HangUp
from tidb_pe_magic.sandbox.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from tidb_pe_magic.sandbox.clock import CloudClock
    from tidb_pe_magic.sandbox.faults.registry import Faults, Hold
    from tidb_pe_magic.sandbox.request_log import Request

#: More than either cloud tolerates: Alibaba Cloud's limit is 15 minutes.
_SKEW_SECONDS = 20 * 60.0
_DRIPS = 100
_REWRITING = frozenset(
    {Kind.TRUNCATED, Kind.UNKNOWN_STATE, Kind.UNKNOWN_FIELDS, Kind.MISSING_FIELDS, Kind.REPEATED_PAGE}
)


class FaultyApp:
    """A WSGI application with faults."""

    def __init__(  # noqa: PLR0913 - the parts of one API
        self,
        app: WSGIApplication,
        service: Service,
        faults: Faults,
        *,
        operation: Callable[[WSGIEnvironment], str],
        clock: CloudClock,
        expire_nonces: Callable[[], None] = lambda: None,
    ) -> None:
        """Wrap `app`.

        Args:
            app: executes the calls.
            service: the API's service.
            faults: the staged faults.
            operation: returns the name of a request's operation; empty for none.
            clock: the application's clock.
            expire_nonces: makes every issued digest nonce stale.
        """
        self._app = app
        self._service = service
        self._faults = faults
        self._log = faults.requests
        self._operation = operation
        self._clock = clock
        self._expire_nonces = expire_nonces
        self._repeating: dict[str, Answer] = {}
        self._lock = threading.Lock()

    def forget(self) -> None:
        """End the list that never ends."""
        with self._lock:
            self._repeating.clear()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, possibly with a fault."""
        # Read the body now, because bytes that a fault leaves unread would be lost with the connection.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        call, hold = self._faults.arrived(self._service, self._operation(environ))
        self._log.announce(environ, call)
        answer = self._answer(environ, call, hold)
        self._log.ended(
            call.number,
            status=answer.code,
            code=answer.error_code,
            request_id=answer.header(REQUEST_ID[self._service]),
        )
        start_response(answer.status, list(answer.headers))
        return self._send(answer, call)

    def _answer(self, environ: WSGIEnvironment, call: Request, hold: Hold | None) -> Answer:
        fault = call.fault
        self._stop(hold, Point.BEFORE)
        if fault is not None and fault.point is Point.BEFORE and not _is_setting(fault):
            return self._strike(fault)
        repeated = self._repeated_page(environ, call)
        answer = repeated or self._carried_out(environ, call, fault)
        self._stop(hold, Point.AFTER)
        if fault is not None and fault.point is Point.AFTER:
            self._log.ended(call.number, request_id=answer.header(REQUEST_ID[self._service]))
            return self._strike(fault)
        if fault is not None and fault.kind in _REWRITING and repeated is None:
            answer = answer.with_body(rewritten(fault, answer.body))
            if fault.kind is Kind.REPEATED_PAGE:
                with self._lock:
                    self._repeating[call.operation] = answer
        return answer

    def _stop(self, hold: Hold | None, point: Point) -> None:
        if hold is not None and hold.point is point:
            hold.block()
            raise HangUp

    def _strike(self, fault: Fault) -> Answer:
        """Return the fault's answer, or end the connection without an answer."""
        if fault.kind is Kind.BLACK_HOLE:
            self._faults.pause(fault.seconds)
            raise HangUp
        if fault.kind is Kind.RESET:
            raise HangUp(reset=True)
        return refusal(self._service, fault)

    def _carried_out(self, environ: WSGIEnvironment, call: Request, fault: Fault | None) -> Answer:
        with contextlib.ExitStack() as stack:
            skewed = fault is not None and fault.kind is Kind.CLOCK_SKEW
            if skewed and self._service is Service.ALIBABA:
                stack.enter_context(self._clock.set_ahead(_SKEW_SECONDS))
            if fault is not None and fault.kind is Kind.NONCE_EXPIRED:
                self._expire_nonces()
            body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if skewed:
            # TiDB Cloud does not compare dates; the only effect is the date of its answer.
            headers["Date"] = http_date(self._clock() + _SKEW_SECONDS)
        self._log.ended(call.number, carried_out=True)
        return Answer(status, tuple(headers.items()), b"".join(body))

    def _repeated_page(self, environ: WSGIEnvironment, call: Request) -> Answer | None:
        """Return the repeated page to a request for the next one."""
        query = environ.get("QUERY_STRING", "")
        further = "Token=" in query or ("PageNumber=" in query and "PageNumber=1&" not in f"{query}&")
        with self._lock:
            if not further:
                self._repeating.pop(call.operation, None)
            return self._repeating.get(call.operation)

    def _send(self, answer: Answer, call: Request) -> Iterator[bytes]:
        fault = call.fault
        during: Any = fault.kind if fault is not None and fault.point is Point.DURING else None
        if fault is None or during not in {Kind.RESET, Kind.BLACK_HOLE, Kind.DRIP}:
            self._log.ended(call.number, answered=True)
            yield answer.body
        elif during is Kind.DRIP:
            yield from self._drip(answer.body, fault.seconds)
            self._log.ended(call.number, answered=True)
        else:
            yield answer.body[: len(answer.body) // 2]
            if during is Kind.BLACK_HOLE:
                self._faults.pause(fault.seconds)
            raise HangUp(reset=during is Kind.RESET)

    def _drip(self, body: bytes, seconds: float) -> Iterator[bytes]:
        size = max(1, -(-len(body) // _DRIPS))
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        for piece in pieces:
            if self._faults.pause(seconds / len(pieces)):
                raise HangUp
            yield piece


def _is_setting(fault: Fault) -> bool:
    """Return whether the application itself answers, under changed conditions."""
    return fault.kind in {Kind.CLOCK_SKEW, Kind.NONCE_EXPIRED}
