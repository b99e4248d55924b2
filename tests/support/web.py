"""A small web server in a thread of the test, whose answers the test writes as bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Answer = Callable[[socket.socket, bytes], None]
"""Given the connection and the head of the request, say something."""


@dataclass
class Web:
    """A listening server; `heads` are those of the requests so far."""

    port: int
    heads: list[bytes] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://{self.host}{path}"


def reply(body: bytes = b"hello", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def say(content: bytes) -> Answer:
    return lambda connection, head: connection.sendall(content)


@contextlib.contextmanager
def web(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Web(listener.getsockname()[1])
        stopped = threading.Event()
        thread = threading.Thread(target=_serve, args=(listener, served, answer, tls, stopped), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            stopped.set()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", served.port)):
                pass
            thread.join(10)


def _serve(
    listener: socket.socket, served: Web, answer: Answer, tls: ssl.SSLContext | None, stopped: threading.Event
) -> None:
    while not stopped.is_set():
        accepted, _ = listener.accept()
        accepted.settimeout(10)
        with accepted, contextlib.suppress(OSError):
            connection = tls.wrap_socket(accepted, server_side=True) if tls else accepted
            with connection:
                _answer(connection, served, answer)


def _answer(connection: socket.socket, served: Web, answer: Answer) -> None:
    head = bytearray()
    while b"\r\n\r\n" not in head:
        piece = connection.recv(4096)
        if not piece:
            return
        head += piece
    served.heads.append(bytes(head))
    answer(connection, bytes(head))
