"""Keys of passwords, in the ways that key files name: each into a buffer to wipe, within what a file may cost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from drivers.card.signatures import HASHES
from drivers.software.errors import KeyFileError, TooCostlyError

MAX_ROUNDS = 10_000_000
MAX_SCRYPT_BYTES = 1 << 26  # 128 N r
MAX_SCRYPT_PARALLEL = 16
MAX_SALT = 1024
MAX_KEY = 64


class Budget:
    """Rounds of hashing that reading one file may take, all of its parts together: ten seconds or so."""

    def __init__(self, rounds: int = MAX_ROUNDS) -> None:
        self._left = rounds

    def spend(self, rounds: int) -> None:
        """Take rounds before they are made. Raises TooCostlyError, and KeyFileError for a count that is none."""
        if rounds < 1:
            raise KeyFileError("a count of rounds that is none")
        if rounds > self._left:
            raise TooCostlyError
        self._left -= rounds


class Purpose(IntEnum):
    """What a key of PKCS#12's own derivation is for (RFC 7292 §B.3)."""

    CIPHER = 1
    IV = 2
    MAC = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a key is made of a password. `hash_name` as hashlib has it; `length` of the key in bytes."""

    hash_name: str
    salt: bytes
    rounds: int
    length: int

    def require_sane(self, budget: Budget) -> None:
        """Raise KeyFileError or TooCostlyError before anything is computed."""
        if len(self.salt) > MAX_SALT or not 0 < self.length <= MAX_KEY:
            raise KeyFileError("a key derivation that no file has")
        budget.spend(self.rounds)


def derive_pkcs12(recipe: Recipe, purpose: Purpose, bmp: bytearray, budget: Budget) -> bytearray:
    """RFC 7292 §B.2, in buffers alone: the password stands in them many times over."""
    blocks = -(-recipe.length // hashlib.new(recipe.hash_name).digest_size)
    for _ in range(blocks):
        recipe.require_sane(budget)
    size = hashlib.new(recipe.hash_name).block_size
    filled = _repeated(recipe.salt, size), _repeated(bmp, size)
    material = bytearray(sum(map(len, filled)))
    material[: len(filled[0])], material[len(filled[0]) :] = filled
    out = bytearray()
    try:
        for block in range(blocks):
            mixed = hashlib.new(recipe.hash_name, bytes([purpose]) * size)
            mixed.update(material)
            digest = mixed.digest()
            for _ in range(recipe.rounds - 1):
                digest = hashlib.new(recipe.hash_name, digest).digest()
            out += digest
            if block + 1 < blocks:
                _add_to_blocks(material, _repeated(digest, size)[:size])
        return out[: recipe.length]
    finally:
        for buffer in (*filled, material):
            buffer[:] = bytes(len(buffer))


def derive_pbkdf2(recipe: Recipe, password: bytearray, budget: Budget) -> bytearray:
    """RFC 8018 §5.2."""
    recipe.require_sane(budget)
    out = bytearray(recipe.length)
    algorithm = _hash(recipe.hash_name)
    PBKDF2HMAC(algorithm, recipe.length, recipe.salt, recipe.rounds).derive_into(password, out)
    return out


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """N, r and p of RFC 7914 §2."""

    n: int
    r: int
    p: int

    def require_sane(self) -> None:
        """Raise KeyFileError or TooCostlyError before anything is computed."""
        if self.n < 2 or self.n & (self.n - 1) or self.r < 1 or self.p < 1:
            raise KeyFileError("scrypt with parameters that it does not take")
        if self.p > MAX_SCRYPT_PARALLEL or 128 * self.n * self.r > MAX_SCRYPT_BYTES:
            raise TooCostlyError


def derive_scrypt(recipe: Recipe, cost: ScryptCost, password: bytearray, budget: Budget) -> bytearray:
    """RFC 7914 §6; a pass over its memory counts as so many rounds as it has blocks of 64 bytes."""
    cost.require_sane()
    Recipe(recipe.hash_name, recipe.salt, 2 * cost.n * cost.r * cost.p, recipe.length).require_sane(budget)
    out = bytearray(recipe.length)
    Scrypt(salt=recipe.salt, length=recipe.length, n=cost.n, r=cost.r, p=cost.p).derive_into(password, out)
    return out


def derive_openssl(salt: bytes, password: bytearray, length: int) -> bytearray:
    """What encrypted PEM files of before PKCS#8 use: EVP_BytesToKey with MD5 and one round."""
    out = bytearray()
    digest = b""
    while len(out) < length:
        mixed = hashlib.md5(digest, usedforsecurity=False)
        mixed.update(password)
        mixed.update(salt)
        digest = mixed.digest()
        out += digest
    return out[:length]


def _hash(name: str) -> HashAlgorithm:
    try:
        return HASHES[name]
    except KeyError as error:
        raise KeyFileError(f"a derivation with {name}") from error


def _repeated(content: bytes | bytearray, size: int) -> bytearray:
    """The content again and again, up to the next multiple of the size."""
    length = -(-len(content) // size) * size
    out = bytearray(length)
    for start in range(0, length, len(content) or 1):
        out[start : start + len(content)] = content[: length - start]
    return out


def _add_to_blocks(material: bytearray, addend: bytearray) -> None:
    """Add a number and one to each block, as big-endian numbers, in place."""
    size = len(addend)
    for start in range(0, len(material), size):
        carry = 1
        for at in reversed(range(size)):
            carry += material[start + at] + addend[at]
            material[start + at] = carry & 0xFF
            carry >>= 8
