"""The blocks by which a reader has codes typed on its own keys (PC/SC part 10, v2.02.09 §2.5.2 to §2.5.4).

Their numbers are little-endian, as in the USB messages (CCID 1.1 §6.1.11) that they become.
"""

from __future__ import annotations

import struct

from drivers.card.apdu import Answer
from drivers.card.profile import PinFile
from drivers.errors import CardError, NotSupportedError, PadCancelledError, PadRefusedError

ENTRY_S = 30
"""How long the reader waits for a code at most, and for the next key."""

# bmFormatString: positions in bytes, the code at the start of the data, justified left, in ASCII
FORMAT_ASCII_LEFT = 0x80 | 0x02
# bEntryValidationCondition: the person presses the validation key
VALIDATED_BY_KEY = 0x02
# bConfirmPIN: the new code is typed twice; the old one is asked for before
CONFIRM_NEW, ASK_OLD = 0x01, 0x02
# Prompts that every reader with a display has: enter the code, enter a new code, enter it again
MESSAGE_ENTER, MESSAGE_NEW, MESSAGE_AGAIN = 0, 1, 2
LANGUAGE_FRENCH = 0x040C
NO_PROLOGUE = bytes(3)  # of T=1 blocks, which the reader or its driver makes itself

VERIFY = struct.Struct("<BBBBBHBBHB3sI")
MODIFY = struct.Struct("<BBBBBBBHBBBHBBB3sI")

MAX_BLOCK = 15

# Status words of the reader itself (§2.5.2), beside those of the card
SW_TIMED_OUT, SW_CANCELLED, SW_CODES_DIFFER, SW_LENGTH = 0x6400, 0x6401, 0x6402, 0x6403
SW_BAD_BLOCK = 0x6B80
REFUSALS = {
    SW_TIMED_OUT: "nothing was typed on the reader in time",
    SW_CANCELLED: "the person cancelled at the reader",
    SW_CODES_DIFFER: "the two new codes typed on the reader differ",
    SW_LENGTH: "what was typed on the reader is too short or too long",
}
# What a card answers when a reader has sent it something else than the command: a feature list that lies
SW_UNSUITABLE = (0x6700, 0x6D00, 0x6E00, SW_BAD_BLOCK)


class PadUnableError(NotSupportedError):
    """The reader has no keys to type codes on, or none that do what is wanted with this card: nothing was done."""


def encode_verify(header: bytes, code: PinFile, time_s: float) -> bytes:
    """PIN_VERIFY around a command of which the reader fills in the code, and Lc where its length varies."""
    timeout = _timeout(time_s, 1)
    block_size = _block_size(code)
    data = _template(header, code, 1)
    limits = code.min_length << 8 | code.max_length
    return (
        VERIFY.pack(
            timeout, timeout, FORMAT_ASCII_LEFT, block_size, 0, limits, VALIDATED_BY_KEY,
            1, LANGUAGE_FRENCH, MESSAGE_ENTER, NO_PROLOGUE, len(data),
        )
        + data
    )  # fmt: skip


def encode_modify(header: bytes, code: PinFile, time_s: float, *, asks_old: bool) -> bytes:
    """PIN_MODIFY around a command that takes the new code, after the old one where that is asked for.

    Of codes without padding the reader sends one after the other, both insertion offsets being 0: so do the drivers of
    other cards; unverified with a CPS.
    """
    questions = 3 if asks_old else 2
    timeout = _timeout(time_s, questions)
    block_size = _block_size(code)
    data = _template(header, code, 2 if asks_old else 1)
    limits = code.min_length << 8 | code.max_length
    prompts = (MESSAGE_ENTER, MESSAGE_NEW, MESSAGE_AGAIN) if asks_old else (MESSAGE_NEW, MESSAGE_AGAIN, 0)
    return (
        MODIFY.pack(
            timeout, timeout, FORMAT_ASCII_LEFT, block_size, 0, 0, block_size if asks_old else 0, limits,
            CONFIRM_NEW | (ASK_OLD if asks_old else 0), VALIDATED_BY_KEY,
            questions, LANGUAGE_FRENCH, *prompts, NO_PROLOGUE, len(data),
        )
        + data
    )  # fmt: skip


def require_pad_answer(answer: bytes) -> Answer:
    """The card's answer to what was typed. Raises PadRefusedError, PadUnableError, CardError."""
    if len(answer) != 2:
        raise CardError("the reader gave no status word")
    sw = int.from_bytes(answer)
    if sw in REFUSALS:
        kind = PadCancelledError if sw == SW_CANCELLED else PadRefusedError
        raise kind(REFUSALS[sw], native=sw)
    if sw in SW_UNSUITABLE:
        raise PadUnableError(f"the reader's keys are of no use with this card (it answered {sw:04X})", native=sw)
    return Answer(b"", sw)


def _timeout(time_s: float, questions: int) -> int:
    """Whole seconds for each code, so that the reader gives up before the call does."""
    return max(1, min(ENTRY_S, int(time_s / questions)))


def _block_size(code: PinFile) -> int:
    """The length to which codes are filled up, or 0: as long as what is typed (bmPINBlockString)."""
    if code.padding is None:
        return 0
    if not code.max_length <= code.stored_length <= MAX_BLOCK:
        raise PadUnableError("codes of this card are longer than what a reader's keys take")
    return code.stored_length


def _template(header: bytes, code: PinFile, count: int) -> bytes:
    filling = b"" if code.padding is None else bytes([code.padding]) * (code.stored_length * count)
    return header + bytes([len(filling)]) + filling
