"""The structure that a certificate names: whom an employee works for, and all that a card without a name tells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

STRUCTURE_ID = re.compile(r"0[0-9A-Z]{9,11}|1[0-9][0-9AB][0-9]{7}|2[0-9]{9}|3[0-9]{14}|4[0-9]{14}")
"""IdNat_Struct (nomenclature G07): a digit that tells what follows, by the lengths of the identifiers."""

KINDS = {"0": "cabinet ADELI", "1": "FINESS", "2": "SIREN", "3": "SIRET", "4": "cabinet RPPS"}
REGISTERS = {"1": "0", "3": "1", "4": "2", "5": "3", "6": "4"}
"""IdNat_PS of a register (G08) to the structure that keeps it (G07)."""

TEST_DOMAIN = "TEST"
"""What certificates before IGC-Santé have for an organisation, whoever their subject works for."""


@dataclass(frozen=True, slots=True)
class Structure:
    """`id`: IdNat_Struct, as the certificate has it or as the register's number in its CN begins."""

    name: str | None
    id: str | None

    @property
    def kind(self) -> str | None:
        """What the identifier is: FINESS, SIREN, SIRET, or the number of a practice (cabinet) with ADELI or RPPS."""
        return KINDS[self.id[0]] if self.id is not None else None

    @property
    def number(self) -> str | None:
        """The identifier without the digit that tells its kind."""
        return self.id[1:] if self.id is not None else None

    @property
    def display_name(self) -> str:
        """Its name, or else its identifier."""
        return self.name or f"{self.kind} {self.number}"


def is_structure_id(text: str) -> bool:
    """Whether this has the form of an IdNat_Struct; keys are not checked."""
    return STRUCTURE_ID.fullmatch(text) is not None


def read_structure(organisation: str | None, units: Iterable[str], national_id: str | None) -> Structure | None:
    """The structure of a subject by its O, its OUs and its CN, or None: a professional's card names none."""
    found = next((unit for unit in units if is_structure_id(unit)), None) or _of_register(national_id or "")
    if found is None and "/" not in (national_id or ""):
        return None
    name = organisation if organisation != TEST_DOMAIN else None
    return Structure(name, found) if name or found else None


def _of_register(national_id: str) -> str | None:
    """`3` and a FINESS, a stroke and a number of its register, say that the structure is `1` and that FINESS."""
    structure, stroke, _ = national_id.partition("/")
    found = REGISTERS.get(structure[:1], "") + structure[1:]
    return found if stroke and is_structure_id(found) else None
