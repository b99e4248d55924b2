"""The file system of a virtual card: DFs, EFs, their access rules and FCPs (ISO 7816-4 §7.4, §9.3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.card.tlv import encode_tlv

# Security condition bytes (ISO 7816-4 §9.3.3.1), IAS-ECC conventions
SCB_ALWAYS = 0x00
SCB_USER = 0x11
SCB_SECURE_MESSAGING = 0x45
SCB_NEVER = 0xFF

AMB_EF = 0x7B
NO_RULE = bytes([AMB_EF, *[SCB_NEVER] * 5, SCB_ALWAYS])


@dataclass(slots=True)
class ElementaryFile:
    """A transparent EF. `read` and `update` are security condition bytes; `sealed` shows no condition but reading."""

    fid: int
    content: bytes
    sfi: int | None = None
    read: int = SCB_ALWAYS
    update: int = SCB_SECURE_MESSAGING
    sealed: bool = False
    contactless: bytes = NO_RULE

    def fcp(self) -> bytes:
        """File control parameters, in the order of a genuine card."""
        sfi = b"" if self.sfi is None else encode_tlv(0x88, bytes([self.sfi << 3]))
        rules = encode_tlv(0xA1, encode_tlv(0x8C, self._rules()), encode_tlv(0x9C, self.contactless))
        size = encode_tlv(0x80, len(self.content).to_bytes(2))
        head = size + encode_tlv(0x82, b"\x01") + encode_tlv(0x83, self.fid.to_bytes(2))
        return encode_tlv(0x62, head, sfi, rules, encode_tlv(0x8A, b"\x05"))

    def _rules(self) -> bytes:
        """Access mode byte, then the conditions: delete, terminate, activate, deactivate, update, read."""
        delete, update = (SCB_NEVER, SCB_NEVER) if self.sealed else (SCB_SECURE_MESSAGING, self.update)
        return bytes([AMB_EF, delete, SCB_NEVER, SCB_NEVER, SCB_NEVER, update, self.read])


@dataclass(slots=True)
class DedicatedFile:
    """A DF with its children."""

    fid: int
    aid: bytes = b""
    children: list[ElementaryFile | DedicatedFile] = field(default_factory=list)
    parent: DedicatedFile | None = None

    def add(self, *children: ElementaryFile | DedicatedFile) -> None:
        """Put files into this DF."""
        for child in children:
            if isinstance(child, DedicatedFile):
                child.parent = self
            self.children.append(child)

    def find(self, fid: int) -> ElementaryFile | DedicatedFile | None:
        """The child with that identifier."""
        return next((child for child in self.children if child.fid == fid), None)

    def elementary_files(self) -> Iterator[ElementaryFile]:
        """The EFs directly in this DF."""
        return (child for child in self.children if isinstance(child, ElementaryFile))

    def walk(self) -> Iterator[DedicatedFile]:
        """Give the DF itself and all below it."""
        yield self
        for child in self.children:
            if isinstance(child, DedicatedFile):
                yield from child.walk()

    def fcp(self) -> bytes:
        """File control parameters."""
        aid = encode_tlv(0x84, self.aid) if self.aid else b""
        head = encode_tlv(0x82, b"\x38") + encode_tlv(0x83, self.fid.to_bytes(2))
        rules = encode_tlv(0xA1, encode_tlv(0x8C, b"\x02\x00"))
        return encode_tlv(0x62, head, aid, rules, encode_tlv(0x8A, b"\x05"))
