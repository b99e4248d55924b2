"""PKCS#12 files (RFC 7292), of every age: what browsers, Windows, macOS, OpenSSL and the IGC-Santé platform write."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from asn1crypto.cms import ContentInfo
from asn1crypto.pkcs12 import AuthenticatedSafe, Pfx, SafeContents

from drivers.card.der import TAG_SEQUENCE, Elements, read_whole
from drivers.errors import CardUnknownError
from drivers.software.ciphers import HMACS, Opener, read_algorithm
from drivers.software.derivation import Purpose, Recipe, derive_pkcs12
from drivers.software.errors import KeyFileError
from drivers.software.keyfile import WrongSecretError
from drivers.software.keys import PrivateKey
from drivers.software.passwords import wipe

OID_PBMAC1 = "1.2.840.113549.1.5.14"
MAC_HASHES = {"sha1", "sha224", "sha256", "sha384", "sha512"}
MAX_BAGS, MAX_DEPTH = 256, 4
DAMAGED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What asn1crypto raises on bytes that are not what they should be."""


@dataclass(slots=True)
class Contents:
    """Keys, which are wiped by whoever takes them, and certificates in DER, in the order of the file."""

    keys: list[PrivateKey] = field(default_factory=list)
    certificates: list[bytes] = field(default_factory=list)
    bags: int = 0

    def wipe(self) -> None:
        """Overwrite the keys."""
        for key in self.keys:
            key.wipe()

    def count_bag(self) -> None:
        """Raise KeyFileError for a file of more parts than any has."""
        self.bags += 1
        if self.bags > MAX_BAGS:
            raise KeyFileError(f"a file of more than {MAX_BAGS} parts")


def looks_like_pkcs12(content: bytes) -> bool:
    """Whether this begins as a PFX: a SEQUENCE, of any form of length, and version 3 (RFC 7292 §4)."""
    size = content[1] & 0x7F if len(content) > 1 and content[1] & 0x80 else 0
    return content[:1] == b"\x30" and content[2 + size : 5 + size] == b"\x02\x01\x03"


def read_pkcs12(content: bytes, opener: Opener) -> Contents:
    """Read all keys and certificates. Raises WrongSecretError, KeyFileError, TooCostlyError."""
    found = Contents()
    try:
        for part in _open_safe(content, opener):
            _read_bags(part, opener, found, MAX_DEPTH)
    except BaseException as error:
        found.wipe()
        if isinstance(error, (CardUnknownError, *DAMAGED)):
            raise KeyFileError(f"a PKCS#12 file that is damaged: {error}") from error
        raise
    return found


def _open_safe(content: bytes, opener: Opener) -> Iterator[bytes]:
    """The SafeContents of the file, decrypted where they are encrypted."""
    pfx = Pfx.load(content)
    safe = _data(pfx["auth_safe"])
    if pfx["mac_data"].native is not None:
        _require_mac(pfx["mac_data"], safe, opener)
    parts = AuthenticatedSafe.load(safe)
    if len(parts) > MAX_BAGS:
        raise KeyFileError(f"a file of more than {MAX_BAGS} parts")
    for part in parts:
        if part["content_type"].native == "encrypted_data":
            info = part["content"]["encrypted_content_info"]
            plain = opener.decrypt(info["content_encryption_algorithm"].dump(), info["encrypted_content"].native)
            yield bytes(plain)
            wipe(plain)
        else:
            yield _data(part)


def _data(info: ContentInfo) -> bytes:
    if info["content_type"].native != "data":
        raise KeyFileError("a file that is signed or encrypted by a certificate, not by a password")
    content: bytes = info["content"].native
    return content


def _require_mac(mac_data: Any, safe: bytes, opener: Opener) -> None:
    """Raise WrongSecretError unless the password makes the MAC of the file (RFC 7292 §4.1)."""
    mac = mac_data["mac"]
    algorithm, expected = mac["digest_algorithm"], mac["digest"].native
    if algorithm["algorithm"].dotted == OID_PBMAC1:
        made = iter([_pbmac1(algorithm.dump(), safe, opener)])
    else:
        name = algorithm["algorithm"].native
        if name not in MAC_HASHES:
            raise KeyFileError(f"a MAC that is not read here: {name}")
        recipe = Recipe(name, mac_data["mac_salt"].native, mac_data["iterations"].native, len(expected))
        made = _macs(recipe, safe, opener)
    if not any(hmac.compare_digest(each, expected) for each in made):
        raise WrongSecretError


def _macs(recipe: Recipe, safe: bytes, opener: Opener) -> Iterator[bytes]:
    """The MAC for each form of the password."""
    for bmp in opener.password.bmp_forms():
        key = derive_pkcs12(recipe, Purpose.MAC, bmp, opener.budget)
        yield hmac.digest(key, safe, recipe.hash_name)
        wipe(key)


def _pbmac1(algorithm_der: bytes, safe: bytes, opener: Opener) -> bytes:
    """RFC 9579 §4; the length of the key must be said (§9)."""
    _, parameters = read_algorithm(read_whole(algorithm_der, TAG_SEQUENCE, "a MAC"))
    parts = Elements(parameters.value, "PBMAC1")
    key = opener.derive(parts.take(TAG_SEQUENCE), 0)
    oid, _ = read_algorithm(parts.take(TAG_SEQUENCE))
    if oid not in HMACS:
        raise KeyFileError(f"a MAC that is not read here: {oid}")
    try:
        return hmac.digest(key, safe, HMACS[oid])
    finally:
        wipe(key)


def _read_bags(part: bytes, opener: Opener, found: Contents, depth: int) -> None:
    if not depth:
        raise KeyFileError("a file with bags in bags in bags")
    for bag in SafeContents.load(part):
        found.count_bag()
        kind, value = bag["bag_id"].native, bag["bag_value"]
        if kind == "pkcs8_shrouded_key_bag":
            algorithm = value["encryption_algorithm"].dump()
            found.keys.append(PrivateKey(opener.decrypt(algorithm, value["encrypted_data"].native)))
        elif kind == "key_bag":
            found.keys.append(PrivateKey(bytearray(value.untag().dump())))
        elif kind == "cert_bag" and value["cert_id"].native == "x509":
            found.certificates.append(_certificate(value))
        elif kind == "safe_contents":
            _read_bags(value.untag().dump(), opener, found, depth - 1)


def _certificate(value: Any) -> bytes:
    """The bytes of a certificate as they stand: they are parsed elsewhere."""
    content: bytes = value["cert_value"].contents
    if content[:1] == b"\x30":
        return content
    raise KeyFileError("a certificate that is none")
