"""What modules say in words, understood: the number of a card, a reader's name, the places that tokens have."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Deadline
from drivers.errors import CardAbsentError, ModuleCrashedError, ReaderAbsentError
from drivers.pkcs11 import wire
from drivers.pkcs11.modules import ModuleTokens, is_description_of
from drivers.pkcs11.token import card_number
from drivers.pkcs11.workers import ModuleWorkers


@pytest.mark.parametrize(
    ("serial", "number"),
    [
        ("99213845", "99213845"),  # the ANS library
        ("99213845        ", "99213845"),
        ("000001992138454F", "99213845"),  # OpenSC
        ("000001992138454f  ", "99213845"),
        ("000001000000010F", "00000001"),
        ("6c33dbd5a42d8a1f", "6c33dbd5a42d8a1f"),  # SoftHSM2
        ("000001992138454E", "000001992138454E"),
        ("00000199213845AF", "00000199213845AF"),
        ("0000019921384A4F", "0000019921384A4F"),
        ("000002992138454F", "000002992138454F"),
        ("000001992138454", "000001992138454"),
        ("0000001992138454F", "0000001992138454F"),
        ("000001\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u06684F", "000001\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u06684F"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_number_of_a_card(serial, number):
    assert card_number(serial) == number


def cut(name: str) -> str:
    """slotDescription: 64 bytes padded with blanks, as python-pkcs11 reads it (a character cut in two becomes U+FFFD)."""
    return name.encode()[:64].ljust(64).decode(errors="replace").rstrip()


@given(st.text("x é€😀", min_size=1, max_size=90).filter(str.strip))
def test_a_reader_is_known_by_its_description_however_long_its_name(name):
    assert is_description_of(cut(name), name)


@pytest.mark.parametrize(
    "name",
    [
        "Gemalto PC Twin Reader 00 00",
        "x" * 64,
        "x" * 65 + " 00 00",
        "é" * 40,
        "x" + "é" * 40,  # the 64th byte is the first of two
        "x" * 62 + "€ 00 00",
        "x" * 61 + "😀",
        "x" * 63 + " 00 00",  # ends in a blank when it is cut
    ],
)
def test_long_names(name):
    assert is_description_of(cut(name), name)


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("Virtual PCD 00 00", "Virtual PCD 00 01"),
        ("Virtual PCD 00 0", "Virtual PCD 00 00"),
        ("Virtual PCD 00 00 and more", "Virtual PCD 00 00"),
        ("", "Virtual PCD 00 00"),
        ("x" * 63, "x" * 64),
        ("virtual pcd 00 00", "Virtual PCD 00 00"),
    ],
)
def test_another_reader_is_not_taken_for_it(description, name):
    assert not is_description_of(description, name)


FAKE = """
import sys, json
from drivers.pkcs11 import wire
stream = open(0, "rb", buffering=0)
while wire.read_request(stream):
    text = open(sys.argv[1]).read().encode()
    sys.stdout.buffer.write(len(text).to_bytes(4) + bytes([0]) + text)
    sys.stdout.buffer.flush()
"""


def slots(*states) -> str:
    return json.dumps({"message": "slots", "manufacturer": "", "slots": list(states)})


def state(slot: int, label: str = "CPS", serial: str | None = "1", **changes) -> dict:
    return {"slot": slot, "description": "", "removable": False, "label": label, "serial": serial, **changes}


@pytest.fixture
def tokens(tmp_path):
    """A function that gives the tokens of modules that answer so."""

    def make(*answers: str) -> ModuleTokens:
        modules = [tmp_path / f"module{number}.so" for number in range(len(answers))]
        for module, answer in zip(modules, answers, strict=True):
            module.write_text(answer)
        return ModuleTokens(ModuleWorkers(named=modules, command=(sys.executable, "-c", FAKE)))

    return make


def names(tokens: ModuleTokens) -> list[str]:
    return [state.name for state in tokens.list_states()]


def test_tokens_are_named_by_label_and_module_and_twins_are_numbered(tokens):
    listed = tokens(
        slots(state(1), state(2), state(3, "Autre"), state(4), state(5, "", "77")),
        slots(state(1)),
    )
    assert names(listed) == [
        "CPS (module0.so)", "CPS (module0.so) #2", "Autre (module0.so)", "CPS (module0.so) #3", "77 (module0.so)",
        "CPS (module1.so)",
    ]  # fmt: skip
    assert [listed.open_slot(name).name for name in names(listed)] == names(listed)


def test_two_modules_of_one_name_are_told_apart(tokens, tmp_path):
    (tmp_path / "other").mkdir()
    modules = [tmp_path / "m.so", tmp_path / "other" / "m.so"]
    for module in modules:
        module.write_text(slots(state(1)))
    listed = ModuleTokens(ModuleWorkers(named=modules, command=(sys.executable, "-c", FAKE)))
    assert names(listed) == ["CPS (m.so)", "CPS (m.so) #2"]


def test_two_broken_modules_of_one_name_are_both_there(tmp_path):
    modules = [Path("/nowhere/m.so"), Path("/elsewhere/m.so")]
    listed = ModuleTokens(ModuleWorkers(named=modules, command=(sys.executable, "-c", "")))
    assert len(names(listed)) == 2


def test_a_label_cannot_take_another_tokens_place(tokens):
    """Labels are whatever somebody wrote into the token."""
    listed = tokens(slots(state(1, "A"), state(2, "A (module0.so) #2"), state(3, "A"), state(4, "A (module0.so) #2")))
    assert len(names(listed)) == 4
    assert [listed.open_slot(name)._place.slot for name in names(listed)] == [1, 2, 3, 4]


def test_empty_slots_and_card_readers_are_no_places_of_their_own(tokens):
    assert names(tokens(slots(state(1, serial=None), state(2, removable=True)))) == []


def test_a_module_that_talks_nonsense_stands_under_its_own_name(tokens):
    listed = tokens("[", slots(state(1)))
    assert names(listed) == ["module0.so", "CPS (module1.so)"]
    with pytest.raises(ModuleCrashedError):
        listed.open_slot("module0.so").open_token(Deadline(10))


def test_an_answer_to_another_question_shows_no_tokens(tokens):
    assert names(tokens('{"message":"done"}')) == []


def test_a_module_that_works_again_is_looked_at_again(tokens, tmp_path):
    listed = tokens("[")
    slot = listed.open_slot(names(listed)[0])
    (tmp_path / "module0.so").write_text(slots(state(1)))
    with pytest.raises(CardAbsentError):
        slot.open_token(Deadline(10))
    assert names(listed) == ["CPS (module0.so)"]
    with pytest.raises(ReaderAbsentError):
        listed.open_slot("module0.so")


def test_what_was_shown_can_be_asked_for_while_modules_are_looked_at_again(tokens, tmp_path):
    """Whoever was told of a place asks for it a moment later, and cannot know that it is about to go."""
    listed = tokens("[")
    (name,) = names(listed)
    (tmp_path / "module0.so").write_text(slots(state(1)))
    with pytest.raises(CardAbsentError):
        listed.open_slot(name).open_token(Deadline(10))
    late = listed.open_slot(name)
    assert names(listed) == ["CPS (module0.so)"]
    with pytest.raises(CardAbsentError):
        late.open_token(Deadline(10))


def test_only_so_many_slots_are_taken(tokens):
    listed = tokens(slots(*(state(number, f"T{number}") for number in range(wire.MAX_SLOTS))))
    assert len(names(listed)) == wire.MAX_SLOTS
    too_many = tokens(slots(*(state(number, f"T{number}") for number in range(wire.MAX_SLOTS + 1))))
    assert names(too_many) == ["module0.so"]
