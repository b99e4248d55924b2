"""What OpenSSL may ask of a key that lies elsewhere, and the arrays in which it asks."""

from __future__ import annotations

import ctypes
import hashlib

import pytest

from agent.services.tls.libssl import Param
from agent.services.tls.parameters import INTEGER, UNSIGNED, UTF8, answer, make, read
from agent.services.tls.rsa import RsaKey, Signing
from agent.services.tls.signing import watching
from drivers.base import Digest, Padding

BOTH = RsaKey(1 << 2047, 65537, lambda _: bytes(256), pss=True)
PKCS1 = RsaKey(1 << 2047, 65537, lambda _: bytes(256))
PUBLIC = RsaKey(1 << 2047, 65537)

CAN = [
    (PKCS1, b"SHA256", {}, Padding.PKCS1),
    (PKCS1, b"SHA2-256", {"pad-mode": 1}, Padding.PKCS1),
    (PKCS1, None, {"pad-mode": "pkcs1"}, Padding.PKCS1),
    (BOTH, b"SHA256", {"pad-mode": 6, "saltlen": -1}, Padding.PSS),
    (BOTH, b"SHA256", {"pad-mode": "pss", "saltlen": "digest", "mgf1-digest": "SHA256"}, Padding.PSS),
    (BOTH, b"SHA256", {"pad-mode": 6, "saltlen": 32}, Padding.PSS),
]
CANNOT = [
    (PUBLIC, b"SHA256", {}),
    (PKCS1, b"SHA1", {}),
    (PKCS1, b"SHA384", {}),
    (PKCS1, b"SHA256", {"pad-mode": 6}),  # a CPS3
    (PKCS1, b"SHA256", {"pad-mode": 3}),  # raw RSA
    (PKCS1, b"SHA256", {"pad-mode": "x931"}),
    (PKCS1, b"SHA256", {"digest": "SHA1"}),
    (BOTH, b"SHA256", {"pad-mode": 6, "saltlen": 20}),
    (BOTH, b"SHA256", {"pad-mode": 6, "saltlen": -3}),
    (BOTH, b"SHA256", {"pad-mode": 6, "mgf1-digest": "SHA1"}),
]


@pytest.mark.parametrize(("key", "hash_name", "values", "padding"), CAN)
def test_what_a_key_can_is_one_hash(
    key: RsaKey, hash_name: bytes | None, values: dict[str, int | str], padding: Padding
) -> None:
    asked: list[Digest] = []
    signing = Signing()
    key = RsaKey(key.modulus, key.exponent, lambda digest: asked.append(digest) or bytes(256), key.pss)
    assert signing.begin(key, hash_name, {})
    assert signing.set(values)
    signing.message += b"the handshake"
    assert signing.sign() == bytes(signing.length)
    assert asked == [Digest("sha256", hashlib.sha256(b"the handshake").digest(), padding)]


@pytest.mark.parametrize(("key", "hash_name", "values"), CANNOT)
def test_what_no_card_does_is_never_asked_of_it(key: RsaKey, hash_name: bytes, values: dict[str, int | str]) -> None:
    assert not Signing().begin(key, hash_name, values)


def test_one_signing_after_another_begins_anew() -> None:
    signing = Signing()
    assert signing.begin(BOTH, b"SHA256", {"pad-mode": 6})
    signing.message += b"of the first"
    asked: list[Digest] = []
    assert signing.begin(RsaKey(1 << 2047, 65537, lambda digest: asked.append(digest) or bytes(256)), b"SHA256", {})
    signing.sign()
    assert asked == [Digest("sha256", hashlib.sha256().digest())]


def test_a_session_that_goes_on_signs_nothing() -> None:
    signing = Signing()
    assert signing.begin(PKCS1, b"SHA256", {})
    with watching(may_sign=False) as watch:
        assert signing.sign() is None
    assert (watch.signatures, "resume" in str(watch.failure)) == (0, True)


def test_numbers_come_back_as_they_went() -> None:
    values = {"n": 1 << 2047, "e": 65537, "zero": 0}
    array = make(values)
    assert read(ctypes.addressof(array)) == values
    assert read(None) == {}


def test_what_is_asked_is_filled_in_where_it_has_room() -> None:
    small, large = ctypes.c_uint8(), ctypes.c_int64()
    rows = (Param * 4)(
        Param(b"bits", INTEGER, ctypes.addressof(large), 8, 0),
        Param(b"unknown", INTEGER, ctypes.addressof(small), 1, 0),
        Param(b"max-size", UNSIGNED, None, 0, 0),
    )
    assert answer(ctypes.addressof(rows), {"bits": 2048, "max-size": 256})
    assert (large.value, small.value, rows[2].return_size) == (2048, 0, ctypes.sizeof(ctypes.c_int))
    rows[0] = Param(b"bits", INTEGER, ctypes.addressof(small), 1, 0)
    assert not answer(ctypes.addressof(rows), {"bits": 2048})
    rows[0] = Param(b"bits", UTF8, ctypes.addressof(small), 1, 0)
    assert not answer(ctypes.addressof(rows), {"bits": 1})
