"""Everything that drivers.card does with a card, each with the check of its result by somebody else's code."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from failure_cards import (
    BLOCKED,
    NEW_PIN,
    PIN,
    PIN_TRIES,
    PUK,
    PUK_TRIES,
    WRONG_PIN,
    WRONG_PUK,
    FaultyReaders,
    RamCard,
    fresh_codes,
    names,
)

from drivers.base import Deadline, Digest, KeyRole
from drivers.card import reading
from drivers.card.cps3 import Cps3Token
from drivers.card.family import open_card
from drivers.card.files import CardReading
from drivers.card.profile import CardProfile
from drivers.errors import PinWrongError
from drivers.pin import Pin

MESSAGE = b"ordonnance"
HASHES = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
DEADLINE_S = 20.0


class Store:
    """A ProfileStore that writes JSON, as the agent's does."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def load(self, number: str) -> CardProfile | None:
        return CardProfile.from_json(self.texts[number]) if number in self.texts else None

    def save(self, profile: CardProfile) -> None:
        self.texts[profile.number] = profile.to_json()

    def forget(self, number: str) -> None:
        self.texts.pop(number, None)


class Session:
    """A card, its reader and whoever uses it."""

    def __init__(self) -> None:
        self.card = RamCard()
        self.readers = FaultyReaders(self.card)
        self.reader = self.readers.reader
        self.store = Store()
        self.slot = self.readers.open_slot(self.reader.name)
        self._token: Cps3Token | None = None

    @property
    def token(self) -> Cps3Token:
        assert self._token is not None
        return self._token

    def open(self) -> Cps3Token:
        self._token = open_card(self.slot, self.card.atr, self.store, Deadline(DEADLINE_S))
        return self._token

    def renew(self) -> None:
        """The same card, in the reader again if it is not, with its codes as they were made."""
        self.readers.begin(None)
        self.card.memory.codes = fresh_codes()
        if self.reader.card is not self.card:
            self.readers.insert(self.card)


def pin(digits: str = PIN) -> Pin:
    return Pin(bytearray(digits.encode()))


def deadline() -> Deadline:
    return Deadline(DEADLINE_S)


Work = Callable[[Session], object]


def _nothing(session: Session) -> None:
    pass


@dataclass(frozen=True)
class Operation:
    """`prepare` comes before, without faults; `check` raises unless the result is right and the card as it should be.

    `opens`: it starts from a reader and not from a token. `found_open`: another program has left the card verified.
    """

    name: str
    run: Work
    check: Callable[[Session, object], None]
    prepare: Work = _nothing
    opens: bool = False
    found_open: bool = False

    def start(self, session: Session) -> None:
        """Bring everything to the moment before the operation."""
        if not self.opens:
            session.open()
        self.prepare(session)

    @functools.cached_property
    def exchanges(self) -> list[str]:
        """What is asked of the card when nothing goes wrong: recorded, so that none can be forgotten."""
        session = fresh_session(self)
        session.readers.begin(None)
        self.check(session, self.run(session))
        assert session.reader.sent
        return names(session.reader.sent)


def fresh_session(operation: Operation) -> Session:
    session = Session()
    if operation.name not in FIRST_READS:
        session.store.texts.update(known_texts())
    operation.start(session)
    return session


@functools.cache
def known_texts() -> dict[str, str]:
    """What the store holds of the card once it was read."""
    session = Session()
    session.open()
    return session.store.texts


def _is_known(session: Session, result: object) -> None:
    """Also what was remembered for the next time is right."""
    assert isinstance(result, Cps3Token)
    assert session.store.texts == known_texts()
    assert result.profile == session.store.load(result.number)


def _open_in_slices(session: Session) -> Cps3Token:
    """Each piece in a transaction of its own, as with a slow card."""
    with mock.patch.object(reading, "CardReading", functools.partial(CardReading, slice_s=0.0)):
        return session.open()


def _open_up(session: Session) -> None:
    session.card.open_up()
    assert session.token.read_pin_status(deadline()).verified


def _block(session: Session) -> None:
    session.card.memory.codes = BLOCKED


def _refused(work: Work) -> Work:
    """The right result is that the card refuses the code."""

    def run(session: Session) -> object:
        try:
            return work(session)
        except PinWrongError as error:
            return error

    return run


def _was_refused(session: Session, result: object) -> None:
    assert isinstance(result, PinWrongError)
    assert result.tries_left == min(PIN_TRIES, PUK_TRIES) - 1


def _tells_tries(session: Session, result: object) -> None:
    assert (result.tries_left, result.verified) == (PIN_TRIES, False)


def _tells_open(session: Session, result: object) -> None:
    assert (result.tries_left, result.verified) == (None, True)


def _has_code(digits: str) -> Callable[[Session, object], None]:
    def check(session: Session, result: object) -> None:
        assert session.card.memory.codes.pin.digits == digits
        assert session.card.tries == (PIN_TRIES, PUK_TRIES)

    return check


def _verify(digits: str = PIN) -> Work:
    return lambda session: session.token.verify_pin(pin(digits), deadline())


def _change(old: str = PIN) -> Work:
    return lambda session: session.token.change_pin(pin(old), pin(NEW_PIN), deadline())


def _unblock(puk: str = PUK) -> Work:
    return lambda session: session.token.unblock_pin(pin(puk), pin(NEW_PIN), deadline())


def _sign(role: KeyRole, algorithm: str = "sha256", digits: str = PIN) -> Work:
    digest = Digest(algorithm, hashlib.new(algorithm, MESSAGE).digest())

    def run(session: Session) -> bytes:
        key = next(key for key in session.token.keys if key.role is role)
        return session.token.sign(key, [digest], pin(digits), deadline())[0]

    return run


def _is_signed(role: KeyRole, algorithm: str = "sha256") -> Callable[[Session, object], None]:
    def check(session: Session, result: object) -> None:
        assert isinstance(result, bytes)
        verify_signature(session.token.profile.key(role).certificate_der, result, algorithm)
        assert session.card.tries == (PIN_TRIES, PUK_TRIES)

    return check


def verify_signature(
    certificate_der: bytes, signature: bytes, algorithm: str = "sha256", message: bytes = MESSAGE
) -> None:
    """By `cryptography` and the whole message: nothing of ours takes part."""
    public = x509.load_der_x509_certificate(certificate_der).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(signature, message, padding.PKCS1v15(), HASHES[algorithm])


AUTHENTICATION, SIGNATURE = KeyRole.AUTHENTICATION, KeyRole.SIGNATURE
FIRST_READS = ("first read", "first read in slices")
OPERATIONS = [
    Operation("first read", lambda session: session.open(), _is_known, opens=True),
    Operation("first read in slices", _open_in_slices, _is_known, opens=True),
    Operation("open known", lambda session: session.open(), _is_known, opens=True),
    Operation("read tries", lambda session: session.token.read_pin_status(deadline()), _tells_tries),
    Operation("verify", _verify(), _has_code(PIN)),
    Operation("change", _change(), _has_code(NEW_PIN)),
    Operation("unblock", _unblock(), _has_code(NEW_PIN), _block),
    *(
        Operation(f"sign authentication {name}", _sign(AUTHENTICATION, name), _is_signed(AUTHENTICATION, name))
        for name in HASHES
    ),
    *(
        Operation(f"sign signature {name}", _sign(SIGNATURE, name), _is_signed(SIGNATURE, name))
        for name in ("sha1", "sha256")
    ),
    Operation("verify wrong", _refused(_verify(WRONG_PIN)), _was_refused),
    Operation("change wrong", _refused(_change(WRONG_PIN)), _was_refused),
    Operation("unblock wrong", _refused(_unblock(WRONG_PUK)), _was_refused, _block),
    Operation("sign wrong", _refused(_sign(SIGNATURE, digits=WRONG_PIN)), _was_refused),
    Operation(
        "read tries, found open",
        lambda session: session.token.read_pin_status(deadline()),
        _tells_open,
        _open_up,
        found_open=True,
    ),
    Operation("verify, found open", _verify(), _has_code(PIN), _open_up, found_open=True),
    Operation("change, found open", _change(), _has_code(NEW_PIN), _open_up, found_open=True),
    Operation("unblock, found open", _unblock(), _has_code(NEW_PIN), _open_up, found_open=True),
    Operation("sign, found open", _sign(SIGNATURE), _is_signed(SIGNATURE), _open_up, found_open=True),
    Operation("authenticate, found open", _sign(AUTHENTICATION), _is_signed(AUTHENTICATION), _open_up, found_open=True),
]
