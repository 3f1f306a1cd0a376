"""A threaded HTTP server on the loopback interface for one WSGI application."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

from tidb_pe_magic.sandbox.startable import Startable

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

_HOST = "127.0.0.1"
# Large enough for a burst of clients: a refused connection would look like an outage.
_BACKLOG = 128
_QUERY = re.compile(r"\?\S+")
_NO_LINGER = struct.pack("ii", 1, 0)
_LOGGER = logging.getLogger(__name__)


class HangUp(ConnectionError):  # noqa: N818 - an action of the server, not an error in it
    """Raised by an application to end the connection immediately, with or without a reset."""

    def __init__(self, *, reset: bool = False) -> None:
        """Choose between the end of the stream (FIN) and a reset (RST)."""
        super().__init__("the application hangs up")
        self.reset = reset


class _Handler(WSGIRequestHandler):
    """A silent request handler that sends head and body together."""

    # Unbuffered, the head and the body leave in two segments, and Nagle's algorithm with delayed
    # acknowledgements then costs the client 40 ms for each call.
    wbufsize = 64 * 1024

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
        # Bind here: if the port is taken, the base class prints and exits the whole process.
        with socket.create_server((_HOST, port), backlog=_BACKLOG) as listener:
            super().__init__(_HOST, port, app, handler=_Handler, fd=listener.fileno())

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
                target=self._server.serve_forever,
                # The interval bounds how long stop() waits for the accepting loop to notice.
                kwargs={"poll_interval": 0.02},
                name="sandbox-http-server",
                daemon=True,
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
        server.shutdown()
        thread.join()
        server.server_close()
        server.end_connections()
