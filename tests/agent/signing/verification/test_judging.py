"""Who is believed, by which moment: findings of every fate, judged against a served PKI."""

from __future__ import annotations

import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.certificates import change_card, unsort
from support.certomancer import Pki
from support.signing_keys import SigningKey

from agent.api.verification_views import signature_view
from agent.certificates.chains import Authorities
from agent.certificates.revocation.verdict import Reason as Unknown
from agent.certificates.revocation.verdict import Status as Known
from agent.signing.verification.findings import Evidence, Finding, Reason, Stamp
from agent.signing.verification.judging import Court
from agent.signing.verification.messages import Judged, Status, Trust
from agent.signing.words import Format, Level


def now() -> datetime:
    """Asked each time: tests may begin long after they were collected, and answers are made meanwhile."""
    return datetime.now(UTC)


BEFORE_REVOCATION = datetime(2025, 1, 1, tzinfo=UTC)


def trust(pki: Pki, folder: Path, *, online: bool = True) -> Trust:
    authorities = Authorities((pki.der("root"),), (pki.der("issuing"),))
    return Trust(authorities, (), (pki.host,) if online else (), str(folder))


def finding(pki: Pki, label: str, **members: object) -> Finding:
    return Finding(Format.CADES, Level.B, certificate_der=pki.der(label), **members)


def judge(pki: Pki, folder: Path, label: str, *, online: bool = True, **members: object) -> Judged:
    return Court(trust(pki, folder, online=online), now()).judge(finding(pki, label, **members))


def crl(pki: Pki) -> bytes:
    with urllib.request.urlopen(pki.url("crls/issuing/latest.crl"), timeout=10) as answer:
        content: bytes = answer.read()
    return content


def stamp(pki: Pki, time: datetime) -> Stamp:
    return Stamp(time, pki.der("tsa"), (pki.der("issuing"),))


FATES = {
    "good": (Status.VALID, None),
    "good-list": (Status.VALID, None),
    "revoked": (Status.INVALID, Reason.REVOKED),
    "revoked-list": (Status.INVALID, Reason.REVOKED),
    "expired": (Status.INDETERMINATE, Reason.EXPIRED),
    "unknown-issuer": (Status.INDETERMINATE, Reason.ISSUER_UNKNOWN),
    "silent": (Status.INDETERMINATE, Reason.REVOCATION_UNKNOWN),
    "elsewhere": (Status.INDETERMINATE, Reason.REVOCATION_UNKNOWN),
    "stray": (Status.INDETERMINATE, Reason.REVOCATION_UNKNOWN),
    "plain": (Status.INDETERMINATE, Reason.REVOCATION_UNKNOWN),
    "responder": (Status.INVALID, Reason.KEY_USAGE),
    "tsa": (Status.INVALID, Reason.KEY_USAGE),
}


@pytest.mark.parametrize("label", FATES)
def test_a_signature_is_judged_by_its_certificate(pki: Pki, tmp_path: Path, label: str) -> None:
    judged = judge(pki, tmp_path, label)
    assert (judged.status, judged.reason) == FATES[label], judged.hint
    assert judged.trusted is (label != "unknown-issuer")


def test_offline_a_good_signature_is_indeterminate_until_an_answer_is_kept(pki: Pki, tmp_path: Path) -> None:
    assert judge(pki, tmp_path, "good", online=False).reason is Reason.REVOCATION_UNKNOWN
    assert judge(pki, tmp_path, "good").status is Status.VALID
    assert judge(pki, tmp_path, "good", online=False).status is Status.VALID


def test_of_the_time_stamp_authorities_that_are_named_only_roots_are_roots(pki: Pki, tmp_path: Path) -> None:
    """A link among them neither ends a chain nor is believed by itself."""
    known, folder = Authorities((pki.der("root"),), (pki.der("issuing"),)), str(tmp_path)
    stamped = finding(pki, "good", stamps=(stamp(pki, now()),))
    for named, authorities in (("root", Authorities((), ())), ("issuing", known)):
        both = (pki.der(named), pki.der("issuing"))
        assert Court(Trust(authorities, both, (pki.host,), folder), now()).judge(stamped).proven_at is not None
    lonely = Trust(Authorities((), ()), (pki.der("issuing"),), (pki.host,), folder)
    assert Court(lonely, now()).judge(stamped).proven_at is None


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2020-01-01T00:00:00"])
def test_attack_a_time_that_no_clock_says(pki: Pki, tmp_path: Path, moment: str) -> None:
    judged = judge(pki, tmp_path, "good", claimed_at=datetime.fromisoformat(moment))
    assert (judged.status, judged.claimed_at) == (Status.VALID, None)
    assert signature_view(judged)["claimedAt"] is None


def test_evidence_in_the_signature_is_enough_offline(pki: Pki, tmp_path: Path) -> None:
    evidence = Evidence(crls_der=(crl(pki),))
    judged = judge(pki, tmp_path, "good", online=False, evidence=evidence)
    assert (judged.status, judged.revocation.status) == (Status.VALID, Known.GOOD)
    assert judge(pki, tmp_path, "revoked", online=False, evidence=evidence).reason is Reason.REVOKED


def test_evidence_of_another_authority_is_none(pki: Pki, tmp_path: Path) -> None:
    with urllib.request.urlopen(pki.url("crls/forged/latest.crl"), timeout=10) as answer:
        evidence = Evidence(crls_der=(answer.read(), b"\x30\x00", b""), ocsps_der=(b"\x30\x03\x0a\x01\x00",))
    judged = judge(pki, tmp_path, "good", online=False, evidence=evidence)
    assert judged.reason is Reason.REVOCATION_UNKNOWN


def test_a_stamp_from_before_the_revocation_saves_a_signature(pki: Pki, tmp_path: Path) -> None:
    evidence = Evidence(crls_der=(crl(pki),))
    saved = judge(pki, tmp_path, "revoked", stamps=(stamp(pki, BEFORE_REVOCATION),), evidence=evidence)
    assert (saved.status, saved.proven_at) == (Status.VALID, BEFORE_REVOCATION)
    late = judge(pki, tmp_path, "revoked", stamps=(stamp(pki, BEFORE_REVOCATION + timedelta(days=3)),))
    assert late.reason is Reason.REVOKED


def test_a_stamp_from_before_the_end_saves_a_signature_of_an_expired_certificate(pki: Pki, tmp_path: Path) -> None:
    then = datetime(2022, 6, 1, tzinfo=UTC)
    assert judge(pki, tmp_path, "expired").reason is Reason.EXPIRED
    assert judge(pki, tmp_path, "expired", claimed_at=then).reason is Reason.EXPIRED
    proven = judge(pki, tmp_path, "expired", stamps=(stamp(pki, then),), evidence=Evidence(crls_der=(crl(pki),)))
    assert (proven.status, proven.proven_at, proven.authority_der) == (Status.VALID, then, pki.der("tsa"))


@pytest.mark.parametrize("label", ["good", "responder", "stranger", "issuing"])
def test_nobody_stamps_who_is_no_authority_for_it(pki: Pki, tmp_path: Path, label: str) -> None:
    forged = Stamp(datetime(2022, 6, 1, tzinfo=UTC), pki.der(label), (pki.der("issuing"),))
    judged = judge(pki, tmp_path, "expired", stamps=(forged,))
    assert (judged.reason, judged.proven_at) == (Reason.EXPIRED, None)


def test_a_stamp_of_tomorrow_proves_nothing(pki: Pki, tmp_path: Path) -> None:
    assert judge(pki, tmp_path, "good", stamps=(stamp(pki, now() + timedelta(days=1)),)).proven_at is None


def test_a_level_that_nobody_vouches_for_is_none(pki: Pki, tmp_path: Path) -> None:
    claimed = Finding(
        Format.CADES,
        Level.LTA,
        certificate_der=pki.der("good"),
        stamps=(Stamp(now() - timedelta(days=1), pki.der("stranger")),),
    )
    judged = Court(trust(pki, tmp_path), now()).judge(claimed)
    assert (judged.status, judged.level) == (Status.VALID, Level.B)


def test_only_given_anchors_count_when_there_are_some(pki: Pki, tmp_path: Path) -> None:
    other = Trust(Authorities((pki.der("stranger"),), (pki.der("root"), pki.der("issuing"))), folder=str(tmp_path))
    assert Court(other, now()).judge(finding(pki, "good")).reason is Reason.ISSUER_UNKNOWN
    issuing = Trust(Authorities((pki.der("issuing"),)), (), (pki.host,), str(tmp_path))
    assert Court(issuing, now()).judge(finding(pki, "good")).status is Status.VALID


@pytest.mark.parametrize("reason", list(Reason)[:7])
def test_what_a_reader_found_is_never_made_good(pki: Pki, tmp_path: Path, reason: Reason) -> None:
    judged = judge(pki, tmp_path, "good", reason=reason)
    assert judged.status is not Status.VALID
    assert judged.reason is reason


def test_a_finding_without_a_certificate_or_with_rubbish_is_not_valid(pki: Pki, tmp_path: Path) -> None:
    court = Court(trust(pki, tmp_path), now())
    assert court.judge(Finding(Format.JWS)).reason is Reason.CERTIFICATE_ABSENT
    assert court.judge(Finding(Format.JWS, certificate_der=b"\x30\x80")).reason is Reason.MALFORMED


def test_a_card_of_the_test_root_is_valid_for_its_signature_key_alone(made_folder: Path, key: SigningKey) -> None:
    root = key.chain_der[-1]
    court = Court(Trust(Authorities((root,), key.chain_der[:-1], (root,))), now())
    signed = court.judge(Finding(Format.CADES, Level.B, certificate_der=key.certificate_der))
    assert (signed.status, signed.is_test, signed.revocation.reason) == (Status.VALID, True, Unknown.TEST_CARD)
    (login,) = next((made_folder / "virtual" / "cards").iterdir()).glob("authentication-*.der")
    assert court.judge(Finding(Format.CADES, certificate_der=login.read_bytes())).reason is Reason.KEY_USAGE


def test_a_card_whose_name_is_not_sorted_is_judged_like_any(folder: Path, key: SigningKey) -> None:
    made = change_card(folder, unsort)
    root = key.chain_der[-1]
    court = Court(Trust(Authorities((root,), key.chain_der[:-1], (root,))), now())
    reasons = {court.judge(Finding(Format.CADES, certificate_der=der)).reason for der in made}
    assert reasons == {None, Reason.KEY_USAGE}


@pytest.mark.parametrize("label", ["good", "issuing", "tsa"])
def test_attack_a_certificate_that_came_along_and_was_altered(pki: Pki, tmp_path: Path, label: str) -> None:
    """Whether it is needed or not: here all that is needed is known."""
    changed = bytearray(pki.der(label))
    changed[-9] ^= 1
    altered, whole = bytes(changed), pki.der("issuing")
    brought = Evidence((altered,)), (Stamp(now(), pki.der("tsa"), (altered,)),), (Stamp(now(), altered, (whole,)),)
    for members in ({"evidence": brought[0]}, {"stamps": brought[1]}, {"stamps": brought[2]}):
        judged = judge(pki, tmp_path, "good", **members)
        assert (judged.status, judged.reason) == (Status.INVALID, Reason.ALTERED)
    assert judge(pki, tmp_path, "good", evidence=Evidence((whole, pki.der("tsa")))).status is Status.VALID
