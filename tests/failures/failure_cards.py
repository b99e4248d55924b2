"""Cards without a disk, in a reader where any one exchange can go wrong."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from drivers.base import KeyRole, ReaderState
from drivers.card.apdu import INS_READ_BINARY, INS_SELECT, INS_VERIFY
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.chip import ApduCard
from drivers.virtual.codes import CodeKeeper
from drivers.virtual.contactless import VirtualContactlessCps3, build_root
from drivers.virtual.cps4 import VirtualCps4
from drivers.virtual.image import build_image
from drivers.virtual.kinds import CPS3_CONTACTLESS, CPS4
from drivers.virtual.link import VirtualReader, VirtualReaders, reader_name
from drivers.virtual.memory import Code, Codes, Memory
from drivers.virtual.pad import VirtualPad
from drivers.virtual.personalisation import DEFAULT, Personalisation
from drivers.virtual.pkcs15 import REF_PIN
from drivers.virtual.pki import TestPki
from drivers.virtual.store import VirtualCardStore, pki_folder

PIN, NEW_PIN, WRONG_PIN = "739146", "840263", "111777"
PUK, WRONG_PUK = "60482715", "99999999"
PIN_TRIES, PUK_TRIES = DEFAULT.pin_tries, DEFAULT.puk_tries
LIMIT = 1200
"""More exchanges than any operation may make: whoever passes it talks for ever."""

SELECT_MF = bytes.fromhex("00A4090C023F00")
VERIFY = bytes([0x00, 0x20, 0x00, REF_PIN, len(PIN)]) + PIN.encode()
BLOCKED = Codes(Code(PIN, 0, PIN_TRIES), Code(PUK, PUK_TRIES, PUK_TRIES))


def fresh_codes() -> Codes:
    return Codes(Code(PIN, PIN_TRIES, PIN_TRIES), Code(PUK, PUK_TRIES, PUK_TRIES))


class RamMemory(Memory):
    """What a card keeps, as long as the test runs: thousands of cases would wait for a disk."""

    def __init__(self, keys: dict[KeyRole, rsa.RSAPrivateKey]) -> None:
        self.keys = keys
        self.codes = fresh_codes()

    def save_codes(self, codes: Codes) -> None:
        self.codes = codes

    def save_cps_data(self, content: bytes) -> None:
        raise AssertionError(content)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Blank:
    """What takes a while to make: the keys, and certificates of a test PKI that is gone."""

    keys: dict[KeyRole, rsa.RSAPrivateKey]
    certificates: dict[KeyRole, bytes]


@functools.cache
def blank() -> Blank:
    with tempfile.TemporaryDirectory() as name:
        pki = TestPki.open(pki_folder(Path(name)))
        store = VirtualCardStore.open(Path(name) / "card")
        certificates = {role: store._certificate(pki, role) for role in KeyRole}
        store.close()
        return Blank(store.keys, certificates)


class Observed(ApduCard):
    """A virtual card that tells a test what a real one keeps to itself."""

    memory: RamMemory
    asked: list[bytes]
    _codes: CodeKeeper

    def process(self, apdu: bytes) -> bytes:
        self.asked.append(bytes(apdu))
        return super().process(apdu)

    @property
    def verified(self) -> set[int]:
        """References of the codes that stand verified."""
        return set(self._codes._verified)

    @property
    def tries(self) -> tuple[int, int]:
        return self.memory.codes.pin.tries_left, self.memory.codes.puk.tries_left


class RamCard(Observed, VirtualCard):
    """A CPS3."""

    def __init__(self, personalisation: Personalisation = DEFAULT) -> None:
        self.memory, self.asked = RamMemory(blank().keys), []
        super().__init__(personalisation, build_image(personalisation, blank().certificates), self.memory)

    def open_up(self) -> None:
        """What another program does that leaves the card verified."""
        self.process(SELECT_MF)
        assert self.process(VERIFY) == b"\x90\x00"
        assert self.verified == {REF_PIN}


class RamCps4(Observed, VirtualCps4):
    """A CPS4."""

    def __init__(self) -> None:
        self.memory, self.asked = RamMemory(blank().keys), []
        super().__init__(CPS4, build_image(CPS4, blank().certificates), self.memory)


class RamContactless(VirtualContactlessCps3):
    """A CPS3 near a reader, which has no codes to open."""

    def __init__(self) -> None:
        self.memory, self.asked = RamMemory(blank().keys), []
        super().__init__(
            CPS3_CONTACTLESS, build_root(CPS3_CONTACTLESS, blank().certificates[KeyRole.AUTHENTICATION]), self.memory
        )
        self.verified: set[int] = set()

    def process(self, apdu: bytes) -> bytes:
        self.asked.append(bytes(apdu))
        return super().process(apdu)

    @property
    def tries(self) -> tuple[int, int]:
        return self.memory.codes.pin.tries_left, self.memory.codes.puk.tries_left


AnyRamCard = RamCard | RamCps4 | RamContactless


@dataclass(frozen=True)
class Moment:
    """The exchange that goes wrong."""

    reader: FaultyReader
    events: int
    apdu: bytes
    previous: bytes

    def do(self) -> bytes:
        """Let the card have the command; its own answer."""
        return VirtualReader.exchange(self.reader, self.events, self.apdu)


@dataclass(frozen=True)
class Plan:
    """From which exchange on (counted from zero) what happens, and for how many of them."""

    at: int
    happen: Callable[[Moment], bytes]
    times: int = 1


class FaultyReader(VirtualReader):
    """A reader that remembers what was sent and follows a plan."""

    plan: Plan | None = None
    sent: list[bytes]
    last_answer: bytes

    def exchange(self, events: int, apdu: bytes) -> bytes:
        number = len(self.sent)
        assert number < LIMIT, "this talk does not end"
        self.sent.append(apdu)
        plan = self.plan
        if plan is not None and plan.at <= number < plan.at + plan.times:
            answer = plan.happen(Moment(self, events, apdu, self.last_answer))
        else:
            answer = super().exchange(events, apdu)
        self.last_answer = answer
        return answer

    @property
    def card(self) -> AnyRamCard | None:
        assert self._card is None or isinstance(self._card, AnyRamCard)
        return self._card


class FaultyReaders(VirtualReaders):
    """One faulty reader with a card in it."""

    def __init__(self, card: AnyRamCard, pad: VirtualPad | None = None) -> None:
        super().__init__([])
        self.reader = FaultyReader(reader_name(0), self._changed, card, pad)
        self._readers = [self.reader]
        self.watched: tuple[ReaderState, ...] | None = None
        self.begin(None)

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        self.watched = known
        return super().wait_for_change(known)

    @property
    def all_told(self) -> bool:
        """Whether whoever watches has been told of every insertion and removal."""
        return self.watched == self.list_states()

    def begin(self, plan: Plan | None) -> None:
        """Count from here, and let the plan happen."""
        self.reader.sent, self.reader.plan = [], plan
        self.reader.last_answer = b"\x90\x00"


def names(sent: list[bytes]) -> list[str]:
    """Each command in words that stay the same when others come before it; the second of a name ends in #2."""
    selected, found = "", []
    for apdu in sent:
        if apdu[1] == INS_SELECT:
            selected = apdu[5:].hex().upper()
        name = _name(apdu, selected)
        before = sum(other.partition(" #")[0] == name for other in found)
        found.append(f"{name} #{before + 1}" if before else name)
    return found


def _name(apdu: bytes, selected: str) -> str:
    if apdu[1] == INS_SELECT:
        return f"SELECT {selected}"
    if apdu[1] == INS_READ_BINARY:
        return f"READ {selected} {int.from_bytes(apdu[2:4])}+{apdu[4] or 256}"
    if apdu[1] == INS_VERIFY:
        return f"{'VERIFY' if len(apdu) > 5 else 'STATUS'} {'PIN' if apdu[3] == REF_PIN else 'PUK'}"
    return OTHERS[apdu[1]]


OTHERS = {
    0x22: "MSE",
    0x24: "CHANGE",
    0x2A: "PSO",
    0x2C: "RESET RETRY",
    0x88: "INTERNAL AUTHENTICATE",
    0xC0: "GET RESPONSE",
}
