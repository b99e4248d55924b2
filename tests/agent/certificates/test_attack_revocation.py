"""Answers about revocation that a network, or a damaged disk, has changed: each is refused, and ends nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from agent.certificates.revocation.answers import AnswerFiles
from agent.certificates.revocation.child import check
from agent.certificates.revocation.messages import CheckRequest
from agent.certificates.revocation.validation import AnswerError, Subject
from agent.certificates.revocation.verdict import HOLD, Reason, Status, Verdict

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
URL = "http://ocsp.example/"
CHANGES = 400

Judge = Callable[[bytes, datetime], Verdict]


class Authority:
    """An authority that answers for one certificate: an OCSP response and a CRL, both good."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        root = _build("R", "R", key).sign(key, hashes.SHA256())
        leaf = _build("L", "R", key, ca=False).sign(key, hashes.SHA256())
        self.key, self.x509 = key, (leaf, root)
        self.root, self.leaf = (each.public_bytes(Encoding.DER) for each in (root, leaf))
        self.subject = Subject(self.leaf, [self.root])
        response = ocsp.OCSPResponseBuilder().responder_id(ocsp.OCSPResponderEncoding.NAME, root)
        good = ocsp.OCSPCertStatus.GOOD
        response = response.add_response(leaf, root, hashes.SHA1(), good, NOW, NOW + DAY, None, None)
        self.ocsp = response.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
        published = x509.CertificateRevocationListBuilder(root.subject, NOW, NOW + DAY)
        self.crl = published.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def revoked(self, reason: x509.ReasonFlags, at: datetime) -> bytes:
        """An OCSP response of that moment, which held for a day."""
        leaf, root = self.x509
        response = ocsp.OCSPResponseBuilder().responder_id(ocsp.OCSPResponderEncoding.NAME, root)
        status = ocsp.OCSPCertStatus.REVOKED
        response = response.add_response(leaf, root, hashes.SHA1(), status, at, at + DAY, at, reason)
        return response.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _build(name: str, issuer: str, key: rsa.RSAPrivateKey, *, ca: bool = True) -> x509.CertificateBuilder:
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer))
    number = x509.random_serial_number()
    builder = x509.CertificateBuilder(by, subject, key.public_key(), number, NOW - 99 * DAY, NOW + DAY)
    return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def judges(authority: Authority) -> list[tuple[Judge, bytes]]:
    return [(authority.subject.judge_ocsp, authority.ocsp), (authority.subject.judge_crl, authority.crl)]


def test_the_answers_are_good_as_they_are(authority):
    assert [judge(content, NOW).status for judge, content in judges(authority)] == [Status.GOOD] * 2


def test_an_answer_with_bytes_changed_is_refused_as_one(authority):
    chance = random.Random(27710)
    for judge, content in judges(authority):
        for _ in range(CHANGES):
            changed = bytearray(content)
            for _ in range(chance.choice((1, 1, 2, 4))):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            try:
                assert judge(bytes(changed), NOW).status is Status.GOOD  # a byte that nobody reads
            except AnswerError:
                continue


@pytest.mark.parametrize("content", [b"", b"\x30\x80" * 20_000, b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x0a\x01\x00"])
def test_bytes_that_are_no_answer_are_refused_as_one(authority, content):
    for judge, _ in judges(authority):
        with pytest.raises(AnswerError):
            judge(content, NOW)


def test_a_kept_answer_that_was_damaged_goes_and_keeps_no_other_from_being_heard(authority, tmp_path: Path):
    files, request = AnswerFiles(tmp_path), authority.subject.ocsp_request()
    damaged = authority.ocsp.replace(b"\x06\x05\x2b\x0e\x03\x02\x1a", b"\x06\x05\x2b\x0e\x03\x02\x57")  # no hash
    assert damaged != authority.ocsp
    files.save(damaged, URL.encode(), request)
    files.save(authority.crl, URL.encode(), authority.root)
    asked = CheckRequest(
        certificate=authority.leaf,
        chain=[authority.root],
        ocsp=[URL],
        crl=[URL],
        hosts=[],
        folder=str(tmp_path),
        renew_after=0.9,
    )
    assert check(asked, NOW).status is Status.GOOD
    assert files.load(URL.encode(), request) is None


def test_an_old_suspension_that_is_played_back_keeps_no_good_card_out(authority):
    """It may have been taken back since: an answer that has run out cannot tell."""
    at = NOW - 10 * DAY
    with pytest.raises(AnswerError) as refused:
        authority.subject.judge_ocsp(authority.revoked(x509.ReasonFlags.certificate_hold, at), NOW)
    assert refused.value.reason is Reason.STALE
    stolen = authority.revoked(x509.ReasonFlags.key_compromise, at)
    assert authority.subject.judge_ocsp(stolen, NOW).status is Status.REVOKED
    held = authority.revoked(x509.ReasonFlags.certificate_hold, NOW - DAY / 2)
    assert authority.subject.judge_ocsp(held, NOW).reason == HOLD
