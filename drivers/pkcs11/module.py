"""A PKCS#11 module inside a worker process: the calls that the agent needs, in terms of python-pkcs11."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pkcs11
from pkcs11 import Attribute, CertificateType, Mechanism, ObjectClass, SlotFlag, TokenFlag

from drivers.pkcs11 import wire
from drivers.pkcs11.results import KEY_ABSENT, MODULE_UNLOADABLE

SIGN_S = 1.2
"""No signature is begun later than this after the first: the card stands open to other programs meanwhile."""


def load(path: str) -> Module | wire.Failed:
    """Load a library (C_Initialize), or say why it cannot be."""
    try:
        return Module(path)
    except pkcs11.PKCS11Error as error:
        return wire.Failed(MODULE_UNLOADABLE, str(error)[: wire.MAX_REASON] or _name(error))


class _Code:
    """A code as python-pkcs11 takes it: it calls `encode` and hands the buffer to C_Login, so that no copy is made."""

    def __init__(self, digits: bytearray) -> None:
        self._digits = digits

    def encode(self, _encoding: str) -> bytearray:
        return self._digits


class Module:
    """A loaded library. Its step is the call under way, for the sentence of an error."""

    def __init__(self, path: str) -> None:
        self._step = "C_Initialize"
        self._lib = pkcs11.lib(path)

    def answer(self, request: wire.Request, codes: Sequence[bytearray]) -> wire.Answer:
        """Do what is asked, or say what the module refused."""
        try:
            return self._answer(request, codes)
        except pkcs11.PinIncorrect as error:
            return wire.Failed(_name(error), self._step, self._status_after(request))
        except pkcs11.PKCS11Error as error:
            return wire.Failed(_name(error), self._step)

    def _status_after(self, request: wire.Request) -> wire.TokenStatus | None:
        """How many tries the token still gives, with a refused code: the holder's, or the security officer's."""
        if isinstance(request, wire.ListSlots):
            return None
        try:
            flags = self._token(request).flags
        except pkcs11.PKCS11Error:
            return None
        return officer_status(flags) if isinstance(request, wire.UnblockPin) else user_status(flags)

    def _answer(self, request: wire.Request, codes: Sequence[bytearray]) -> wire.Answer:
        if isinstance(request, wire.ListSlots):
            return self._list_slots()
        token = self._token(request)
        if isinstance(request, wire.Sign):
            return self._sign(request, token, *codes)
        ways: dict[type, Callable[..., wire.Answer]] = {
            wire.OpenToken: self._open_token,
            wire.ReadStatus: self._read_status,
            wire.CheckPin: self._check_pin,
            wire.ChangePin: self._change_pin,
            wire.UnblockPin: self._unblock_pin,
            wire.ReadData: self._read_data,
        }
        return ways[type(request)](token, *codes)

    def _read_status(self, token: Any) -> wire.TokenStatus:
        return user_status(token.flags)

    def _list_slots(self) -> wire.Slots:
        self._step = "C_GetSlotList"
        slots = [_slot_state(slot) for slot in self._lib.get_slots()[: wire.MAX_SLOTS]]
        return wire.Slots(self._lib.manufacturer_id, slots)

    def _open_token(self, token: Any) -> wire.Opened:
        self._step = "C_GetMechanismList"
        signs = Mechanism.RSA_PKCS in token.slot.get_mechanisms()
        with self._session(token) as session:
            self._step = "C_FindObjects"
            wanted = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
            found = [_certificate(each) for each in _objects(session, wanted)]
        return wire.Opened(
            label=token.label,
            serial=_serial(token),
            model=token.model,
            signs=signs,
            certificates=[each for each in found if 0 < len(each.key_id) <= wire.MAX_KEY_ID and each.value],
            mark=_mark(token),
        )

    def _check_pin(self, token: Any, code: bytearray) -> wire.Done:
        with self._session(token, user_pin=_Code(code)):
            return wire.Done()

    def _change_pin(self, token: Any, old: bytearray, new: bytearray) -> wire.Done:
        with self._session(token, rw=True, user_pin=_Code(old)) as session:
            self._step = "C_SetPIN"
            session.set_pin(_Code(old), _Code(new))
        return wire.Done()

    def _unblock_pin(self, token: Any, puk: bytearray, new: bytearray) -> wire.Done:
        with self._session(token, rw=True, so_pin=_Code(puk)) as session:
            self._step = "C_InitPIN"
            session.init_pin(_Code(new))
        return wire.Done()

    def _sign(self, request: wire.Sign, token: Any, code: bytearray) -> wire.Signatures | wire.Failed:
        with self._session(token, user_pin=_Code(code)) as session:
            self._step = "C_FindObjects"
            wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: request.key_id}
            key = next(iter(session.get_objects(wanted)), None)
            if key is None:
                return wire.Failed(KEY_ABSENT, self._step)
            self._step = "C_Sign"
            return wire.Signatures(_sign_while_time(key, request.data))

    def _read_data(self, token: Any, *codes: bytearray) -> wire.Data:
        login = {"user_pin": _Code(codes[0])} if codes else {}
        with self._session(token, **login) as session:
            self._step = "C_FindObjects"
            return wire.Data([_data_item(each) for each in _objects(session, {Attribute.CLASS: ObjectClass.DATA})])

    def _token(self, request: wire.TokenRequest) -> Any:
        """The token that is meant, with its flags of now (C_GetTokenInfo).

        C_GetSlotList first: without it OpenSC does not notice a card that is back.
        """
        self._step = "C_GetSlotList"
        found = next((each for each in self._lib.get_slots() if each.slot_id == request.slot), None)
        if found is None:
            raise pkcs11.SlotIDInvalid
        self._step = "C_GetTokenInfo"
        token = found.get_token()
        if request.mark not in ("", _mark(token)):
            raise pkcs11.SlotIDInvalid
        return token

    @contextmanager
    def _session(self, token: Any, **login: Any) -> Iterator[Any]:
        """A session that ends, logged out, with the block."""
        self._step = "C_Login" if "user_pin" in login or "so_pin" in login else "C_OpenSession"
        session = token.open(**login)
        try:
            yield session
        finally:
            session.close()


def _sign_while_time(key: Any, data: Sequence[bytes]) -> list[bytes]:
    """C_Sign over one after the other, at least one, until the card has been kept open long enough."""
    end = time.monotonic() + SIGN_S
    signatures: list[bytes] = []
    for each in data:
        if signatures and time.monotonic() >= end:
            break
        signatures.append(key.sign(each, mechanism=Mechanism.RSA_PKCS))
    return signatures


def user_status(flags: TokenFlag) -> wire.TokenStatus:
    """What a token's flags say of the holder's code."""
    return wire.TokenStatus(
        count_low=TokenFlag.USER_PIN_COUNT_LOW in flags,
        final_try=TokenFlag.USER_PIN_FINAL_TRY in flags,
        locked=TokenFlag.USER_PIN_LOCKED in flags,
        initialized=TokenFlag.USER_PIN_INITIALIZED in flags,
    )


def officer_status(flags: TokenFlag) -> wire.TokenStatus:
    """The same of the security officer's, a card's PUK: the holder's is blocked when it is asked for."""
    return wire.TokenStatus(
        count_low=TokenFlag.SO_PIN_COUNT_LOW in flags,
        final_try=TokenFlag.SO_PIN_FINAL_TRY in flags,
        locked=TokenFlag.SO_PIN_LOCKED in flags,
        initialized=True,
    )


def _name(error: pkcs11.PKCS11Error) -> str:
    """Name of the CKR_ code; python-pkcs11 has only the number of those that it does not know."""
    number = re.search(r"0x[0-9a-f]+", str(error))
    return number.group() if number else type(error).__name__


def _serial(token: Any) -> str:
    return str(token.serial.decode("ascii", "replace"))


def _mark(token: Any) -> str:
    return "\n".join((token.slot.slot_description, token.label, _serial(token)))


def _slot_state(slot: Any) -> wire.SlotState:
    state = wire.SlotState(
        slot=slot.slot_id,
        description=slot.slot_description,
        removable=SlotFlag.REMOVABLE_DEVICE in slot.flags,
    )
    if SlotFlag.TOKEN_PRESENT not in slot.flags:
        return state
    try:
        token = slot.get_token()
    except pkcs11.PKCS11Error:  # a card that the module does not know, or one that was just pulled
        return state
    if TokenFlag.TOKEN_INITIALIZED not in token.flags:
        return state
    return wire.SlotState(state.slot, state.description, state.removable, token.label, _serial(token))


def _objects(session: Any, wanted: dict[Attribute, Any]) -> list[Any]:
    found = []
    for each in session.get_objects(wanted):
        found.append(each)
        if len(found) == wire.MAX_OBJECTS:
            break
    return found


def _certificate(each: Any) -> wire.CertificateObject:
    return wire.CertificateObject(
        key_id=_read(each, Attribute.ID, b""),
        label=_read(each, Attribute.LABEL, ""),
        value=_read(each, Attribute.VALUE, b""),
    )


def _data_item(each: Any) -> wire.DataItem:
    return wire.DataItem(
        label=_read(each, Attribute.LABEL, ""),
        application=_read(each, Attribute.APPLICATION, ""),
        value=_read(each, Attribute.VALUE, b""),
        private=_read(each, Attribute.PRIVATE, False),
    )


def _read(each: Any, attribute: Attribute, default: Any) -> Any:
    """An attribute, or the default where the module has none, keeps it to itself, or lies about its size."""
    try:
        value = each[attribute]
    except (pkcs11.PKCS11Error, UnicodeDecodeError):
        return default
    if isinstance(value, bytes | str) and len(value) > wire.MAX_VALUE:
        return default
    return value if isinstance(value, type(default)) else default
