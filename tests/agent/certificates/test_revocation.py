"""Answers of a real PKI, judged by the child: each fate has its word, and nobody is asked whom the settings do not name."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import ocsp, tsp
from cryptography import x509
from support.certificates import sign_again
from support.certomancer import Pki
from support.web import Answer, reply, say, web

from agent.certificates.revocation import asking
from agent.certificates.revocation.addresses import Addresses, read_addresses
from agent.certificates.revocation.checker import Checker, CheckFailedError
from agent.certificates.revocation.child import check
from agent.certificates.revocation.messages import MAX_ANSWER, CheckRequest
from agent.certificates.revocation.validation import Subject
from agent.certificates.revocation.verdict import Reason, Source, Status, Verdict
from agent.children import child_command
from drivers.card.certificate import parse_certificate
from drivers.card.der import TAG_SEQUENCE, TAG_SET, Elements
from drivers.card.encoding import oid as encode_oid
from drivers.card.encoding import sequence, utf8
from drivers.card.tlv import encode_tlv
from drivers.virtual.authorities import load_key

REVOKED_AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
MOODY, LIST = "ocsp/moody", "crls/moody/latest.crl"
COMMAND = child_command("_revocation")

Ask = Callable[..., Verdict]


def now() -> datetime:
    return datetime.now(UTC)


def question(pki: Pki, folder: Path, label: str, **details: object) -> CheckRequest:
    addresses = read_addresses(parse_certificate(pki.der(label)))
    members = {
        "certificate": pki.der(label),
        "chain": pki.chain(),
        "ocsp": list(addresses.ocsp),
        "crl": list(addresses.crl),
        "hosts": [pki.host],
        "folder": str(folder),
        "renew_after": 0.9,
    }
    return CheckRequest(**(members | details))


@pytest.fixture
def ask(pki: Pki, tmp_path: Path) -> Ask:
    """Check a certificate by its label, with an empty folder of answers at first."""

    def ask(label: str, at: datetime | None = None, **details: object) -> Verdict:
        return check(question(pki, tmp_path / "answers", label, **details), at or now())

    return ask


@contextlib.contextmanager
def patience(mood: str) -> Iterator[None]:
    """Not long with those who never end."""
    with pytest.MonkeyPatch.context() as patch:
        if mood in ("hang", "drip"):
            patch.setattr(asking, "FETCH_S", 0.5)
        yield


@pytest.mark.parametrize(("label", "source"), [("good", Source.OCSP), ("good-list", Source.CRL)])
def test_good(ask: Ask, label: str, source: Source) -> None:
    verdict = ask(label)
    assert (verdict.status, verdict.source, verdict.reason) == (Status.GOOD, source, None)
    assert verdict.produced_at <= now() < verdict.next_update


@pytest.mark.parametrize(("label", "source"), [("revoked", Source.OCSP), ("revoked-list", Source.CRL)])
def test_revoked(ask: Ask, label: str, source: Source) -> None:
    verdict = ask(label)
    assert (verdict.status, verdict.source) == (Status.REVOKED, source)
    assert (verdict.revoked_at, verdict.reason) == (REVOKED_AT, "key-compromise")


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("stray", Reason.RESPONDER_WRONG),
        ("plain", Reason.RESPONDER_WRONG),
        ("late", Reason.RESPONDER_WRONG),
        ("silent", Reason.NOT_PUBLISHED),
        ("directory", Reason.NOT_PUBLISHED),
        ("elsewhere", Reason.HOST_NOT_ALLOWED),
    ],
)
def test_unknown(ask: Ask, label: str, reason: Reason) -> None:
    assert ask(label) == Verdict(Status.UNKNOWN, reason=reason)


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("hang", Reason.OFFLINE),
        ("drip", Reason.OFFLINE),
        ("failing", Reason.OFFLINE),
        ("redirect", Reason.OFFLINE),
        ("huge", Reason.TOO_LARGE),
        ("nonsense", Reason.RESPONDER_WRONG),
    ],
)
def test_attack_a_responder_that_misbehaves(pki: Pki, ask: Ask, mood: str, reason: Reason) -> None:
    with pki.mood(MOODY, mood), patience(mood):
        began = time.monotonic()
        assert ask("moody") == Verdict(Status.UNKNOWN, reason=reason)
        assert time.monotonic() - began < asking.FETCH_S + 5
    assert ask("moody").status is Status.GOOD


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("as /igc/crls/moody/archive-0.crl", Reason.STALE),
        ("as /igc/crls/forged/latest.crl", Reason.RESPONDER_WRONG),
        ("huge", Reason.TOO_LARGE),
        ("nonsense", Reason.RESPONDER_WRONG),
        ("hang", Reason.OFFLINE),
    ],
)
def test_attack_a_list_that_is_none(pki: Pki, ask: Ask, mood: str, reason: Reason) -> None:
    with pki.mood(LIST, mood), patience(mood):
        assert ask("moody-list") == Verdict(Status.UNKNOWN, reason=reason)
    assert ask("moody-list").status is Status.GOOD


def test_the_list_serves_where_the_responder_does_not(pki: Pki, ask: Ask) -> None:
    with pki.mood("ocsp/issuing", "failing"):
        assert (ask("good").status, ask("good").source) == (Status.GOOD, Source.CRL)
        assert (ask("revoked").status, ask("revoked").source) == (Status.REVOKED, Source.CRL)


def test_nobody_else_is_asked(pki: Pki, ask: Ask) -> None:
    with web(say(reply())) as other:
        crl = [other.url("/list.crl")]
        assert ask("silent", crl=crl).reason is Reason.HOST_NOT_ALLOWED
        assert ask("good", hosts=[]).reason is Reason.HOST_NOT_ALLOWED
        assert other.heads == []


def test_a_kept_answer_serves_until_it_runs_out(pki: Pki, ask: Ask) -> None:
    good, listed = ask("moody"), ask("moody-list")
    with pki.mood(MOODY, "failing"), pki.mood(LIST, "failing"):
        assert (ask("moody"), ask("moody-list")) == (good, listed)
        assert ask("moody", good.next_update - timedelta(seconds=1)) == good
        assert ask("moody-list", listed.next_update - timedelta(seconds=1)) == listed
        over = timedelta(minutes=6)  # five are allowed between two clocks
        assert ask("moody", good.next_update + over).reason is Reason.OFFLINE
        assert ask("moody-list", listed.next_update + over).reason is Reason.OFFLINE


def test_a_kept_revocation_stands_when_it_has_run_out(pki: Pki, ask: Ask) -> None:
    revoked = ask("revoked")
    with pki.mood("ocsp/issuing", "failing"), pki.mood("crls/issuing/latest.crl", "failing"):
        assert ask("revoked", revoked.next_update + timedelta(days=400)) == revoked


def test_a_damaged_kept_answer_is_dropped(pki: Pki, ask: Ask, tmp_path: Path) -> None:
    ask("moody")
    (kept,) = (tmp_path / "answers").iterdir()
    content = bytearray(kept.read_bytes())
    for damaged in (b"", content[:50], content[:-1] + bytes([content[-1] ^ 1]), os.urandom(3000)):
        kept.write_bytes(damaged)
        with pki.mood(MOODY, "failing"):
            assert ask("moody").reason is Reason.OFFLINE
        assert ask("moody").status is Status.GOOD


def test_clocks_that_jump(pki: Pki, ask: Ask) -> None:
    good = ask("moody")
    back = good.produced_at - timedelta(days=30)
    assert ask("moody", back).status is Status.UNKNOWN  # an answer of the future says nothing yet
    assert ask("moody").status is Status.GOOD


def respond(pki: Pki, label: str) -> bytes:
    """What the responder says about a certificate."""
    request = Subject(pki.der(label), pki.chain()).ocsp_request()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(pki.url(MOODY), request, timeout=9) as found:
        return found.read()


def test_attack_an_answer_about_another_certificate(pki: Pki, ask: Ask) -> None:
    with web(say(reply(respond(pki, "good")))) as liar:
        verdict = ask("moody", ocsp=[liar.url()], hosts=[liar.host])
    assert verdict == Verdict(Status.UNKNOWN, reason=Reason.RESPONDER_WRONG)


def test_attack_an_old_answer_played_back(pki: Pki, ask: Ask) -> None:
    old = respond(pki, "moody")
    current = [old]

    def answer(connection: socket.socket, head: bytes) -> None:
        connection.sendall(reply(current[0]))

    with web(answer) as responder:
        where = {"ocsp": [responder.url()], "hosts": [responder.host]}
        first = ask("moody", **where)
        current[0] = respond(pki, "moody")
        later = first.next_update - timedelta(seconds=30)  # when a new one is asked for
        second = ask("moody", later, **where)
        assert second.produced_at > first.produced_at
        current[0] = old
        assert ask("moody", later, **where) == second


def test_attack_an_answer_changed_on_its_way(pki: Pki, ask: Ask) -> None:
    revoked = respond(pki, "revoked")
    status = ocsp.OCSPResponse.load(revoked)["response_bytes"]["response"].parsed
    single = status["tbs_response_data"]["responses"][0]["cert_status"].dump()
    assert single in revoked
    changed = revoked.replace(single, b"\x80" + bytes([len(single) - 2]) + bytes(len(single) - 2))
    with web(say(reply(changed))) as liar:
        verdict = ask("revoked", ocsp=[liar.url()], crl=[], hosts=[liar.host])
    assert verdict == Verdict(Status.UNKNOWN, reason=Reason.RESPONDER_WRONG)


def test_through_a_proxy(pki: Pki, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(forward(pki.port)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.host}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert ask("moody").status is Status.GOOD
        assert [head.split()[1] for head in proxy.heads] == [pki.url(MOODY).encode()]


def forward(port: int) -> Answer:
    """A proxy's part: ask the server itself, and hand its answer on."""

    def answer(connection: socket.socket, head: bytes) -> None:
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-len"))
        body = head.partition(b"\r\n\r\n")[2]
        while len(body) < length:
            body += connection.recv(4096)
        with socket.create_connection(("127.0.0.1", port), 10) as server:
            server.sendall(head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body)
            while piece := server.recv(65536):
                connection.sendall(piece)

    return answer


async def test_the_child_itself(pki: Pki, tmp_path: Path) -> None:
    verdict = await Checker(COMMAND).check(question(pki, tmp_path / "answers", "revoked"))
    assert (verdict.status, verdict.revoked_at, verdict.reason) == (Status.REVOKED, REVOKED_AT, "key-compromise")


async def test_the_child_finds_the_proxy(pki: Pki, tmp_path: Path) -> None:
    with web(forward(pki.port)) as proxy:
        there = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
        checker = Checker(COMMAND, there | {"http_proxy": f"http://{proxy.host}"})
        assert (await checker.check(question(pki, tmp_path / "answers", "moody"))).status is Status.GOOD
        assert [head.split()[1] for head in proxy.heads] == [pki.url(MOODY).encode()]


async def test_a_certificate_that_is_none(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError):
        await Checker(COMMAND).check(question(pki, tmp_path, "good", certificate=b"\x30\x00"))


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        "import sys; sys.exit(3)",
        "import os; os.kill(os.getpid(), 9)",
        "print('not JSON')",
        'print(\'{"status": "splendid"}\')',
        f"print('[' * {MAX_ANSWER * 3})",
        "import sys; sys.stdin.close(); print('{}')",
    ],
)
async def test_attack_a_child_that_fails(pki: Pki, tmp_path: Path, program: str) -> None:
    checker = Checker([sys.executable, "-c", program], timeout_s=1.0)
    with pytest.raises(CheckFailedError):
        await checker.check(question(pki, tmp_path, "good"))


async def test_a_cancelled_check_leaves_no_child(pki: Pki, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    task = asyncio.create_task(Checker([sys.executable, "-c", program]).check(question(pki, tmp_path, "good")))
    async with asyncio.timeout(20):
        while not (note.exists() and note.read_text()):
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_kept_answers_survive_a_kill_at_any_moment(pki: Pki, ask: Ask, tmp_path: Path) -> None:
    """A file is whole or absent: what a killed child left aside is no answer."""
    good = ask("moody")
    (kept,) = (tmp_path / "answers").iterdir()
    kept.with_name(f".{kept.name}-0123").write_bytes(kept.read_bytes()[:100])
    with pki.mood(MOODY, "failing"):
        assert ask("moody") == good


@pytest.mark.parametrize(("label", "status"), [("good-list", Status.GOOD), ("revoked", Status.REVOKED)])
def test_a_certificate_whose_name_is_not_sorted(pki: Pki, ask: Ask, label: str, status: Status) -> None:
    """As genuine cards of 2016 have them; the serial number stays, and so does what the PKI says about it."""
    name = encode_tlv(TAG_SET, *(attribute(oid, "X") for oid in ("2.5.4.42", "2.5.4.4", "2.5.4.3")))
    parsed = parse_certificate(pki.der(label))
    tbs = Elements(parsed.tbs_der, "tbs").take(TAG_SEQUENCE).value
    changed = sequence(tbs.replace(parsed.subject.der, sequence(name)))
    unsorted = sign_again(changed, load_key(pki.folder / "keys" / "issuing.pem"))
    with pytest.raises(ValueError):
        x509.load_der_x509_certificate(unsorted).subject  # noqa: B018
    assert ask(label, certificate=unsorted).status is status


def attribute(oid: str, text: str) -> bytes:
    return sequence(encode_oid(oid), utf8(text))


def test_time_stamps_are_served_for_what_comes(pki: Pki) -> None:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": hashlib.sha256(b"content").digest()}
    request = tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "cert_req": True}).dump()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(pki.url("tsa/tsa"), request) as answer:
        assert tsp.TimeStampResp.load(answer.read())["status"]["status"].native == "granted"


def test_ldap_is_left_aside(pki: Pki) -> None:
    assert read_addresses(parse_certificate(pki.der("directory"))) == Addresses()
