"""A web server that lets nobody in without a certificate of an authority, and tells which one it was."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support.openssl import openssl
from support.web import reply, web

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
GREETING = b"come in"


@dataclass
class Gate:
    """A listening server; `guests` are the certificates of who came in, in DER, and the protocol that each spoke."""

    port: int
    authority: Path
    guests: list[tuple[bytes | None, str | None]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.host}/"

    @property
    def request(self) -> str:
        """What a program sends that leaves HTTP to its user."""
        return f"GET / HTTP/1.1\r\nHost: {self.host}\r\n\r\n"

    def assert_let_in(self, certificate: Path, version: ssl.TLSVersion) -> None:
        """One guest has come, with this certificate (PEM), by this version."""
        expected = ssl.PEM_cert_to_DER_cert(certificate.read_text()), version.name.replace("_", ".")
        assert self.guests == [expected]


@contextlib.contextmanager
def client_auth_server(folder: Path, clients: Path, version: ssl.TLSVersion) -> Iterator[Gate]:
    """Serve one version of TLS; `clients`: the authorities of those who may come in."""
    guests: list[tuple[bytes | None, str | None]] = []

    def answer(connection: socket.socket, head: bytes) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        guests.append((connection.getpeercert(binary_form=True), connection.version()))
        connection.sendall(reply(GREETING, "200 OK", "Connection: close"))
        connection.unwrap()

    context = _context(folder, clients, version)
    with web(answer, context) as server:
        yield Gate(server.port, folder / "server.pem", guests)


def _context(folder: Path, clients: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    make = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl(folder, *make, *names, "-keyout", "server.key", "-out", "server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(clients)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
