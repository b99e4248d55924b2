"""Authorities that a card, a module or a key file brings along, made to cost the agent its time."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from support.certificates import exchange

from agent.certificates.chains import MAX_LENT, Chains
from drivers.card import encoding as der
from drivers.card import issuing
from drivers.card.certificate import parse_certificate
from drivers.card.issuing import require_issued
from drivers.card.tlv import encode_tlv
from drivers.errors import NotSupportedError

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "MAZE")])
RSA = der.sequence(der.oid("1.2.840.113549.1.1.1"), der.null())


def slow_key(bits: int, exponent_bits: int) -> bytes:
    """A SubjectPublicKeyInfo; OpenSSL takes any exponent with a modulus of up to 3072 bits."""
    modulus, exponent = (1 << size - 1 | secrets.randbits(size - 1) | 1 for size in (bits, exponent_bits))
    key = der.sequence(der.integer(modulus), der.integer(exponent))
    return der.sequence(RSA, encode_tlv(0x03, b"\0", key))


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 3072)


def authority(key: rsa.RSAPrivateKey, public: bytes) -> bytes:
    """One of the same name as all the others, so that any of them may have issued any."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(NAME, NAME, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return exchange(made, key, parse_certificate(made).public_key_der, public)


def test_keys_that_take_long_end_the_search_and_not_the_agent(key):
    lent = [authority(key, slow_key(3072, 3070)) for _ in range(MAX_LENT)]
    chains, begun = Chains(), time.monotonic()
    for _ in range(3):
        chains.lend(lent)
        assert chains.find(parse_certificate(lent[0]), lent) is None
    assert time.monotonic() - begun < 1


@pytest.mark.parametrize(("bits", "exponent_bits"), [(3072, 3070), (16384, 64), (100_000, 17)])
def test_a_signature_by_such_a_key_is_not_looked_at(key, bits, exponent_bits):
    slow = parse_certificate(authority(key, slow_key(bits, exponent_bits)))
    begun = time.monotonic()
    with pytest.raises(NotSupportedError):
        require_issued(slow, slow)
    assert time.monotonic() - begun < 0.5


def test_what_leads_nowhere_is_looked_at_once(key, monkeypatch):
    looked: list[object] = []
    monkeypatch.setattr(issuing, "require_issued", lambda *pair: looked.append(pair) or require_issued(*pair))
    lent = [authority(key, parse_certificate(own).public_key_der) for own in [authority(key, slow_key(3072, 17))] * 4]
    chains = Chains()
    chains.lend(lent)
    count = len(looked)
    assert count
    for _ in range(5):
        chains.lend(lent)
    assert len(looked) == count
