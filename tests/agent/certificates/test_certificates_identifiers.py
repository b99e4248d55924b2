"""National identifiers: every kind of the tables G07 and G08, their keys, and what no rule is known for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.certificates.identifiers import (
    PEOPLE,
    STRUCTURES,
    Identifier,
    IdentifierKind,
    Key,
    employer_of,
    passes_luhn,
    read_person_id,
    read_structure_id,
)
from agent.certificates.nomenclature import find_label
from agent.people.identity_words import coded_words, person_id_words, structure_words
from agent.people.translations import load_words
from drivers.virtual.personalisation import luhn_key

ENGLISH, FRENCH = load_words("en"), load_words("fr")
RIGHT, WRONG, UNKNOWN = Key.RIGHT, Key.WRONG, Key.UNKNOWN

# RPPS numbers of the test range 997 that public samples hold, and the practice of one of them; FINESS and SIREN of the
# hospitals of Paris and of La Poste, which are public.
PERSON_IDS = [
    ("899700735741", "rpps", "99700735741", RIGHT),
    ("899700735742", "rpps", "99700735742", WRONG),
    ("810000000001", "rpps", "10000000001", WRONG),
    ("099B704460", "adeli", "99B704460", UNKNOWN),
    ("00B7010446", "adeli", "0B7010446", UNKNOWN),
    ("112345678901/00001", "adeli-practice-register", "12345678901/00001", UNKNOWN),
    ("2750001", "drass", "750001", UNKNOWN),
    ("3750712184/CPET0002", "finess-register", "750712184/CPET0002", RIGHT),
    ("3750712185/CPET0002", "finess-register", "750712185/CPET0002", WRONG),
    ("30B0057881/CPET0002", "finess-register", "0B0057881/CPET0002", UNKNOWN),
    ("32A0000014/1", "finess-register", "2A0000014/1", UNKNOWN),
    ("4356000000/7", "siren-register", "356000000/7", RIGHT),
    ("4356000001/7", "siren-register", "356000001/7", WRONG),
    ("500000000029751/CPAT0001", "siret-register", "00000000029751/CPAT0001", RIGHT),
    ("500000000029752/CPAT0001", "siret-register", "00000000029752/CPAT0001", WRONG),
    ("699700735741008/1", "rpps-practice-register", "99700735741008/1", RIGHT),
    ("999700002720", "student", "99700002720", UNKNOWN),
    ("10prenom.nom@medecin.mssante.example", "mssante", "prenom.nom@medecin.mssante.example", UNKNOWN),
]
STRUCTURE_IDS = [
    ("0750001234", "adeli-practice", "750001234", UNKNOWN),
    ("075000123401", "adeli-practice", "75000123401", UNKNOWN),
    ("1750712184", "finess", "750712184", RIGHT),
    ("1750712183", "finess", "750712183", WRONG),
    ("12B0000014", "finess", "2B0000014", UNKNOWN),
    ("2356000000", "siren", "356000000", RIGHT),
    ("2356000009", "siren", "356000009", WRONG),
    ("335600000000048", "siret", "35600000000048", RIGHT),
    ("335600000049837", "siret", "35600000049837", UNKNOWN),
    ("335600000000049", "siret", "35600000000049", UNKNOWN),
    ("399999999900008", "siret", "99999999900008", WRONG),
    ("499700735741008", "rpps-practice", "99700735741008", RIGHT),
    ("499700735741009", "rpps-practice", "99700735741009", WRONG),
]


@pytest.mark.parametrize(("text", "kind", "value", "key"), PERSON_IDS)
def test_identifiers_of_people(text: str, kind: str, value: str, key: Key) -> None:
    assert read_person_id(text) == Identifier(IdentifierKind(kind), value, key)


@pytest.mark.parametrize(("text", "kind", "value", "key"), STRUCTURE_IDS)
def test_identifiers_of_structures(text: str, kind: str, value: str, key: Key) -> None:
    assert read_structure_id(text) == Identifier(IdentifierKind(kind), value, key)


def test_every_kind_of_the_tables_is_read() -> None:
    people = {form.prefix: form.kind for form in PEOPLE}
    structures = {form.prefix: form.kind for form in STRUCTURES}
    assert all(find_label("G08", prefix) for prefix in people)
    assert people.keys() == {"0", "1", "2", "3", "4", "5", "6", "8", "9", "10"}
    assert all(find_label("G07", prefix) for prefix in structures)
    assert structures.keys() == {"0", "1", "2", "3", "4"}
    assert {kind for _, kind, _, _ in PERSON_IDS} == set(people.values())
    assert {kind for _, kind, _, _ in STRUCTURE_IDS} == set(structures.values())
    assert {*people.values(), *structures.values(), IdentifierKind.OTHER} == set(IdentifierKind)


@pytest.mark.parametrize(
    "text",
    ["", "8", "89970073574", "8997007357410", "8" + "\u0661" * 11, "3750712184/", "3750712184", "3X50712184/1",
     "7123", "899700735741\n", "x/y", "1/2", "4356000000/", "\N{SUPERSCRIPT ONE}750712184/1"],
)  # fmt: skip
def test_what_has_no_known_form_is_shown_as_it_is(text: str) -> None:
    assert read_person_id(text) == Identifier(IdentifierKind.OTHER, text, UNKNOWN)


def test_a_practice_is_judged_by_both_of_its_keys() -> None:
    """The whole is right, the RPPS number within is not: somebody has computed a key over a wrong number."""
    whole = "9970073574200"
    assert read_structure_id(f"4{whole}{luhn_key(whole)}").key is WRONG


@pytest.mark.parametrize(
    ("text", "employer"),
    [
        ("3750712184/CPET0002", "1750712184"),
        ("500000000029751/CPAT0001", "300000000029751"),
        ("4356000000/7", "2356000000"),
        ("699700735741008/1", "499700735741008"),
        ("112345678901/00001", "012345678901"),
        ("899700735741", None),
        ("x/y", None),
    ],
)
def test_who_keeps_the_register(text: str, employer: str | None) -> None:
    assert employer_of(text) == employer


@given(st.integers(0, 10**13 - 1))
def test_luhn(number: int) -> None:
    digits = str(number)
    key = luhn_key(digits)
    assert passes_luhn(f"{digits}{key}")
    assert not passes_luhn(f"{digits}{(key + 1) % 10}")


@given(st.text() | st.text("0123456789AB/", max_size=20))
def test_any_text(text: str) -> None:
    for read in (read_person_id, read_structure_id):
        found = read(text)
        assert text.endswith(found.value)
        assert (found.kind is IdentifierKind.OTHER) <= (found.key is UNKNOWN)
    employer_of(text)


def test_words() -> None:
    holder = {"nationalId": "899700735741", "identifier": {"kind": "rpps", "value": "99700735741", "key": "right"}}
    assert person_id_words(holder, ENGLISH) == "899700735741 (RPPS, check digit right)"
    holder["identifier"] = {"kind": "student", "value": "1", "key": "unknown"}
    assert person_id_words(holder, FRENCH) == "899700735741 (numéro d\N{RIGHT SINGLE QUOTATION MARK}étudiant)"
    assert person_id_words({"nationalId": "7", "identifier": {"kind": "other", "key": "unknown"}}, FRENCH) == "7"
    assert person_id_words({}, FRENCH) == ""
    structure = {"name": "HOPITAL", "id": "1750712184", "kind": "finess", "number": "750712184", "key": "wrong"}
    assert structure_words(structure, FRENCH) == "HOPITAL, FINESS 750712184 (clé de contrôle fausse)"
    assert (
        structure_words({"name": "HOPITAL", "id": None, "kind": None, "number": None, "key": None}, FRENCH) == "HOPITAL"
    )
    assert structure_words({"name": None, "id": "1750712184"}, FRENCH) == "1750712184"
    assert coded_words({"code": "80", "label": None}) == "80"
    assert coded_words({"code": "10", "label": "Médecin"}) == "Médecin (10)"
    assert coded_words(None) == ""


def test_every_kind_and_key_that_tells_something_has_words() -> None:
    for kind in IdentifierKind:
        words = person_id_words({"nationalId": "1", "identifier": {"kind": kind, "key": "unknown"}}, FRENCH)
        assert (words == "1") is (kind is IdentifierKind.OTHER)
    for key in Key:
        words = person_id_words({"nationalId": "1", "identifier": {"kind": "other", "key": key}}, FRENCH)
        assert (words == "1") is (key is UNKNOWN)
