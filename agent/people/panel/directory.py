"""The card page with what the Annuaire Santé tells of each holder, below the card: what differs first, marked."""

from __future__ import annotations

from gettext import NullTranslations
from typing import Final

from agent.client import AgentProblemError, Client, Json
from agent.people.panel.card_pages import card_page
from agent.people.panel.sections import Context, Line, Section, coded, moment_words, only_told, shown

SILENT: Final = ("directory-off", "not-found", "bad-request")
"""The person wants no directory, the agent is an older one, or the card's number is none: nothing to show."""
NONE: Final = "—"


def card_page_with_directory(client: Client, context: Context) -> tuple[Section, ...]:
    """The card page, with what the directory tells below each card, once for each professional."""
    numbers = [str((card.get("holder") or {}).get("rpps") or "") for card in client.cards()]
    page = card_page(client, context)
    if len(page) != len(numbers) or not any(numbers):
        return page  # no card, or one that came or went meanwhile
    found = {number: _section(client, number, context) for number in dict.fromkeys(numbers) if number}
    return tuple(
        part
        for number, card in zip(numbers, page, strict=True)
        for part in (card, found.pop(number, None))
        if part is not None
    )


def _section(client: Client, rpps: str, context: Context) -> Section | None:
    title = context.words.gettext("Annuaire Santé")
    try:
        return entry_section(client.directory(rpps), context)
    except AgentProblemError as error:
        if error.code in SILENT:
            return None
        sentence = error.problem.get("detailFr" if context.language == "fr" else "detail")
        return Section(title, (Line("", shown(sentence or error, 400)),))


def entry_section(entry: Json, context: Context) -> Section:
    """An entry of the directory; the mark counts what the card tells otherwise."""
    words = context.words
    differences = _listed(entry, "differences")
    count = len(differences)
    told = (
        *((words.gettext("Name"), _name(name)) for name in _listed(entry, "names")),
        *((words.gettext("Profession"), coded(term)) for term in _listed(entry, "professions")),
        *((words.gettext("Speciality"), coded(term)) for term in _listed(entry, "specialities")),
        *((words.gettext("Structure"), _situation(one)) for one in _listed(entry, "situations")),
        *((words.gettext("MSSanté mailbox"), _mailbox(one, context)) for one in _listed(entry, "mailboxes")),
        (words.gettext("As of"), _age(entry, words)),
    )
    return Section(
        title=words.gettext("Annuaire Santé, RPPS {number}").format(number=shown(entry.get("rpps"), 20)),
        mark=words.ngettext("%d difference", "%d differences", count) % count if count else None,
        lines=(*_standing(entry, words), *(_difference(one, words) for one in differences), *only_told(*told)),
    )


def _listed(entry: Json, name: str) -> list[Json]:
    return [one for one in entry.get(name) or () if isinstance(one, dict)]


def _standing(entry: Json, words: NullTranslations) -> tuple[Line, ...]:
    if not entry.get("found"):
        return (Line("", words.gettext("The directory knows nobody of this number.")),)
    return () if entry.get("active") else (Line("", words.gettext("This entry of the directory is closed.")),)


def _difference(one: Json, words: NullTranslations) -> Line:
    member = str(one.get("member"))
    name = {
        "familyName": words.gettext("Surname"),
        "givenName": words.gettext("Given name"),
        "profession": words.gettext("Profession"),
        "speciality": words.gettext("Speciality"),
        "structures": words.gettext("Structures"),
    }.get(member, shown(member, 40))
    text = words.gettext("on the card: {card}; in the directory: {directory}").format(
        card=shown(one.get("card")) or NONE, directory=shown(one.get("directory")) or NONE
    )
    return Line(words.gettext("≠ {name}").format(name=name), text)


def _name(name: Json) -> str:
    return shown(" ".join(filter(None, (name.get("title"), name.get("givenName"), name.get("familyName")))))


def _situation(one: Json) -> str:
    number = next((shown(one[key], 40) for key in ("finess", "siret", "structureId") if one.get(key)), "")
    return ", ".join(filter(None, (shown(one.get("name")), number, coded(one.get("sector")), coded(one.get("mode")))))


def _mailbox(one: Json, context: Context) -> str:
    label = one.get("kindLabelFr" if context.language == "fr" else "kindLabel")
    parts = (shown(part, 120) for part in (label, one.get("structure"), one.get("service")))
    return f"{shown(one.get('address'), 260)} ({', '.join(filter(None, parts))})"


def _age(entry: Json, words: NullTranslations) -> str:
    day = moment_words(entry.get("asOf"), words, time=True)
    return words.gettext("{day}; the directory tells nothing now").format(day=day) if entry.get("stale") else day
