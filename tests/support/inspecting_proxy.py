"""A company proxy that terminates TLS with its own authority, and inspects the traffic."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from support.certificates import make_authority, write_server_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLOUD_HOSTS = (
    "serverless.tidbapi.com",
    "iam.tidbapi.com",
    *(f"{product}.ap-southeast-1.aliyuncs.com" for product in ("privatelink", "vpc", "ecs", "sts")),
    "sts.aliyuncs.com",
)


class InspectingProxy:
    """Listens on loopback, and forwards requests for a cloud's host to an emulated one.

    Attributes:
        url: of the proxy.
        authority: file of the authority that a client must trust.
        asked: the number of requests for each host.
    """

    def __init__(self, directory: Path, upstream: Callable[[str], str]) -> None:
        """Create an authority and a certificate.

        Args:
            directory: the directory for both files.
            upstream: the URL that answers in place of the host.
        """
        authority = make_authority("Example Corp Root", directory)
        write_server_certificate(authority, CLOUD_HOSTS, directory)
        self.authority = str(authority.path)
        self.asked: Counter[str] = Counter()
        self._upstream = upstream
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(directory / "server-cert.pem", directory / "server-key.pem")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # A client that refuses the certificate ends the connection.
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                received = client.recv(4096)
                if not received:
                    return
                head += received
            host = head.split()[1].decode().rpartition(":")[0]
            self.asked[host] += 1
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            port = urlsplit(self._upstream(host)).port
            with (
                self._context.wrap_socket(client, server_side=True) as inner,
                socket.create_connection(("127.0.0.1", port or 0)) as server,
            ):
                back = threading.Thread(target=_pass_on, args=(server, inner), daemon=True)
                back.start()
                _pass_on(inner, server)
                back.join(5)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65536):
            target.sendall(received)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
