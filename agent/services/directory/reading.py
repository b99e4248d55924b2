"""A professional out of the directory's resources (profiles as-dp-practitioner, -practitionerrole, -organization).

Whatever is absent, of another form or unknown is passed over: the profiles have changed before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from agent.certificates.holder import Coded
from agent.certificates.nomenclature import PROFESSIONS, SPECIALITIES, find_label
from agent.services.directory.bundle import Resource, list_members, list_texts, read_text
from agent.services.directory.mailboxes import read_mailboxes
from agent.services.directory.values import Name, Professional, Situation, Structure

SECTORS, MODE, ROLE = "R02", "R23", "R21"
MAX_SITUATIONS: Final = 100
MAX_VALUES: Final = 200
RESOURCE_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")  # FHIR R4, datatype id
PROFESSION_TABLE: Final = re.compile(r"TRE[_-]G15-")
SPECIALITY_TABLES: Final = re.compile(r"TRE[_-]R(?:38|39|40|42|43|44|45|97)-")
SECTOR_TABLE: Final = re.compile(r"TRE[_-]R02-")
MODE_TABLE: Final = re.compile(r"TRE[_-]R23-")
ROLE_TABLES: Final = re.compile(r"TRE[_-]R(?:21|85|96)-")
MODES: Final = {"L": "Libéral", "S": "Salarié", "B": "Bénévole"}
IDENTIFIER_TYPES: Final = {
    "IDNST": "national_id",
    "FINEG": "finess",
    "FINEJ": "finess",
    "FINESS": "finess",
    "SIREN": "siren",
    "SIRET": "siret",
}
IDENTIFIER_SYSTEMS: Final = {"1.2.250.1.71.4.2.2": "national_id", "finess": "finess"}
RPPS_PREFIX: Final = "8"  # IdNat_PS of a professional with an RPPS number


def is_about(practitioner: Resource, rpps: str) -> bool:
    """Whether a Practitioner has this number among its identifiers, alone or as IdNat_PS, whatever their systems."""
    values = {read_text(identifier, "value") for identifier in list_members(practitioner, "identifier")}
    return bool(values & {rpps, RPPS_PREFIX + rpps})


def read_id(resource: Resource) -> str | None:
    """The technical id, if it is one: it goes into the next request."""
    value = resource.get("id")
    return value if isinstance(value, str) and RESOURCE_ID.fullmatch(value) else None


def read_professional(rpps: str, practitioners: list[Resource], linked: list[Resource]) -> Professional:
    """Put together what several resources tell; `linked`: PractitionerRole and Organization, others are passed over."""
    ids = {read_id(one) for one in practitioners} - {None}
    places = [one for one in linked if one.get("resourceType") == "Organization"]
    organizations: dict[str | None, Resource] = {number: one for one in places if (number := read_id(one)) is not None}
    roles = [one for one in linked if one.get("resourceType") == "PractitionerRole"]
    roles = [one for one in roles if one.get("active") is not False and _target(one, "practitioner") in ids]
    pairs = [(role, organizations.get(_target(role, "organization"))) for role in roles[:MAX_SITUATIONS]]
    codings = [coding for one in practitioners for coding in _qualifications(one)]
    return Professional(
        rpps=rpps,
        active=any(one.get("active") is not False for one in practitioners),
        names=_once(name for one in practitioners for name in _read_names(one)),
        professions=_once(_terms(codings, PROFESSION_TABLE, PROFESSIONS)),
        specialities=_once(_terms(codings, SPECIALITY_TABLES, SPECIALITIES)),
        situations=_once(_read_situation(role, organization) for role, organization in pairs),
        mailboxes=_once(
            [box for one in practitioners for box in read_mailboxes(one)]
            + [box for role, where in pairs for box in read_mailboxes(role, _name_of(where))]
            + [box for _, where in pairs if where is not None for box in read_mailboxes(where, _name_of(where))]
        ),
    )


def _once(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each once, in their order, and no endless number of them."""
    return tuple(islice(dict.fromkeys(values), MAX_VALUES))


def _target(role: Resource, name: str) -> str | None:
    """The id at the end of a reference."""
    reference = role.get(name)
    text = reference.get("reference") if isinstance(reference, dict) else None
    return text.rpartition("/")[2] if isinstance(text, str) and RESOURCE_ID.fullmatch(text.rpartition("/")[2]) else None


def _name_of(organization: Resource | None) -> str | None:
    return read_text(organization, "name") if organization is not None else None


def _read_names(practitioner: Resource) -> Iterable[Name]:
    for name in list_members(practitioner, "name"):
        family, given = read_text(name, "family"), " ".join(list_texts(name, "given")) or None
        title = next(iter(list_texts(name, "suffix") + list_texts(name, "prefix")), None)
        if family is not None or given is not None:
            yield Name(family, given, title)


def _qualifications(practitioner: Resource) -> list[Resource]:
    found = list_members(practitioner, "qualification")
    concepts = [code for one in found if isinstance(code := one.get("code"), dict)]
    return [coding for concept in concepts for coding in list_members(concept, "coding")]


def _concepts(resource: Resource, name: str) -> list[Resource]:
    return [coding for concept in list_members(resource, name) for coding in list_members(concept, "coding")]


def _terms(codings: Iterable[Resource], system: re.Pattern[str], table: str) -> list[Coded]:
    """The codes of a system, with the label of our table, or else the directory's own."""
    codes = [(read_text(one, "code"), one) for one in codings if system.search(str(one.get("system")))]
    return [
        Coded(code, find_label(table, code) or read_text(one, "display")) for code, one in codes if code is not None
    ]


def _first(terms: list[Coded]) -> Coded | None:
    return next(iter(terms), None)


def _read_situation(role: Resource, organization: Resource | None) -> Situation:
    codings = _concepts(role, "code")
    return Situation(
        structure=_read_structure(organization) if organization is not None else None,
        mode=_first([Coded(term.code, MODES.get(term.code, term.label)) for term in _terms(codings, MODE_TABLE, MODE)]),
        role=_first(_terms(codings, ROLE_TABLES, ROLE)),
    )


def _read_structure(organization: Resource) -> Structure:
    found: dict[str, str] = {}
    for identifier in list_members(organization, "identifier"):
        kind, value = _identifier_kind(identifier), read_text(identifier, "value")
        if kind is not None and value is not None:
            found.setdefault(kind, value)
    return Structure(
        name=read_text(organization, "name"),
        sector=_first(_terms(_concepts(organization, "type"), SECTOR_TABLE, SECTORS)),
        **found,
    )


def _identifier_kind(identifier: Resource) -> str | None:
    """By its type, or else by its system: SIREN and SIRET share theirs, and older answers have no type."""
    concept = identifier.get("type")
    codes = [str(one.get("code")) for one in list_members(concept, "coding")] if isinstance(concept, dict) else []
    typed = next((IDENTIFIER_TYPES[code] for code in codes if code in IDENTIFIER_TYPES), None)
    system = str(identifier.get("system")).lower()
    return typed or next((kind for part, kind in IDENTIFIER_SYSTEMS.items() if part in system), None)
