"""What is worth remembering of a CPS card so that it need not be read again; nothing in it is secret."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from drivers.base import KeyInfo, KeyRole

PREFIX_LENGTH = 32  # bytes of the authentication certificate that tell a renewed card from a known one


@dataclass(frozen=True, slots=True)
class PinFile:
    """A code of the card as VERIFY takes it; `padding` is None when digits are sent as they are."""

    reference: int
    min_length: int
    max_length: int
    stored_length: int = 0
    padding: int | None = None


@dataclass(frozen=True, slots=True)
class CardKey:
    """A private key, the algorithm reference it takes for each hash, and its certificate with the file it came from.

    `takes_hash`: it signs a bare hash value (PSO CDS) instead of something encoded here. `pss`: references for
    RSASSA-PSS; `algorithms`: those for RSASSA-PKCS1-v1_5. `needs_code`: it signs only after the holder's code.
    """

    key_id: bytes
    label: str
    role: KeyRole
    reference: int
    takes_hash: bool
    algorithms: dict[str, int]
    certificate_path: bytes
    certificate_der: bytes
    pss: dict[str, int] = field(default_factory=dict)
    needs_code: bool = True

    def info(self) -> KeyInfo:
        """The key as the rest of the agent sees it."""
        hashes, pss_hashes = frozenset(self.algorithms), frozenset(self.pss)
        return KeyInfo(
            self.key_id, self.label, self.role, self.certificate_der, hashes, pss_hashes, needs_code=self.needs_code
        )


@dataclass(frozen=True, slots=True)
class CardObject:
    """A data object as the card's directory tells of it. `value`: of a public one that nobody writes, once read.

    What is private has no value here, ever: a profile is written to disk.
    """

    label: str
    application: str
    path: bytes
    private: bool
    modifiable: bool
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class CardProfile:
    """A card: its number (8 digits of EF.SN), where its application is, its codes and its keys, of which it has one.

    `pin` is None where no key needs a code. `object_directories` are the files that list its data objects, and
    `objects` what they list, None until somebody has asked for them.
    """

    number: str
    generation: str
    label: str
    application_path: bytes
    pin: PinFile | None
    puk: PinFile | None
    keys: tuple[CardKey, ...]
    object_directories: tuple[bytes, ...] = ()
    objects: tuple[CardObject, ...] | None = None

    def key(self, role: KeyRole) -> CardKey | None:
        """First key of that role."""
        return next((key for key in self.keys if key.role is role), None)

    def to_json(self) -> str:
        """Serialise for the cache."""
        return json.dumps(asdict(self), default=lambda value: base64.b64encode(value).decode())

    @classmethod
    def from_json(cls, text: str) -> CardProfile:
        """Parse what to_json wrote. Raises ValueError when it is anything else."""
        try:
            profile = _profile(json.loads(text))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ValueError("not a card profile") from error
        if profile.pin is None and any(key.needs_code for key in profile.keys):
            raise ValueError("a card profile without the code that its keys need")
        return profile


class ProfileStore(Protocol):
    """Where profiles of known cards are kept between two insertions."""

    def load(self, number: str) -> CardProfile | None:
        """Give what is known of that card."""

    def save(self, profile: CardProfile) -> None:
        """Remember a card."""

    def forget(self, number: str) -> None:
        """Drop what is known: the card proved it wrong."""


def _profile(raw: dict[str, Any]) -> CardProfile:
    return CardProfile(
        number=str(raw["number"]),
        generation=str(raw["generation"]),
        label=str(raw["label"]),
        application_path=_bytes(raw["application_path"]),
        pin=None if raw["pin"] is None else _pin_file(raw["pin"]),
        puk=_pin_file(raw["puk"]) if raw["puk"] else None,
        keys=(_key(raw["keys"][0]), *map(_key, raw["keys"][1:])),
        object_directories=tuple(_bytes(path) for path in raw["object_directories"]),
        objects=None if raw["objects"] is None else tuple(map(_object, raw["objects"])),
    )


def _object(raw: dict[str, Any]) -> CardObject:
    found = CardObject(
        label=str(raw["label"]),
        application=str(raw["application"]),
        path=_bytes(raw["path"]),
        private=bool(raw["private"]),
        modifiable=bool(raw["modifiable"]),
        value=None if raw["value"] is None else _bytes(raw["value"]),
    )
    if found.private and found.value is not None:
        raise ValueError("a private object of a card in the cache")
    return found


def _bytes(raw: Any) -> bytes:
    return base64.b64decode(raw, validate=True)


def _pin_file(raw: dict[str, Any]) -> PinFile:
    padding = raw["padding"]
    return PinFile(
        reference=_byte(raw["reference"]),
        min_length=_byte(raw["min_length"]),
        max_length=_byte(raw["max_length"]),
        stored_length=_byte(raw["stored_length"]),
        padding=None if padding is None else _byte(padding),
    )


def _byte(raw: Any) -> int:
    return bytes([int(raw)])[0]


def _key(raw: dict[str, Any]) -> CardKey:
    return CardKey(
        key_id=_bytes(raw["key_id"]),
        label=str(raw["label"]),
        role=KeyRole(raw["role"]),
        reference=_byte(raw["reference"]),
        takes_hash=bool(raw["takes_hash"]),
        algorithms=_references(raw["algorithms"]),
        certificate_path=_bytes(raw["certificate_path"]),
        certificate_der=_bytes(raw["certificate_der"]),
        pss=_references(raw["pss"]),
        needs_code=bool(raw["needs_code"]),
    )


def _references(raw: dict[str, Any]) -> dict[str, int]:
    return {str(name): _byte(reference) for name, reference in raw.items()}
