"""RC2 in CBC mode (RFC 2268), to read old PKCS#12 files; `cryptography` has it for keys of 128 bits alone."""

from __future__ import annotations

import struct

from drivers.software.errors import KeyFileError

BLOCK = 8
MAX_CONTENT = 1 << 18  # bytes: a second of Python; certificates take a few thousand
MASK = 0xFFFF
ROTATIONS = (1, 2, 3, 5)
MASHED_FIRST = (11, 5)
"""Rounds after which, counted backwards, comes a round of mashing (RFC 2268 §4.2)."""

PI_TABLE = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)


def decrypt_rc2(key: bytearray, iv: bytes, content: bytes) -> bytearray:
    """Decipher in CBC mode; the effective length of the key is its own. Raises KeyFileError."""
    if not content or len(content) % BLOCK or len(content) > MAX_CONTENT:
        raise KeyFileError("an RC2 content of a length that none has")
    words = _expand(key)
    out, previous = bytearray(len(content)), iv
    for start in range(0, len(content), BLOCK):
        block = content[start : start + BLOCK]
        plain = _decipher(words, block)
        out[start : start + BLOCK] = bytes(x ^ y for x, y in zip(plain, previous, strict=True))
        previous = block
    return out


def _expand(key: bytearray) -> list[int]:
    """Key expansion (RFC 2268 §2)."""
    length, table = len(key), PI_TABLE
    expanded = bytearray(128)
    expanded[:length] = key
    for at in range(length, 128):
        expanded[at] = table[(expanded[at - 1] + expanded[at - length]) & 0xFF]
    expanded[128 - length] = table[expanded[128 - length]]
    for at in reversed(range(128 - length)):
        expanded[at] = table[expanded[at + 1] ^ expanded[at + length]]
    return list(struct.unpack("<64H", expanded))


def _decipher(words: list[int], block: bytes) -> bytes:
    """One block (RFC 2268 §4)."""
    r = list(struct.unpack("<4H", block))
    for number in reversed(range(16)):
        for i in reversed(range(4)):
            turned = ROTATIONS[i]
            value = (r[i] >> turned | r[i] << (16 - turned)) & MASK
            mixed = (r[i - 1] & r[i - 2]) + (~r[i - 1] & r[i - 3])
            r[i] = (value - words[4 * number + i] - mixed) & MASK
        if number in MASHED_FIRST:
            for i in reversed(range(4)):
                r[i] = (r[i] - words[r[i - 1] & 63]) & MASK
    return struct.pack("<4H", *r)
