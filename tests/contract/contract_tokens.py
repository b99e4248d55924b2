"""The tokens that the contract suite runs on, and what each is able to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest
from support.pcsc_reader import Reader
from support.softhsm import SoftHsm

from drivers.base import CardSlot, Deadline, Token
from drivers.card.family import open_card as open_direct
from drivers.card.profile import CardProfile
from drivers.pkcs11.modules import CardModules, ModuleTokens
from drivers.pkcs11.workers import ModuleWorkers
from drivers.software.store import SoftwareStore
from drivers.software.token import open_tokens
from drivers.virtual.chip import ApduCard
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.memory import Codes

OPENSC = "opensc-pkcs11.so"
ASK_STATUS = {
    "cps3": ("00A4090C023F00", "0020000100"),
    "cps4": ("01A4040C088025000001FF0100", "0120000100"),
    "cps3-contactless": (),
}
"""How each kind of card is asked whether it stands verified; the last has nothing to verify."""


class Ability(StrEnum):
    """What a test may need."""

    CODE = "signs after a code, with one of two keys"
    SIGNATURE_KEY = "signs with its signature key"
    LONG_HASHES = "signs SHA-512 with its authentication key"
    PSS = "signs with PSS"
    TRIES = "tells how many tries are left"
    BLOCKING = "blocks its code"
    UNBLOCKING = "sets a new code with the PUK"
    DATA = "has data objects that can be read"
    CARD = "is a card, which can be pulled"


class Memory:
    """A ProfileStore for one test."""

    def __init__(self) -> None:
        self.profiles: dict[str, CardProfile] = {}

    def load(self, number: str) -> CardProfile | None:
        return self.profiles.get(number)

    def save(self, profile: CardProfile) -> None:
        self.profiles[profile.number] = profile

    def forget(self, number: str) -> None:
        self.profiles.pop(number, None)


@dataclass
class Subject:
    """A token under test. `card` and `pull` are there for cards."""

    open: Callable[[], Token]
    number: str
    card: ApduCard | None = None
    kind: str = "cps3"
    pull: Callable[[], None] | None = None
    opened: list[Token] = field(default_factory=list)

    def token(self) -> Token:
        """Open the token, anew each time."""
        token = self.open()
        self.opened.append(token)
        return token

    def close(self) -> None:
        for token in self.opened:
            token.close()

    @property
    def stands_verified(self) -> bool:
        """What the card itself says; a token that is none has nothing to leave open."""
        if self.card is None:
            return False
        answers = [self.card.process(bytes.fromhex(command)) for command in ASK_STATUS[self.kind]]
        return answers[-1:] == [b"\x90\x00"]


@dataclass(frozen=True)
class Given:
    """What makers may ask the test run for."""

    request: pytest.FixtureRequest
    folder: Path

    @property
    def data_dir(self) -> Path:
        return Path(shutil.copytree(self.request.getfixturevalue("made_folder"), self.folder / "data"))


@contextmanager
def in_process(given: Given, kind: str) -> Iterator[Subject]:
    with open_card_of_kind(given.data_dir, kind) as card:
        readers, store = VirtualReaders([card]), Memory()
        (state,) = readers.list_states()
        yield Subject(
            lambda: open_direct(readers.open_slot(state.name), card.atr, store, Deadline(10)),
            card.serial,
            card,
            kind,
            readers.remove,
        )


def virtual(given: Given) -> AbstractContextManager[Subject]:
    """A CPS3 in this process, directly."""
    return in_process(given, "cps3")


def cps4(given: Given) -> AbstractContextManager[Subject]:
    """A CPS4 in this process, directly."""
    return in_process(given, "cps4")


def contactless(given: Given) -> AbstractContextManager[Subject]:
    """A CPS3 near a reader in this process, directly."""
    return in_process(given, "cps3-contactless")


@dataclass
class Inserted:
    """The card that stays in the reader of the pcscd from test to test: pulling and inserting takes a while."""

    card: ApduCard
    reader: Reader
    codes: Codes

    def fresh(self) -> ApduCard:
        """The card as it was at first, wherever the last test has left it."""
        if not self.reader.has_card:
            self.reader.insert(self.card)
        self.card._memory.save_codes(self.codes)
        self.card.reset()
        return self.card


def in_pcscd(given: Given, kind: str = "cps3") -> tuple[ApduCard, Callable[[], CardSlot], Callable[[], None]]:
    """The card, a way to open a slot for it (each is one thread's), and a way to pull it."""
    inserted: Inserted = given.request.getfixturevalue("inserted")[kind]
    from drivers.pcsc.readers import PcscReaders  # noqa: PLC0415 - after the environment is set

    return inserted.fresh(), lambda: PcscReaders().open_slot(inserted.reader.name), inserted.reader.pull


@contextmanager
def through_pcscd(given: Given, kind: str) -> Iterator[Subject]:
    store = Memory()
    card, open_slot, pull = in_pcscd(given, kind)
    yield Subject(lambda: open_direct(open_slot(), card.atr, store, Deadline(20)), card.serial, card, kind, pull)


def pcsc(given: Given) -> AbstractContextManager[Subject]:
    """A CPS3 behind pcscd, directly."""
    return through_pcscd(given, "cps3")


def cps4_pcsc(given: Given) -> AbstractContextManager[Subject]:
    """A CPS4 behind pcscd, directly: pcscd chooses T=1."""
    return through_pcscd(given, "cps4")


@contextmanager
def opensc(given: Given) -> Iterator[Subject]:
    """The card behind pcscd, through OpenSC."""
    module = next((path for path in Path("/usr/lib").glob(f"*/{OPENSC}")), Path(OPENSC))
    card, open_slot, pull = in_pcscd(given)
    modules = CardModules(ModuleWorkers(named=(module,)))
    yield Subject(lambda: modules.open(open_slot(), Deadline(20)), card.serial, card, "cps3", pull)


@contextmanager
def softhsm(given: Given) -> Iterator[Subject]:
    """A SoftHSM2 token."""
    made: SoftHsm = given.request.getfixturevalue("made_softhsm")
    token = SoftHsm(Path(shutil.copytree(made.folder, given.folder / "token")), made.serial)
    token.configuration.write_text(token.configuration.read_text().replace(str(made.folder), str(token.folder)))
    tokens = ModuleTokens(ModuleWorkers(named=(token.module,), environment=token.env))
    (state,) = tokens.list_states()
    yield Subject(lambda: tokens.open_slot(state.name).open_token(Deadline(10)), token.serial)


@contextmanager
def in_store(given: Given, passphrase: str | None) -> Iterator[Subject]:
    """The keys of a structure in a folder of software keys."""
    folder = shutil.copytree(given.request.getfixturevalue("made_software")[passphrase], given.folder / "software")
    store = SoftwareStore(folder, given.request.getfixturevalue("software_secrets"))
    yield Subject(lambda: open_tokens(store)[0], open_tokens(store)[0].number)


def software(given: Given) -> AbstractContextManager[Subject]:
    """Software keys that a passphrase opens."""
    return in_store(given, "1234")


def software_key_store(given: Given) -> AbstractContextManager[Subject]:
    """Software keys that the system's key store opens."""
    return in_store(given, None)


Maker = Callable[[Given], AbstractContextManager[Subject]]
MAKERS: dict[Maker, frozenset[Ability]] = {
    virtual: frozenset(Ability) - {Ability.PSS},
    pcsc: frozenset(Ability) - {Ability.PSS},
    cps4: frozenset(Ability),
    cps4_pcsc: frozenset(Ability),
    contactless: frozenset({Ability.LONG_HASHES}),
    software: frozenset({Ability.CODE, Ability.SIGNATURE_KEY, Ability.LONG_HASHES, Ability.PSS}),
    software_key_store: frozenset({Ability.SIGNATURE_KEY, Ability.LONG_HASHES, Ability.PSS}),
    softhsm: frozenset({Ability.CODE, Ability.SIGNATURE_KEY, Ability.LONG_HASHES, Ability.UNBLOCKING}),
    opensc: frozenset({Ability.CODE, Ability.LONG_HASHES, Ability.BLOCKING, Ability.DATA, Ability.CARD}),
}
"""Software keys neither count tries nor have another way in. Of cards PSS is offered by the CPS4 alone; a contactless CPS3
has one key; SoftHSM2 neither counts tries nor is a card; of a CPS's keys OpenSC can use
the authentication key only, and it tells of the last try alone."""


def make(maker: Maker, given: Given) -> AbstractContextManager[Subject]:
    """Make the subject, with every token that it opened closed at its end."""

    @contextmanager
    def made() -> Iterator[Subject]:
        with maker(given) as subject:
            try:
                yield subject
            finally:
                with suppress(Exception):
                    subject.close()

    return made()
