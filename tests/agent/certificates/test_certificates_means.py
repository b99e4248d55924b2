"""Who has which means of identification, and which is missing: every state, every kind of holder, and clocks that jump."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.certificates.holder import Coded, Holder
from agent.certificates.means import (
    ERRANDS,
    CardRecord,
    ECpsRecord,
    Kind,
    Lack,
    Records,
    SoftwareRecord,
    Verdict,
    list_bearers,
)
from agent.certificates.states import CertificateState, StateName
from agent.certificates.structure import Structure
from agent.people.errands.errands import load_errands

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER, BEFORE = NOW + timedelta(days=400), NOW - timedelta(days=400)
STATES = tuple(StateName)
HOSPITAL = Structure("HOPITAL D'ESSAI", "1990000010")
DOCTOR = Holder("CPS", False, "DUPONT", "MARIE", "899700002712", "Médecin", Coded("10", "Médecin"), None)
NURSE = replace(DOCTOR, national_id="0599999999", profession=Coded("60", "Infirmier"))
STUDENT = replace(DOCTOR, kind="CPF", national_id="999700002720", profession=None, future_profession=Coded("10", "M"))
EMPLOYEE = replace(DOCTOR, kind="CPE", national_id="3990000010/CPET0001", structure=HOSPITAL)
NOBODY = Holder("CPE", False, None, None, "3990000010/000000018", None, None, None, structure=HOSPITAL)
ORGANISATION = Holder(None, False, None, None, "INSI-AUTO", None, None, None, structure=HOSPITAL)


def card(holder=DOCTOR, state="valid", number="99900001", **members):
    expires_at = BEFORE if state == "expired" else LATER
    return CardRecord(
        number, holder, CertificateState(StateName(state)), **{"expires_at": expires_at, "test": False} | members
    )


def software(*roles, state="valid", **members):
    expires_at = BEFORE if state == "expired" else LATER
    given = {"expires_at": expires_at, "test": False} | members
    return SoftwareRecord(
        "S0123456789ABCDE", ORGANISATION, frozenset(roles), CertificateState(StateName(state)), **given
    )


def only(*records, **others):
    """The only bearer of these records."""
    cards = [record for record in records if isinstance(record, CardRecord)]
    certificates = [record for record in records if isinstance(record, SoftwareRecord)]
    (bearer,) = list_bearers(Records(cards, certificates, **others), NOW)
    return bearer


def lacks(bearer):
    return {lack.what: (lack.reason, lack.errand) for lack in bearer.missing}


def test_nobody_is_known():
    assert list_bearers(Records(), NOW) == ()


@pytest.mark.parametrize(
    ("state", "verdict", "missing", "errand"),
    [
        ("valid", "enough", {}, None),
        ("expiring", "enough", {}, "card-renewal"),
        ("unknown", "unknown", {}, None),
        ("expired", "unknown", {"card": ("expired", "card-renewal"), "e-cps": ("unknown", "e-cps-activate")}, "card-renewal"),
        ("revoked", "unknown", {"card": ("revoked", "card-revoked"), "e-cps": ("unknown", "e-cps-activate")}, "card-revoked"),
        ("not-yet-valid", "unknown", {"card": ("not-yet-valid", None), "e-cps": ("unknown", "e-cps-activate")}, None),
    ],
)  # fmt: skip
def test_a_professional_with_one_card(state, verdict, missing, errand):
    """Whether the e-CPS exists, this workstation does not know: so without a card nobody is said to have nothing."""
    bearer = only(card(state=state))
    assert (bearer.id, bearer.name, bearer.rpps, bearer.is_person) == (
        "899700002712", "Médecin MARIE DUPONT", "99700002712", True)  # fmt: skip
    assert (bearer.verdict, lacks(bearer)) == (verdict, missing)
    mine, electronic = bearer.means
    assert (mine.kind, mine.state, mine.errand) == (Kind.CARD, state, errand)
    assert (electronic.kind, electronic.state, electronic.state_reason) == (Kind.E_CPS, "unknown", "not-used-here")


@pytest.mark.parametrize("state", STATES)
def test_the_better_of_two_cards_counts(state):
    """An old card, and the one that took its place."""
    bearer = only(card(state=state), card(number="99900002", expires_at=LATER + timedelta(days=9)))
    assert (bearer.verdict, bearer.missing) == (Verdict.ENOUGH, ())
    assert [means.number for means in bearer.means if means.kind is Kind.CARD] == ["99900002", "99900001"]


def test_two_cards_of_two_professions_are_one_persons():
    pharmacist = replace(DOCTOR, profession=Coded("21", "Pharmacien"))
    bearer = only(card(), card(pharmacist, number="99900002", state="expired"))
    assert {means.holder.profession.code for means in bearer.means if means.holder} == {"10", "21"}
    assert bearer.verdict is Verdict.ENOUGH


def test_two_adeli_numbers_are_two_bearers():
    bearers = list_bearers(Records([card(NURSE), card(replace(NURSE, national_id="0599999998"), number="2")]), NOW)
    assert [bearer.rpps for bearer in bearers] == [None, None]
    assert len({bearer.id for bearer in bearers}) == 2


@pytest.mark.parametrize(
    ("holder", "errand"), [(NURSE, "card-renewal"), (STUDENT, "card-renewal"), (EMPLOYEE, "employee-card")]
)
def test_without_an_rpps_number_there_is_no_e_cps_to_hope_for(holder, errand):
    bearer = only(card(holder, state="expired"))
    assert [means.kind for means in bearer.means] == [Kind.CARD]
    assert (bearer.verdict, bearer.missing) == (Verdict.MISSING, (Lack("card", "expired", errand),))
    assert only(card(holder)).verdict is Verdict.ENOUGH


def test_a_student_with_an_rpps_number_may_have_an_e_cps():
    bearer = only(card(replace(STUDENT, national_id="899700002712")))
    assert [means.kind for means in bearer.means] == [Kind.CARD, Kind.E_CPS]


@pytest.mark.parametrize(
    ("state", "verdict", "missing"),
    [("valid", "enough", set()), ("expired", "missing", {"card", "e-cps"}), ("revoked", "missing", {"card", "e-cps"}),
     ("unknown", "unknown", {"card", "e-cps"})],
)  # fmt: skip
def test_an_e_cps_that_was_used_here_makes_up_for_a_card(state, verdict, missing):
    used = [
        ECpsRecord(DOCTOR, CertificateState(StateName.REVOKED), NOW - timedelta(days=9)),
        ECpsRecord(DOCTOR, CertificateState(StateName(state)), NOW - timedelta(days=1)),
        ECpsRecord(DOCTOR, CertificateState(StateName.VALID), NOW, test=True),
    ]
    (bearer, other) = sorted(list_bearers(Records([card(state="expired")], e_cps=used), NOW), key=lambda one: one.test)
    assert [means.kind for means in other.means] == [Kind.E_CPS]
    assert (bearer.verdict, set(lacks(bearer))) == (verdict, missing)
    assert bearer.means[1].seen_at == NOW - timedelta(days=1)


def test_a_person_known_by_an_e_cps_alone():
    bearer = only(e_cps=[ECpsRecord(DOCTOR, CertificateState(StateName.VALID), NOW)])
    assert (bearer.name, bearer.rpps, bearer.verdict, bearer.is_present) == (
        "Médecin MARIE DUPONT", "99700002712", Verdict.ENOUGH, False)  # fmt: skip
    gone = only(e_cps=[ECpsRecord(DOCTOR, CertificateState(StateName.EXPIRED), NOW)])
    assert lacks(gone) == {"card": ("not-seen-here", "card-order"), "e-cps": ("expired", "e-cps-activate")}
    assert gone.verdict is Verdict.UNKNOWN


def test_the_test_means_of_a_person_are_those_of_another_bearer():
    records = Records([card(state="expired"), card(number="2", test=True)], e_cps=[
        ECpsRecord(DOCTOR, CertificateState(StateName.VALID), NOW, test=True)])  # fmt: skip
    real, test = sorted(list_bearers(records, NOW), key=lambda bearer: bearer.test)
    assert (real.test, real.verdict) == (False, Verdict.UNKNOWN)
    assert (test.test, test.verdict, test.means[1].state) == (True, Verdict.ENOUGH, "valid")


def test_cards_that_name_nobody_are_their_structures():
    bearer = only(card(NOBODY), card(replace(NOBODY, national_id="3990000010/000000019"), number="2", state="expired"))
    assert (bearer.id, bearer.name, bearer.is_person) == ("1990000010", "HOPITAL D'ESSAI", False)
    assert (bearer.verdict, bearer.missing) == (Verdict.ENOUGH, ())
    assert [means.errand for means in bearer.means] == [None, "staff-order"]
    gone = only(card(NOBODY, state="revoked"))
    assert (gone.verdict, gone.missing) == (Verdict.MISSING, (Lack("card", "revoked", "staff-order"),))


def test_a_card_that_tells_nothing_is_known_by_its_number():
    blank = Holder(None, False, None, None, None, None, None, None)
    bearers = list_bearers(Records([card(blank, number="1"), card(blank, number="2")]), NOW)
    assert [(bearer.id, bearer.name) for bearer in bearers] == [("1", "1"), ("2", "2")]


@pytest.mark.parametrize(
    ("roles", "missing"),
    [
        ([{"AUTH_CLI"}, {"SIGN"}], {}),
        ([{"AUTH_CLI", "SIGN"}], {}),
        ([{"AUTH_CLI"}], {"SIGN": ("not-seen-here", "certificate-order")}),
        ([{"SIGN"}], {"AUTH_CLI": ("not-seen-here", "certificate-order")}),
        ([{"SSL_SERV"}], {}),
        ([{"S/MIME"}, set()], {}),
    ],
)
def test_the_pair_of_a_structure(roles, missing):
    bearer = only(*(software(*each) for each in roles))
    assert (bearer.id, bearer.is_person) == ("1990000010", False)
    assert lacks(bearer) == missing
    assert bearer.verdict is (Verdict.MISSING if missing else Verdict.ENOUGH)


@pytest.mark.parametrize(
    ("state", "verdict", "missing"),
    [
        ("valid", "enough", {}),
        ("expiring", "enough", {}),
        ("unknown", "unknown", {}),
        ("expired", "missing", {"SIGN": ("expired", "certificate-renewal")}),
        ("revoked", "missing", {"SIGN": ("revoked", "certificate-order")}),
        ("not-yet-valid", "missing", {"SIGN": ("not-yet-valid", None)}),
    ],
)
def test_half_of_a_pair_in_another_state(state, verdict, missing):
    bearer = only(software("AUTH_CLI"), software("SIGN", state=state))
    assert (bearer.verdict, lacks(bearer)) == (verdict, missing)


def test_a_test_certificate_completes_no_real_pair():
    bearers = list_bearers(Records((), [software("AUTH_CLI"), software("SIGN", test=True)]), NOW)
    assert [set(lacks(bearer)) for bearer in sorted(bearers, key=lambda one: one.test)] == [{"SIGN"}, {"AUTH_CLI"}]


def test_cards_and_certificates_of_a_structure_stand_together():
    bearer = only(card(NOBODY), software("AUTH_CLI"), software("SIGN"))
    assert [means.kind for means in bearer.means] == [Kind.CARD, Kind.SOFTWARE, Kind.SOFTWARE]


def test_a_person_known_by_a_certificate_alone_may_have_a_card_elsewhere():
    person = replace(software("S/MIME"), holder=DOCTOR)
    bearer = only(person)
    assert bearer.verdict is Verdict.UNKNOWN
    assert lacks(bearer) == {"card": ("not-seen-here", "card-order"), "e-cps": ("unknown", "e-cps-activate")}


def test_a_certificate_that_names_no_structure_is_no_persons():
    bearer = only(replace(software("SIGN"), holder=replace(ORGANISATION, structure=None)))
    assert (bearer.id, bearer.name, bearer.is_person) == ("INSI-AUTO", "INSI-AUTO", False)


def test_who_is_here_comes_first():
    other = replace(DOCTOR, national_id="899700000001", family_name="ABEL")
    bearers = list_bearers(Records([card(other), card(number="2", present=True)]), NOW)
    assert [bearer.is_present for bearer in bearers] == [True, False]


@pytest.mark.parametrize("state", ["valid", "expiring", "unknown"])
def test_a_state_from_before_the_clock_moved_on_is_judged_by_the_date(state):
    bearer = only(card(state=state, expires_at=NOW - timedelta(seconds=1)))
    assert bearer.means[0].state == "expired"
    assert lacks(bearer)["card"] == ("expired", "card-renewal")


def test_what_was_seen_in_the_future_was_seen_by_a_wrong_clock():
    assert only(card(seen_at=NOW + timedelta(hours=1))).means[0].seen_at is None
    assert only(card(seen_at=BEFORE)).means[0].seen_at == BEFORE
    assert only(card(seen_at=BEFORE, present=True)).means[0].seen_at is None


def test_every_errand_is_in_our_data():
    known = {errand.id for errand in load_errands(()).errands}
    assert known >= ERRANDS


records = some.builds(
    Records,
    some.lists(some.builds(card, some.sampled_from([DOCTOR, NURSE, STUDENT, EMPLOYEE, NOBODY]), some.sampled_from(STATES),
                           number=some.sampled_from("123"), test=some.booleans(), present=some.booleans()), max_size=6),
    some.lists(some.builds(lambda roles, state: software(*roles, state=state),
                           some.sets(some.sampled_from(["AUTH_CLI", "SIGN", "CONF"])), some.sampled_from(STATES)), max_size=4),
)  # fmt: skip


@given(records)
def test_every_record_is_in_the_table_once_and_every_verdict_has_its_reasons(records):
    bearers = list_bearers(records, NOW)
    told = [means for bearer in bearers for means in bearer.means if means.kind is not Kind.E_CPS]
    assert len(told) == len(records.cards) + len(records.software)
    assert len({(bearer.id, bearer.test, bearer.is_person) for bearer in bearers}) == len(bearers)
    for bearer in bearers:
        assert {lack.errand for lack in bearer.missing} | {means.errand for means in bearer.means} <= {None, *ERRANDS}
        good = any(means.state in ("valid", "expiring") for means in bearer.means if means.kind is Kind.CARD)
        if bearer.is_person:
            assert (bearer.verdict is Verdict.ENOUGH) == good
        assert bool(bearer.missing) >= (bearer.verdict is Verdict.MISSING)
        assert not (bearer.missing and bearer.verdict is Verdict.ENOUGH)
