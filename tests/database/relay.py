"""TCP servers that the tests put between the product and a server, or in place of a server."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Listener:
    """Passes every connection to `serve`, each in its own thread, until `close`."""

    def __init__(self, serve: Callable[[socket.socket], object]) -> None:
        """Listen on a free loopback port."""
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.host, self.port = self._socket.getsockname()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def track(self, sock: socket.socket) -> socket.socket:
        """Shut the socket down on `close`."""
        self._open.append(sock)
        return sock

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.track(connection)
                thread = threading.Thread(target=self._run, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._serve(connection)

    def close(self) -> None:
        """Stop listening, end every connection and wait for the threads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._threads[0].join()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._open:
            sock.close()

    def __enter__(self) -> Self:
        """Serve."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


class Relay(Listener):
    """Passes bytes on to `upstream`, which may change between connections; `freeze` holds them back.

    Attributes:
        upstream: host and port of the server.
        asleep: seconds by which a new login is delayed, as on a cluster that resumes.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        """Listen on a free loopback port."""
        self.upstream = upstream
        self.asleep = 0.0
        self._flowing = threading.Event()
        self._flowing.set()
        super().__init__(self._pass_on)

    def freeze(self) -> None:
        """Hold the existing connections open without passing anything on; new ones work."""
        frozen, self._flowing = self._flowing, threading.Event()
        self._flowing.set()
        frozen.clear()

    def _pass_on(self, client: socket.socket) -> None:
        flowing = self._flowing
        with self.track(socket.create_connection(self.upstream)) as server:
            back = threading.Thread(target=self._copy, args=(server, client, flowing))
            back.start()
            threading.Event().wait(self.asleep)
            self._copy(client, server, flowing, self._reader())
            back.join()

    def _reader(self) -> Callable[[bytes], object]:
        """Return a function that is called with what a new client sends."""
        return len

    @staticmethod
    def _copy(
        source: socket.socket,
        sink: socket.socket,
        flowing: threading.Event,
        read: Callable[[bytes], object] = len,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                read(data)
                if flowing.is_set():
                    sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
