"""One tree of errors for every driver; the native code (hresult, CKR_*, status word) is kept as an attribute."""

from __future__ import annotations


class DriverError(Exception):
    """Anything that a reader, a card or a module refused or failed to do."""

    def __init__(self, message: str = "", *, native: int | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.native = native


class RetriableError(DriverError):
    """The same call may succeed later, once the named thing is back."""


class ServiceStoppedError(RetriableError):
    """The PC/SC service of the workstation is not running."""


class ReaderAbsentError(RetriableError):
    """No reader of that name is plugged in."""


class ReaderRemovedError(RetriableError):
    """The reader was unplugged while it was used."""


class ReaderExclusiveError(RetriableError):
    """Another program keeps the reader for itself."""


class CardBusyError(RetriableError):
    """Another program uses the card, and the call's deadline has passed."""


class CardAbsentError(RetriableError):
    """No card is in the reader."""


class CardRemovedError(RetriableError):
    """The card was pulled while it was used, or is another one than before."""


class CardMuteError(RetriableError):
    """The card does not answer: often upside down, dirty or broken."""


class ModuleAbsentError(RetriableError):
    """The PKCS#11 module is not there, or cannot be loaded."""


class ModuleCrashedError(RetriableError):
    """The PKCS#11 module ended the process that it was loaded in."""


class ModuleTimeoutError(RetriableError):
    """The PKCS#11 module did not answer in time; its process was ended."""


class CardError(DriverError):
    """The card answered with a status word that the operation does not expect."""

    def __init__(self, message: str = "", *, sw: int | None = None) -> None:
        super().__init__(message, native=sw)
        self.sw = sw


class CardUnknownError(CardError):
    """The card is not one of the CPS family, or its files cannot be understood."""


class NotCpsError(CardUnknownError):
    """The card is of another kind.

    `family` names it as drivers.card.atr does; `certain`: its ATR belongs to such cards alone.
    """

    def __init__(self, family: str, message: str = "", *, certain: bool = True) -> None:
        super().__init__(message or f"not a card of the CPS family ({family})")
        self.family = family
        self.certain = certain


class CardUpdateUnfinishedError(CardError):
    """An update of the card was interrupted (EF_ACTUA): it must be completed before use."""


class PinError(DriverError):
    """The token refused the code; `tries_left` is what its counter says now, None when it does not tell."""

    def __init__(self, message: str = "", *, tries_left: int | None, sw: int | None = None) -> None:
        super().__init__(message, native=sw)
        self.tries_left = tries_left


class PinWrongError(PinError):
    """The code is wrong."""


class PinBlockedError(PinError):
    """The code is blocked after too many wrong tries."""

    def __init__(self, message: str = "", *, sw: int | None = None) -> None:
        super().__init__(message, tries_left=0, sw=sw)


class PinUncertainError(DriverError):
    """The card may have taken the new code, or may not: its answer was lost."""


class PadRefusedError(DriverError):
    """The person cancelled at the reader, typed nothing in time, or typed two new codes that differ."""


class PadCancelledError(PadRefusedError):
    """The person pressed the reader's cancel key."""


class PinFormatError(DriverError):
    """The code has the wrong length or holds something else than digits; it never reached the card."""


class NotSupportedError(DriverError):
    """The card or the driver cannot do this, whatever the circumstances."""


class ContactlessError(NotSupportedError):
    """What was asked takes a card that is inserted: over the air a CPS has neither codes nor signature."""


class KeyUnusableError(NotSupportedError):
    """The PKCS#11 module has no way to sign with this key of the card; another way to the card may have."""
