"""A private key at rest: EncryptedPrivateKeyInfo (RFC 5958 §3) with PBES2, scrypt (RFC 7914 §7) and AES-256-CBC.

Any program that reads PKCS#8 can open it with the passphrase, OpenSSL for one.
"""

from __future__ import annotations

import secrets
from enum import IntEnum

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from drivers.card import encoding as der
from drivers.card.tlv import Tlv, find_tlv
from drivers.errors import CardUnknownError
from drivers.software.errors import EntryDamagedError
from drivers.software.keys import PrivateKey
from drivers.software.passwords import wipe

OID_PBES2, OID_SCRYPT = "1.2.840.113549.1.5.13", "1.3.6.1.4.1.11591.4.11"
OID_AES_256_CBC = "2.16.840.1.101.3.4.1.42"
BLOCK, KEY_LENGTH, SALT_LENGTH = 16, 32, 16
BLOCK_SIZE_FACTOR = 8  # r


class Cost(IntEnum):
    """How much work one try at the secret takes: N of scrypt, with p = 5 for a person's words, else 1.

    A passphrase: five times 16 MB, one of OWASP's equal choices, and no more than OpenSSL consents to: 0.2 s.
    A random secret of 256 bits cannot be guessed, whatever one try costs.
    """

    PASSPHRASE = 1 << 14
    RANDOM = 1 << 10

    @property
    def parallel(self) -> int:
        """The p of scrypt."""
        return 5 if self is Cost.PASSPHRASE else 1


class WrongSecretError(Exception):
    """The secret does not open the file; a damaged file looks the same."""


def encrypt_key(key: PrivateKey, secret: bytearray, cost: Cost) -> bytes:
    """Encrypt under the secret, which stays the caller's to wipe."""
    salt, iv = secrets.token_bytes(SALT_LENGTH), secrets.token_bytes(BLOCK)
    plain, derived = _padded(key.pkcs8), _derive(secret, salt, cost)
    try:
        encryptor = Cipher(AES(derived), CBC(iv)).encryptor()
        return _encode(salt, iv, cost, encryptor.update(plain) + encryptor.finalize())
    finally:
        wipe(plain)
        wipe(derived)


def decrypt_key(content: bytes, secret: bytearray) -> PrivateKey:
    """Open what encrypt_key has made. Raises WrongSecretError, EntryDamagedError."""
    salt, iv, cost, encrypted = _decode(content)
    derived, plain = _derive(secret, salt, cost), bytearray(len(encrypted) + BLOCK - 1)
    try:
        decryptor = Cipher(AES(derived), CBC(iv)).decryptor()
        decryptor.update_into(encrypted, plain)
        del plain[len(encrypted) :]
        padding = plain[-1]
        if not 0 < padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding or plain[0] != der.TAG_SEQUENCE:
            raise WrongSecretError
        return PrivateKey(plain[:-padding])
    finally:
        wipe(plain)
        wipe(derived)


def _padded(content: bytearray) -> bytearray:
    """With the padding of RFC 8018 §6.1.1, in a buffer of the right size: one that grows leaves copies behind."""
    length = len(content)
    padding = BLOCK - length % BLOCK
    padded = bytearray(length + padding)
    padded[:length] = content
    padded[length:] = bytes([padding]) * padding
    return padded


def _derive(secret: bytearray, salt: bytes, cost: Cost) -> bytearray:
    derived = bytearray(KEY_LENGTH)
    kdf = Scrypt(salt=salt, length=KEY_LENGTH, n=int(cost), r=BLOCK_SIZE_FACTOR, p=cost.parallel)
    kdf.derive_into(secret, derived)
    return derived


def _encode(salt: bytes, iv: bytes, cost: Cost, encrypted: bytes) -> bytes:
    numbers = (der.integer(number) for number in (int(cost), BLOCK_SIZE_FACTOR, cost.parallel))
    derivation = der.sequence(der.oid(OID_SCRYPT), der.sequence(der.octets(salt), *numbers))
    cipher = der.sequence(der.oid(OID_AES_256_CBC), der.octets(iv))
    scheme = der.sequence(der.oid(OID_PBES2), der.sequence(derivation, cipher))
    return der.sequence(scheme, der.octets(encrypted))


def _decode(content: bytes) -> tuple[bytes, bytes, Cost, bytes]:
    """Salt, IV, cost and content. Only what _encode writes is read: a file that asks for more work is not ours."""
    try:
        scheme, encrypted = _children(find_tlv(content, der.TAG_SEQUENCE), 2)
        _, parameters = _children(scheme, 2)
        derivation, cipher = _children(parameters, 2)
        salt, *_ = _children(_children(derivation, 2)[1], 4)
        iv = _children(cipher, 2)[1].value
        cost = next(cost for cost in Cost if _encode(salt.value, iv, cost, encrypted.value) == content)
    except (CardUnknownError, StopIteration) as error:
        raise EntryDamagedError("the key file is none of ours") from error
    if len(encrypted.value) % BLOCK or not encrypted.value or len(iv) != BLOCK:
        raise EntryDamagedError("the key file is damaged")
    return salt.value, iv, cost, encrypted.value


def _children(item: Tlv | None, count: int) -> list[Tlv]:
    children = list(item.children()) if item is not None else []
    if len(children) != count:
        raise CardUnknownError("not the structure that was written here")
    return children
