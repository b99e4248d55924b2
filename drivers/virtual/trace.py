"""A card under observation: APDUs written down with codes hidden, counted, and slowed to a real card's pace."""

from __future__ import annotations

import time
from collections.abc import Callable

from drivers.virtual.apdu import (
    HEADER_LENGTH,
    INS_CHANGE_REFERENCE_DATA,
    INS_RESET_RETRY_COUNTER,
    INS_VERIFY,
)
from drivers.virtual.chip import Chip

SECRET_INS = frozenset({INS_VERIFY, INS_CHANGE_REFERENCE_DATA, INS_RESET_RETRY_COUNTER})
HIDDEN = "****"


class TracedCard(Chip):
    """Pass everything to a card and count the APDUs and their bytes. `write` gets lines without their end."""

    def __init__(self, card: Chip, write: Callable[[str], None] | None = None, delay_s: float = 0.0) -> None:
        self._card = card
        self._write = write
        self._delay_s = delay_s
        self.atr = card.atr
        self.exchanges = 0
        self.bytes_to_card = 0
        self.bytes_from_card = 0

    def power_on(self) -> bytes:
        """Start afresh and give the ATR."""
        self._note("# power on")
        return self._card.power_on()

    def power_off(self) -> None:
        """Forget the session."""
        self._note("# power off")
        self._card.power_off()

    def reset(self) -> bytes:
        """Forget the session and give the ATR."""
        self._note("# reset")
        return self._card.reset()

    def process(self, apdu: bytes) -> bytes:
        """Answer one APDU, written down and counted."""
        self.exchanges += 1
        self.bytes_to_card += len(apdu)
        self._note(f"> {describe_command(apdu)}")
        if self._delay_s:
            time.sleep(self._delay_s)
        answer = self._card.process(apdu)
        self.bytes_from_card += len(answer)
        self._note(f"< {answer.hex(' ').upper()}")
        return answer

    def _note(self, line: str) -> None:
        if self._write:
            self._write(line)


def describe_command(apdu: bytes) -> str:
    """Hexadecimal text of a command, the data of code commands replaced by stars whatever its class byte."""
    head, data = apdu[: HEADER_LENGTH + 1], apdu[HEADER_LENGTH + 1 :]
    if len(apdu) > 1 and apdu[1] in SECRET_INS and data:
        return f"{head.hex(' ').upper()} {HIDDEN}"
    return apdu.hex(" ").upper()
