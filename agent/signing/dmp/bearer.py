"""Who asks, as the card says: a caller may choose among its structures, and neither add one nor change who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.cards.errors import KeyRefusedError
from agent.certificates.nomenclature import SPECIALITIES, find_label
from agent.signing.dmp.terms import Coded, Professional, Structure
from agent.signing.errors import Place, StructureRefusedError, TermsRefusedError

if TYPE_CHECKING:
    from agent.cards.card import Card
    from drivers.card.activity import Activity

PERSONAL: Final = frozenset({"CPS", "CPF", "CPE", "CDE"})
OID_PROFESSION: Final = "1.2.250.1.71.1.2.7"
OID_FUTURE_PROFESSION: Final = "1.2.250.1.71.1.2.8"
OID_SPECIALITY: Final = "1.2.250.1.71.4.2.5"
WITH_SPECIALITY: Final = frozenset({"10", "21"})
"""Physicians and pharmacists (G15): the DMP refuses a VIHF of theirs without one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the caller says of the card's holder: which of the structures is meant, and roles that no card tells."""

    structure_id: str | None = None
    sector: str | None = None
    roles: tuple[Coded, ...] = ()


def require_person(card: Card) -> None:
    """Raise KeyRefusedError for anything but the card of one person."""
    if card.is_software or card.holder.kind not in PERSONAL:
        raise KeyRefusedError("this takes the card of a person: CPS, CPF or CPE")
    if card.holder.national_id is None or card.holder.family_name is None:
        raise KeyRefusedError("this card names nobody")


def require_structure_certificate(card: Card) -> None:
    """Raise KeyRefusedError for anything but a software certificate, which a structure has."""
    if not card.is_software:
        raise KeyRefusedError("this mode takes the certificate of a structure (ORG SIGN), by its number")


def describe_bearer(card: Card, situations: Sequence[Activity], told: Told) -> tuple[Professional, Structure]:
    """The holder and where they work. Raises KeyRefusedError, StructureRefusedError, TermsRefusedError."""
    require_person(card)
    structure = choose_structure(list_places(card, situations), told)
    return Professional(card.holder.national_id or "", None, list_roles(card, told.roles)), structure


def list_places(card: Card, situations: Sequence[Activity]) -> list[Place]:
    """Structures of the card's situations, then the one that the certificate names, each once."""
    places = [Place(each.structure_id, each.name, each.sector) for each in situations if each.structure_id]
    structure = card.holder.structure
    if structure is not None and structure.id and structure.id not in {place.id for place in places}:
        places.append(Place(structure.id, structure.name, None))
    return list({(place.id, place.sector): place for place in reversed(places)}.values())[::-1]


def choose_structure(places: Sequence[Place], told: Told) -> Structure:
    """The only one that fits. Raises StructureRefusedError with those there are."""
    fitting = [place for place in places if _fits(place, told)]
    if not fitting:
        raise StructureRefusedError("this structure or sector is not on the card", places)
    if len(fitting) > 1:
        raise StructureRefusedError("several structures of the card fit: name one, and its sector", places)
    (place,) = fitting
    sector = place.sector or told.sector
    if sector is None:
        raise StructureRefusedError("the card tells no sector for this structure: name it", places)
    return Structure(place.id, sector)


def _fits(place: Place, told: Told) -> bool:
    return told.structure_id in (None, place.id) and (place.sector is None or told.sector in (None, place.sector))


def list_roles(card: Card, told: Sequence[Coded]) -> tuple[Coded, ...]:
    """Profession, then speciality. Raises TermsRefusedError where the caller's would replace what the card tells."""
    roles = _card_roles(card)
    if roles and (roles[0].code not in WITH_SPECIALITY or len(roles) > 1):
        if told:
            raise TermsRefusedError("the card tells the holder's profession and speciality: leave roles out")
        return roles
    if not told:
        missing = "speciality" if roles else "profession"
        raise TermsRefusedError(f"the card tells no {missing}: say it by professional.roles")
    known = {OID_PROFESSION, OID_FUTURE_PROFESSION} | (set() if roles else {OID_SPECIALITY})
    if any(role.code_system in known for role in told):
        raise TermsRefusedError("the profession of a card's holder is the card's to tell")
    return (*roles, *told)


def _card_roles(card: Card) -> tuple[Coded, ...]:
    holder = card.holder
    if holder.profession is None:
        future = holder.future_profession
        return () if future is None else (Coded(future.code, OID_FUTURE_PROFESSION, "G16", future.label),)
    profession = Coded(holder.profession.code, OID_PROFESSION, "G15", holder.profession.label)
    code = holder.speciality.code if holder.speciality else card.memory.speciality
    if code is None:
        return (profession,)
    return profession, Coded(code, OID_SPECIALITY, "R01", find_label(SPECIALITIES, code))
