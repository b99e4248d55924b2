"""A token behind a PKCS#11 module; signatures are RSASSA-PKCS1-v1_5 by CKM_RSA_PKCS over a DigestInfo made here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from drivers.base import (
    HASH_LENGTHS,
    NO_HASH,
    DataObject,
    DataReader,
    Deadline,
    Digest,
    KeyInfo,
    KeyRole,
    PinKeeper,
    PinReader,
    PinStatus,
    Token,
    Wanted,
    any_label,
)
from drivers.card.atr import generation_of
from drivers.card.signatures import certificate_role, encode_digest_info, is_authority, is_signature_of, require_room
from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardError,
    CardRemovedError,
    CardUnknownError,
    DriverError,
    KeyUnusableError,
    ModuleCrashedError,
    ModuleTimeoutError,
    NotSupportedError,
    PinUncertainError,
    ReaderExclusiveError,
    RetriableError,
)
from drivers.pin import Code, Pin
from drivers.pkcs11 import wire
from drivers.pkcs11.process import Worker
from drivers.pkcs11.reader import WAIT_S, CardReader
from drivers.pkcs11.results import tries_left

A = TypeVar("A", bound=wire.Answer)

CARD_HASHES = frozenset({"sha1", "sha256"})
"""What the signature key of a CPS takes; a token that is none signs every hash."""

OPENSC_SERIAL = re.compile("000001([0-9]{8})[0-9]F", re.IGNORECASE)
"""OpenSC tells the last 16 hex digits of EF.SN: the end of the issuer's number, the card's 8 digits, a check digit."""


def card_number(serial: str) -> str:
    """The key of a token: the 8 digits of EF.SN however a module spells them; anything else as it is."""
    found = OPENSC_SERIAL.fullmatch(serial.strip())
    return found[1] if found else serial.strip()


@dataclass(frozen=True, slots=True)
class Place:
    """A module's slot and the worker for it; `slot` is None when the module could not be listed.

    `reader` is where a card is, `events` its count, `generation` what its ATR says. Each call looks first
    whether the card is still there and free, and resets it after a code, since modules leave cards verified.
    """

    worker: Worker
    slot: int | None
    reader: CardReader | None = None
    events: int | None = None
    generation: str = ""


class Pkcs11Token(Token, PinReader, PinKeeper, DataReader):
    """One token as long as it stays where it is; every call goes to the worker of its place."""

    def __init__(self, place: Place, slot: int, opened: wire.Opened, timeout_s: float) -> None:
        self.number = card_number(opened.serial)
        self.label = opened.label
        self.generation = place.generation or opened.model
        self.access = place.worker.module.name
        self.look_timeout_s = self.use_timeout_s = timeout_s
        self.keys = _keys(opened, of_card=place.reader is not None)
        self.authorities_der = _authorities(opened)
        self._worker, self._slot, self._mark = place.worker, slot, opened.mark
        self._reader, self._events = place.reader, place.events

    def read_pin_status(self, deadline: Deadline) -> PinStatus:
        """C_GetTokenInfo: its flags tell only of the last try and of none."""
        with self._use(deadline):
            status = self._call(wire.TokenStatus, wire.ReadStatus(self._slot, self._mark), deadline)
        return PinStatus(tries_left(status), verified=False)

    def verify_pin(self, pin: Code, deadline: Deadline) -> None:
        """C_Login, C_Logout, and the reset of a card."""
        pin = _digits(pin)
        with self._use(deadline, secret=True):
            self._call(wire.Done, wire.CheckPin(self._slot, self._mark), deadline, pin)

    def change_pin(self, old: Code, new: Code, deadline: Deadline) -> None:
        """C_SetPIN."""
        old, new = _digits(old), _digits(new)
        with self._use(deadline, secret=True, sets=True), _doubt():
            self._call(wire.Done, wire.ChangePin(self._slot, self._mark), deadline, old, new)

    def unblock_pin(self, puk: Code, new: Code, deadline: Deadline) -> None:
        """C_Login as CKU_SO with the PUK, then C_InitPIN; not every module offers it for a CPS."""
        puk, new = _digits(puk), _digits(new)
        with self._use(deadline, secret=True, sets=True), _doubt():
            self._call(wire.Done, wire.UnblockPin(self._slot, self._mark), deadline, puk, new)

    def sign(self, key: KeyInfo, digests: Sequence[Digest], code: Code | None, deadline: Deadline) -> list[bytes]:
        """One login, and CKM_RSA_PKCS over each DigestInfo; see Token.

        A key that the module proves unable to use is not offered again.
        """
        pin, current = _digits(code), self._current(key)
        for digest in digests:
            if not current.signs(digest):
                raise NotSupportedError(f"{self.access} does not sign {digest.algorithm} with the {key.role} key")
            require_room(key.certificate_der, digest)
        if not digests:
            return []
        data = [encode_digest_info(digest) for digest in digests[: wire.MAX_SIGNATURES]]
        request = wire.Sign(self._slot, key.key_id, data, self._mark)
        with self._use(deadline, secret=True):
            try:
                signatures = self._call(wire.Signatures, request, deadline, pin).values
            except NotSupportedError as error:
                if any(digest.algorithm == NO_HASH for digest in digests):
                    raise  # it may be the value that is not supported
                self._give_up(key)
                raise KeyUnusableError(f"{self.access}: the {key.role} key: {error}") from error
        if len(signatures) > len(data):
            raise self._worker.confused()
        for digest, signature in zip(digests, signatures, strict=False):
            self._require_genuine(key, digest, signature)
        return signatures

    def _require_genuine(self, key: KeyInfo, digest: Digest, signature: bytes) -> None:
        if not is_signature_of(key.certificate_der, digest, signature):
            self._worker.end()
            raise CardUnknownError("the signature does not match the certificate that the module shows")

    def read_data_objects(
        self, code: Code | None, deadline: Deadline, wanted: Wanted = any_label
    ) -> tuple[DataObject, ...]:
        """The CKO_DATA that the module shows; it reads all of them at once."""
        codes = () if code is None else (_digits(code),)
        with self._use(deadline, secret=code is not None):
            items = self._call(wire.Data, wire.ReadData(self._slot, self._mark), deadline, *codes).items
        found = (DataObject(item.label, item.application, item.value, item.private) for item in items)
        return tuple(item for item in found if wanted(item.label))

    def close(self) -> None:
        """End the worker."""
        self._worker.end()

    def _call(self, kind: type[A], request: wire.Request, deadline: Deadline, *codes: Pin) -> A:
        answer = self._worker.call(request, deadline, codes)
        if not isinstance(answer, kind):
            raise self._worker.confused()
        return answer

    @contextmanager
    def _use(self, deadline: Deadline, *, secret: bool = False, sets: bool = False) -> Iterator[None]:
        """One call: the card is there and free before it; when a code went to it, it is closed behind it.

        `sets`: a code is set by it, which is done though the card be kept from its reset: nobody shall try again.
        """
        self._look(deadline)
        try:
            yield
        except BaseException as error:
            if secret:
                with contextlib.suppress(DriverError):
                    self._reset()
            if isinstance(error, CardError | ModuleCrashedError):
                self._look_again(error)
            raise
        if secret:
            with contextlib.suppress(*(DriverError,) * sets):
                self._reset()

    def _look(self, deadline: Deadline) -> None:
        if self._reader is None:
            return
        _, events = self._reader.look(deadline)
        if events != self._events:
            raise CardRemovedError

    def _look_again(self, error: DriverError) -> None:
        """Modules say little when a card is pulled (OpenSC: CKR_GENERAL_ERROR): raise what PC/SC says instead."""
        try:
            self._look(Deadline(WAIT_S))
        except (CardBusyError, ReaderExclusiveError):
            return
        except RetriableError as gone:
            raise gone from error

    def _reset(self) -> None:
        """Forget what was verified. A card that is gone has forgotten it; one that is kept from us is an error."""
        if self._reader is None:
            return
        try:
            self._reader.reset(self._events)
        except (CardBusyError, ReaderExclusiveError):
            self._worker.end()
            raise
        except RetriableError:
            self._worker.end()

    def _current(self, key: KeyInfo) -> KeyInfo:
        for known in self.keys:
            if known.key_id == key.key_id:
                return known
        raise NotSupportedError("no such key on this token")

    def _give_up(self, key: KeyInfo) -> None:
        self.keys = tuple(replace(k, hashes=frozenset()) if k.key_id == key.key_id else k for k in self.keys)


def _digits(code: Code | None) -> Pin:
    """A module gets digits: whether its reader has keys it does not tell us."""
    if isinstance(code, Pin):
        return code
    raise NotSupportedError("a PKCS#11 module takes digits, nothing typed on a reader")


@contextmanager
def _doubt() -> Iterator[None]:
    """A module that fails while it sets a code may have set it; of one that refuses we know at which step."""
    try:
        yield
    except (ModuleCrashedError, ModuleTimeoutError, CardRemovedError) as error:
        if isinstance(error, CardRemovedError) and error.native is not None:
            raise
        raise PinUncertainError(native=error.native) from error


def open_token(place: Place, timeout_s: float, deadline: Deadline) -> Pkcs11Token:
    """Open what is in that place now. Raises CardUnknownError when it shows no certificate of a key that signs."""
    slot = place.slot
    if slot is None:
        raise CardAbsentError
    if place.reader is not None:
        atr, events = place.reader.look(deadline)
        place = replace(place, events=events, generation=generation_of(atr))
    opened = place.worker.call(wire.OpenToken(slot), deadline)
    if not isinstance(opened, wire.Opened):
        raise place.worker.confused()
    token = Pkcs11Token(place, slot, opened, timeout_s)
    if not token.keys:
        raise CardUnknownError(f"{token.access} shows no certificate of a key that signs")
    return token


def _keys(opened: wire.Opened, *, of_card: bool) -> tuple[KeyInfo, ...]:
    """A key for each certificate that is no authority's: private keys themselves show only after the code."""
    keys: dict[bytes, KeyInfo] = {}
    for found in opened.certificates:
        with contextlib.suppress(CardUnknownError):
            if not is_authority(found.value):
                role = certificate_role(found.value)
                hashes = _hashes(role, of_card=of_card) if opened.signs else frozenset()
                keys.setdefault(found.key_id, KeyInfo(found.key_id, found.label, role, found.value, hashes))
    return tuple(sorted(keys.values(), key=lambda key: (key.role is not KeyRole.AUTHENTICATION, key.key_id)))


def _authorities(opened: wire.Opened) -> tuple[bytes, ...]:
    return tuple(found.value for found in opened.certificates if _is_readable_authority(found.value))


def _is_readable_authority(certificate_der: bytes) -> bool:
    try:
        return is_authority(certificate_der)
    except CardUnknownError:
        return False


def _hashes(role: KeyRole, *, of_card: bool) -> frozenset[str]:
    return CARD_HASHES if of_card and role is KeyRole.SIGNATURE else frozenset((*HASH_LENGTHS, NO_HASH))
