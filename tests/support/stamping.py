"""A time-stamp authority that answers as a test tells it: real tokens of any content, or any bytes."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from asn1crypto import cms, core, keys, tsp, x509
from certomancer.services import TimeStamper
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign.general import as_signing_certificate_v2
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


def forge(pki: Pki, content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A token that an authority has really signed, of parts that no authority puts together.

    `change` may exchange `info` (members of TSTInfo), `attributes` (CMS attributes, without the hash), `content_type`,
    `signers` (how many), or `certificates`.
    """
    certificate = x509.Certificate.load(pki.der("tsa"))
    digest = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": hashlib.sha256(content).digest()}
    info: dict[str, object] = {"version": "v1", "policy": "1.2.3", "serial_number": 1, "message_imprint": digest}
    info["gen_time"] = datetime.now(UTC)
    reference = attribute("signing_certificate_v2", as_signing_certificate_v2(certificate))
    parts: dict[str, Any] = {"info": info, "attributes": [reference], "content_type": "tst_info", "signers": 1}
    parts["certificates"] = [certificate]
    change(parts)
    signed = tsp.TSTInfo(parts["info"]).dump()
    kinds = (
        attribute("content_type", parts["content_type"]),
        attribute("message_digest", hashlib.sha256(signed).digest()),
    )
    signer = _sign_attributes(pki, certificate, cms.CMSAttributes([*kinds, *parts["attributes"]]))
    data = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": parts["content_type"], "content": core.ParsableOctetString(signed)},
        "certificates": parts["certificates"],
        "signer_infos": [signer] * parts["signers"],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(data)}).dump()


def attribute(name: str, value: object) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": name, "values": [value]})


def _sign_attributes(pki: Pki, certificate: x509.Certificate, attributes: cms.CMSAttributes) -> cms.SignerInfo:
    key = load_key(pki.folder / "keys" / "responder.pem")
    return cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number}),
            ),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_rsa"},
            "signature": key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256()),
        }
    )
