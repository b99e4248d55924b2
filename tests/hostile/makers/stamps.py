"""Time-stamp tokens (RFC 3161) over the word `corpus`, and such that are not."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from asn1crypto import cms, keys, tsp, x509
from certomancer.services import TimeStamper
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.signing_keys import SigningKey

from hostile.makers import Made, Making, flipped
from hostile.pki import Pki

CONTENT = b"corpus"


def make(pki: Pki) -> Making:
    honest = stamp(pki.tsa)
    yield Made("honest.tst", honest, "valid", "an honest time-stamp over the word corpus", "stamp")
    yield Made("other.tst", stamp(pki.tsa, b"another"), "altered", "a time-stamp over another word", "stamp")
    yield Made("md5.tst", stamp(pki.tsa, CONTENT, "md5"), "algorithm-refused", "a time-stamp over an MD5", "stamp")
    yield Made(
        "signer.tst", stamp(pki.signer), "key-usage|malformed", "a time-stamp by somebody who signs documents", "stamp"
    )
    yield Made(
        "flipped.tst",
        flipped(honest, len(honest) - 9),
        "signature-wrong|malformed",
        "a bit of its value turned",
        "stamp",
    )
    yield Made("cut.tst", honest[: len(honest) // 2], "malformed", "half of a time-stamp", "stamp")
    yield Made("tail.tst", honest + b"\0", "malformed", "a byte after a time-stamp", "stamp")
    yield Made("nothing.tst", b"", "malformed", "no time-stamp at all", "stamp")
    yield Made("document.tst", honest, "refused", "a time-stamp passed off as a signed document")


def stamp(key: SigningKey, content: bytes = CONTENT, name: str = "sha256") -> bytes:
    info = keys.PrivateKeyInfo.load(key.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    maker = TimeStamper(x509.Certificate.load(key.certificate_der), info, fixed_dt=datetime(2026, 1, 1, tzinfo=UTC))
    imprint = {"hash_algorithm": {"algorithm": name}, "hashed_message": hashlib.new(name, content).digest()}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "cert_req": True})
    token: cms.ContentInfo = maker.request_tsa_response(request)["time_stamp_token"]
    return bytes(token.dump())
