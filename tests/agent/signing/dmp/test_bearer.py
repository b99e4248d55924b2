"""Who asks is the card's to say: what callers may add, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from agent.cards.card import Card, CardMemory
from agent.cards.errors import KeyRefusedError
from agent.certificates.holder import Coded as HolderCode
from agent.certificates.holder import Holder
from agent.certificates.structure import Structure as HolderStructure
from agent.signing.dmp.bearer import (
    OID_FUTURE_PROFESSION,
    OID_PROFESSION,
    OID_SPECIALITY,
    Told,
    describe_bearer,
    list_places,
    require_structure_certificate,
)
from agent.signing.dmp.terms import Coded, Structure
from agent.signing.errors import Place, StructureRefusedError, TermsRefusedError
from drivers.card.activity import Activity

PHYSICIAN, NURSE = HolderCode("10", "Médecin"), HolderCode("60", "Infirmier")
HOLDER = Holder("CPS", True, "NOM", "Prénom", "899700002712", None, PHYSICIAN, HolderCode("SM26", "Générale"))
PRACTICE = Activity(1, "CABINET", "4997", "SA07")
ROLE = Coded("SECR", "1.2.3")


def card_of(holder: Holder = HOLDER, reader: str = "reader", **memory: Any) -> Card:
    return Card(reader, cast("Any", None), holder, datetime.now(UTC), test_token=True, memory=CardMemory(**memory))


def roles_of(card: Card, *told: Coded) -> list[tuple[str, str, str | None]]:
    professional, _ = describe_bearer(card, [PRACTICE], Told(roles=told))
    return [(role.code, role.code_system, role.display_name) for role in professional.roles]


def test_profession_then_speciality_with_the_words_of_the_tables() -> None:
    assert roles_of(card_of()) == [("10", OID_PROFESSION, "Médecin"), roles_of(card_of())[1]]
    code, system, label = roles_of(card_of())[1]
    assert (code, system) == ("SM26", OID_SPECIALITY)
    assert label is not None
    assert "édecine" in label


def test_a_speciality_may_stand_in_the_cards_data_alone() -> None:
    holder = replace(HOLDER, speciality=None)
    assert [code for code, _, _ in roles_of(card_of(holder, speciality="SM26"))] == ["10", "SM26"]


def test_a_speciality_that_is_missing_is_asked_of_the_caller() -> None:
    card = card_of(replace(HOLDER, speciality=None))
    with pytest.raises(TermsRefusedError, match="speciality"):
        roles_of(card)
    assert [code for code, _, _ in roles_of(card, Coded("SM26", OID_SPECIALITY))] == ["10", "SM26"]
    nurse = replace(HOLDER, profession=NURSE, speciality=None)
    assert [code for code, _, _ in roles_of(card_of(nurse))] == ["60"]


def test_a_trainee_has_the_profession_that_is_to_be() -> None:
    holder = replace(HOLDER, kind="CPF", profession=None, speciality=None, future_profession=PHYSICIAN)
    with pytest.raises(TermsRefusedError):
        roles_of(card_of(holder))
    found = roles_of(card_of(holder), Coded("SM26", OID_SPECIALITY))
    assert found[0] == ("10", OID_FUTURE_PROFESSION, "Médecin")


@pytest.mark.parametrize("system", [OID_PROFESSION, OID_FUTURE_PROFESSION, OID_SPECIALITY])
def test_nobody_but_a_card_makes_a_secretary_a_physician(system: str) -> None:
    secretary = card_of(replace(HOLDER, kind="CPE", profession=None, speciality=None))
    assert [code for code, _, _ in roles_of(secretary, ROLE)] == ["SECR"]
    with pytest.raises(TermsRefusedError):
        roles_of(secretary, ROLE, Coded("10", system))
    with pytest.raises(TermsRefusedError):
        roles_of(card_of(), Coded("10", system))


@pytest.mark.parametrize(
    "changes",
    [{"kind": "CPA"}, {"kind": "CDA"}, {"kind": None}, {"family_name": None}, {"national_id": None}],
)
def test_only_the_card_of_a_person_speaks_for_one(changes: dict[str, Any]) -> None:
    with pytest.raises(KeyRefusedError):
        describe_bearer(card_of(replace(HOLDER, **changes)), [PRACTICE], Told())


def test_software_speaks_for_a_structure_and_a_card_for_its_holder() -> None:
    software = card_of(reader="")
    with pytest.raises(KeyRefusedError):
        describe_bearer(software, [PRACTICE], Told())
    require_structure_certificate(software)
    with pytest.raises(KeyRefusedError):
        require_structure_certificate(card_of())


def where(told: Told, *situations: Activity, structure: HolderStructure | None = None) -> Structure:
    return describe_bearer(card_of(replace(HOLDER, structure=structure)), situations, told)[1]


def test_structures_are_those_of_situations_and_certificate_once_each() -> None:
    card = card_of(replace(HOLDER, structure=HolderStructure("HOPITAL", "1990")))
    situations = [PRACTICE, PRACTICE, replace(PRACTICE, number=2, sector="SA05"), Activity(3, "x", None, "SA01")]
    assert list_places(card, situations) == [
        Place("4997", "CABINET", "SA07"),
        Place("4997", "CABINET", "SA05"),
        Place("1990", "HOPITAL", None),
    ]


def test_a_structure_is_chosen_and_never_added() -> None:
    assert where(Told(), PRACTICE) == Structure("4997", "SA07")
    assert where(Told("4997"), PRACTICE, Activity(2, None, "1990", "SA01")) == Structure("4997", "SA07")
    for told in (Told("4998"), Told("4997", "SA01"), Told(sector="SA01"), Told("4997 "), Told("")):
        with pytest.raises(StructureRefusedError) as refused:
            where(told, PRACTICE)
        assert refused.value.places == (Place("4997", "CABINET", "SA07"),)


def test_two_sectors_of_one_structure_are_told_apart() -> None:
    situations = PRACTICE, replace(PRACTICE, number=2, sector="SA05")
    with pytest.raises(StructureRefusedError):
        where(Told("4997"), *situations)
    assert where(Told("4997", "SA05"), *situations) == Structure("4997", "SA05")


def test_a_sector_that_no_card_tells_is_the_callers() -> None:
    employer = HolderStructure("HOPITAL", "1990")
    with pytest.raises(StructureRefusedError, match="sector"):
        where(Told(), structure=employer)
    assert where(Told(sector="SA01"), structure=employer) == Structure("1990", "SA01")
    with pytest.raises(StructureRefusedError):
        where(Told(sector="SA01"))
