"""Every sentence of the agent has its French words, and the compiled catalogue is the one of the source."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import agent
from agent.people.translations import (
    DOMAIN,
    LOCALE_DIR,
    choose_language,
    load_words,
    translator,
)

FRENCH = LOCALE_DIR / "fr" / "LC_MESSAGES"
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}


def read_catalogue():
    return read_po(io.BytesIO((FRENCH / f"{DOMAIN}.po").read_bytes()), locale="fr", domain=DOMAIN)


def list_sentences():
    found = extract_from_dir(Path(agent.__file__).parent, [("**.py", "python")], keywords=KEYWORDS)
    return {(sentence, f"{name}:{line}") for name, line, sentence, _, _ in found}


def test_compiled_catalogue_is_the_one_of_the_source():
    compiled = io.BytesIO()
    write_mo(compiled, read_catalogue())
    assert compiled.getvalue() == (FRENCH / f"{DOMAIN}.mo").read_bytes()


def test_every_sentence_has_french_words():
    catalogue = read_catalogue()
    missing = []
    for sentence, place in list_sentences():
        message = catalogue.get(sentence)
        strings = () if message is None else message.string if isinstance(message.string, tuple) else (message.string,)
        if not strings or not all(strings) or message.fuzzy:
            missing.append((place, sentence))
    assert not missing


def test_catalogue_holds_no_sentence_that_nobody_says():
    said = {sentence for sentence, _ in list_sentences()}
    assert [message.id for message in read_catalogue() if message.id and message.id not in said] == []


def test_placeholders_survive_the_translation():
    problems = [error for message in read_catalogue() for error in message.check()]
    assert not problems


def test_french_spacing():
    for message in read_catalogue():
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        for text in strings if message.id else ():
            assert "'" not in text
            assert not any(f" {mark}" in text for mark in ":;?!»")


@pytest.mark.parametrize(
    ("language", "environment", "code"),
    [
        ("fr", {"LANG": "en_GB.UTF-8"}, "fr"),
        ("fr-FR", {}, "fr"),
        (None, {"LC_ALL": "fr_FR.UTF-8", "LANG": "en_GB.UTF-8"}, "fr"),
        (None, {"LC_MESSAGES": "en_GB.UTF-8", "LANG": "fr_FR@euro"}, "en"),
        (None, {"LC_ALL": "", "LANG": "fr_BE.UTF-8"}, "fr"),
        (None, {"LANG": "C.UTF-8"}, "en"),
        (None, {"LANG": "POSIX"}, "en"),
        (None, {}, "en"),
    ],
)
def test_language_is_chosen(language, environment, code):
    assert choose_language(language, environment) == code


def test_words_in_both_languages():
    assert translator("fr")("Refuse") == "Refuser"
    assert translator("en")("Refuse") == "Refuse"
    assert translator("../../etc")("Refuse") == "Refuse"
    tries = load_words("fr").ngettext
    assert tries("%d try left.", "%d tries left.", 1) % 1 == "Il vous reste 1\u00a0essai."
    assert tries("%d try left.", "%d tries left.", 2) % 2 == "Il vous reste 2\u00a0essais."
