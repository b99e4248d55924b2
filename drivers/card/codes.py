"""Codes on their way to a card (ISO 7816-4 §11.5): digits of a Pin, or typed on the reader; and what the card says."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.base import PinPad
from drivers.card import apdu
from drivers.card.apdu import Answer, Channel
from drivers.card.pad import PadUnableError, encode_modify, encode_verify, require_pad_answer
from drivers.card.profile import PinFile
from drivers.errors import (
    CardError,
    DriverError,
    PadRefusedError,
    PinBlockedError,
    PinFormatError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pin import Code, Pin

# Status words after which the card's memory may have changed (ISO 7816-4 §5.6: 65xx) or nothing is known (6Fxx)
SW1_STATE_UNKNOWN = (0x65, 0x6F)


@dataclass(frozen=True, slots=True)
class CodeCommand:
    """A command with one code or two in its data, each laid out as `code` says."""

    ins: int
    p1: int
    p2: int
    code: PinFile

    def header(self, channel: Channel) -> bytes:
        """CLA INS P1 P2."""
        return bytes([channel.cla, self.ins, self.p1, self.p2])


def tries_left(sw: int) -> int:
    """Tries of a 63Cx or 6983 answer to VERIFY. Raises CardError for any other."""
    if sw & 0xFFF0 == 0x63C0:
        return sw & 0x000F
    if sw in (apdu.SW_AUTH_BLOCKED, apdu.SW_DATA_INVALIDATED):
        return 0
    raise CardError(f"VERIFY: the card answered {sw:04X}", sw=sw)


def require_accepted(answer: Answer) -> None:
    """Raise PinWrongError, PinBlockedError or CardError unless the card took the code."""
    if answer.sw == apdu.SW_OK:
        return
    tries = tries_left(answer.sw)
    if not tries:
        raise PinBlockedError(sw=answer.sw)
    raise PinWrongError(tries_left=tries, sw=answer.sw)


def require_length(code: Code, file: PinFile) -> None:
    """Raise PinFormatError for a code that the card would not take: it is not sent. What is typed the reader checks."""
    if isinstance(code, Pin) and not file.min_length <= len(code) <= file.max_length:
        raise PinFormatError(f"this code has {file.min_length} to {file.max_length} digits")


def verify(channel: Channel, code: Code, file: PinFile) -> None:
    """VERIFY. Raises PinWrongError, PinBlockedError, PadRefusedError, CardError."""
    command = CodeCommand(apdu.INS_VERIFY, 0x00, file.reference, file)
    if isinstance(code, Pin):
        require_accepted(_send(channel, command, (code,)))
        return
    pad = require_pad(channel)
    channel.require_time()
    require_accepted(
        require_pad_answer(pad.verify_on_pad(encode_verify(command.header(channel), file, channel.time_s)))
    )


def set_code(channel: Channel, command: CodeCommand, *codes: Code) -> None:
    """Send a command that sets a code: the new one, or the old one and the new one.

    Raises PinUncertainError when nobody can tell whether the card has done it, and what `verify` raises.
    """
    channel.require_time()  # nothing was sent then
    try:
        answer = _send(channel, command, codes)
        if answer.sw >> 8 in SW1_STATE_UNKNOWN:
            raise CardError(f"the card answered {answer.sw:04X}", sw=answer.sw)
    except (PinFormatError, PadRefusedError, PadUnableError):
        raise  # it was not sent
    except DriverError as error:
        raise PinUncertainError(native=error.native) from error
    require_accepted(answer)


def require_pad(channel: Channel, *, replaces: bool = False) -> PinPad:
    """The reader's keys. Raises PadUnableError."""
    pad = channel.connection
    if not isinstance(pad, PinPad):
        raise PadUnableError("this reader has no keys to type a code on")
    if replaces and not pad.replaces_codes:
        raise PadUnableError("this reader takes a code on its keys, but cannot replace one")
    return pad


def _send(channel: Channel, command: CodeCommand, codes: tuple[Code, ...]) -> Answer:
    digits = [code for code in codes if isinstance(code, Pin)]
    if len(digits) == len(codes):
        return _send_digits(channel, command, digits)
    pad = require_pad(channel, replaces=True)
    block = encode_modify(command.header(channel), command.code, channel.time_s, asks_old=len(codes) > 1)
    return require_pad_answer(pad.modify_on_pad(block))


def _send_digits(channel: Channel, command: CodeCommand, codes: list[Pin]) -> Answer:
    """Send a command with one or two codes in its data, and wipe it afterwards."""
    apdu_bytes = bytearray(command.header(channel) + b"\x00")
    try:
        for pin in codes:
            start = len(apdu_bytes)
            pin.append_to(apdu_bytes)
            if command.code.padding is not None:
                filled = len(apdu_bytes) - start
                apdu_bytes += bytes([command.code.padding]) * (command.code.stored_length - filled)
        apdu_bytes[4] = len(apdu_bytes) - 5
        return channel.send(apdu_bytes)
    finally:
        apdu_bytes[:] = bytes(len(apdu_bytes))
