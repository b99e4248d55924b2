"""Web sites of the tests: one folder's worth of pages, over https with a throw-away certificate, or over http."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

STATIC = Path(__file__).resolve().parents[2] / "agent" / "api" / "static"
PAGE = b"""<!doctype html><html lang="fr"><meta charset="utf-8"><title>DMP</title><link rel="icon" href="data:,">
<script type="module">import * as client from "./cps-agent.js"; window.client = client;</script>"""


class Handler(BaseHTTPRequestHandler):
    """Serve `pages` of the server by path, whatever the host name."""

    server: Site

    def do_GET(self) -> None:
        body, media_type = self.server.pages.get(self.path.partition("?")[0], (None, ""))
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", media_type or "text/plain")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args: object) -> None:
        pass


class Site(ThreadingHTTPServer):
    """A site on a free port of 127.0.0.1."""

    daemon_threads = True
    pages: Mapping[str, tuple[bytes, str]]

    @property
    def port(self) -> int:
        return self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in the middle is no news."""


@contextmanager
def run_site(folder: Path, *, secure: bool) -> Iterator[Site]:
    """Serve the page that ships the client, at / of every host name."""
    with Site(("127.0.0.1", 0), Handler) as site:
        client = (STATIC / "cps-agent.js").read_bytes()
        site.pages = {"/": (PAGE, "text/html"), "/cps-agent.js": (client, "text/javascript")}
        if secure:
            site.socket = _context(folder).wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


def _context(folder: Path) -> ssl.SSLContext:
    path = folder / "site.pem"
    path.write_bytes(_make_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _make_certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dmp.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
