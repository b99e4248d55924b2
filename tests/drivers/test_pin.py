"""Secrets: what they take, and what becomes of them."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.errors import PinFormatError
from drivers.pin import LONGEST_PASSPHRASE, Passphrase, Secret

PHRASE = "clé de la pharmacie 🔑 鍵"


def phrase(text: str = PHRASE) -> Passphrase:
    return Passphrase(bytearray(text.encode()))


def shown(secret: Secret) -> str:
    found = bytearray()
    secret.append_to(found)
    return found.decode()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=128))
@example("\U0010ffff" * LONGEST_PASSPHRASE)
@example("\ud7ff\ue000\uffff\u0800\u07ff\x7f\x80")
def test_a_passphrase_is_any_text_of_up_to_128_characters(text):
    assert shown(phrase(text)) == text


@given(st.binary(max_size=160))
@example("é".encode()[:1])
@example(b"\xc0\xaf")
@example(b"\xed\xa0\x80")
@example(b"\xf4\x90\x80\x80")
def test_what_is_no_text_is_refused_and_wiped(content):
    given = bytearray(content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if 0 < len(text) <= LONGEST_PASSPHRASE and "\0" not in text:
        assert shown(Passphrase(given)) == text
        return
    with pytest.raises(PinFormatError):
        Passphrase(given)
    assert not any(given)


@pytest.mark.parametrize("text", ["", "x" * 129, "é" * 129, "a\0b"])
def test_lengths_are_of_characters(text):
    with pytest.raises(PinFormatError):
        phrase(text)


def test_it_is_shown_by_nothing_and_copied_by_nothing():
    secret = phrase()
    assert repr(secret) == str(secret) == "Passphrase(hidden)"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(secret)
    assert not hasattr(secret, "__dict__")


def test_it_takes_its_buffer_over_and_wipes_it():
    given = bytearray(PHRASE.encode())
    with Passphrase(given) as secret:
        assert len(secret) == len(given)
    assert not any(given)
    with pytest.raises(PinFormatError):
        shown(secret)


def test_an_heir_has_it_alone():
    first = phrase()
    with first as secret:
        heir = secret.hand_over()
    assert type(heir) is Passphrase
    assert shown(heir) == PHRASE
    with pytest.raises(PinFormatError):
        shown(first)
