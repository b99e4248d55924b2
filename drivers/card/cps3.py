"""The CPS3 as a token over any CardSlot: codes and signatures of an IAS-ECC card in T=0 terms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from drivers.base import CardSlot, Deadline, Digest, KeyInfo, PinKeeper, PinReader, PinStatus, Token
from drivers.card import apdu
from drivers.card.apdu import Answer, Channel
from drivers.card.files import select, select_master_file
from drivers.card.profile import CardKey, CardProfile, PinFile, ProfileStore
from drivers.card.reading import read_profile
from drivers.card.signatures import encode_digest_info, is_signature_of
from drivers.card.tlv import encode_tlv
from drivers.errors import (
    CardError,
    CardRemovedError,
    CardUnknownError,
    DriverError,
    NotSupportedError,
    PinBlockedError,
    PinFormatError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pin import Pin

# MANAGE SECURITY ENVIRONMENT: set for computation (ISO 7816-4 §11.5.11)
MSE_SET = 0x41
CRT_AUTHENTICATION, CRT_SIGNATURE = 0xA4, 0xB6
TAG_KEY_REFERENCE, TAG_ALGORITHM = 0x84, 0x80
# PERFORM SECURITY OPERATION: compute digital signature (ISO 7816-8 §11.4)
PSO_SIGNATURE, PSO_HASH_VALUE = 0x9E, 0x9A
# RESET RETRY COUNTER: new reference data only (ISO 7816-4 §11.5.10)
RESET_WITH_NEW_CODE = 0x02
# Status words after which the card's memory may have changed (ISO 7816-4 §5.6: 65xx) or nothing is known (6Fxx)
SW1_STATE_UNKNOWN = (0x65, 0x6F)


def open_cps3(slot: CardSlot, store: ProfileStore, deadline: Deadline) -> Cps3Token:
    """Recognise or read the card in the slot. Raises what read_profile raises."""
    profile, events = read_profile(slot, store, deadline)
    return Cps3Token(slot, store, profile, events)


class Cps3Token(Token, PinReader, PinKeeper):
    """One CPS3 as long as it stays in its reader; every call is one transaction, after which the card is as closed.

    A card found verified is left so; any other is reset when a code was sent to it.
    """

    def __init__(self, slot: CardSlot, store: ProfileStore, profile: CardProfile, events: int) -> None:
        self.slot = slot
        self.profile = profile
        self.number = profile.number
        self.label = profile.label
        self.generation = profile.generation
        self.keys = tuple(key.info() for key in profile.keys)
        self._store = store
        self._events: int | None = events
        self._seen_open = False

    def read_pin_status(self, deadline: Deadline) -> PinStatus:
        """SELECT MF, VERIFY without data: two exchanges."""
        with self._transaction(deadline) as channel:
            self._select_code(channel)
            status = self._pin_status(channel)
        self._seen_open = status.verified
        return status

    def verify_pin(self, pin: Pin, deadline: Deadline) -> None:
        """SELECT MF, VERIFY, reset."""
        _require_length(pin, self.profile.pin)
        with self._transaction(deadline) as channel:
            self._verify(channel, pin)

    def change_pin(self, old: Pin, new: Pin, deadline: Deadline) -> None:
        """SELECT MF, VERIFY, CHANGE REFERENCE DATA with old and new code, reset."""
        code = self.profile.pin
        _require_length(old, code)
        _require_length(new, code)
        with self._transaction(deadline) as channel:
            self._verify(channel, old)
            change = (apdu.INS_CHANGE_REFERENCE_DATA, 0x00, code.reference)
            _require_code_set(channel, change, (old, new), code)

    def unblock_pin(self, puk: Pin, new: Pin, deadline: Deadline) -> None:
        """SELECT MF, VERIFY of the PUK, RESET RETRY COUNTER with the new code, reset."""
        code, unblocking = self.profile.pin, self.profile.puk
        if unblocking is None:
            raise NotSupportedError("the card names no unblocking code")
        _require_length(puk, unblocking)
        _require_length(new, code)
        with self._transaction(deadline) as channel:
            self._select_code(channel)
            channel.connection.reset_at_end(True)  # always: nobody had left the card open to the PUK
            answer = _send_codes(channel, (apdu.INS_VERIFY, 0x00, unblocking.reference), (puk,), unblocking)
            _require_code_accepted(answer)
            reset = (apdu.INS_RESET_RETRY_COUNTER, RESET_WITH_NEW_CODE, code.reference)
            _require_code_set(channel, reset, (new,), code)

    def sign(self, key: KeyInfo, digest: Digest, pin: Pin, deadline: Deadline) -> bytes:
        """Six exchanges: SELECT MF, VERIFY, SELECT DF, MSE, the signing command and its GET RESPONSE."""
        card_key = self._card_key(key)
        if digest.algorithm not in card_key.algorithms:
            raise NotSupportedError(f"the {card_key.role} key of this card does not sign {digest.algorithm}")
        _require_length(pin, self.profile.pin)
        with self._transaction(deadline) as channel:
            self._verify(channel, pin)
            select(channel, self.profile.application_path)
            signature = _compute(channel, card_key, digest)
        if not is_signature_of(card_key.certificate_der, digest, signature):
            self._disown()
            raise CardUnknownError("the signature does not match the certificate that was read from this card")
        return signature

    def _disown(self) -> None:
        """What was read of the card is wrong: have it read again, and be of no use until then."""
        self._store.forget(self.number)
        self._events = None

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
            yield Channel(connection, deadline)

    def _verify(self, channel: Channel, pin: Pin) -> None:
        """Send the code, whatever the card's state: another program may have left it verified.

        Before that, provide for the card to be closed behind us, unless it was open before.
        """
        code = self.profile.pin
        self._select_code(channel)
        self._seen_open = self._seen_open and self._pin_status(channel).verified
        channel.connection.reset_at_end(not self._seen_open)
        _require_code_accepted(_send_codes(channel, (apdu.INS_VERIFY, 0x00, code.reference), (pin,), code))

    def _select_code(self, channel: Channel) -> None:
        """Bit 8 of a reference says that the code belongs to the application (ISO 7816-4 §11.5.1)."""
        if self.profile.pin.reference & 0x80:
            select(channel, self.profile.application_path)
        else:
            select_master_file(channel)

    def _pin_status(self, channel: Channel) -> PinStatus:
        code = self.profile.pin
        answer = channel.command(apdu.INS_VERIFY, 0x00, code.reference)
        verified = answer.sw == apdu.SW_OK
        tries = None if verified else _tries_left(answer.sw)
        return PinStatus(tries, verified, code.min_length, code.max_length)


def _tries_left(sw: int) -> int:
    """Tries of a 63Cx or 6983 answer to VERIFY. Raises CardError for any other."""
    if sw & 0xFFF0 == 0x63C0:
        return sw & 0x000F
    if sw in (apdu.SW_AUTH_BLOCKED, apdu.SW_DATA_INVALIDATED):
        return 0
    raise CardError(f"VERIFY: the card answered {sw:04X}", sw=sw)


def _require_code_accepted(answer: Answer) -> None:
    if answer.sw == apdu.SW_OK:
        return
    tries = _tries_left(answer.sw)
    if not tries:
        raise PinBlockedError(sw=answer.sw)
    raise PinWrongError(tries_left=tries, sw=answer.sw)


def _require_code_set(channel: Channel, header: tuple[int, int, int], codes: tuple[Pin, ...], code: PinFile) -> None:
    """Send a command that sets a code. Raises PinUncertainError when nobody can tell whether the card has done it."""
    channel.require_time()  # nothing was sent then
    try:
        answer = _send_codes(channel, header, codes, code)
        if answer.sw >> 8 in SW1_STATE_UNKNOWN:
            raise CardError(f"the card answered {answer.sw:04X}", sw=answer.sw)
    except PinFormatError:
        raise  # wiped before it was sent
    except DriverError as error:
        raise PinUncertainError(native=error.native) from error
    _require_code_accepted(answer)


def _require_length(pin: Pin, code: PinFile) -> None:
    if not code.min_length <= len(pin) <= code.max_length:
        raise PinFormatError(f"this code has {code.min_length} to {code.max_length} digits")


def _send_codes(channel: Channel, header: tuple[int, int, int], codes: tuple[Pin, ...], code: PinFile) -> Answer:
    """Send a command with one or two codes in its data, and wipe it afterwards."""
    command = bytearray([0x00, *header, 0x00])
    try:
        for pin in codes:
            start = len(command)
            pin.append_to(command)
            if code.padding is not None:
                command += bytes([code.padding]) * (code.stored_length - (len(command) - start))
        command[4] = len(command) - 5
        return channel.send(command)
    finally:
        command[:] = bytes(len(command))


def _compute(channel: Channel, key: CardKey, digest: Digest) -> bytes:
    algorithm = key.algorithms[digest.algorithm]
    reference = encode_tlv(TAG_KEY_REFERENCE, bytes([key.reference])) + encode_tlv(TAG_ALGORITHM, bytes([algorithm]))
    if key.takes_hash:
        _set_environment(channel, CRT_SIGNATURE, reference)
        command = (apdu.INS_PERFORM_SECURITY_OPERATION, PSO_SIGNATURE, PSO_HASH_VALUE, digest.value)
    else:
        _set_environment(channel, CRT_AUTHENTICATION, reference)
        command = (apdu.INS_INTERNAL_AUTHENTICATE, 0x00, 0x00, encode_digest_info(digest))
    return channel.command(*command).require("signature")


def _set_environment(channel: Channel, template: int, references: bytes) -> None:
    channel.command(apdu.INS_MANAGE_SECURITY_ENVIRONMENT, MSE_SET, template, references).require("MSE")
