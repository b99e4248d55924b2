"""SHA-1 and SHA-256 that resume from a midstate (FIPS 180-4 §6.1.2 and §6.2.2), as the card's PSO HASH does.

The terminal hashes whole blocks and hands over the chaining value and the number of bits; the card does the rest.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from math import isqrt

BLOCK_LENGTH = 64
WORD = 0xFFFFFFFF


def _icbrt(number: int) -> int:
    """Cube root, rounded down."""
    root = 1 << (number.bit_length() // 3 + 1)
    while (better := (2 * root + number // root**2) // 3) < root:
        root = better
    return root


PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, isqrt(n) + 1))]
# FIPS 180-4 §4.2.2 and §5.3.3: the first 32 bits of the fractional parts of cube and square roots of primes.
SHA256_K = [_icbrt(prime << 96) & WORD for prime in PRIMES]
SHA256_START = [isqrt(prime << 64) & WORD for prime in PRIMES[:8]]
# FIPS 180-4 §4.2.1 and §5.3.1.
SHA1_K = [0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6]
SHA1_START = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0]


def _rotate_left(word: int, count: int) -> int:
    return (word << count | word >> 32 - count) & WORD


def _rotate_right(word: int, count: int) -> int:
    return _rotate_left(word, 32 - count)


class ResumableHash(ABC):
    """A Merkle-Damgård hash over 64-byte blocks of which the chaining value can be given."""

    name: str
    start: list[int]

    @property
    def state_length(self) -> int:
        """Bytes of the chaining value, which is also the digest's length."""
        return 4 * len(self.start)

    @abstractmethod
    def compress(self, state: list[int], block: bytes) -> list[int]:
        """Give the chaining value after one more block."""

    def finish(self, last: bytes, midstate: bytes | None = None, hashed_bits: int = 0) -> bytes:
        """Hash `last` after `hashed_bits` bits that left `midstate`, and pad (FIPS 180-4 §5.1.1)."""
        state = list(struct.unpack(f">{len(self.start)}I", midstate)) if midstate else self.start
        total = hashed_bits + 8 * len(last)
        padded = last + b"\x80" + bytes(-(len(last) + 9) % BLOCK_LENGTH) + struct.pack(">Q", total)
        for offset in range(0, len(padded), BLOCK_LENGTH):
            state = self.compress(state, padded[offset : offset + BLOCK_LENGTH])
        return struct.pack(f">{len(state)}I", *state)

    def midstate(self, blocks: bytes) -> bytes:
        """Chaining value after whole blocks: the terminal's half of the work, for tests."""
        state = self.start
        for offset in range(0, len(blocks), BLOCK_LENGTH):
            state = self.compress(state, blocks[offset : offset + BLOCK_LENGTH])
        return struct.pack(f">{len(state)}I", *state)


class Sha256(ResumableHash):
    """FIPS 180-4 §6.2."""

    name = "sha256"
    start = SHA256_START

    def compress(self, state: list[int], block: bytes) -> list[int]:
        """FIPS 180-4 §6.2.2, steps 1 to 4."""
        a, b, c, d, e, f, g, h = state
        for k, word in zip(SHA256_K, _schedule_sha256(block), strict=True):
            big_1 = _rotate_right(e, 6) ^ _rotate_right(e, 11) ^ _rotate_right(e, 25)
            big_0 = _rotate_right(a, 2) ^ _rotate_right(a, 13) ^ _rotate_right(a, 22)
            t1 = h + big_1 + (e & f ^ ~e & g) + k + word
            t2 = big_0 + (a & b ^ a & c ^ b & c)
            h, g, f, e, d, c, b, a = g, f, e, (d + t1) & WORD, c, b, a, (t1 + t2) & WORD
        return [(x + y) & WORD for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def _schedule_sha256(block: bytes) -> list[int]:
    words = list(struct.unpack(">16I", block))
    for t in range(16, 64):
        early, late = words[t - 15], words[t - 2]
        small_0 = _rotate_right(early, 7) ^ _rotate_right(early, 18) ^ early >> 3
        small_1 = _rotate_right(late, 17) ^ _rotate_right(late, 19) ^ late >> 10
        words.append((small_1 + words[t - 7] + small_0 + words[t - 16]) & WORD)
    return words


class Sha1(ResumableHash):
    """FIPS 180-4 §6.1."""

    name = "sha1"
    start = SHA1_START

    def compress(self, state: list[int], block: bytes) -> list[int]:
        """FIPS 180-4 §6.1.2, steps 1 to 4."""
        words = list(struct.unpack(">16I", block))
        for t in range(16, 80):
            words.append(_rotate_left(words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16], 1))
        a, b, c, d, e = state
        for t, word in enumerate(words):
            total = _rotate_left(a, 5) + _mix_sha1(t, b, c, d) + e + SHA1_K[t // 20] + word
            e, d, c, b, a = d, c, _rotate_left(b, 30), a, total & WORD
        return [(x + y) & WORD for x, y in zip(state, (a, b, c, d, e), strict=True)]


def _mix_sha1(t: int, b: int, c: int, d: int) -> int:
    """FIPS 180-4 §4.1.1: Ch, Parity, Maj, Parity."""
    if t < 20:
        return (b & c ^ ~b & d) & WORD
    if 40 <= t < 60:
        return b & c ^ b & d ^ c & d
    return b ^ c ^ d
