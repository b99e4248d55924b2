"""A time-stamp authority that answers as a test tells it: real tokens of any content, or any bytes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

from asn1crypto import keys, tsp, x509
from certomancer.services import TimeStamper
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.certomancer import Pki

from drivers.virtual.authorities import load_key

Answerer = Callable[[bytes], bytes]


def stamper(pki: Pki, label: str = "tsa", at: datetime | None = None, **options: object) -> TimeStamper:
    """Certomancer's, with the certificate of that label."""
    key = load_key(pki.folder / "keys" / "responder.pem")
    info = keys.PrivateKeyInfo.load(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    others = [x509.Certificate.load(pki.der("issuing"))]
    return TimeStamper(x509.Certificate.load(pki.der(label)), info, certs_to_embed=others, fixed_dt=at, **options)


def stamping(pki: Pki, change: Callable[[tsp.TimeStampReq], None] = lambda _: None, **options: object) -> Answerer:
    """Answer with a token for the request as changed."""

    def answer(body: bytes) -> bytes:
        request = tsp.TimeStampReq.load(body)
        change(request)
        return stamper(pki, **options).request_tsa_response(request).dump()

    return answer


@contextlib.contextmanager
def serving(answer: Answerer) -> Iterator[str]:
    """Give the URL at which it answers, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
