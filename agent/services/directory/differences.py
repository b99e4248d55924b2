"""What a card and the directory tell differently of one professional."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from agent.certificates.holder import Coded, Holder
from agent.services.directory.values import Name, Professional, Structure
from drivers.card.activity import Activity

Activities = tuple[Activity, ...] | None
"""The situations that were read from a card; None: they were not."""


@dataclass(frozen=True, slots=True)
class Difference:
    """`member`: that of the card's holder in the API. None: that side tells nothing."""

    member: str
    card: str | None
    directory: str | None


def list_differences(holder: Holder, activities: Activities, professional: Professional) -> tuple[Difference, ...]:
    """Compare names without accents, case and hyphens; profession, speciality and structures by their codes.

    Where either side has no word of names or professions, as the directory of an entry that is closed, nothing differs.
    """
    found = (*_names(holder, professional.names), _profession(holder, professional), _speciality(holder, professional))
    return tuple(one for one in (*found, _structures(holder, activities, professional)) if one is not None)


def _names(holder: Holder, names: tuple[Name, ...]) -> tuple[Difference | None, ...]:
    """One of the names in the directory is enough."""
    card = (fold(holder.family_name), fold(holder.given_name))
    if not names or not any(card) or any(card == (fold(name.family), fold(name.given)) for name in names):
        return ()
    families, given = [name.family for name in names], [name.given for name in names]
    return (
        _differing("familyName", holder.family_name, families),
        _differing("givenName", holder.given_name, given),
    )


def _differing(member: str, card: str | None, directory: list[str | None]) -> Difference | None:
    if fold(card) in map(fold, directory):
        return None
    return Difference(member, card, _join(directory))


def fold(text: str | None) -> str:
    """Letters and digits alone, without accents and case; whatever stands between words is one space."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text or "") if not unicodedata.combining(one))
    return " ".join(re.findall(r"\w+", bare.casefold().replace("_", " ")))


def _profession(holder: Holder, professional: Professional) -> Difference | None:
    known = professional.professions
    if holder.profession is None or not known or holder.profession.code in [term.code for term in known]:
        return None
    return Difference("profession", _words([holder.profession]), _words(known))


def _speciality(holder: Holder, professional: Professional) -> Difference | None:
    """A card from before a speciality was recognised has none: that is a difference as well."""
    known, mine = professional.specialities, holder.speciality
    if mine is None and not known:
        return None
    if mine is not None and (mine.code in [term.code for term in known] or not professional.professions):
        return None
    return Difference("speciality", _words([mine] if mine else []), _words(known))


def _structures(holder: Holder, activities: Activities, professional: Professional) -> Difference | None:
    """By IdNat_Struct: of the employer in the certificate, and of the situations once they were read from the card.

    Only these are all that a card has, so that only then what stands in the directory alone differs.
    """
    places = [one.structure for one in professional.situations if one.structure is not None]
    mine = {one.structure_id: one.name for one in activities or () if one.structure_id}
    if holder.structure is not None and holder.structure.id is not None:
        mine.setdefault(holder.structure.id, holder.structure.name)
    unlisted = [name or number for number, name in mine.items() if not any(number in _ids(place) for place in places)]
    others = [place for place in places if activities and not _ids(place) & mine.keys()]
    told = _join(place.name or place.national_id for place in (others if activities else places))
    if not places or not (unlisted or (others and told)):
        return None
    return Difference("structures", _join(unlisted), told)


def _ids(place: Structure) -> set[str]:
    """Every IdNat_Struct that a structure of the directory may have on a card (nomenclature G07)."""
    numbers = (("", place.national_id), ("1", place.finess), ("2", place.siren), ("3", place.siret))
    return {prefix + number for prefix, number in numbers if number is not None}


def _join(names: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(filter(None, names))) or None


def _words(terms: Iterable[Coded]) -> str | None:
    return _join(f"{term.label} ({term.code})" if term.label else term.code for term in terms)
