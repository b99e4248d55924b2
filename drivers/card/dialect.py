"""What differs between the cards of the family once one speaks to them: a seam of few verbs, one class for each."""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.base import Connection, Deadline, Digest
from drivers.card import pkcs15
from drivers.card.apdu import Channel
from drivers.card.atr import CardFamily
from drivers.card.codes import CodeCommand
from drivers.card.files import CardReading, select
from drivers.card.profile import CardKey, PinFile

CONTACTLESS_AID_SUFFIX = bytes.fromhex("FF0020")

References = dict[str, int]
"""The algorithm reference that the card takes for each hash, named as hashlib does."""


class Dialect(ABC):
    """How to address, read and use one kind of card."""

    family: CardFamily
    cla: int = 0x00
    has_codes: bool = True
    change_tells_old: bool = True
    """Whether the command that changes the code holds the old one too."""

    def open_channel(self, connection: Connection, deadline: Deadline) -> Channel:
        """A channel with this card's class byte."""
        return Channel(connection, deadline, self.cla)

    def enter(self, channel: Channel) -> None:  # noqa: B027 - most cards find files by path from anywhere
        """Make files selectable by path, wherever another program has left the card."""

    @abstractmethod
    def select_root(self, channel: Channel) -> None:
        """Go where the codes are seen from."""

    def select_file(self, channel: Channel, path: bytes) -> None:
        """SELECT by path from the MF. Raises CardError."""
        select(channel, path)

    @abstractmethod
    def read_serial_file(self, reading: CardReading) -> bytes:
        """Read EF.SN."""

    @abstractmethod
    def require_no_update(self, reading: CardReading) -> None:
        """Raise CardUpdateUnfinishedError when an update of the card was interrupted."""

    @abstractmethod
    def list_applications(self, reading: CardReading) -> tuple[pkcs15.Application, ...]:
        """The applications that may hold the card's PKCS#15 files, the likeliest first."""

    @abstractmethod
    def reference_of(self, key: pkcs15.PrivateKey) -> int | None:
        """The key reference to use; None for a key that cannot sign."""

    @abstractmethod
    def algorithms_of(self, key: pkcs15.PrivateKey, info: pkcs15.TokenInfo) -> tuple[References, References]:
        """What the key signs, with PKCS#1 v1.5 and with PSS."""

    @abstractmethod
    def compute(self, channel: Channel, key: CardKey, digest: Digest) -> bytes:
        """Sign, the application being selected and the code verified. Raises CardError."""

    @abstractmethod
    def change_command(self, pin: PinFile) -> CodeCommand:
        """What replaces the code; unless it tells the old one, that was verified before."""

    @abstractmethod
    def begin_reset(self, channel: Channel, pin: PinFile) -> CodeCommand:
        """What sets a new code, the PUK having been verified; any other step of it is done here. Raises CardError."""


def told_references(key: pkcs15.PrivateKey, info: pkcs15.TokenInfo, mechanisms: dict[str, int]) -> References:
    """The references that EF.TokenInfo names for those mechanisms, as far as the key can use them."""
    usable = [a for a in info.algorithms if a.signs and (not key.algorithms or a.reference in key.algorithms)]
    told = {a.mechanism: a.card_reference for a in reversed(usable) if a.card_reference is not None}
    return {name: told[mechanism] for name, mechanism in mechanisms.items() if mechanism in told}
