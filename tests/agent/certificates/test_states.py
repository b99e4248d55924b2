"""What is known of a certificate, weighed: dates, chain, revocation."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.certificates.chains import Chains, TrustTerms
from agent.certificates.revocation.addresses import Addresses, read_addresses
from agent.certificates.revocation.answers import MAX_FILES, AnswerFiles
from agent.certificates.revocation.memory import FILE, MAX_KEPT, Verdicts
from agent.certificates.revocation.messages import MAX_ANSWER, read_request, read_verdict, write_verdict
from agent.certificates.revocation.verdict import (
    HOLD,
    LONGEST,
    NOT_CHECKED,
    WITHOUT_NEXT,
    Reason,
    Source,
    Status,
    Verdict,
    merge,
    unknown,
)
from agent.certificates.revocation.watch import is_allowed
from agent.certificates.states import CertificateState, CertificateStates, StateName
from agent.certificates.test_root import TestRoot
from agent.settings import REVOCATION_HOSTS
from drivers.card import encoding as write
from drivers.card.certificate import parse_certificate

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Verdict(Status.GOOD, Source.OCSP, NOW - DAY, NOW + DAY)
REVOKED = Verdict(Status.REVOKED, Source.CRL, NOW - DAY, NOW + DAY, NOW - 9 * DAY, "key-compromise")


@pytest.fixture
def card_der(folder: Path) -> bytes:
    return min((folder / "virtual" / "cards").glob("*/*.der")).read_bytes()


def state(folder: Path, card_der: bytes, verdict: Verdict = NOT_CHECKED, **terms: object) -> CertificateState:
    """The state of a card of this folder, as one that the settings' authorities issued."""
    root = TestRoot(folder).authorities_der
    made = folder / "authorities"
    made.mkdir(exist_ok=True)
    for number, der in enumerate(root()):
        (made / f"{number}.der").write_bytes(der)
    chains = Chains(terms=TrustTerms(test_authorities=(made,) if terms.pop("trusted", True) else ()))
    now = terms.pop("now", None) or parse_certificate(card_der).not_before + 10 * DAY
    return CertificateStates(chains, lambda _: verdict, clock=lambda: now, **terms).find(card_der)


def moved(verdict: Verdict, card_der: bytes) -> Verdict:
    """The same, told around the time that `state` looks at."""
    at = parse_certificate(card_der).not_before + 10 * DAY
    return Verdict(verdict.status, verdict.source, at - DAY, at + DAY, verdict.revoked_at, verdict.reason)


def test_good(folder: Path, card_der: bytes) -> None:
    good = moved(GOOD, card_der)
    found = state(folder, card_der, good)
    assert (found.name, found.since, found.reason, found.revocation) == (StateName.VALID, good.produced_at, None, good)


def test_revoked_comes_first(folder: Path, card_der: bytes) -> None:
    expired = parse_certificate(card_der).not_after + DAY
    for terms in ({}, {"trusted": False}, {"now": expired}, {"revocation": False}):
        found = state(folder, card_der, REVOKED, **terms)
        assert (found.name, found.since, found.reason) == (StateName.REVOKED, REVOKED.revoked_at, "key-compromise")


def test_a_good_word_runs_out_and_a_revocation_does_not(folder: Path, card_der: bytes) -> None:
    later = parse_certificate(card_der).not_before + 30 * DAY
    stale = state(folder, card_der, moved(GOOD, card_der), now=later)
    assert (stale.name, stale.reason, stale.revocation.status) == (StateName.UNKNOWN, Reason.STALE, Status.UNKNOWN)
    assert stale.since == moved(GOOD, card_der).produced_at
    assert state(folder, card_der, moved(REVOKED, card_der), now=later).name is StateName.REVOKED


def test_dates(folder: Path, card_der: bytes) -> None:
    certificate = parse_certificate(card_der)
    soon, after, before = (
        certificate.not_after - 59 * DAY,
        certificate.not_after + DAY,
        certificate.not_before - DAY,
    )
    assert state(folder, card_der, now=soon).name is StateName.EXPIRING
    assert state(folder, card_der, now=soon).since == certificate.not_after - 60 * DAY
    assert state(folder, card_der, now=soon).reason == Reason.NOT_CHECKED
    assert state(folder, card_der, now=after).name is StateName.EXPIRED
    assert state(folder, card_der, now=after).since == certificate.not_after
    assert state(folder, card_der, now=before).name is StateName.NOT_YET_VALID
    assert state(folder, card_der, now=soon, trusted=False).name is StateName.UNKNOWN


def test_nothing_known(folder: Path, card_der: bytes) -> None:
    assert state(folder, card_der).reason == Reason.NOT_CHECKED
    assert state(folder, card_der, unknown(Reason.OFFLINE)).name is StateName.UNKNOWN
    assert state(folder, card_der, moved(GOOD, card_der), trusted=False).reason == Reason.ISSUER_UNKNOWN
    assert state(folder, b"\x30\x00", now=NOW).reason == Reason.UNREADABLE


def test_off_the_dates_and_the_chain_decide(folder: Path, card_der: bytes) -> None:
    found = state(folder, card_der, unknown(Reason.OFFLINE), revocation=False)
    assert (found.name, found.reason, found.revocation.status) == (StateName.VALID, Reason.OFF, Status.UNKNOWN)


def test_a_test_card_of_this_folder_is_revoked_by_nobody(folder: Path, card_der: bytes) -> None:
    chains = Chains(TestRoot(folder).authorities_der, TrustTerms(test_root=True))
    found = CertificateStates(chains, lambda _: NOT_CHECKED).find(card_der)
    assert (found.name, found.reason) == (StateName.VALID, Reason.TEST_CARD)


def test_when_an_answer_is_asked_anew() -> None:
    assert GOOD.renew_at() == NOW - DAY + 2 * DAY * 0.9
    years = Verdict(Status.GOOD, Source.CRL, NOW, NOW + 3650 * DAY)
    assert years.renew_at() == NOW + LONGEST * 0.9
    endless = Verdict(Status.GOOD, Source.OCSP, NOW)
    assert endless.holds_until() == NOW + WITHOUT_NEXT
    assert unknown(Reason.OFFLINE).renew_at() is None
    assert (REVOKED.is_final, Verdict(Status.REVOKED, reason=HOLD).is_final, GOOD.is_final) == (True, False, False)


OLD_GOOD = Verdict(Status.GOOD, Source.CRL, NOW - 2 * DAY, NOW + 2 * DAY)
NEW_GOOD = Verdict(Status.GOOD, Source.OCSP, NOW, NOW + DAY)
HELD = Verdict(Status.REVOKED, Source.OCSP, NOW - DAY, NOW + DAY, NOW - DAY, HOLD)
RUN_OUT = Verdict(Status.GOOD, Source.OCSP, NOW - 9 * DAY, NOW - DAY)


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        (NOT_CHECKED, GOOD, GOOD),
        (GOOD, NEW_GOOD, NEW_GOOD),
        (GOOD, REVOKED, REVOKED),
        (GOOD, OLD_GOOD, GOOD),  # played back
        (GOOD, unknown(Reason.OFFLINE), GOOD),
        (REVOKED, NEW_GOOD, REVOKED),
        (REVOKED, unknown(Reason.OFFLINE), REVOKED),
        (HELD, NEW_GOOD, NEW_GOOD),  # the authority took it back
        (HELD, OLD_GOOD, HELD),
        (HELD, unknown(Reason.OFFLINE), HELD),
        (RUN_OUT, OLD_GOOD, OLD_GOOD),
        (NOT_CHECKED, unknown(Reason.OFFLINE), unknown(Reason.OFFLINE)),
        (RUN_OUT, unknown(Reason.STALE), Verdict(Status.UNKNOWN, Source.OCSP, NOW - 9 * DAY, NOW - DAY, None, "stale")),
    ],
)
def test_which_of_two_counts(old: Verdict, new: Verdict, counts: Verdict) -> None:
    assert merge(old, new, NOW) == counts


def test_what_was_learned_outlives_the_agent(tmp_path: Path) -> None:
    kept = Verdicts(tmp_path / "revocation")
    kept.load()
    kept.put(b"a", REVOKED)
    kept.put(b"b", GOOD)
    kept.save()
    again = Verdicts(tmp_path / "revocation")
    again.load()
    assert (again.find(b"a"), again.find(b"b"), again.find(b"c")) == (REVOKED, GOOD, NOT_CHECKED)
    assert stat.S_IMODE((tmp_path / "revocation" / FILE).stat().st_mode) == 0o600
    again.forget()
    assert again.find(b"a") is NOT_CHECKED
    assert list((tmp_path / "revocation").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"a": {"status": "bad"}}', b" " * 300_000])
def test_a_damaged_file_is_dropped(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(content)
    kept = Verdicts(tmp_path)
    kept.load()
    assert kept.find(b"a") is NOT_CHECKED
    assert "asked anew" in caplog.text
    kept.put(b"a", REVOKED)
    kept.save()
    json.loads((tmp_path / FILE).read_text())


def test_what_is_remembered_has_a_limit(tmp_path: Path) -> None:
    kept = Verdicts(tmp_path)
    for number in range(MAX_KEPT + 5):
        kept.put(str(number).encode(), GOOD)
    assert kept.find(b"4") is NOT_CHECKED
    assert kept.find(b"5") is GOOD


def test_raw_answers_are_bounded_whole_and_private(tmp_path: Path) -> None:
    files = AnswerFiles(tmp_path / "answers")
    for number in range(MAX_FILES + 9):
        files.save(b"answer", b"url", str(number).encode())
    assert len(list((tmp_path / "answers").iterdir())) == MAX_FILES
    left = next((tmp_path / "answers").iterdir())
    assert stat.S_IMODE(left.stat().st_mode) == 0o600
    (tmp_path / "answers" / ".left-over.answer-0123").write_bytes(b"half")
    files.save(b"newest", b"url", b"last")
    assert not list((tmp_path / "answers").glob(".*"))
    assert files.load(b"url", b"last") == b"newest"
    files.drop(b"url", b"last")
    assert files.load(b"url", b"last") is None


def test_attack_a_link_in_place_of_an_answer(tmp_path: Path) -> None:
    files, target = AnswerFiles(tmp_path / "answers"), tmp_path / "target"
    files.save(b"answer", b"url")
    (path,) = (tmp_path / "answers").iterdir()
    path.unlink()
    target.write_bytes(b"mine")
    path.symlink_to(target)
    files.save(b"answer", b"url")
    assert target.read_bytes() == b"mine"
    assert not path.is_symlink()


def test_a_disk_that_cannot_be_written_keeps_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    AnswerFiles(tmp_path / "file").save(b"answer", b"url")
    kept = Verdicts(tmp_path / "file")
    kept.put(b"a", GOOD)
    kept.save()
    assert "cannot be kept" in caplog.text


def test_messages() -> None:
    assert read_verdict(write_verdict(REVOKED)) == REVOKED
    for bad in (b"", b"{}", b'{"status": "good", "source": 1}', b" " * (MAX_ANSWER + 1)):
        with pytest.raises(ValueError):
            read_verdict(bad)
    with pytest.raises(ValueError):
        read_request(b"{}")


@pytest.mark.parametrize(
    "url",
    [
        "http://igc-sante.esante.gouv.fr/CRL/a.crl",
        "HTTP://IGC-SANTE.esante.gouv.fr:80/CRL/a.crl",
        "https://ocsp.esante.gouv.fr",
    ],
)
def test_hosts_of_the_settings_may_be_asked(url: str) -> None:
    assert is_allowed(url, REVOCATION_HOSTS)


@pytest.mark.parametrize(
    "url",
    [
        "http://igc-sante.esante.gouv.fr.evil.example/",
        "http://evil.example/igc-sante.esante.gouv.fr",
        "http://igc-sante.esante.gouv.fr@evil.example/",
        "http://evil.example#igc-sante.esante.gouv.fr",
        "http://evil.example\\@igc-sante.esante.gouv.fr/",
        "http://igc-sante.esante.gouv.fr:8080/",
        "http://igc-sante.esante.gouv.fr:443/",
        "http://127.0.0.1/",
        "http://",
        "",
    ],
)
def test_attack_nobody_else_may(url: str) -> None:
    assert not is_allowed(url, REVOCATION_HOSTS)


def test_addresses_of_a_card(card_der: bytes) -> None:
    found = read_addresses(parse_certificate(card_der))
    assert found.ocsp == ("http://ocsp.cps-agent.invalid",)
    assert [url.rpartition("/")[2] for url in found.crl] in (["ACI-FO-PP-TEST.crl"], ["ACI-ST-PP-TEST.crl"])


@given(st.binary(max_size=60), st.sampled_from(["1.3.6.1.5.5.7.1.1", "2.5.29.31"]), st.booleans())
def test_attack_addresses_of_any_bytes(content: bytes, oid: str, wrap: bool) -> None:
    extensions = {oid: write.sequence(write.sequence(content)) if wrap else content}
    assert isinstance(read_addresses(SimpleNamespace(extensions=extensions)), Addresses)


def test_attack_another_users_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    folder = tmp_path / "revocation"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    kept = Verdicts(folder)
    kept.put(b"a", GOOD)
    kept.save()
    assert "another user" in caplog.text
    assert list(folder.iterdir()) == []


KILLED_WRITER = """
import sys
from pathlib import Path
from agent.certificates.revocation.memory import Verdicts
from agent.certificates.revocation.verdict import Status, Verdict
kept = Verdicts(Path(sys.argv[1]))
kept.load()
for number in range(100_000):
    kept.put(str(number).encode(), Verdict(Status.GOOD))
    kept.save()
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            last = [writer.stdout.readline() for _ in range(5)][-1].strip()
            writer.kill()
        kept = Verdicts(tmp_path)
        kept.load()
        assert kept.find(last.encode()).status is Status.GOOD


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"])
@pytest.mark.parametrize("member", ["produced_at", "next_update"])
def test_attack_moments_that_cannot_be_reckoned_with_are_left_out(tmp_path, moment, member):
    told = {"status": "good", "source": "ocsp", "produced_at": "2026-01-01T00:00:00Z"}
    (tmp_path / FILE).write_text(json.dumps({sha256(b"der").hexdigest(): told | {member: moment}}))
    verdicts = Verdicts(tmp_path)
    verdicts.load()
    found = verdicts.find(b"der").at(datetime.now(UTC))
    assert found.renew_at() is None
    assert merge(found, unknown(Reason.OFFLINE), datetime.now(UTC)).status is Status.UNKNOWN
