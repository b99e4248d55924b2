"""What a card and the directory tell differently of one professional."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from agent.certificates.holder import Coded, Holder
from agent.services.directory.values import Name, Professional


@dataclass(frozen=True, slots=True)
class Difference:
    """`member`: that of the card's holder in the API. None: that side tells nothing."""

    member: str
    card: str | None
    directory: str | None


def list_differences(holder: Holder, professional: Professional) -> tuple[Difference, ...]:
    """Compare names without accents, case and hyphens; profession, speciality and structure by their codes.

    Where either side has no word of names or professions, as the directory of an entry that is closed, nothing differs.
    """
    found = (*_names(holder, professional.names), _profession(holder, professional), _speciality(holder, professional))
    return tuple(one for one in (*found, _structure(holder, professional)) if one is not None)


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
    return Difference(member, card, ", ".join(dict.fromkeys(filter(None, directory))) or None)


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


def _structure(holder: Holder, professional: Professional) -> Difference | None:
    """By IdNat_Struct, which a card has of whom its holder works for."""
    mine = holder.structure
    places = [one.structure for one in professional.situations if one.structure is not None]
    if mine is None or mine.id is None or not places or mine.id in [place.national_id for place in places]:
        return None
    known = (place.name or place.national_id for place in places)
    return Difference("structure", mine.name or mine.id, ", ".join(dict.fromkeys(filter(None, known))) or None)


def _words(terms: Iterable[Coded]) -> str | None:
    return ", ".join(f"{term.label} ({term.code})" if term.label else term.code for term in terms) or None
