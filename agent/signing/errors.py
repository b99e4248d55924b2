"""Why something was not signed, apart from cards and people: it travels from the worker to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class SigningError(Exception):
    """`document`: the name of the one at fault, where it is one of several. The message is for a developer."""

    def __init__(self, message: str = "", document: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.document = document


class TermsRefusedError(SigningError):
    """What is asked does not fit together: a packaging or level that the format lacks, an option of another format."""


class DocumentRefusedError(SigningError):
    """The document is not what the format signs, is damaged, or holds what is never taken (a DTD, an entity…)."""


class EnvelopeRefusedError(SigningError):
    """The caller's SOAP message cannot take an assertion: SOAP 1.1, one in it already, two Security headers."""


class TimeStampUnsetError(SigningError):
    """A level needs a time-stamp and the settings name no authority for them."""


class TimeStampError(SigningError):
    """The time-stamp authority did not answer, or not with a time-stamp that holds (RFC 3161)."""


class EvidenceError(SigningError):
    """A level needs evidence that no certificate of the chain is revoked, and some of it cannot be had."""


class RevokedError(EvidenceError):
    """The evidence is there, and says that a certificate is revoked: the signer's, an authority's, or who stamps."""


@dataclass(frozen=True, slots=True)
class Place:
    """A structure that a card names: IdNat_Struct, name, sector (R02)."""

    id: str
    name: str | None
    sector: str | None


class StructureRefusedError(SigningError):
    """The structure that is to be asserted is not on the card, or not the only one there; `places` are all of them."""

    def __init__(self, message: str, places: Sequence[Place]) -> None:
        super().__init__(message)
        self.places = tuple(places)

    def without_places(self) -> StructureRefusedError:
        """The same for somebody who may not know where the holder works."""
        return StructureRefusedError(str(self), ())


class WorkshopError(SigningError):
    """The process that writes signatures ended, or took too long."""


class VerifierBusyError(Exception):
    """So many signatures are being verified that no more documents are taken in."""


BY_NAME: Final = {
    kind.__name__: kind
    for kind in (
        TermsRefusedError,
        DocumentRefusedError,
        EnvelopeRefusedError,
        TimeStampUnsetError,
        TimeStampError,
        EvidenceError,
        RevokedError,
    )
}
