"""A private key on its way: PKCS#8 in one buffer that is wiped, and the checks that it must pass."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from drivers.card import encoding as der
from drivers.software.errors import KeyFileError, KeyKindError
from drivers.software.numbers import MAX_BITS, MIN_BITS, require_sane
from drivers.software.passwords import wipe

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
PROOF = b"a key that signs what its public key verifies"


class PrivateKey:
    """Own an unencrypted PKCS#8 structure (RFC 5208 §5); leave the `with` block and it is zeroes."""

    __slots__ = ("_pkcs8",)

    def __init__(self, pkcs8: bytearray) -> None:
        self._pkcs8 = pkcs8

    @classmethod
    def generate(cls, bits: int = MIN_BITS) -> Self:
        """Make a new RSA key."""
        key = rsa.generate_private_key(65537, bits)
        return cls(bytearray(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())))

    @classmethod
    def of_pkcs1(cls, pkcs1: bytearray) -> Self:
        """Wrap an RSAPrivateKey (RFC 8017 §A.1.2), which is wiped."""
        try:
            head = der.integer(0) + der.sequence(der.oid(RSA_ENCRYPTION), der.null())
            body = bytearray(_header(0x04, len(pkcs1)))
            body += pkcs1
            whole = bytearray(_header(0x30, len(head) + len(body)) + head)
            whole += body
            wipe(body)
            return cls(whole)
        finally:
            wipe(pkcs1)

    @property
    def pkcs8(self) -> bytearray:
        """The structure itself, not a copy."""
        return self._pkcs8

    def load(self, *, trusted: bool = False) -> rsa.RSAPrivateKey:
        """The key, for one use. `trusted`: it was proved when it came here.

        That its factors are prime is not looked at: for that cryptography 50 stops every other thread, from 0.2 s for
        2048 bits to minutes for larger ones that a file may hold. Raises KeyFileError, KeyKindError.
        """
        if not trusted:
            require_sane(self._pkcs8)
        try:
            key = load_der_private_key(self._pkcs8, None, unsafe_skip_rsa_key_validation=True)
        except UnsupportedAlgorithm as error:
            raise KeyKindError from error
        except (ValueError, TypeError) as error:
            raise KeyFileError("what should be a private key is none, or a damaged one") from error
        if not isinstance(key, rsa.RSAPrivateKey) or not MIN_BITS <= key.key_size <= MAX_BITS:
            raise KeyKindError
        if not trusted:
            _prove(key)
        return key

    def public_der(self) -> bytes:
        """The SubjectPublicKeyInfo of the key, which is proved first. Raises what `load` raises."""
        return self.load().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def wipe(self) -> None:
        """Overwrite with zeroes."""
        wipe(self._pkcs8)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return "PrivateKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled")

    def __copy__(self) -> NoReturn:
        raise TypeError("a private key is not copied")


def _prove(key: rsa.RSAPrivateKey) -> None:
    """Raise KeyFileError unless private and public numbers belong together: what one signs the other verifies."""
    try:
        signature = key.sign(PROOF, padding.PKCS1v15(), SHA256())
        key.public_key().verify(signature, PROOF, padding.PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError) as error:
        raise KeyFileError("a private key whose numbers do not belong together") from error


def _header(tag: int, length: int) -> bytes:
    """Tag and length alone: the value stays in its buffer."""
    if length < 0x80:
        return bytes([tag, length])
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size)
