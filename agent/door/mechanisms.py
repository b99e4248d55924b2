"""The mechanisms by what keys can do (PKCS #11 Current Mechanisms v2.40 §2.1): only those that work are offered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from agent.door import cryptoki
from agent.door.cryptoki import CKR_DATA_INVALID, CKR_DATA_LEN_RANGE, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID
from agent.door.publickeys import read_public_key
from agent.door.values import CryptokiError, Mechanism, PssParameters
from drivers.base import HASH_LENGTHS, NO_HASH, Digest, KeyInfo, Padding
from drivers.card.signatures import PKCS1_OVERHEAD, encode_digest_info


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a mechanism does: its padding, and the hash that is made here; None where the program makes it."""

    padding: Padding
    hash: str | None


PKCS1_TYPES = {
    "sha1": cryptoki.CKM_SHA1_RSA_PKCS,
    "sha224": cryptoki.CKM_SHA224_RSA_PKCS,
    "sha256": cryptoki.CKM_SHA256_RSA_PKCS,
    "sha384": cryptoki.CKM_SHA384_RSA_PKCS,
    "sha512": cryptoki.CKM_SHA512_RSA_PKCS,
}
PSS_TYPES = {
    "sha1": cryptoki.CKM_SHA1_RSA_PKCS_PSS,
    "sha224": cryptoki.CKM_SHA224_RSA_PKCS_PSS,
    "sha256": cryptoki.CKM_SHA256_RSA_PKCS_PSS,
    "sha384": cryptoki.CKM_SHA384_RSA_PKCS_PSS,
    "sha512": cryptoki.CKM_SHA512_RSA_PKCS_PSS,
}
PSS_HASHES = {
    (cryptoki.CKM_SHA_1, cryptoki.CKG_MGF1_SHA1): "sha1",
    (cryptoki.CKM_SHA224, cryptoki.CKG_MGF1_SHA224): "sha224",
    (cryptoki.CKM_SHA256, cryptoki.CKG_MGF1_SHA256): "sha256",
    (cryptoki.CKM_SHA384, cryptoki.CKG_MGF1_SHA384): "sha384",
    (cryptoki.CKM_SHA512, cryptoki.CKG_MGF1_SHA512): "sha512",
}
"""Hash and mask generation function by the parameters of RSASSA-PSS: the same hash in both."""
SCHEMES = {
    cryptoki.CKM_RSA_PKCS: Scheme(Padding.PKCS1, None),
    cryptoki.CKM_RSA_PKCS_PSS: Scheme(Padding.PSS, None),
    **{kind: Scheme(Padding.PKCS1, name) for name, kind in PKCS1_TYPES.items()},
    **{kind: Scheme(Padding.PSS, name) for name, kind in PSS_TYPES.items()},
}
OLD_TYPES = frozenset(
    (
        cryptoki.CKM_RSA_PKCS,
        cryptoki.CKM_RSA_PKCS_PSS,
        *(kind for name, kind in PKCS1_TYPES.items() if name != "sha224"),
    )
)
"""What p11-kit-client 0.24 knows; it refuses others itself, and miscounts when it has to leave one out of a list."""

DIGEST_INFOS = {
    name: encode_digest_info(Digest(name, bytes(length)))[:-length] for name, length in HASH_LENGTHS.items()
}
"""What stands before the hash value in a DigestInfo (RFC 8017 §9.2, note 1)."""


def list_types(keys: Iterable[KeyInfo], *, modern: bool) -> tuple[int, ...]:
    """The mechanisms that at least one of the keys can sign with, in the order of their numbers."""
    found = {kind for key in keys for kind in types_of(key)}
    return tuple(sorted(found if modern else found & OLD_TYPES))


def types_of(key: KeyInfo) -> frozenset[int]:
    """The mechanisms that the key can sign with."""
    return frozenset(kind for kind, scheme in SCHEMES.items() if _can(key, scheme))


def _can(key: KeyInfo, scheme: Scheme) -> bool:
    hashes = key.pss_hashes if scheme.padding is Padding.PSS else key.hashes
    return bool(hashes) if scheme.hash is None else scheme.hash in hashes


class Signing:
    """What a program gives to be signed, brought to a Digest; hashed as it comes where the mechanism says so.

    `size`: length of the signature in bytes. Raises CryptokiError.
    """

    def __init__(self, mechanism: Mechanism, key: KeyInfo) -> None:
        if mechanism.type not in types_of(key) or mechanism.type is None:
            raise CryptokiError(CKR_MECHANISM_INVALID)
        self._scheme = SCHEMES[mechanism.type]
        self._hash_given = _require_parameter(mechanism, self._scheme, key)
        self._hasher = hashlib.new(self._scheme.hash) if self._scheme.hash else None
        self._key = key
        self.size = (read_public_key(key.certificate_der).bits + 7) // 8

    @property
    def takes_parts(self) -> bool:
        """Whether C_SignUpdate is for it."""
        return self._hasher is not None

    def update(self, data: bytes) -> None:
        """Hash what has come."""
        if self._hasher is not None:
            self._hasher.update(data)

    def digest(self, data: bytes = b"") -> Digest:
        """What is to be signed: of the data that came by `update`, or of this."""
        if self._hasher is not None and self._scheme.hash is not None:
            return Digest(self._scheme.hash, self._hasher.digest(), self._scheme.padding)
        if self._hash_given is not None:
            return _pss_digest(self._hash_given, data)
        return _pkcs1_digest(data, self._key, self.size)


def _require_parameter(mechanism: Mechanism, scheme: Scheme, key: KeyInfo) -> str | None:
    """The hash that a PSS parameter names; None for PKCS#1 v1.5, which has no parameter."""
    parameter = mechanism.parameter
    if scheme.padding is Padding.PKCS1:
        if parameter:
            raise CryptokiError(CKR_MECHANISM_PARAM_INVALID)
        return None
    name = _pss_hash(parameter) if isinstance(parameter, PssParameters) else None
    if name is None or name not in key.pss_hashes or scheme.hash not in (None, name):
        raise CryptokiError(CKR_MECHANISM_PARAM_INVALID)
    return name


def _pss_hash(parameter: PssParameters) -> str | None:
    """The one hash of both uses; None where they differ, or the salt is not as long: keys here know no other way."""
    name = PSS_HASHES.get((parameter.hash_mechanism, parameter.mgf))
    return name if name is not None and parameter.salt_length == HASH_LENGTHS[name] else None


def _pss_digest(name: str, data: bytes) -> Digest:
    if len(data) != HASH_LENGTHS[name]:
        raise CryptokiError(CKR_DATA_LEN_RANGE)
    return Digest(name, data, Padding.PSS)


def _pkcs1_digest(data: bytes, key: KeyInfo, size: int) -> Digest:
    """A DigestInfo is taken apart, as a card may take the bare hash alone; anything else is padded as it is."""
    if not data or len(data) > size - PKCS1_OVERHEAD:
        raise CryptokiError(CKR_DATA_LEN_RANGE)
    for name, head in DIGEST_INFOS.items():
        if name in key.hashes and data.startswith(head) and len(data) == len(head) + HASH_LENGTHS[name]:
            return Digest(name, data[len(head) :])
    if NO_HASH not in key.hashes:
        raise CryptokiError(CKR_DATA_INVALID)
    return Digest(NO_HASH, data)
