"""The ways to a card: directly over PC/SC, and through a PKCS#11 module where there is no direct way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.base import CardSlot, Deadline, Slot, Token, TokenSlot
from drivers.card.atr import CPS_FAMILY, CardFamily, identify_atr
from drivers.card.profile import ProfileStore
from drivers.errors import (
    CardError,
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
        from drivers.card.family import open_card  # noqa: PLC0415 - at the first card

        try:
            return open_card(slot, atr, self.store, deadline)
        except (NotSupportedError, CardError) as unable:
            if self.access == "direct" or not _a_module_may_know_better(atr, unable):
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


def _a_module_may_know_better(atr: bytes, unable: DriverError) -> bool:
    """A card of the family that the direct way does not understand.

    Of a CPS4, whose dialect nobody has tried on a real card yet, any answer that is not expected counts as that.
    """
    family = identify_atr(atr)
    if family is CardFamily.CPS4 and type(unable) is CardError:
        return True
    return family in CPS_FAMILY and isinstance(unable, NotSupportedError | CardUnknownError)
