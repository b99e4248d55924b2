"""Opening what a password encrypts in key files: PBES2 (RFC 8018 §6.2) and PKCS#12's own schemes (RFC 7292 §C)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from drivers.card.der import (
    TAG_INTEGER,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Element,
    Elements,
    read_integer,
    read_oid,
    read_whole,
)
from drivers.errors import CardUnknownError
from drivers.software.derivation import (
    Budget,
    Purpose,
    Recipe,
    ScryptCost,
    derive_pbkdf2,
    derive_pkcs12,
    derive_scrypt,
)
from drivers.software.errors import KeyFileError
from drivers.software.keyfile import OID_PBES2, OID_SCRYPT, WrongSecretError
from drivers.software.passwords import Password, wipe
from drivers.software.rc2 import decrypt_rc2

OID_PBKDF2 = "1.2.840.113549.1.5.12"
HMACS = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
INDEFINITE = 0x80

Decipher = Callable[[bytearray, bytes, bytes], bytearray]
"""Key, IV and content, to the padded plain text."""


class BlockCipher(NamedTuple):
    """A cipher in CBC mode, the length of its keys and of its blocks."""

    decipher: Decipher
    key_length: int
    block: int


def _in_cbc(algorithm: Callable[[Any], CipherAlgorithm]) -> Decipher:
    def decipher(key: bytearray, iv: bytes, content: bytes) -> bytearray:
        plain = bytearray(len(content) + len(iv))
        written = Cipher(algorithm(key), CBC(iv)).decryptor().update_into(content, plain)
        del plain[written:]
        return plain

    return decipher


TRIPLE_DES = _in_cbc(TripleDES)


def _two_key_des(key: bytearray, iv: bytes, content: bytes) -> bytearray:
    whole = key + key[:8]
    try:
        return TRIPLE_DES(whole, iv, content)
    finally:
        wipe(whole)


PBES2_CIPHERS = {
    "2.16.840.1.101.3.4.1.2": BlockCipher(_in_cbc(AES), 16, 16),
    "2.16.840.1.101.3.4.1.22": BlockCipher(_in_cbc(AES), 24, 16),
    "2.16.840.1.101.3.4.1.42": BlockCipher(_in_cbc(AES), 32, 16),
    "1.2.840.113549.3.7": BlockCipher(TRIPLE_DES, 24, 8),
}
PKCS12_CIPHERS = {
    "1.2.840.113549.1.12.1.3": BlockCipher(TRIPLE_DES, 24, 8),
    "1.2.840.113549.1.12.1.4": BlockCipher(_two_key_des, 16, 8),
    "1.2.840.113549.1.12.1.5": BlockCipher(decrypt_rc2, 16, 8),
    "1.2.840.113549.1.12.1.6": BlockCipher(decrypt_rc2, 5, 8),
}


@dataclass(frozen=True, slots=True)
class Opener:
    """The password of a file, and what is left of what the file may cost."""

    password: Password
    budget: Budget

    def decrypt(self, algorithm_der: bytes, content: bytes) -> bytearray:
        """Decrypt one SEQUENCE, into a buffer to wipe. Raises WrongSecretError, KeyFileError, TooCostlyError."""
        try:
            oid, parameters = read_algorithm(read_whole(algorithm_der, TAG_SEQUENCE, "an algorithm"))
            if oid == OID_PBES2:
                return self._open_pbes2(parameters, content)
            if oid in PKCS12_CIPHERS:
                return self._open_pkcs12(PKCS12_CIPHERS[oid], parameters, content)
        except CardUnknownError as error:
            raise KeyFileError(f"an encryption that cannot be read: {error}") from error
        raise KeyFileError(f"an encryption that is not read here: {oid}")

    def derive(self, derivation: Element, default_length: int) -> bytearray:
        """The key of an AlgorithmIdentifier of PBES2's or PBMAC1's derivations. Raises CardUnknownError too."""
        oid, parameters = read_algorithm(derivation)
        if oid == OID_PBKDF2:
            return derive_pbkdf2(_pbkdf2(parameters, default_length), self.password.utf8, self.budget)
        if oid == OID_SCRYPT:
            recipe, cost = _scrypt(parameters, default_length)
            return derive_scrypt(recipe, cost, self.password.utf8, self.budget)
        raise KeyFileError(f"a key derivation that is not read here: {oid}")

    def _open_pbes2(self, parameters: Element, content: bytes) -> bytearray:
        parts = Elements(parameters.value, "PBES2")
        derivation = parts.take(TAG_SEQUENCE)
        oid, iv = read_algorithm(parts.take(TAG_SEQUENCE))
        cipher = PBES2_CIPHERS.get(oid)
        if cipher is None or iv.tag != TAG_OCTET_STRING or len(iv.value) != cipher.block:
            raise KeyFileError(f"a cipher that is not read here: {oid}")
        key = self.derive(derivation, cipher.key_length)
        if len(key) != cipher.key_length:
            raise KeyFileError("a key of another length than its cipher's")
        return decipher_sequence(cipher, key, iv.value, content)

    def _open_pkcs12(self, cipher: BlockCipher, parameters: Element, content: bytes) -> bytearray:
        parts = Elements(parameters.value, "a PKCS#12 encryption")
        salt, rounds = parts.take(TAG_OCTET_STRING).value, read_integer(parts.take(TAG_INTEGER).value)
        for bmp in self.password.bmp_forms():
            key_recipe = Recipe("sha1", salt, rounds, cipher.key_length)
            key = derive_pkcs12(key_recipe, Purpose.CIPHER, bmp, self.budget)
            iv = derive_pkcs12(Recipe("sha1", salt, rounds, cipher.block), Purpose.IV, bmp, self.budget)
            try:
                return decipher_sequence(cipher, key, bytes(iv), content)
            except WrongSecretError:
                continue
        raise WrongSecretError


def read_algorithm(element: Element) -> tuple[str, Element]:
    """Identifier and parameters of an AlgorithmIdentifier. Raises CardUnknownError."""
    parts = Elements(element.value, "an algorithm")
    return read_oid(parts.take(TAG_OID).value), parts.take_any()


def _pbkdf2(parameters: Element, default_length: int) -> Recipe:
    """PBKDF2-params (RFC 8018 §A.2)."""
    parts = Elements(parameters.value, "PBKDF2")
    salt, rounds = parts.take(TAG_OCTET_STRING).value, read_integer(parts.take(TAG_INTEGER).value)
    length, hash_name = parts.take_if(TAG_INTEGER), "sha1"
    if function := parts.take_if(TAG_SEQUENCE):
        oid = read_oid(Elements(function.value, "a function").take(TAG_OID).value)
        hash_name = HMACS.get(oid, oid)
    return Recipe(hash_name, salt, rounds, read_integer(length.value) if length else default_length)


def _scrypt(parameters: Element, default_length: int) -> tuple[Recipe, ScryptCost]:
    """Scrypt-params (RFC 7914 §7)."""
    parts = Elements(parameters.value, "scrypt")
    salt = parts.take(TAG_OCTET_STRING).value
    n, r, p = (read_integer(parts.take(TAG_INTEGER).value) for _ in range(3))
    length = parts.take_if(TAG_INTEGER)
    return Recipe("sha256", salt, 1, read_integer(length.value) if length else default_length), ScryptCost(n, r, p)


def decipher_sequence(cipher: BlockCipher, key: bytearray, iv: bytes, content: bytes) -> bytearray:
    """The plain text, if it is what key files encrypt: one SEQUENCE, padded. Wipes the key. Raises WrongSecretError."""
    try:
        if not content or len(content) % cipher.block:
            raise KeyFileError("an encrypted content of a length that none has")
        plain = cipher.decipher(key, iv, content)
    finally:
        wipe(key)
    try:
        return plain[: _plain_length(plain, cipher.block)]
    finally:
        wipe(plain)


def _plain_length(plain: bytearray, block: int) -> int:
    """Its length without the padding (RFC 8018 §6.1.1). Raises WrongSecretError."""
    padding = plain[-1]
    if not 0 < padding <= block or any(byte != padding for byte in plain[-padding:]):
        raise WrongSecretError
    length = len(plain) - padding
    if length not in _sequence_lengths(plain):
        raise WrongSecretError
    return length


def _sequence_lengths(plain: bytearray) -> Iterator[int]:
    """How long the SEQUENCE may be that begins here: as its header says; an indefinite one may be of any length."""
    if plain[0] != TAG_SEQUENCE or len(plain) < 2:
        return
    first = plain[1]
    if first == INDEFINITE:
        yield from range(2, len(plain))
    elif first < INDEFINITE:
        yield 2 + first
    else:
        size = first & 0x7F
        yield 2 + size + int.from_bytes(plain[2 : 2 + size])
