"""An RSA key whose private half lies elsewhere, and one signature that OpenSSL wants of it (RFC 8017 §8)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from agent.services.tls.key import Sign
from agent.services.tls.parameters import Value
from agent.services.tls.signing import sign_now
from drivers.base import Digest, Padding

HASH: Final = "sha256"
"""The one that every card of the family signs, and TLS in either version has (RFC 5246 §7.4.1.4.1, RFC 8446 §9.1)."""
_ITS_NAMES: Final = frozenset({"SHA256", "SHA2-256", "SHA-256", "2.16.840.1.101.3.4.2.1"})
_PADDINGS: Final = {1: Padding.PKCS1, "pkcs1": Padding.PKCS1, 6: Padding.PSS, "pss": Padding.PSS}
"""As openssl/rsa.h and openssl/core_names.h have them."""
_SALTS: Final = frozenset({-1, 32, "digest", "32"})
"""As long as the hash, which is what tokens do: RSA_PSS_SALTLEN_DIGEST, or the number itself."""
_STRENGTHS: Final = ((15360, 256), (7680, 192), (3072, 128), (2048, 112), (1024, 80))
"""Bits of a modulus, and of a symmetric key as strong (NIST SP 800-57 part 1, table 2)."""


@dataclass(frozen=True)
class RsaKey:
    """`sign` None: a public key, which OpenSSL compares with another."""

    modulus: int
    exponent: int
    sign: Sign | None = None
    pss: bool = False

    @property
    def numbers(self) -> tuple[int, int]:
        """What makes it this key."""
        return self.modulus, self.exponent

    @property
    def length(self) -> int:
        """Bytes of a signature."""
        return (self.modulus.bit_length() + 7) // 8

    @cached_property
    def facts(self) -> Mapping[str, int]:
        """What OpenSSL asks of a key (provider-keymgmt(7), "Common Information Parameters")."""
        bits = self.modulus.bit_length()
        strength = next((strength for least, strength in _STRENGTHS if bits >= least), 0)
        return {"bits": bits, "security-bits": strength, "max-size": self.length}


class Signing:
    """One signature: begun, set, given what is to be signed, made."""

    def __init__(self) -> None:
        self.message = bytearray()
        self._key: RsaKey | None = None
        self._padding = Padding.PKCS1

    @property
    def length(self) -> int:
        """Bytes of the signature."""
        assert self._key is not None
        return self._key.length

    def begin(self, key: RsaKey, hash_name: bytes | None, values: Mapping[str, Value]) -> bool:
        """Whether the key signs over this hash: TLS asks of each that the server names."""
        self._key, self._padding = key, Padding.PKCS1
        self.message.clear()
        return key.sign is not None and (hash_name is None or _is_ours(hash_name.decode())) and self.set(values)

    def set(self, values: Mapping[str, Value]) -> bool:
        """Whether the key can do it in that way."""
        assert self._key is not None
        padding = _PADDINGS.get(values.get("pad-mode", self._padding.value))
        names = [values[name] for name in ("digest", "mgf1-digest") if name in values]
        if padding is None or (padding is Padding.PSS and not self._key.pss) or not all(map(_is_ours, names)):
            return False
        self._padding = padding
        return values.get("saltlen", -1) in _SALTS

    def sign(self) -> bytes | None:
        """Have the key sign what has come; None when it does not."""
        assert self._key is not None
        assert self._key.sign is not None
        value = hashlib.sha256(self.message).digest()
        return sign_now(self._key.sign, Digest(HASH, value, self._padding), self.length)


def _is_ours(name: Value) -> bool:
    return str(name).upper() in _ITS_NAMES
