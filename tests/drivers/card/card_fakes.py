"""Cards for the tests of drivers.card: a script of APDUs, and a card made of files with the quirks one wishes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.x509.oid import NameOID

from drivers.base import CardSlot, Connection, Deadline, Digest, KeyInfo
from drivers.card.profile import CardProfile
from drivers.pin import Pin

MF = bytes.fromhex("3F00")
FILLER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
DAY = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


class MemoryStore:
    """A ProfileStore that writes JSON, as a disk would."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.calls: list[str] = []

    def load(self, number):
        return CardProfile.from_json(self.texts[number]) if number in self.texts else None

    def save(self, profile):
        self.calls.append("save")
        self.texts[profile.number] = profile.to_json()

    def forget(self, number):
        self.calls.append("forget")
        self.texts.pop(number, None)


class FakeSlot(CardSlot):
    """A slot around `process(apdu) -> answer`. `endings`: whether each transaction ended with a reset."""

    def __init__(self, process: Callable[[bytes], bytes], reset: Callable[[], object] = lambda: None) -> None:
        self.name = "fake"
        self.exchanges = 0
        self.events = 1
        self.endings: list[bool] = []
        self.process = process
        self.reset = reset

    @contextmanager
    def transaction(self, deadline: Deadline):
        deadline.check()
        connection = FakeConnection(self)
        try:
            yield connection
        finally:
            self.endings.append(connection.wants_reset)
            if connection.wants_reset:
                self.reset()


class FakeConnection(Connection):
    def __init__(self, slot: FakeSlot) -> None:
        self.atr = bytes.fromhex("3BAC00402A001225006480000310009000")
        self.events = slot.events
        self.wants_reset = False
        self._slot = slot

    def transmit(self, apdu):
        self._slot.exchanges += 1
        return self._slot.process(bytes(apdu))

    def reset_at_end(self, wanted):
        self.wants_reset = wanted


class Script:
    """Answer exactly these commands in this order; `steps` alternates commands and answers, in hexadecimal."""

    def __init__(self, *steps: str) -> None:
        self._steps = [bytes.fromhex(step) for step in steps]
        assert len(steps) % 2 == 0

    def process(self, apdu: bytes) -> bytes:
        assert self._steps, f"nothing more was expected than {apdu.hex()}"
        assert apdu.hex() == self._steps.pop(0).hex()
        return self._steps.pop(0)

    def done(self) -> bool:
        return not self._steps


def tlv(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    size = len(value)
    head = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2)
    return bytes([tag]) + head + value


def seq(*parts: bytes) -> bytes:
    return tlv(0x30, *parts)


def octets(value: bytes) -> bytes:
    return tlv(0x04, value)


def number(value: int) -> bytes:
    return tlv(0x02, bytes([value]))


def path(text: str) -> bytes:
    return seq(octets(bytes.fromhex(text)))


def make_certificate(key: rsa.RSAPrivateKey, *, signs: bool | None, size: int | None = None, public=None) -> bytes:
    """A certificate with nonRepudiation (signs), digitalSignature (not) or no KeyUsage (None), of that many bytes."""

    def build(filler: int) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ESSAI")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(77 + bool(signs))
        builder = builder.public_key(public or key.public_key())
        builder = builder.not_valid_before(DAY).not_valid_after(DAY + dt.timedelta(days=3650))
        if signs is not None:
            usage = x509.KeyUsage(not signs, signs, *[False] * 7)
            builder = builder.add_extension(usage, critical=True)
        if filler:
            builder = builder.add_extension(x509.UnrecognizedExtension(FILLER_OID, bytes(filler)), critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    filler = 0
    certificate = build(filler)
    while size is not None and len(certificate) != size:
        filler = max(1, filler + size - len(certificate))
        certificate = build(filler)
    return certificate


@dataclass
class Layout:
    """What the PKCS#15 files of a FileCard say; the defaults are those of a CPS3."""

    application: str = "3F000001"
    odf: str = "5031"
    token_info: str = "5032"
    relative: bool = False
    directory_records: tuple[str, ...] = ("contactless", "ddo")
    aid: bytes = bytes.fromhex("E828BD080F8025000001FF0010")
    sign_reference: bytes = bytes.fromhex("02020081")
    authenticate_reference: bytes = bytes.fromhex("02020082")
    pin_reference: int = 1
    puk_reference: int = 2
    pin_flags: bytes = bytes.fromhex("03020308")
    pin_padding: bytes = b""
    pin_stored: int = 8
    algorithms: tuple[tuple[int, int, int, int], ...] = ((3, 0x06, 0x40, 0x12), (4, 0x40, 0x40, 0x42), (5, 0x01, 0x40, 0x02))  # fmt: skip
    key_algorithms: dict[str, bytes] = field(default_factory=dict)
    certificates: dict[str, bytes] = field(default_factory=dict)

    def locate(self, fid: str) -> str:
        return fid if self.relative else self.application + fid

    def files(self) -> dict[str, bytes]:
        odf = [(0xA8, "7001"), (0xA0, "7002"), (0xA4, "7005"), (0xA7, "7006")]
        here = self.application
        return {
            "3F002F00": b"".join(self.record(kind) for kind in self.directory_records),
            "3F00D003": bytes.fromhex("5A0A8025000001992138450F"),
            here + self.odf: b"".join(tlv(tag, path(self.locate(fid))) for tag, fid in odf),
            here + self.token_info: self.token_information(),
            here + "7001": self.pins(),
            here + "7002": self.private_key("sign", self.sign_reference, "0303060040")
            + self.private_key("authenticate", self.authenticate_reference, "03020560"),
            here + "7005": self.certificate("sign", "B001") + self.certificate("authenticate", "B002"),
            here + "B001": self.certificates["sign"],
            here + "B002": self.certificates["authenticate"],
        }

    def record(self, kind: str) -> bytes:
        aid = tlv(0x4F, self.aid)
        label = tlv(0x50, b"ASIP CPS")
        odf, info = bytes.fromhex(self.application + self.odf), bytes.fromhex(self.application + self.token_info)
        if kind == "contactless":
            other = tlv(0x73, seq(octets(bytes.fromhex("3F0000025031"))))
            return tlv(0x61, tlv(0x4F, self.aid[:-1] + b"\x20"), tlv(0x50, b"ASIP CPS CL"), other)
        if kind == "ddo":
            return tlv(0x61, aid, label, tlv(0x73, seq(octets(odf)), tlv(0xA0, octets(info))))
        if kind == "ddo in a sequence":
            return tlv(0x61, aid, tlv(0x73, seq(seq(octets(odf)), tlv(0xA0, octets(info)))))
        if kind == "path":
            return tlv(0x61, aid, tlv(0x51, bytes.fromhex(self.application)))
        assert kind == "aid"
        return tlv(0x61, aid, label)

    def token_information(self) -> bytes:
        entries = [
            seq(number(ref), number(mechanism), tlv(0x05), tlv(0x03, b"\0", bytes([operations])), tlv(0x06, b"\x2a"), number(card))
            for ref, mechanism, operations, card in self.algorithms
        ]  # fmt: skip
        return seq(number(0), octets(b"serial"), tlv(0x80, b"CPS3 essai"), tlv(0xA2, *entries) if entries else b"")

    def pins(self) -> bytes:
        pin = self.code("Code Porteur", self.pin_reference, self.pin_flags, self.pin_padding, b"\x01")
        puk = self.code("Code de deblocage", self.puk_reference, bytes.fromhex("0302010B"), self.pin_padding, b"\x02")  # fmt: skip
        return puk + pin

    def code(self, label: str, reference: int, flags: bytes, pad: bytes, auth_id: bytes) -> bytes:
        attributes = seq(
            flags, tlv(0x0A, b"\x01"), number(4), number(self.pin_stored), number(8),
            tlv(0x80, bytes([reference])), octets(pad) if pad else b"",
        )  # fmt: skip
        return seq(seq(tlv(0x0C, label.encode())), seq(octets(auth_id)), tlv(0xA1, attributes))

    def private_key(self, name: str, reference: bytes, usage: str) -> bytes:
        common = seq(tlv(0x0C, name.encode()), tlv(0x03, b"\x07\x80"), octets(b"\x01"))
        algorithms = self.key_algorithms.get(name, b"")
        key = seq(octets(name.encode()), bytes.fromhex(usage), reference, algorithms)
        return seq(common, key, tlv(0xA1, seq(path(""), tlv(0x02, b"\x08\x00"))))

    def certificate(self, name: str, fid: str) -> bytes:
        return seq(seq(tlv(0x0C, name.encode())), seq(octets(name.encode())), tlv(0xA1, seq(path(self.locate(fid)))))


@dataclass
class Quirks:
    """How the card answers. `end`: what it says when asked for more than there is."""

    at_once: bool = False
    cut: int | None = None
    cut_reads: int | None = None
    end: str = "6C"
    always_fcp: bool = False
    refuses_no_answer: bool = False
    serial_by_sfi: bool = False


class FileCard:
    """A card that serves the files of a layout and signs with two keys, with an operating system of its own."""

    def __init__(self, layout: Layout, keys: dict[str, rsa.RSAPrivateKey], quirks: Quirks | None = None) -> None:
        self.layout, self.quirks = layout, quirks or Quirks()
        self.files = {bytes.fromhex(name): content for name, content in layout.files().items()}
        self.keys = {layout.sign_reference[-1]: keys["sign"], layout.authenticate_reference[-1]: keys["authenticate"]}
        self.pin, self.puk = b"1234", b"12345678"
        self.sent: list[bytes] = []
        self.reset()

    def reset(self) -> None:
        self.verified: set[int] = set()
        self.current, self.waiting, self.environment = MF, b"", {}

    def process(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        handlers = {0xA4: self.select, 0xB0: self.read, 0xC0: self.more, 0x20: self.verify, 0x22: self.manage, 0x2A: self.sign, 0x88: self.authenticate}  # fmt: skip
        return handlers[apdu[1]](apdu)

    def answer(self, data: bytes) -> bytes:
        if self.quirks.at_once or not data:
            return data + b"\x90\x00"
        self.waiting = data
        return bytes([0x61, min(len(data), self.quirks.cut or 256) & 0xFF])

    def more(self, apdu: bytes) -> bytes:
        size = apdu[4] or 256
        data, self.waiting = self.waiting[:size], self.waiting[size:]
        left = min(len(self.waiting), self.quirks.cut or 256)
        return data + (bytes([0x61, left & 0xFF]) if left else b"\x90\x00")

    def select(self, apdu: bytes) -> bytes:
        p1, p2, name = apdu[2], apdu[3], apdu[5:]
        if p2 == 0x0C and self.quirks.refuses_no_answer:
            return b"\x6a\x86"
        application = bytes.fromhex(self.layout.application)
        if p1 == 0x04:
            found = application if name == self.layout.aid else None
        else:
            known = name in (MF, application) or name in self.files
            found = None if name == MF + b"\xd0\x03" and self.quirks.serial_by_sfi else name if known else None
        if found is None:
            return b"\x6a\x82"
        self.current = found
        fcp = tlv(0x62, tlv(0x82, b"\x38"), tlv(0x83, found[-2:]))
        return self.answer(fcp if p2 == 0x04 or self.quirks.always_fcp else b"")

    def read(self, apdu: bytes) -> bytes:
        offset, size = int.from_bytes(apdu[2:4]), apdu[4] or 256
        if offset & 0x8000:
            assert self.current == MF
            self.current, offset = MF + b"\xd0\x03", offset & 0xFF
        content = self.files[self.current]
        left = min(len(content) - offset, self.quirks.cut_reads or 256)
        if left <= 0:
            return b"\x6b\x00"
        if size > left and self.quirks.end == "6C":
            return bytes([0x6C, left])
        ending = b"\x62\x82" if self.quirks.end == "6282" and offset + size > len(content) else b"\x90\x00"
        return content[offset : offset + min(size, left)] + ending

    def verify(self, apdu: bytes) -> bytes:
        reference = apdu[3]
        local = bool(self.layout.pin_reference & 0x80)
        assert self.current == (bytes.fromhex(self.layout.application) if local else MF)
        assert reference in (self.layout.pin_reference, self.layout.puk_reference)
        if len(apdu) == 5:
            return b"\x90\x00" if reference in self.verified else b"\x63\xc3"
        expected = self.pin if reference == self.layout.pin_reference else self.puk
        if self.layout.pin_padding:
            expected = expected.ljust(self.layout.pin_stored, self.layout.pin_padding)
        self.verified.discard(reference)
        if apdu[5:] != expected:
            return b"\x63\xc2"
        self.verified.add(reference)
        return b"\x90\x00"

    def manage(self, apdu: bytes) -> bytes:
        assert self.current == bytes.fromhex(self.layout.application)
        assert (apdu[2], apdu[4:7], apdu[8:10]) == (0x41, b"\x06\x84\x01", b"\x80\x01")
        if apdu[7] not in self.keys:
            return b"\x6a\x88"
        self.environment = {apdu[3]: (apdu[7], apdu[10])}
        return b"\x90\x00"

    def sign(self, apdu: bytes) -> bytes:
        key, algorithm = self.environment[0xB6]
        names = {card: mechanism for _, mechanism, _, card in self.layout.algorithms} or {0x42: 0x40, 0x12: 0x06}
        digest = {0x06: hashes.SHA1(), 0x40: hashes.SHA256()}[names[algorithm]]
        assert self.layout.pin_reference in self.verified
        return self.answer(self.keys[key].sign(apdu[5:], padding.PKCS1v15(), Prehashed(digest)))

    def authenticate(self, apdu: bytes) -> bytes:
        key, _ = self.environment[0xA4]
        assert self.layout.pin_reference in self.verified
        return self.answer(self.keys[key].sign(apdu[5:], padding.PKCS1v15(), NoDigestInfo()))


def digest_of(message: bytes, algorithm: str = "sha256") -> Digest:
    hasher = hashes.Hash({"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}[algorithm])
    hasher.update(message)
    return Digest(algorithm, hasher.finalize())


def verify_signature(key: KeyInfo, message: bytes, signature: bytes, algorithm: str = "sha256") -> None:
    """Raise unless `cryptography` finds this signature of the whole message good."""
    public = x509.load_der_x509_certificate(key.certificate_der).public_key()
    public.verify(signature, message, padding.PKCS1v15(), {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}[algorithm])  # fmt: skip


def pin(digits: str = "1234") -> Pin:
    return Pin(bytearray(digits.encode()))
