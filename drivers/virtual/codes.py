"""VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER (ISO 7816-4 §11.6) with the counters of a CPS3."""

from __future__ import annotations

import hmac
from dataclasses import replace

from drivers.virtual.apdu import Command
from drivers.virtual.memory import Code, Codes, Memory
from drivers.virtual.pkcs15 import PIN_MAX_LENGTH, PIN_MIN_LENGTH, REF_PIN, REF_PUK
from drivers.virtual.status import (
    SW_CODE_BLOCKED,
    SW_REFERENCE_NOT_FOUND,
    SW_SECURITY_NOT_SATISFIED,
    SW_WRONG_CODE,
    SW_WRONG_DATA,
    SW_WRONG_LENGTH,
    SW_WRONG_P1P2,
    StatusError,
)

P1_PUK_AND_NEW_PIN = 0x00
P1_NEW_PIN = 0x02


class CodeKeeper:
    """Compare codes and count tries; what was verified is forgotten by `forget`, which a reset calls."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._verified: set[int] = set()

    @property
    def pin_verified(self) -> bool:
        """Whether the holder's code stands verified."""
        return REF_PIN in self._verified

    def forget(self) -> None:
        """Close the card."""
        self._verified.clear()

    def code(self, reference: int) -> Code:
        """The code with that reference. Raises StatusError(6A88)."""
        if reference not in (REF_PIN, REF_PUK):
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        return self._memory.codes.pin if reference == REF_PIN else self._memory.codes.puk

    def verify(self, command: Command) -> bytes:
        """20 00 ref: without data it tells the state and costs nothing."""
        _require_p1(command, 0x00)
        code = self.code(command.p2)
        if command.data:
            _require_length(command.data)
            self._compare(command.p2, command.data)
        elif command.p2 not in self._verified:
            raise StatusError(SW_WRONG_CODE | code.tries_left if code.tries_left else SW_CODE_BLOCKED)
        return b""

    def change(self, command: Command) -> bytes:
        """24 00 ref: old code, then new code; the length of the old one is the card's own."""
        _require_p1(command, 0x00)
        self._present_then_set(command.p2, command.p2, command.data)
        return b""

    def reset_retry_counter(self, command: Command) -> bytes:
        """2C 02 01: a new PIN after the PUK was verified; 2C 00 01: PUK, then new PIN."""
        _require_p1(command, P1_PUK_AND_NEW_PIN, P1_NEW_PIN)
        if command.p2 != REF_PIN:
            raise StatusError(SW_REFERENCE_NOT_FOUND)
        if command.p1 == P1_PUK_AND_NEW_PIN:
            self._present_then_set(REF_PUK, REF_PIN, command.data)
        elif REF_PUK not in self._verified:
            raise StatusError(SW_SECURITY_NOT_SATISFIED)
        else:
            self._set(REF_PIN, command.data)
        self._verified.discard(REF_PIN)
        return b""

    def _present_then_set(self, presented: int, changed: int, data: bytes) -> None:
        """Compare the head of the data with one code, then make the rest the value of that or another code."""
        length = len(self.code(presented).digits)
        if not PIN_MIN_LENGTH < len(data) <= 2 * PIN_MAX_LENGTH:
            raise StatusError(SW_WRONG_LENGTH)
        self._compare(presented, data[:length])
        self._set(changed, data[length:])

    def _compare(self, reference: int, digits: bytes) -> None:
        """Take one try off, on disk, before looking: a card whose power is cut has still spent it."""
        code = self.code(reference)
        if code.blocked:
            raise StatusError(SW_CODE_BLOCKED)
        self._verified.discard(reference)
        left = code.tries_left - 1
        self._save(reference, replace(code, tries_left=left))
        if not hmac.compare_digest(code.digits.encode(), digits):
            raise StatusError(SW_WRONG_CODE | left if left else SW_CODE_BLOCKED)
        self._save(reference, replace(code, tries_left=code.tries_allowed))
        self._verified.add(reference)

    def _set(self, reference: int, digits: bytes) -> None:
        _require_length(digits)
        if not digits.isdigit():
            raise StatusError(SW_WRONG_DATA)
        allowed = self.code(reference).tries_allowed
        self._save(reference, Code(digits.decode("ascii"), allowed, allowed))

    def _save(self, reference: int, code: Code) -> None:
        codes = self._memory.codes
        self._memory.save_codes(Codes(code, codes.puk) if reference == REF_PIN else Codes(codes.pin, code))


def _require_p1(command: Command, *allowed: int) -> None:
    if command.p1 not in allowed:
        raise StatusError(SW_WRONG_P1P2)


def _require_length(digits: bytes) -> None:
    if not PIN_MIN_LENGTH <= len(digits) <= PIN_MAX_LENGTH:
        raise StatusError(SW_WRONG_LENGTH)
