"""The failure matrix for the other kinds of cards, and for codes typed on a reader: a choice of faults everywhere.

Each case ends in an error that its fault allows, or in the right result. Then the card is closed, has lost a try only
to a wrong code, and does the same operation as if nothing had happened. Where exactly a fault does no harm the matrix
of the CPS3 tells (test_failures_card).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from failure_cards import (
    NEW_PIN,
    PIN,
    PIN_TRIES,
    PUK,
    PUK_TRIES,
    WRONG_PIN,
    AnyRamCard,
    FaultyReaders,
    Plan,
    RamCard,
    RamContactless,
    RamCps4,
    fresh_codes,
)
from failure_faults import LINK, NONSENSE, UNCERTAIN, Fault
from failure_operations import DEADLINE_S, Store

from drivers.base import Deadline, Digest, KeyRole, Padding
from drivers.card.cps3 import open_cps3, open_cps3_contactless
from drivers.card.cps4 import open_cps4
from drivers.card.signatures import is_signature_of
from drivers.card.token import CodedToken, CpsToken
from drivers.errors import CardRemovedError, CardUnknownError, DriverError, PadRefusedError, PinWrongError
from drivers.pin import ON_PAD, Code, Pin
from drivers.virtual.pad import VirtualPad

CHOSEN = {
    "card pulled", "card pulled, late", "card exchanged, late", "taken over by another program, late", "reset silently",
    "reset silently, late", "card mute, late", "service stopped", "no answer", "6F00", "6982", "6581", "6983",
    "61FF for ever", "9000 alone", "noise", "a bit flipped",
}  # fmt: skip
FAULTS = [fault for fault in (*LINK, *NONSENSE) if fault.name in CHOSEN]
LIES = {"9000 alone", "noise", "6983", "a bit flipped"}
"""What a card says in the right form of its tries, or of a code, is believed: nobody else can be asked."""

SETTING = (0x24, 0x2C)
DIGESTS = {scheme: Digest("sha256", hashlib.sha256(b"x").digest(), scheme) for scheme in Padding}


@dataclass(frozen=True)
class Kind:
    """A sort of card in a sort of reader."""

    card: Callable[[], AnyRamCard]
    open: Callable[..., CpsToken]
    keys: bool = False


KINDS = {
    "cps4": Kind(RamCps4, open_cps4),
    "contactless": Kind(RamContactless, open_cps3_contactless),
    "cps3 and keys": Kind(RamCard, open_cps3, keys=True),
    "cps4 and keys": Kind(RamCps4, open_cps4, keys=True),
}


class Session:
    """A card, its reader, perhaps with keys, and whoever uses it."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.card = kind.card()
        self.pad = VirtualPad() if kind.keys else None
        self.readers = FaultyReaders(self.card, self.pad)
        self.reader = self.readers.reader
        self.store = Store()
        self.slot = self.readers.open_slot(self.reader.name)
        self.token: CpsToken | None = None

    def open(self) -> CpsToken:
        self.token = self.kind.open(self.slot, self.store, Deadline(DEADLINE_S))
        return self.token

    @property
    def coded(self) -> CodedToken:
        assert isinstance(self.token, CodedToken)
        return self.token

    def code(self, digits: str, *, typed: int = 1) -> Code:
        """Digits to send, or the same on the keys, so many times."""
        if self.pad is None:
            return Pin(bytearray(digits.encode()))
        self.pad.type(*[digits] * typed)
        return ON_PAD

    def renew(self) -> None:
        self.readers.begin(None)
        self.card.memory.codes = fresh_codes()
        if self.pad is not None:
            while not self.pad._keys.empty():
                self.pad._keys.get_nowait()
        if self.reader.card is not self.card:
            self.readers.insert(self.card)


def sign(session: Session, role: KeyRole = KeyRole.AUTHENTICATION, scheme: Padding = Padding.PKCS1) -> list[bytes]:
    assert session.token is not None
    key = next(key for key in session.token.keys if key.role is role)
    code = session.code(PIN) if key.needs_code else None
    signatures = session.token.sign(key, [DIGESTS[scheme]] * 2, code, Deadline(DEADLINE_S))
    assert all(is_signature_of(key.certificate_der, DIGESTS[scheme], each) for each in signatures)
    assert len(signatures) == 2
    return signatures


def change(session: Session) -> None:
    old, new = session.code(PIN), session.code(NEW_PIN, typed=2)
    session.coded.change_pin(old, new, Deadline(DEADLINE_S))
    assert session.card.memory.codes.pin.digits == NEW_PIN


def unblock(session: Session) -> None:
    puk, new = session.code(PUK), session.code(NEW_PIN, typed=2)
    session.coded.unblock_pin(puk, new, Deadline(DEADLINE_S))
    assert session.card.memory.codes.pin.digits == NEW_PIN


def verify_wrong(session: Session) -> None:
    with pytest.raises(PinWrongError):
        session.coded.verify_pin(session.code(WRONG_PIN), Deadline(DEADLINE_S))


OPERATIONS: dict[str, Callable[[Session], object]] = {
    "open known": lambda session: session.open(),
    "sign": sign,
    "sign with the signature key, PSS": lambda session: sign(session, KeyRole.SIGNATURE, Padding.PSS),
    "change": change,
    "unblock": unblock,
    "verify wrong": verify_wrong,
}
PLACES = [
    *(("cps4", operation) for operation in OPERATIONS),
    *(("contactless", operation) for operation in ("open known", "sign")),
    *(("cps3 and keys", operation) for operation in ("sign", "change", "unblock", "verify wrong")),
    *(("cps4 and keys", operation) for operation in ("sign", "change")),
]


@functools.cache
def known(kind: str) -> dict[str, str]:
    session = Session(KINDS[kind])
    session.open()
    return session.store.texts


def fresh(kind: str) -> Session:
    session = Session(KINDS[kind])
    session.store.texts.update(known(kind))
    session.open()
    session.renew()
    return session


@functools.cache
def trace(kind: str, operation: str) -> list[bytes]:
    """What is asked of the card when nothing goes wrong: recorded, so that none can be forgotten."""
    session = fresh(kind)
    OPERATIONS[operation](session)
    return session.reader.sent


def run_case(kind: str, operation: str, fault: Fault, at: int) -> None:
    session = fresh(kind)
    session.card.asked.clear()
    session.readers.begin(Plan(at, fault.happen, fault.times))
    error = None
    try:
        OPERATIONS[operation](session)
    except DriverError as raised:
        error = raised
        allowed = fault.errors | {PadRefusedError}
        assert type(error) in (allowed | UNCERTAIN if trace(kind, operation)[at][1] in SETTING else allowed), repr(
            error
        )
    except (AssertionError, pytest.fail.Exception):
        assert fault.name in LIES, "another result than the right one"
        assert operation != "sign"
    require_closed(session)
    require_tries(session)
    session.renew()
    if fault.moves and operation != "open known":
        with pytest.raises(CardRemovedError):
            OPERATIONS[operation](session)
        session.renew()
    if operation != "open known" and (fault.moves or isinstance(error, CardUnknownError)):
        session.open()
    OPERATIONS[operation](session)
    assert not session.card.verified


def require_closed(session: Session) -> None:
    """The card itself says so; and one that came in its place was not spoken to."""
    assert not session.card.verified
    other = session.reader.card
    if other is not None and other is not session.card:
        assert not other.asked


def require_tries(session: Session) -> None:
    wrong = sum(WRONG_PIN.encode() in apdu for apdu in session.card.asked)
    pin = session.card.memory.codes.pin
    assert wrong <= 1, "no second attempt"
    assert session.card.tries[1] == PUK_TRIES
    assert pin.tries_left in (PIN_TRIES, PIN_TRIES - wrong), "no try is lost to anything else"
    assert pin.digits == PIN or any(NEW_PIN.encode() in apdu for apdu in session.card.asked)
    if isinstance(session.card, RamContactless):
        assert session.card.codes_sent == 0


def test_every_fault_that_was_chosen_exists() -> None:
    assert {fault.name for fault in FAULTS} == CHOSEN


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize(("kind", "operation"), PLACES)
def test_failure_at_each_exchange(kind: str, operation: str, fault: Fault) -> None:
    failures = []
    for at, apdu in enumerate(trace(kind, operation)):
        try:
            run_case(kind, operation, fault, at)
        except Exception as error:  # noqa: BLE001 - whatever it is, with the exchange where it happened
            failures.append(f"exchange {at} ({apdu[:5].hex()}): {type(error).__name__}: {error}")
    assert not failures, "\n".join(failures)
