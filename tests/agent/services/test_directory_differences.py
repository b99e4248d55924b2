"""What counts as a difference between a card and the directory, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.certificates.holder import Coded, Holder
from agent.certificates.structure import Structure as CardStructure
from agent.services.directory.differences import Difference, fold, list_differences
from agent.services.directory.rpps import is_rpps
from agent.services.directory.values import Name, Professional, Situation, Structure
from drivers.card.activity import Activity

HOLDER = Holder(
    kind="CPS",
    test=True,
    family_name="LE GOFF-MARÉ",
    given_name="JEAN PAUL",
    national_id="899700002712",
    title="Médecin",
    profession=Coded("10", "Médecin"),
    speciality=Coded("SM26", "Qualifié en médecine générale (SM)"),
)
LISTED = Professional(
    "99700002712",
    active=True,
    names=(Name("Le Goff Mare", "Jean-Paul", "DR"),),
    professions=(Coded("10", "Médecin"),),
    specialities=(Coded("SM26", None), Coded("CEX22", None)),
)


def test_accents_case_and_hyphens_are_no_difference():
    assert list_differences(HOLDER, None, LISTED) == ()


def test_another_name():
    listed = replace(LISTED, names=(Name("DURAND", "Jean-Paul"),))
    assert list_differences(HOLDER, None, listed) == (Difference("familyName", "LE GOFF-MARÉ", "DURAND"),)
    one_of_two = replace(LISTED, names=(Name("DURAND", "Jean-Paul"), *LISTED.names))
    assert list_differences(HOLDER, None, one_of_two) == ()


def test_profession_and_speciality_by_their_codes():
    listed = replace(LISTED, professions=(Coded("21", "Pharmacien"),), specialities=(Coded("SM41", None),))
    assert list_differences(HOLDER, None, listed) == (
        Difference("profession", "Médecin (10)", "Pharmacien (21)"),
        Difference("speciality", "Qualifié en médecine générale (SM) (SM26)", "SM41"),
    )


def test_a_card_from_before_a_speciality():
    assert list_differences(replace(HOLDER, speciality=None), None, LISTED) == (
        Difference("speciality", None, "SM26, CEX22"),
    )


def test_a_speciality_that_the_directory_does_not_have():
    (one,) = list_differences(HOLDER, None, replace(LISTED, specialities=()))
    assert (one.member, one.directory) == ("speciality", None)


def test_a_closed_entry_tells_nothing_to_compare():
    assert list_differences(HOLDER, None, Professional("99700002712", active=False)) == ()


def test_structure_by_its_national_identifier():
    holder = replace(HOLDER, structure=CardStructure("HOPITAL D'ESSAI", "1990000010"))
    same = replace(LISTED, situations=(Situation(Structure("Hôpital d'essai", "1990000010")), Situation(None)))
    other = replace(LISTED, situations=(Situation(Structure("CLINIQUE", "1990000028")),))
    assert list_differences(holder, None, same) == ()
    assert list_differences(holder, None, other) == (Difference("structures", "HOPITAL D'ESSAI", "CLINIQUE"),)
    assert list_differences(holder, None, LISTED) == ()


def test_structures_of_situations_that_were_read():
    activities = (
        Activity(1, "CABINET", "499700002712005", "SA07"),
        Activity(3, "CLINIQUE", "1990000028", None),
        Activity(4, None, None, None),
    )
    listed = replace(
        LISTED,
        situations=(
            Situation(Structure("Cabinet", "499700002712005")),
            Situation(Structure("Centre", "1990000010")),
            Situation(Structure("Autre", siret="99000001000017")),
        ),
    )
    assert list_differences(HOLDER, activities, listed) == (Difference("structures", "CLINIQUE", "Centre, Autre"),)
    assert list_differences(HOLDER, None, listed) == ()
    assert list_differences(HOLDER, activities, replace(listed, situations=())) == ()
    numbered = (Situation(Structure("A", finess="990000028")), Situation(Structure("B", "499700002712005")))
    assert list_differences(HOLDER, activities, replace(listed, situations=numbered)) == ()


@pytest.mark.parametrize(
    ("text", "folded"),
    [(None, ""), ("É", "e"), ("D'ARTAGNAN", "d artagnan"), ("a_b--c", "a b c"), ("Strauß", "strauss")],
)
def test_fold(text, folded):
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("99700002712", True), ("99700735741", True), ("10000000001", False), ("99700002713", False), ("9970000271", False),
        ("997000027120", False), ("9970000271x", False), ("", False), ("٩٩٧٠٠٠٠٢٧١٢", False), ("99700002712\n", False),
    ],
)  # fmt: skip
def test_rpps_numbers(text, right):
    assert is_rpps(text) is right
