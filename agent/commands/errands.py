"""`cps-agent errands`: whom to turn to, from this workstation's own data; no agent is asked."""

from __future__ import annotations

import unicodedata
from argparse import Namespace
from collections.abc import Iterable
from gettext import NullTranslations
from typing import Final

from agent.certificates.nomenclature import PROFESSIONS, find_label
from agent.client import Json
from agent.commands.exits import Exit
from agent.commands.output import complain, say, say_json
from agent.people.errands.errands import Errand, Errands, Words, load_errands
from agent.people.panel.errand_pages import errand_name, errand_text, group_words
from agent.people.translations import choose_language, load_words

REGISTER: Final = "register"


def run_errands(arguments: Namespace) -> int:
    """What can be done in a situation, under a heading, by the name of one errand, or wherever the word stands."""
    words, errands = load_words(), load_errands()
    for failure in errands.failures:
        complain(failure)
    told = errands.for_audience(arguments.audience) if arguments.audience else errands
    found = _choose(told, arguments.situation)
    if not found:
        known = ", ".join(errands.situations)
        complain(words.gettext("Nothing is known for this. Known situations: {names}").format(names=known))
        return Exit.USAGE
    if arguments.json:
        say_json([_view(errand) for errand in found])
    else:
        _show(found, errands, words)
    return Exit.OK


def _choose(errands: Errands, word: str | None) -> tuple[Errand, ...]:
    if word is None:
        return errands.errands
    one = errands.find(word)
    if one is not None:
        return (one,)
    named = tuple(errand for errand in errands.errands if word in (*errand.situations, errand.group))
    return named or tuple(errand for errand in errands.errands if _plain(word) in _all_words(errand))


def _all_words(errand: Errand) -> str:
    """What it says in both languages, as somebody may type a part of it."""
    return _plain(f"{errand.name.fr} {errand.text.fr} {errand.name.en} {errand.text.en}")


def _plain(text: str) -> str:
    """Without accents and capitals."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _view(errand: Errand) -> Json:
    return {
        "id": errand.id,
        "situations": list(errand.situations),
        "group": errand.group,
        "audience": errand.audience,
        "name": _both(errand.name),
        "text": _both(errand.text),
        "url": errand.url,
        "code": errand.code,
        "checked": errand.checked,
    }


def _both(words: Words) -> Json:
    return {"fr": words.fr, "en": words.en}


def _show(found: Iterable[Errand], errands: Errands, words: NullTranslations) -> None:
    """Under their headings; who registers a profession stands with registration."""
    language, heading = choose_language(), None
    for errand in found:
        if errand.group != heading:
            heading = errand.group
            say(group_words(heading, words))
        say(f"  • {errand_name(errand, words, language)}  [{errand.id}]")
        say(f"    {errand_text(errand, words, language)}")
        if errand.url:
            say(f"    {errand.url}")
        if errand.id == REGISTER:
            _show_authorities(errands, words, language)


def _show_authorities(errands: Errands, words: NullTranslations, language: str) -> None:
    for authority in errands.authorities:
        names = [_profession(code, words) for code in authority.professions]
        who = ", ".join((*names, *authority.kinds)) or words.gettext("the other regulated professions")
        say("    " + words.gettext("{name}: {text}").format(name=authority.name.text(language), text=who))


def _profession(code: str, words: NullTranslations) -> str:
    """A code of G15, or one of the two words that the data have beside it."""
    known = {
        "military": words.gettext("staff of the armed forces"),
        "role": words.gettext("roles that are no regulated profession"),
    }
    return known.get(code) or find_label(PROFESSIONS, code) or code
