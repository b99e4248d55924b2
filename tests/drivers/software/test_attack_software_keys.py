"""Private keys out of hostile files: none of them may stop the agent, and only what is a key is taken for one."""

from __future__ import annotations

import threading
import time
from math import gcd
from typing import Self

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from drivers.card import encoding as der
from drivers.card.der import TAG_INTEGER
from drivers.card.tlv import encode_tlv
from drivers.software.errors import KeyFileError, KeyKindError
from drivers.software.keys import RSA_ENCRYPTION, PrivateKey

LONGEST_PAUSE_S = 0.7
MERSENNE = 4253, 4423  # 2^n - 1 is prime: a sound key of 8676 bits, whose check takes 40 s


def integer(number: int) -> bytes:
    return encode_tlv(TAG_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, signed=True))


def pkcs8(*numbers: int) -> bytearray:
    key = der.sequence(der.integer(0), *map(integer, numbers))
    return bytearray(der.sequence(der.integer(0), der.sequence(der.oid(RSA_ENCRYPTION), der.null()), der.octets(key)))


def numbers_of(p: int, q: int, e: int = 65537) -> list[int]:
    phi = (p - 1) * (q - 1)
    while gcd(e, phi) != 1:
        e += 2
    d = pow(e, -1, phi)
    return [p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)]


@pytest.fixture(scope="module")
def sound() -> list[int]:
    found = rsa.generate_private_key(65537, 2048).private_numbers()
    return numbers_of(found.p, found.q)


class Ticking:
    """A thread that wants to go on all the time, as the agent's event loop does; `worst`: its longest pause."""

    def __enter__(self) -> Self:
        self.worst, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._tick)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.002):
            now = time.monotonic()
            self.worst, last = max(self.worst, now - last), now


def test_the_key_of_a_hostile_file_does_not_stop_every_thread():
    numbers = numbers_of(*(2**exponent - 1 for exponent in MERSENNE))
    with Ticking() as others, pytest.raises(KeyKindError):
        PrivateKey(pkcs8(*numbers)).public_der()
    assert others.worst < LONGEST_PAUSE_S


def test_nor_does_a_large_key_that_is_sound():
    private = rsa.generate_private_key(65537, 4096)
    content = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with Ticking() as others:
        PrivateKey(bytearray(content)).public_der()
    assert others.worst < LONGEST_PAUSE_S


def test_a_key_is_proved_and_not_believed(sound):
    assert PrivateKey(pkcs8(*sound)).public_der()
    n, e, d, p, q, *reduced = sound
    for wrong in (
        [n, e, d ^ 2, p, q, *(number ^ 2 for number in reduced)],
        [n, e, d ^ 2, q + 2, p, *reduced],
        [n + 2, e, d, p, q, *reduced],
        [n, e + 2, d, p, q, *reduced],
    ):
        with pytest.raises(KeyFileError):
            PrivateKey(pkcs8(*wrong)).public_der()


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("value", [0, -1, 1, 2, 1 << 9000, (1 << 9000) - 1])
def test_absurd_numbers_end_at_once_in_errors_of_ours(sound, place, value):
    numbers = [value if at == place else number for at, number in enumerate(sound)]
    begun = time.monotonic()
    with Ticking() as others:
        try:
            PrivateKey(pkcs8(*numbers)).public_der()
        except (KeyFileError, KeyKindError):
            pass
        else:
            assert place == 2 or place >= 5  # it signs well without: by the factors, or by the exponent
    assert time.monotonic() - begun < 2
    assert others.worst < LONGEST_PAUSE_S


def test_structures_that_are_no_keys(sound):
    whole = pkcs8(*sound)
    others = [bytearray(), bytearray(b"0"), whole[:-1], whole[:20], bytearray(der.sequence(der.integer(0)))]
    for content in others:
        with pytest.raises((KeyFileError, KeyKindError)):
            PrivateKey(content).public_der()
    with pytest.raises(KeyKindError):
        PrivateKey(pkcs8(*sound, 3)).public_der()
