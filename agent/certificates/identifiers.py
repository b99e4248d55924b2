"""National identifiers of people (IdNat_PS, table G08) and of structures (IdNat_Struct, table G07), and their keys.

The first digit tells the kind. A key is an opinion: nothing is refused on it, and none is given where the rule, or its
exceptions, stand in no public source: ADELI, students, FINESS of Corsica, establishments of La Poste.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Key(StrEnum):
    """What the check digit of an identifier says of it."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class IdentifierKind(StrEnum):
    """What a number is; those of a register are numbers that a structure gives to whom it employs."""

    RPPS = "rpps"
    ADELI = "adeli"
    STUDENT = "student"
    DRASS = "drass"
    MSSANTE = "mssante"
    ADELI_PRACTICE_REGISTER = "adeli-practice-register"
    RPPS_PRACTICE_REGISTER = "rpps-practice-register"
    FINESS_REGISTER = "finess-register"
    SIREN_REGISTER = "siren-register"
    SIRET_REGISTER = "siret-register"
    ADELI_PRACTICE = "adeli-practice"
    RPPS_PRACTICE = "rpps-practice"
    FINESS = "finess"
    SIREN = "siren"
    SIRET = "siret"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier: `value` without the digits that tell its kind, or as it is when its form is none of these."""

    kind: IdentifierKind
    value: str
    key: Key


LA_POSTE = "356000000"
"""SIREN whose establishments are said to follow another rule than Luhn's: not verified."""


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the key of the others (ISO/IEC 7812-1 annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[::-2]))) % 10 == 0


def _verdict(*, right: bool) -> Key:
    return Key.RIGHT if right else Key.WRONG


def _luhn(value: str) -> Key:
    return _verdict(right=passes_luhn(value))


def _finess(value: str) -> Key:
    """How the letter of 2A and 2B counts is not verified, and test numbers have others: no verdict on them."""
    return _luhn(value) if value.isdigit() else Key.UNKNOWN


def _siret(value: str) -> Key:
    if value.startswith(LA_POSTE) and not passes_luhn(value):
        return Key.UNKNOWN
    return _luhn(value)


def _rpps_practice(value: str) -> Key:
    """An RPPS number with its key, two digits of rank, and a key over all."""
    return _verdict(right=passes_luhn(value) and passes_luhn(value[:11]))


def _unjudged(_: str) -> Key:
    return Key.UNKNOWN


REGISTER = "/.+"


@dataclass(frozen=True, slots=True)
class _Form:
    """A prefix, a pattern of what follows and may be followed by `tail`, and what judges the key."""

    prefix: str
    kind: IdentifierKind
    pattern: str
    judge: Callable[[str], Key] = _unjudged
    tail: str = ""

    def read(self, text: str) -> Identifier | None:
        found = re.fullmatch(f"{self.prefix}(({self.pattern}){self.tail})", text, re.ASCII | re.DOTALL)
        return Identifier(self.kind, found[1], self.judge(found[2])) if found else None


FINESS_FORM = r"\d[0-9AB]\d{7}"

STRUCTURES = (
    _Form("0", IdentifierKind.ADELI_PRACTICE, r"[0-9A-Z]{9,11}"),
    _Form("1", IdentifierKind.FINESS, FINESS_FORM, _finess),
    _Form("2", IdentifierKind.SIREN, r"\d{9}", _luhn),
    _Form("3", IdentifierKind.SIRET, r"\d{14}", _siret),
    _Form("4", IdentifierKind.RPPS_PRACTICE, r"\d{14}", _rpps_practice),
)
PEOPLE = (
    _Form("8", IdentifierKind.RPPS, r"\d{11}", _luhn),
    _Form("0", IdentifierKind.ADELI, r"[0-9A-Z]{9}"),
    _Form("1", IdentifierKind.ADELI_PRACTICE_REGISTER, r"[0-9A-Z]{9,12}", tail=REGISTER),
    _Form("2", IdentifierKind.DRASS, r"[0-9A-Z]+"),
    _Form("3", IdentifierKind.FINESS_REGISTER, FINESS_FORM, _finess, REGISTER),
    _Form("4", IdentifierKind.SIREN_REGISTER, r"\d{9}", _luhn, REGISTER),
    _Form("5", IdentifierKind.SIRET_REGISTER, r"\d{14}", _siret, REGISTER),
    _Form("6", IdentifierKind.RPPS_PRACTICE_REGISTER, r"\d{14}", _rpps_practice, REGISTER),
    _Form("9", IdentifierKind.STUDENT, r"[0-9A-Z]+"),
    _Form("10", IdentifierKind.MSSANTE, r"[^/]+"),
)
"""The lengths and letters are those of the identifiers' definitions and of genuine test certificates."""

EMPLOYERS: Mapping[IdentifierKind, str] = MappingProxyType(
    {
        IdentifierKind.ADELI_PRACTICE_REGISTER: "0",
        IdentifierKind.FINESS_REGISTER: "1",
        IdentifierKind.SIREN_REGISTER: "2",
        IdentifierKind.SIRET_REGISTER: "3",
        IdentifierKind.RPPS_PRACTICE_REGISTER: "4",
    }
)
"""The digit of the structure that keeps a register (G08 to G07)."""


def read_person_id(text: str) -> Identifier:
    """An IdNat_PS; one of no known form is OTHER."""
    return _read(PEOPLE, text)


def read_structure_id(text: str) -> Identifier:
    """An IdNat_Struct; one of no known form is OTHER."""
    return _read(STRUCTURES, text)


def employer_of(text: str) -> str | None:
    """IdNat_Struct of the structure in whose register an IdNat_PS is, or None."""
    found = read_person_id(text)
    digit = EMPLOYERS.get(found.kind)
    employer = f"{digit}{found.value.partition('/')[0]}" if digit is not None else ""
    return employer if read_structure_id(employer).kind is not IdentifierKind.OTHER else None


def _read(forms: tuple[_Form, ...], text: str) -> Identifier:
    found = (form.read(text) for form in forms)
    return next(filter(None, found), Identifier(IdentifierKind.OTHER, text, Key.UNKNOWN))
