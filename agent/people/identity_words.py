"""National identifiers of people and structures, as the window and the command line word what the API tells."""

from __future__ import annotations

from collections.abc import Mapping
from gettext import NullTranslations
from typing import Any

from agent.people.plain_text import plain_text

LIMIT = 80  # characters of a name or number


def person_id_words(holder: Mapping[str, Any], words: NullTranslations) -> str:
    """The whole national identifier, with its kind and its key as far as they are known; nothing for none."""
    number, found = _shown(holder.get("nationalId")), holder.get("identifier") or {}
    return _with_notes(number, _kind_words(found.get("kind"), words), _key_words(found.get("key"), words))


def structure_words(structure: Mapping[str, Any], words: NullTranslations) -> str:
    """Name, kind and number of a structure, and what its key says."""
    kind = _kind_words(structure.get("kind"), words)
    number = _shown(structure.get("number")) if kind else _shown(structure.get("id"))
    identifier = _with_notes(" ".join(filter(None, (kind, number))), _key_words(structure.get("key"), words))
    return ", ".join(filter(None, (_shown(structure.get("name"), 200), identifier)))


def coded_words(value: Mapping[str, Any] | None) -> str:
    """A code of the ANS tables: its label and the code, or the code alone."""
    if not value:
        return ""
    label, code = _shown(value.get("label"), 200), _shown(value.get("code"))
    return f"{label} ({code})" if label else code


def _with_notes(text: str, *notes: str) -> str:
    told = ", ".join(filter(None, notes))
    return f"{text} ({told})" if text and told else text


def _kind_words(kind: object, words: NullTranslations) -> str:
    """Nothing for a kind of a later agent, nor for a number of no known form."""
    return {
        "rpps": "RPPS",
        "adeli": "ADELI",
        "student": words.gettext("student number"),
        "drass": words.gettext("DRASS number"),
        "mssante": words.gettext("MSSanté address"),
        "adeli-practice-register": words.gettext("ADELI practice and register number"),
        "rpps-practice-register": words.gettext("RPPS practice and register number"),
        "finess-register": words.gettext("FINESS and register number"),
        "siren-register": words.gettext("SIREN and register number"),
        "siret-register": words.gettext("SIRET and register number"),
        "adeli-practice": words.gettext("ADELI practice"),
        "rpps-practice": words.gettext("RPPS practice"),
        "finess": "FINESS",
        "siren": "SIREN",
        "siret": "SIRET",
    }.get(str(kind), "")


def _key_words(key: object, words: NullTranslations) -> str:
    """Nothing where no public rule tells."""
    return {
        "right": words.gettext("check digit right"),
        "wrong": words.gettext("check digit wrong"),
    }.get(str(key), "")


def _shown(value: object, limit: int = LIMIT) -> str:
    return "" if value is None else plain_text(str(value), limit)
