"""Bytes to begin with: ATRs of the table, files of virtual cards, authorities of IGC-Santé, certificates made here."""

from __future__ import annotations

import base64
import itertools
import ssl
from collections.abc import Iterator
from importlib import resources

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7, pkcs12
from support.certificates import unsort

from agent.signing import cms, jades, jws
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms, Signer
from agent.signing.words import Format, Level, Packaging, Serialization
from drivers.base import KeyRole
from drivers.card.atr import known_atrs
from drivers.software.keyfile import Cost, encrypt_key
from drivers.software.keys import PrivateKey
from drivers.virtual import certificates as made
from drivers.virtual.image import build_image, encode_situation
from drivers.virtual.kinds import CPE_ANONYMOUS, CPS4, MANY_SITUATIONS
from drivers.virtual.personalisation import DEFAULT, Personalisation


def atrs() -> Iterator[bytes]:
    for known in known_atrs():
        yield known.atr


def files() -> Iterator[bytes]:
    """Those of cards without their certificates, which are fuzzed apart."""
    for card in (DEFAULT, CPS4, MANY_SITUATIONS):
        for folder in build_image(card, dict.fromkeys(KeyRole, b"")).root.walk():
            for file in folder.elementary_files():
                yield file.content


def certificates() -> Iterator[bytes]:
    folder = resources.files("agent.certificates").joinpath("igc-sante")
    for file in folder.iterdir():
        if file.name.endswith(".pem"):
            yield ssl.PEM_cert_to_DER_cert(file.read_text())
    key = rsa.generate_private_key(65537, 2048)
    for card in (DEFAULT, CPE_ANONYMOUS):
        for role in KeyRole:
            yield _leaf(card, role, key)
    yield unsort(_leaf(DEFAULT, KeyRole.SIGNATURE, key), key)


def _leaf(card: Personalisation, role: KeyRole, key: rsa.RSAPrivateKey) -> bytes:
    name, public = made.ca_name(made.ISSUING_NAME), key.public_key()
    issuing = made.build_ca(name, name, public, public).sign(key, hashes.SHA256())
    subject = made.Subject(card.holder, card.card_number, role, extras=False)
    leaf = made.build_leaf(subject, public, issuing).sign(key, hashes.SHA256())
    return leaf.public_bytes(serialization.Encoding.DER)


def activities() -> Iterator[bytes]:
    for card in (DEFAULT, MANY_SITUATIONS):
        for situation in card.holder.situations:
            yield encode_situation(situation)
    yield bytes.fromhex("EA0886") + b"\x04SM26"


WORDS = b"words"


def key_files() -> Iterator[bytes]:
    """A key and its certificate in each of the forms that are read."""
    key = rsa.generate_private_key(65537, 2048)
    name = made.ca_name("a key")
    certificate = made.build_ca(name, name, key.public_key(), key.public_key()).sign(key, hashes.SHA256())
    leaf = x509.load_der_x509_certificate(_leaf(DEFAULT, KeyRole.SIGNATURE, key))
    for scheme in (pkcs12.PBES.PBESv2SHA256AndAES256CBC, pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC):
        builder = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).key_cert_algorithm(scheme)
        encryption = builder.hmac_hash(hashes.SHA1()).build(WORDS)
        yield pkcs12.serialize_key_and_certificates(b"x", key, leaf, [certificate], encryption)
    clear = serialization.NoEncryption()
    yield pkcs12.serialize_key_and_certificates(b"x", key, leaf, None, clear)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, clear)
    yield pem + leaf.public_bytes(serialization.Encoding.PEM)
    yield key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, clear)
    with PrivateKey(
        bytearray(key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, clear))
    ) as plain:
        yield encrypt_key(plain, bytearray(WORDS), Cost.RANDOM)
    yield pkcs7.serialize_certificates([leaf, certificate], serialization.Encoding.DER)


def signatures_in_json() -> Iterator[bytes]:
    """JWS and JAdES, and their protected headers."""
    key = rsa.generate_private_key(65537, 2048)
    signer = Signer(_leaf(DEFAULT, KeyRole.SIGNATURE, key), name="x")
    document = Document.of("a", b"x", "text/plain")
    for kind, chosen in ((Format.JWS, jws), (Format.JADES, jades)):
        for packaging, written in itertools.product((Packaging.ENVELOPING, Packaging.DETACHED), Serialization):
            terms = SignatureTerms(kind, Level.B, packaging, written)
            (unsigned,) = chosen.prepare([document], terms, signer, Outside())
            header = unsigned.to_sign.partition(b".")[0]
            yield base64.urlsafe_b64decode(header + b"=" * (-len(header) % 4))
            yield unsigned.complete(key.sign(unsigned.to_sign, padding.PKCS1v15(), hashes.SHA256()))


def signatures_in_cms() -> Iterator[bytes]:
    """CAdES at level B; what the corpus keeps has time-stamps and evidence besides."""
    key = rsa.generate_private_key(65537, 2048)
    signer = Signer(_leaf(DEFAULT, KeyRole.SIGNATURE, key), name="x")
    for packaging in (Packaging.ENVELOPING, Packaging.DETACHED):
        terms = SignatureTerms(Format.CADES, Level.B, packaging, claimed_role="x")
        (unsigned,) = cms.prepare([Document.of("a", b"x")], terms, signer, Outside())
        yield unsigned.complete(key.sign(unsigned.to_sign, padding.PKCS1v15(), hashes.SHA256()))
