"""A site that ends the handshake of whoever shows no certificate, where nginx goes on and answers 400."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any

from login_sites import Site


class Handler(BaseHTTPRequestHandler):
    """Greet by TLS version and serial number, as the other sites do."""

    connection: ssl.SSLSocket

    def do_GET(self) -> None:
        certificate = self.connection.getpeercert() or {}
        body = f"{self.connection.version()} {certificate['serialNumber']} ".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """One handshake and one request a connection."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._folder = folder

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError), _context(self._folder).wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def shutdown_request(self, request: socket | tuple[bytes, socket]) -> None:
        with suppress(OSError):
            super().shutdown_request(request)


@contextmanager
def run_strict_site(folder: Path) -> Iterator[Site]:
    """Serve until the block ends, by TLS 1.2; `folder`: where another site has written its certificates."""
    with Server(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Site(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def _context(folder: Path) -> ssl.SSLContext:
    """Made for one connection: a session that is resumed would need no card."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "site.pem", folder / "site.key.pem")
    context.load_verify_locations(folder / "both.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
