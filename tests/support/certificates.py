"""Certificates as libraries do not make them: parts of them exchanged, and signed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from drivers.card import encoding as der
from drivers.card.certificate import parse_certificate
from drivers.card.der import TAG_SEQUENCE, TAG_SET, Elements
from drivers.card.tlv import encode_tlv
from drivers.virtual.authorities import load_key
from drivers.virtual.store import pki_folder

SHA256_RSA = der.sequence(der.oid("1.2.840.113549.1.1.11"), der.null())


def sign_again(tbs_der: bytes, issuer_key: rsa.RSAPrivateKey, algorithm: bytes = SHA256_RSA) -> bytes:
    """A certificate around these bytes."""
    signature = issuer_key.sign(tbs_der, padding.PKCS1v15(), hashes.SHA256())
    return der.sequence(tbs_der, algorithm, encode_tlv(0x03, b"\0", signature))


def unsorted_subject(certificate_der: bytes) -> tuple[bytes, bytes]:
    """The name of a subject, and the same with the attributes of each of its RDNs the other way round.

    SET OF is sorted in DER (X.690 §11.6): genuine cards of 2016 have CN, SN and GN in another order.
    """
    name = parse_certificate(certificate_der).subject.der
    rdns = Elements(Elements(name, "name").take(TAG_SEQUENCE).value, "name").take_all(TAG_SET, 99)
    parts = [[part.der for part in Elements(rdn.value, "rdn").take_all(TAG_SEQUENCE, 99)] for rdn in rdns]
    assert any(len(part) > 1 for part in parts)
    return name, der.sequence(*(encode_tlv(TAG_SET, *reversed(part)) for part in parts))


def exchange(certificate_der: bytes, issuer_key: rsa.RSAPrivateKey, old: bytes, new: bytes) -> bytes:
    """A certificate with a part of what is certified exchanged that stands at its outermost level, signed again."""
    content = Elements(parse_certificate(certificate_der).tbs_der, "tbs").take(TAG_SEQUENCE).value
    assert content.count(old) == 1
    return sign_again(der.sequence(content.replace(old, new)), issuer_key)


def unsort(certificate_der: bytes, issuer_key: rsa.RSAPrivateKey) -> bytes:
    """The same certificate with the unsorted subject, signed again."""
    return exchange(certificate_der, issuer_key, *unsorted_subject(certificate_der))


def change_card(data_dir: Path, change: Callable[[bytes, rsa.RSAPrivateKey], bytes]) -> list[bytes]:
    """Change the certificates of the virtual cards of a data folder, of professionals, while they are closed.

    `change` is given a certificate and the key of its issuer.
    """
    issuing_key = load_key(pki_folder(data_dir) / "issuing.key.pem")
    made = []
    for path in sorted((data_dir / "virtual" / "cards").glob("*/*.der")):
        path.write_bytes(change(path.read_bytes(), issuing_key))
        made.append(path.read_bytes())
    return made
