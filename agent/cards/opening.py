"""The ways to a card: directly over PC/SC, and through a PKCS#11 module where there is no direct way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.base import CardSlot, Deadline, Slot, Token, TokenSlot
from drivers.card.atr import CPS_FAMILY, identify_atr
from drivers.card.family import open_card
from drivers.card.profile import ProfileStore
from drivers.errors import (
    CardUnknownError,
    DriverError,
    ModuleAbsentError,
    NotSupportedError,
    RetriableError,
)

if TYPE_CHECKING:
    from drivers.pkcs11.modules import CardModules


@dataclass(frozen=True, slots=True)
class CardOpener:
    """Open what is in a slot. `access`: "auto", "direct" or "modules", as in the settings."""

    store: ProfileStore
    card_modules: Callable[[], CardModules]
    access: str = "auto"

    def open(self, slot: Slot, atr: bytes, deadline: Deadline) -> Token:
        """Give the token of the slot. Raises DriverError."""
        if isinstance(slot, TokenSlot):
            return slot.open_token(deadline)
        if not isinstance(slot, CardSlot):
            raise NotSupportedError
        if self.access == "modules":
            return self.card_modules().open(slot, deadline)
        try:
            return open_card(slot, atr, self.store, deadline)
        except (NotSupportedError, CardUnknownError) as unable:
            if self.access == "direct" or identify_atr(atr) not in CPS_FAMILY:
                raise
            return self._open_by_module(slot, deadline, unable)

    def _open_by_module(self, slot: CardSlot, deadline: Deadline, unable: DriverError) -> Token:
        """What the direct way said tells more than a module that does not know the card either."""
        try:
            return self.card_modules().open(slot, deadline)
        except ModuleAbsentError as error:
            raise unable from error
        except RetriableError:
            raise
        except DriverError as error:
            raise unable from error
