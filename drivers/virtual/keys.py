"""MANAGE SECURITY ENVIRONMENT, PERFORM SECURITY OPERATION and INTERNAL AUTHENTICATE (ISO 7816-4 §11.5, 7816-8 §11)."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from drivers.base import KeyRole
from drivers.card.tlv import read_tlvs
from drivers.errors import CardUnknownError
from drivers.virtual.apdu import Command
from drivers.virtual.hashing import BLOCK_LENGTH, ResumableHash, Sha1, Sha256
from drivers.virtual.memory import Memory
from drivers.virtual.personalisation import Personalisation
from drivers.virtual.status import (
    SW_CONDITIONS_NOT_SATISFIED,
    SW_REFERENCE_NOT_FOUND,
    SW_SECURITY_NOT_SATISFIED,
    SW_WRONG_DATA,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    StatusError,
)

P1_SET = 0x41
CRT_AUTHENTICATION, CRT_HASH, CRT_SIGNATURE, CRT_CONFIDENTIALITY = 0xA4, 0xAA, 0xB6, 0xB8
TAG_ALGORITHM, TAG_KEY = 0x80, 0x84

PSO_HASH, PSO_SIGN, PSO_DECIPHER = 0x90A0, 0x9E9A, 0x8086
TAG_LAST_BYTES, TAG_MIDSTATE = 0x80, 0x90
COUNTER_LENGTH = 8
PADDING_INDICATOR = 0x81

DIGEST_INFO_LIMIT = 102
"""INTERNAL AUTHENTICATE takes no more than 40 % of the modulus (PKCS#11 of the ANS, CPS3)."""

HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303  (the card has it)
    "sha256": hashes.SHA256(),
}


class KeyStation:
    """The security environment of a session and the private keys it leads to."""

    def __init__(self, card: Personalisation, memory: Memory) -> None:
        self._memory = memory
        references = card.algorithms
        self._hashes: dict[int, ResumableHash] = {references.sha1: Sha1(), references.sha256: Sha256()}
        self._signatures = {references.sha1_rsa: "sha1", references.sha256_rsa: "sha256"}
        signature, authentication = card.signature.reference, card.authentication.reference
        self._roles = {signature: KeyRole.SIGNATURE, authentication: KeyRole.AUTHENTICATION}
        # Which key and which algorithms each template takes.
        self._allowed = {
            CRT_AUTHENTICATION: (authentication, {references.rsa_sign}),
            CRT_HASH: (None, set(self._hashes)),
            CRT_SIGNATURE: (signature, set(self._signatures)),
            CRT_CONFIDENTIALITY: (authentication, {references.rsa_decipher}),
        }
        self._environment: dict[int, int] = {}
        self._digest: tuple[str, bytes] | None = None

    def forget(self) -> None:
        """Clear the security environment."""
        self._environment.clear()
        self._digest = None

    def role(self, sdo_reference: int) -> KeyRole | None:
        """The key behind the reference of a security data object, which is a key reference without bit 8."""
        return next((role for reference, role in self._roles.items() if reference & 0x7F == sdo_reference), None)

    def manage(self, command: Command) -> bytes:
        """22 41 CRT: choose the algorithm and, but for hashing, the key."""
        if command.p1 != P1_SET or command.p2 not in self._allowed:
            raise StatusError(SW_WRONG_P1P2)
        chosen = _read_objects(command.data)
        key, algorithms = self._allowed[command.p2]
        if chosen.keys() != ({TAG_ALGORITHM} if key is None else {TAG_ALGORITHM, TAG_KEY}):
            raise StatusError(SW_WRONG_DATA)
        if key is not None and chosen[TAG_KEY] != bytes([key]):
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        if len(chosen[TAG_ALGORITHM]) != 1 or chosen[TAG_ALGORITHM][0] not in algorithms:
            raise StatusError(SW_WRONG_DATA)
        self._environment[command.p2] = chosen[TAG_ALGORITHM][0]
        return b""

    def perform(self, command: Command, *, user: bool) -> bytes:
        """2A: hash, sign or decipher."""
        if command.p1p2 == PSO_HASH:
            return self._hash(command.data)
        if command.p1p2 == PSO_SIGN:
            return self._sign(command.data, user=user)
        if command.p1p2 == PSO_DECIPHER:
            return self._decipher(command.data, user=user)
        raise StatusError(SW_WRONG_P1P2)

    def authenticate(self, command: Command, *, user: bool) -> bytes:
        """88 00 00: PKCS#1 v1.5 (RFC 8017 §8.2.1) around whatever DigestInfo the terminal sends."""
        if command.p1p2:
            raise StatusError(SW_WRONG_P1P2)
        self._require(CRT_AUTHENTICATION, user=user)
        if not 1 <= len(command.data) <= DIGEST_INFO_LIMIT:
            raise StatusError(SW_WRONG_LENGTH)
        return self._key(KeyRole.AUTHENTICATION).sign(command.data, padding.PKCS1v15(), NoDigestInfo())

    def _hash(self, data: bytes) -> bytes:
        """Finish a hash: `90` midstate and bit count (or empty), then `80` the last bytes, at most a block."""
        algorithm = self._environment.get(CRT_HASH)
        if algorithm is None:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        hasher, objects = self._hashes[algorithm], _read_objects(data)
        midstate, last = objects.get(TAG_MIDSTATE, b""), objects.get(TAG_LAST_BYTES)
        if last is None or len(last) > BLOCK_LENGTH or objects.keys() - {TAG_MIDSTATE, TAG_LAST_BYTES}:
            raise StatusError(SW_WRONG_DATA)
        state, count = midstate[:-COUNTER_LENGTH], int.from_bytes(midstate[-COUNTER_LENGTH:])
        if midstate and (len(midstate) != hasher.state_length + COUNTER_LENGTH or count % (8 * BLOCK_LENGTH)):
            raise StatusError(SW_WRONG_DATA)
        self._digest = hasher.name, hasher.finish(last, state, count)
        return b""

    def _sign(self, given: bytes, *, user: bool) -> bytes:
        """Sign the hash just computed, or the one in the data; either is used once."""
        algorithm = self._require(CRT_SIGNATURE, user=user)
        (name, value), self._digest = self._digest or ("", b""), None
        wanted = self._signatures[algorithm]
        if given:
            name, value = wanted, given
        if not value or name != wanted:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        if len(value) != HASHES[wanted].digest_size:
            raise StatusError(SW_WRONG_LENGTH)
        return self._key(KeyRole.SIGNATURE).sign(value, padding.PKCS1v15(), Prehashed(HASHES[wanted]))

    def _decipher(self, data: bytes, *, user: bool) -> bytes:
        """Take the PKCS#1 v1.5 padding off (RFC 8017 §7.2.2); the cryptogram follows a padding indicator."""
        self._require(CRT_CONFIDENTIALITY, user=user)
        key = self._key(KeyRole.AUTHENTICATION)
        if len(data) != key.key_size // 8 + 1:
            raise StatusError(SW_WRONG_LENGTH)
        if data[0] != PADDING_INDICATOR:
            raise StatusError(SW_WRONG_DATA)
        try:
            return key.decrypt(data[1:], padding.PKCS1v15())
        except ValueError as error:
            raise StatusError(SW_WRONG_DATA) from error

    def _require(self, template: int, *, user: bool) -> int:
        """Give the algorithm chosen for that use, once the holder's code is verified."""
        if template not in self._environment:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        if not user:
            raise StatusError(SW_SECURITY_NOT_SATISFIED)
        return self._environment[template]

    def _key(self, role: KeyRole) -> rsa.RSAPrivateKey:
        return self._memory.keys[role]


def _read_objects(data: bytes) -> dict[int, bytes]:
    """Data objects by tag. Raises StatusError(6A80) when they are cut short or repeated."""
    try:
        objects = list(read_tlvs(data))
    except CardUnknownError as error:
        raise StatusError(SW_WRONG_DATA) from error
    found = {item.tag: item.value for item in objects}
    if len(found) != len(objects):
        raise StatusError(SW_WRONG_DATA)
    return found
