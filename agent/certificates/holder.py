"""Who a card certificate is about (IGC-Santé profile and older ones: subject, and extensions 1.2.250.1.71.*)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agent.certificates.identifiers import Identifier, IdentifierKind, read_person_id
from agent.certificates.nomenclature import (
    CATEGORIES,
    FUTURE_PROFESSIONS,
    PROFESSIONS,
    SPECIALITIES,
    find_label,
    list_labels,
)
from agent.certificates.private_extensions import (
    read_integer,
    read_octets,
    read_principal_name,
    read_text,
    read_texts,
)
from agent.certificates.structure import Structure, read_structure
from drivers.card.certificate import Certificate
from drivers.card.names import OID_COMMON_NAME, OID_GIVEN_NAME, OID_ORGANIZATION, OID_SURNAME, OID_TITLE, OID_UNIT

OID_CARD_TYPE = "1.2.250.1.71.1.2.2"
OID_CARD_NUMBER = "1.2.250.1.71.1.2.3"
OID_CARD_CATEGORY = "1.2.250.1.71.1.2.5"
OID_PROFESSION = "1.2.250.1.71.1.2.7"
OID_FUTURE_PROFESSION = "1.2.250.1.71.1.2.8"
OID_SPECIALITY = "1.2.250.1.71.4.2.5"

# Nomenclature G02 has one code for two cards: the certificate of a director's may say so, in the card's own words.
CARD_TYPES = {0: "CPS", 1: "CPF", 2: "CPE", 3: "CPA"}
DIRECTORS = {"CPE": ("directeur d'établissement", "CDE"), "CPA": ("directeur autorisé", "CDA")}
TEST_CATEGORIES = frozenset({"80", "82", "83"})  # G01: card, security module, software certificate
SOFTWARE_CATEGORIES = frozenset({"02", "03", "82", "83"})


@dataclass(frozen=True, slots=True)
class Coded:
    """A code of the ANS tables with its French label."""

    code: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Holder:
    """The person of a certificate; names are None on cards that name nobody, which have a structure instead.

    `kind`: CPS, CPF, CPE, CPA, and CDE or CDA where the certificate says so. `token_id`: issuer and number of the card.
    `category`: card, module or software (G01). `national_id`: IdNat_PS, which the CN is on cards; the CN of software
    may be any name. `principal_name`: what Windows calls the holder.
    """

    kind: str | None
    test: bool
    family_name: str | None
    given_name: str | None
    national_id: str | None
    title: str | None
    profession: Coded | None
    speciality: Coded | None
    future_profession: Coded | None = None
    structure: Structure | None = None
    token_id: str | None = None
    category: Coded | None = None
    common_name: str | None = None
    principal_name: str | None = None

    @property
    def identifier(self) -> Identifier | None:
        """The national id with its kind and its key."""
        return read_person_id(self.national_id) if self.national_id is not None else None

    @property
    def rpps(self) -> str | None:
        """The RPPS number within the national id."""
        found = self.identifier
        return found.value if found and found.kind is IdentifierKind.RPPS else None

    @property
    def display_name(self) -> str:
        """What a dialog calls the holder: a person, or else the structure and its number for who has the card."""
        name = " ".join(filter(None, (self.given_name, self.family_name)))
        if name:
            return " ".join(filter(None, (self.title, name)))
        number = self.national_id or self.common_name or ""
        if self.structure is None:
            return number
        return f"{self.structure.display_name} ({number})" if number else self.structure.display_name


def read_card_holder(certificates: Sequence[Certificate]) -> Holder:
    """Read who a card is about: the first certificate tells all but the name that only the one to log in has."""
    names = filter(None, map(read_principal_name, certificates))
    return replace(read_holder(certificates[0]), principal_name=_first(names))


def read_holder(certificate: Certificate) -> Holder:
    """Read subject and extensions, whatever their order; what is absent or unreadable is None. Raises nothing."""
    subject = certificate.subject
    category = _category(certificate)
    titles, units = subject.texts(OID_TITLE), subject.texts(OID_UNIT)
    common_name = _first(subject.texts(OID_COMMON_NAME))
    is_software = category is not None and category.code in SOFTWARE_CATEGORIES
    national_id = None if is_software and not _is_person_id(common_name) else common_name
    return Holder(
        kind=_kind(read_integer(certificate, OID_CARD_TYPE), titles),
        test=category is not None and category.code in TEST_CATEGORIES,
        family_name=_first(subject.texts(OID_SURNAME)),
        given_name=_first(subject.texts(OID_GIVEN_NAME)),
        national_id=national_id,
        title=_title(titles, units),
        profession=_coded(PROFESSIONS, read_integer(certificate, OID_PROFESSION)),
        speciality=_speciality(certificate),
        future_profession=_coded(FUTURE_PROFESSIONS, read_integer(certificate, OID_FUTURE_PROFESSION)),
        structure=_structure(certificate, national_id, is_organisation=is_software and national_id is None),
        token_id=read_text(certificate, OID_CARD_NUMBER),
        category=category,
        common_name=common_name,
        principal_name=read_principal_name(certificate),
    )


def _category(certificate: Certificate) -> Coded | None:
    octets = read_octets(certificate, OID_CARD_CATEGORY)
    if not octets:
        return None
    code = f"{octets[0]:02X}"
    return Coded(code, find_label(CATEGORIES, code))


def _is_person_id(common_name: str | None) -> bool:
    return common_name is not None and read_person_id(common_name).kind is not IdentifierKind.OTHER


def _structure(certificate: Certificate, national_id: str | None, *, is_organisation: bool) -> Structure | None:
    subject = certificate.subject
    organisation = _first(subject.texts(OID_ORGANIZATION))
    found = read_structure(organisation, subject.texts(OID_UNIT), national_id)
    return Structure(organisation, None) if found is None and organisation and is_organisation else found


def _first(values: Iterable[str]) -> str | None:
    return next(iter(values), None)


def _kind(code: int | None, titles: tuple[str, ...]) -> str | None:
    kind = CARD_TYPES.get(code) if code is not None else None
    words, director = DIRECTORS.get(kind or "", (None, None))
    return director if words and any(words in _plain(title) for title in titles) else kind


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).casefold()


def _title(titles: tuple[str, ...], units: tuple[str, ...]) -> str | None:
    """A title, that of a profession if there are several; certificates before IGC-Santé have the profession in OU."""
    candidates = titles or tuple(unit for unit in units if not any(map(str.isdigit, unit)))
    professions = list_labels(PROFESSIONS)
    return _first(title for title in candidates if title in professions) or _first(candidates)


def _coded(table: str, number: int | None) -> Coded | None:
    if number is None:
        return None
    code = f"{number:02d}"
    return Coded(code, find_label(table, code))


def _speciality(certificate: Certificate) -> Coded | None:
    code = _first(read_texts(certificate, OID_SPECIALITY))
    return Coded(code, find_label(SPECIALITIES, code)) if code else None
