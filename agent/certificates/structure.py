"""The structure that a certificate names: whom an employee works for, and all that a card without a name tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agent.certificates.identifiers import Identifier, IdentifierKind, employer_of, read_structure_id

LABELS = {
    IdentifierKind.ADELI_PRACTICE: "cabinet ADELI",
    IdentifierKind.FINESS: "FINESS",
    IdentifierKind.SIREN: "SIREN",
    IdentifierKind.SIRET: "SIRET",
    IdentifierKind.RPPS_PRACTICE: "cabinet RPPS",
}
"""French words, as table G07 has them."""

TEST_DOMAIN = "TEST"
"""What certificates before IGC-Santé have for an organisation, whoever their subject works for."""


@dataclass(frozen=True, slots=True)
class Structure:
    """`id`: IdNat_Struct, as the certificate has it or as the register's number in its CN begins."""

    name: str | None
    id: str | None

    @property
    def identifier(self) -> Identifier | None:
        """The identifier with its kind and its key: FINESS, SIREN, SIRET, or of a practice with ADELI or RPPS."""
        return read_structure_id(self.id) if self.id is not None else None

    @property
    def display_name(self) -> str:
        """Its name, or else its identifier."""
        if self.name or self.identifier is None:
            return self.name or ""
        return f"{LABELS.get(self.identifier.kind, '')} {self.identifier.value}".strip()


def is_structure_id(text: str) -> bool:
    """Whether this has the form of an IdNat_Struct, whatever its key."""
    return read_structure_id(text).kind is not IdentifierKind.OTHER


def read_structure(organisation: str | None, units: Iterable[str], national_id: str | None) -> Structure | None:
    """The structure of a subject by its O, its OUs and its CN, or None: a professional's card names none."""
    found = next((unit for unit in units if is_structure_id(unit)), None) or employer_of(national_id or "")
    if found is None and "/" not in (national_id or ""):
        return None
    name = organisation if organisation != TEST_DOMAIN else None
    return Structure(name, found) if name or found else None
