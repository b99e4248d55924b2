"""A card of the CPS family as a token over any CardSlot; what is peculiar to one kind of card its Dialect knows."""

from __future__ import annotations

import functools
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from drivers.base import (
    CardSlot,
    DataEntry,
    DataObject,
    DataReader,
    Deadline,
    Digest,
    KeyInfo,
    Padding,
    PinKeeper,
    PinReader,
    PinStatus,
    Token,
    Wanted,
    any_label,
)
from drivers.card import apdu, codes
from drivers.card.apdu import Channel
from drivers.card.dialect import Dialect
from drivers.card.files import CardReading, Sight
from drivers.card.objects import CodedReading, Unlocking, list_private, read_private, read_public
from drivers.card.profile import CardKey, CardProfile, PinFile, ProfileStore
from drivers.card.signatures import is_signature_of, require_room
from drivers.errors import CardRemovedError, CardUnknownError, NotSupportedError
from drivers.pin import LONGEST, SHORTEST, Code, PadEntry, Pin

HOLD_S = 1.8
"""How long signing may hold the card; ending the transaction with a reset takes about 0.1 s more."""


class CpsToken(Token):
    """One card as long as it stays in its reader; every call is one transaction."""

    dialect: Dialect

    def __init__(self, slot: CardSlot, store: ProfileStore, profile: CardProfile, sight: Sight) -> None:
        self.slot = slot
        self.profile = profile
        self.number = profile.number
        self.label = profile.label
        self.generation = profile.generation
        self.keys = tuple(key.info() for key in profile.keys)
        self._store = store
        self._events: int | None = sight.events

    def sign(self, key: KeyInfo, digests: Sequence[Digest], code: Code | None, deadline: Deadline) -> list[bytes]:
        """As many as fit into HOLD_S by what the slowest of them took; see Token."""
        card_key = self._card_key(key)
        for digest in digests:
            if not card_key.info().signs(digest):
                raise NotSupportedError(f"the {card_key.role} key does not sign {digest.algorithm} ({digest.padding})")
            if digest.padding is Padding.PKCS1:
                require_room(key.certificate_der, digest)
        self._require_code(code)
        if not digests:
            return []
        with self._transaction(deadline) as channel:
            began = time.monotonic()
            self._unlock(channel, code)
            if isinstance(code, PadEntry):
                began = time.monotonic()  # a person was typing until now
            self.dialect.select_file(channel, self.profile.application_path)
            signatures = self._sign_while_time(channel, card_key, digests, began)
        for digest, signature in zip(digests, signatures, strict=False):
            self._require_genuine(card_key, digest, signature)
        return signatures

    def _sign_while_time(self, channel: Channel, key: CardKey, digests: Sequence[Digest], began: float) -> list[bytes]:
        signatures: list[bytes] = []
        slowest = 0.0
        for digest in digests:
            start = time.monotonic()
            if signatures and start + slowest > began + HOLD_S:
                break
            signatures.append(self.dialect.compute(channel, key, digest))
            slowest = max(slowest, time.monotonic() - start)
        return signatures

    def _require_genuine(self, key: CardKey, digest: Digest, signature: bytes) -> None:
        """What does not verify does not leave; what was read of the card is wrong then, and is read again."""
        if not is_signature_of(key.certificate_der, digest, signature):
            self._store.forget(self.number)
            self._events = None
            raise CardUnknownError("the signature does not match the certificate that was read from this card")

    @abstractmethod
    def _require_code(self, code: Code | None) -> None:
        """Raise NotSupportedError or PinFormatError for a code that this token does not take; nothing is sent."""

    @abstractmethod
    def _unlock(self, channel: Channel, code: Code | None) -> None:
        """Have the card take the code."""

    def _card_key(self, key: KeyInfo) -> CardKey:
        for card_key in self.profile.keys:
            if card_key.key_id == key.key_id:
                return card_key
        raise NotSupportedError("no such key on this card")

    @contextmanager
    def _transaction(self, deadline: Deadline) -> Iterator[Channel]:
        with self.slot.transaction(deadline) as connection:
            if connection.events != self._events:
                raise CardRemovedError
            yield self.dialect.open_channel(connection, deadline)


class CodedToken(CpsToken, PinReader, PinKeeper, DataReader):
    """A card with codes, as closed after every call as before.

    A card found verified is left so; any other is reset when a code was sent to it.
    """

    def __init__(self, slot: CardSlot, store: ProfileStore, profile: CardProfile, sight: Sight) -> None:
        super().__init__(slot, store, profile, sight)
        if profile.pin is None:
            raise CardUnknownError("the card names no code of its holder")
        if max(profile.pin.min_length, SHORTEST) > min(profile.pin.max_length, LONGEST):
            raise CardUnknownError("the card's code has a length that no code of a holder has")
        self.on_pad = sight.on_pad
        self._pin: PinFile = profile.pin
        self._seen_open = False

    def read_pin_status(self, deadline: Deadline) -> PinStatus:
        """Go to the root, VERIFY without data: two exchanges."""
        with self._transaction(deadline) as channel:
            self._select_code(channel)
            status = self._pin_status(channel)
        self._seen_open = status.verified
        return status

    def verify_pin(self, pin: Code, deadline: Deadline) -> None:
        """VERIFY, reset."""
        self._require_code(pin)
        with self._transaction(deadline) as channel:
            self._unlock(channel, pin)

    def read_data_objects(
        self, code: Code | None, deadline: Deadline, wanted: Wanted = any_label
    ) -> tuple[DataObject, ...]:
        """Public objects are read once, until the card's directory changes; that and private ones are with each code.

        See DataReader.
        """
        if code is not None:
            self._require_code(code)
        if self._events is None:
            raise CardRemovedError
        sight, before = Sight(self._events, self.on_pad), self.profile
        with CardReading(self.slot, self.dialect, deadline, sight=sight) as reading:
            self.profile, found = read_public(reading, before, wanted, anew=code is not None)
        self._remember(before)
        private = list_private(self.profile, wanted)
        if code is None or not private:
            return found
        unlocking = Unlocking(functools.partial(self._unlock, code=code), typed=isinstance(code, PadEntry))
        with CodedReading(self.slot, self.dialect, deadline, sight, unlocking) as coded:
            return found + read_private(coded, private)

    def list_data_objects(self, deadline: Deadline) -> tuple[DataEntry, ...]:
        """Private ones too: the directory that lists them is public. Read once, until the card leaves."""
        self.read_data_objects(None, deadline, _no_label)
        return tuple(DataEntry(each.label, each.application, each.private) for each in self.profile.objects or ())

    def _remember(self, before: CardProfile) -> None:
        """Keep what was read beside the rest, unless that has been forgotten meanwhile."""
        if self.profile != before and self._store.load(self.number) == before:
            self._store.save(self.profile)

    def change_pin(self, old: Code, new: Code, deadline: Deadline) -> None:
        """VERIFY, CHANGE REFERENCE DATA, reset. On a reader's keys one command may ask for both codes."""
        self._require_code(old)
        self._require_code(new)
        with self._transaction(deadline) as channel:
            self._require_pad_for_new_codes(channel)
            if isinstance(old, PadEntry) and self.dialect.change_tells_old:
                self._prepare(channel)
            else:
                self._unlock(channel, old)
            given = (old, new) if self.dialect.change_tells_old else (new,)
            codes.set_code(channel, self.dialect.change_command(self._pin), *given)

    def unblock_pin(self, puk: Code, new: Code, deadline: Deadline) -> None:
        """VERIFY of the PUK, RESET RETRY COUNTER, reset."""
        unblocking = self.profile.puk
        if unblocking is None:
            raise NotSupportedError("the card names no unblocking code")
        self._require_code(puk, unblocking)
        self._require_code(new)
        with self._transaction(deadline) as channel:
            self._require_pad_for_new_codes(channel)
            self._select_code(channel)
            channel.connection.reset_at_end(True)  # always: nobody had left the card open to the PUK
            codes.verify(channel, puk, unblocking)
            codes.set_code(channel, self.dialect.begin_reset(channel, self._pin), new)

    def _require_code(self, code: Code | None, file: PinFile | None = None) -> None:
        if not isinstance(code, PadEntry if self.on_pad else Pin):
            place = "on the keys of the reader" if self.on_pad else "on the computer"
            raise NotSupportedError(f"the codes of this card are typed {place}")
        codes.require_length(code, file or self._pin)

    def _require_pad_for_new_codes(self, channel: Channel) -> None:
        if self.on_pad:
            codes.require_pad(channel, replaces=True)

    def _unlock(self, channel: Channel, code: Code | None) -> None:
        """Send the code, whatever the card's state: another program may have left it verified."""
        assert code is not None
        self._prepare(channel)
        codes.verify(channel, code, self._pin)

    def _prepare(self, channel: Channel) -> None:
        """Provide for the card to be closed behind us, unless it was open before."""
        self._select_code(channel)
        self._seen_open = self._seen_open and self._pin_status(channel).verified
        channel.connection.reset_at_end(not self._seen_open)

    def _select_code(self, channel: Channel) -> None:
        """Bit 8 of a reference says that the code belongs to the application (ISO 7816-4 §11.5.1)."""
        if self._pin.reference & 0x80:
            self.dialect.enter(channel)
            self.dialect.select_file(channel, self.profile.application_path)
        else:
            self.dialect.select_root(channel)

    def _pin_status(self, channel: Channel) -> PinStatus:
        code = self._pin
        answer = channel.command(apdu.INS_VERIFY, 0x00, code.reference)
        verified = answer.sw == apdu.SW_OK
        tries = None if verified else codes.tries_left(answer.sw)
        return PinStatus(tries, verified, code.min_length, code.max_length)


def _no_label(_label: str) -> bool:
    return False
