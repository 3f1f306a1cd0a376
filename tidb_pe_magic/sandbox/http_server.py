"""A threaded HTTP server on the loopback interface for one WSGI application."""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import logging
import re
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler
from werkzeug.wsgi import ClosingIterator

from tidb_pe_magic.sandbox.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import WSGIApplication, WSGIEnvironment

_HOST = "127.0.0.1"
# Large enough for a burst of clients: a refused connection would look like an outage.
_BACKLOG = 128
_QUERY = re.compile(r"\?\S+")
_NO_LINGER = struct.pack("ii", 1, 0)
_LOGGER = logging.getLogger(__name__)
# What an API client sends; everything else is left to the base class, with its limits and refusals.
_PLAIN_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<path>/(?:[!-.0-~][!-~]*)?) HTTP/1\.1\r\n")
_PLAIN_HEADER = re.compile(
    r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[^\x00-\x08\x0a-\x1f\x7f\x85]*)"
)
_MOST_HEADERS = 100


class HangUp(ConnectionError):  # noqa: N818 - an action of the server, not an error in it
    """Raised by an application to end the connection immediately, with or without a reset."""

    def __init__(self, *, reset: bool = False) -> None:
        """Choose between the end of the stream (FIN) and a reset (RST)."""
        super().__init__("the application hangs up")
        self.reset = reset


class _Handler(WSGIRequestHandler):
    """A silent request handler that sends head and body together and keeps connections open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Unbuffered, the head and the body leave in two segments, and Nagle's algorithm with delayed
    # acknowledgements then costs the client 40 ms for each call.
    wbufsize = 64 * 1024

    def parse_request(self) -> bool:
        """Read the head of a request; a plain one without the base class's parser of e-mails."""
        request = _PLAIN_REQUEST.fullmatch(self.raw_requestline)
        headers = None if request is None else self._plain_headers()
        if request is None or headers is None:
            return super().parse_request()
        self.requestline = self.raw_requestline.decode("iso-8859-1").rstrip("\r\n")
        self.command, self.path = (part.decode("iso-8859-1") for part in request.groups())
        self.request_version = self.protocol_version
        self.headers = headers
        self.close_connection = headers.get("Connection", "").lower() == "close"
        return True

    def _plain_headers(self) -> http.client.HTTPMessage | None:
        """Return the headers if they have arrived and are simple; otherwise leave them unread."""
        buffered = self.rfile.peek() if isinstance(self.rfile, io.BufferedReader) else b""
        end = buffered.find(b"\r\n\r\n")
        lines = buffered[:end].decode("iso-8859-1").split("\r\n") if end > 0 else []
        found = [_PLAIN_HEADER.fullmatch(line) for line in lines]
        headers = http.client.HTTPMessage()
        for header in found:
            if header is None or header["name"].lower() == "expect":
                return None
            headers.set_raw(header["name"], header["value"])
        if not 0 < len(found) <= _MOST_HEADERS:
            return None
        self.rfile.read(end + len(b"\r\n\r\n"))
        return headers

    def run_wsgi(self) -> None:
        """Answer one request; werkzeug's own method would close the connection, and wait 10 ms before."""
        environ = self.make_environ()
        self._read_body(environ)
        head: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _error: Any = None, /
        ) -> Callable[[bytes], object]:
            head.append((status, headers))
            return self.wfile.write

        try:
            with contextlib.closing(ClosingIterator(self.server.app(environ, start_response))) as pieces:
                # The application may call start_response as late as for its first piece.
                first = next(pieces, b"")
                self._send_head(*head[-1])
                for piece in itertools.chain((first,), pieces):
                    self.wfile.write(piece)
                    self.wfile.flush()
        except ConnectionError as error:
            self.connection_dropped(error, environ)

    def _read_body(self, environ: WSGIEnvironment) -> None:
        """Read the body before the answer, so that the next request starts behind it."""
        length = str(environ.get("CONTENT_LENGTH") or 0)
        if environ.get("wsgi.input_terminated") or not length.isdecimal():
            # The end of such a body is not known before the application has read it.
            self.close_connection = True
        else:
            environ["wsgi.input"] = io.BytesIO(self.rfile.read(int(length)))

    def _send_head(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        names = set()
        for name, value in headers:
            self.send_header(name, value)
            names.add(name.lower())
        if self.close_connection or "content-length" not in names:
            self.send_header("Connection", "close")
        self.end_headers()

    def handle_expect_100(self) -> bool:
        """Ask for the body."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line and no header: the application dates its answers by its own clock."""
        self.log_request(code)
        self.send_response_only(code, message)
        self.send_header("Server", self.version_string())

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
        """End a connection for the application, with a reset if requested."""
        del environ
        self.close_connection = True
        if isinstance(error, HangUp) and error.reset:
            # With this option, a socket that is closed before the end of the stream sends RST.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - the base class uses this name
        """Leave a request as a debug record: a sandbox must not write into a notebook, nor log tokens."""
        _LOGGER.debug("%s: %s", type, _QUERY.sub("?…", message % args if args else message))


class _Server(BaseWSGIServer):
    """One daemon thread for each connection; the threads can be ended and joined."""

    multithread = True

    def __init__(self, app: WSGIApplication, port: int) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._ended = threading.Event()
        # Bind here: if the port is taken, the base class prints and exits the whole process.
        with socket.create_server((_HOST, port), backlog=_BACKLOG) as listener:
            super().__init__(_HOST, port, app, handler=_Handler, fd=listener.fileno())

    def accept(self) -> None:
        """Serve connections until `end`; an idle server does nothing, unlike `serve_forever`."""
        while True:
            try:
                request, client = self.get_request()
            except OSError:
                _LOGGER.debug("a client left before it was accepted")
                continue
            if self._ended.is_set():
                self.shutdown_request(request)
                return
            self.process_request(request, client)

    def end(self) -> None:
        """Let `accept` return."""
        self._ended.set()
        # Closing a socket does not wake the thread that waits for it on every platform; a connection does.
        socket.create_connection((_HOST, self.port)).close()

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client: object) -> None:
        """Serve one connection in its own thread."""
        if not isinstance(request, socket.socket):
            msg = "a TCP server gets stream sockets only"
            raise TypeError(msg)
        thread = threading.Thread(
            target=self._serve, args=(request, client), name="sandbox-http-request", daemon=True
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _serve(self, request: socket.socket, client: object) -> None:
        try:
            self.finish_request(request, client)
        except ConnectionError:
            _LOGGER.debug("a client left before its answer")
        except OSError:
            self.handle_error(request, client)  # type: ignore[arg-type]  # typeshed: address type differs
        finally:
            self.shutdown_request(request)
            with self._lock:
                self._open.pop(request, None)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection, with the end of its stream first unless it is to be reset."""
        if isinstance(request, socket.socket) and _is_to_be_reset(request):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def end_connections(self) -> None:
        """Wake every thread that still waits for its client, and join all of them."""
        with self._lock:
            connections = list(self._open.items())
        for connection, _ in connections:
            with contextlib.suppress(OSError):
                # Reading ends immediately; a current answer can still be written.
                connection.shutdown(socket.SHUT_RD)
        for _, thread in connections:
            thread.join()


def _is_to_be_reset(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(_NO_LINGER)) == _NO_LINGER


class HttpServer(Startable):
    """Serve a WSGI application on 127.0.0.1 until stopped.

    The port is bound by `start`, which returns when connections are accepted. `stop` joins every
    thread and may be called twice.
    """

    def __init__(self, app: WSGIApplication, port: int = 0) -> None:
        """Set the application; port 0 uses any free port."""
        self._app = app
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use; before the start, the requested port."""
        return self._port if self._server is None else self._server.port

    @property
    def url(self) -> str:
        """The URL for clients, without a trailing slash."""
        return f"http://{_HOST}:{self.port}"

    def start(self) -> Self:
        """Bind the port and serve in a daemon thread."""
        if self._server is None:
            self._server = _Server(self._app, self._port)
            self._thread = threading.Thread(
                target=self._server.accept, name="sandbox-http-server", daemon=True
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop accepting, end open connections and join their threads."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is None or thread is None:
            return
        self._port = server.port
        server.end()
        thread.join()
        server.server_close()
        server.end_connections()
