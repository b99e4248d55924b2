"""Chips that are no CPS: other cards, of which a reader sees the ATR and refusals, and one that does not answer."""

from __future__ import annotations

from drivers.virtual.apdu import HEADER_LENGTH
from drivers.virtual.chip import Chip
from drivers.virtual.status import SW_CLA_NOT_SUPPORTED, SW_INS_NOT_SUPPORTED, SW_WRONG_LENGTH


class ForeignChip(Chip):
    """A card with that ATR that understands no command."""

    def __init__(self, atr: bytes) -> None:
        self.atr = atr

    def power_on(self) -> bytes:
        """Give the ATR."""
        return self.atr

    def power_off(self) -> None:
        """Nothing is remembered."""

    def reset(self) -> bytes:
        """Give the ATR."""
        return self.atr

    def process(self, apdu: bytes) -> bytes:
        """Refuse: by length, by class, by instruction."""
        if len(apdu) < HEADER_LENGTH:
            return SW_WRONG_LENGTH.to_bytes(2)
        return (SW_CLA_NOT_SUPPORTED if apdu[0] else SW_INS_NOT_SUPPORTED).to_bytes(2)


class MuteChip(ForeignChip):
    """A card that is upside down, dirty or broken: no ATR, and silence."""

    def __init__(self) -> None:
        super().__init__(b"")

    def process(self, apdu: bytes) -> bytes:  # noqa: ARG002 - the seam
        """Say nothing."""
        return b""
