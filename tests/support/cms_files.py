"""CMS signatures held against OpenSSL: the whole, their tokens one by one, and the input of an archive time-stamp."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from support.certomancer import Pki
from support.openssl import openssl

from drivers.card import encoding as der
from drivers.card.der import TAG_INTEGER, TAG_OCTET_STRING, TAG_OID, TAG_SEQUENCE, TAG_SET, Element, Elements, read_oid

SIGNATURE_STAMP, ARCHIVE_STAMP = "1.2.840.113549.1.9.16.2.14", "0.4.0.1733.2.4"
HASH_INDEX = "0.4.0.19122.1.5"
CERTIFICATES, CRLS, SIGNED, UNSIGNED = 0xA0, 0xA1, 0xA0, 0xA1


class Parts:
    """SignedData of one signer, taken apart without the libraries that made it."""

    def __init__(self, content: bytes) -> None:
        info = enter(Elements(content, "cms").take(TAG_SEQUENCE))
        info.take(TAG_OID)
        data = enter(enter(info.take(0xA0)).take(TAG_SEQUENCE))
        self.version = data.take(TAG_INTEGER).value[0]
        data.take(TAG_SET)
        self.content_type = enter(data.take(TAG_SEQUENCE)).take(TAG_OID)
        self.certificates = children(data.take_if(CERTIFICATES))
        self.crls = children(data.take_if(CRLS))
        signer = enter(enter(data.take(TAG_SET)).take(TAG_SEQUENCE))
        self.fields = [
            signer.take(TAG_INTEGER), signer.take(TAG_SEQUENCE), signer.take(TAG_SEQUENCE), signer.take(SIGNED),
            signer.take(TAG_SEQUENCE), signer.take(TAG_OCTET_STRING),
        ]  # fmt: skip
        self.unsigned = [children(each) for each in children(signer.take_if(UNSIGNED))]

    def token(self, oid: str) -> bytes:
        (values,) = (values for kind, values in self.unsigned if read_oid(kind.value) == oid)
        (value,) = children(values)
        return value.der

    @property
    def value(self) -> bytes:
        return self.fields[-1].value


def enter(element: Element) -> Elements:
    return Elements(element.value, "cms")


def children(element: Element | None) -> list[Element]:
    inner, found = Elements(element.value if element else b"", "cms"), []
    while not inner.ended:
        found.append(inner.take_any())
    return found


def archived(parts: Parts, content: bytes) -> bytes:
    """What an archive-time-stamp-v3 is over, with SHA-256 (EN 319 122-1 §5.5.2, §5.5.3)."""
    values = [
        kind.der + value.der
        for kind, values in parts.unsigned
        for value in children(values)
        if read_oid(kind.value) != ARCHIVE_STAMP
    ]
    covered = [each.der for each in parts.certificates], [each.der for each in parts.crls], values
    algorithm = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"), der.null())
    lists = [der.sequence(*(der.octets(digest(each)) for each in part)) for part in covered]
    fields = [field.der for field in parts.fields]
    return b"".join([parts.content_type.der, digest(content), *fields, der.sequence(algorithm, *lists)])


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def verify_stamp(pki: Pki, folder: Path, token: bytes, content: bytes) -> None:
    (folder / "token").write_bytes(token)
    (folder / "stamped").write_bytes(content)
    verify = ["ts", "-verify", "-token_in", "-in", "token", "-data", "stamped", "-CAfile", str(pki.root)]
    openssl(folder, *verify, "-untrusted", str(pki.folder / "issuing.pem"))


def accepts(folder: Path, signature: bytes, content: bytes | None) -> bool:
    """Whether `openssl cms` takes a signature, with root.pem of the folder; without `content` for an enveloping one."""
    (folder / "cms").write_bytes(signature)
    (folder / "content").write_bytes(content or b"")
    apart = [] if content is None else ["-content", "content"]
    verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "cms", "-CAfile", "root.pem", "-purpose", "any"]
    command = ["openssl", *verify, *apart, "-out", "verified"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
