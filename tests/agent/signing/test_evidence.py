"""Evidence against a served PKI: for the signer and who stamped, from the network once, and what keeps it from being had."""

from __future__ import annotations

import pytest
from asn1crypto import crl, ocsp
from msgspec.structs import replace

from agent.signing import evidence
from agent.signing.errors import EvidenceError, RevokedError
from agent.signing.evidence import gather_evidence
from agent.signing.timestamps import TimeStamps


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch):
    """By the process: only what files keep serves."""
    monkeypatch.setattr(evidence, "_kept", {})


def chain(pki):
    return tuple(pki.chain())


def test_evidence_of_a_signer_and_of_an_authority(pki, outside):
    token = TimeStamps(outside).stamp(b"anything")
    found = gather_evidence(pki.der("good"), chain(pki), outside, [token])
    assert set(found.certificates_der) == {pki.der(name) for name in ("good", "issuing", "root", "tsa")}
    (response,) = found.ocsps_der
    single = ocsp.OCSPResponse.load(response).response_data["responses"][0]
    assert single["cert_status"].name == "good"
    issuers = [crl.CertificateList.load(each).issuer.native["common_name"] for each in found.crls_der]
    assert issuers == ["TEST AC RACINE CERTOMANCER", "TEST AC PERSONNES CERTOMANCER"]


def test_answers_are_kept_between_processes_and_within_one(pki, outside, monkeypatch):
    first = gather_evidence(pki.der("good-list"), chain(pki), outside)
    assert len(first.crls_der) == 2
    with pki.mood("crls/issuing/latest.crl", "failing"), pki.mood("crls/root/latest.crl", "failing"):
        assert gather_evidence(pki.der("good-list"), chain(pki), outside) == first  # by the process
        monkeypatch.setattr(evidence, "_kept", {})
        assert gather_evidence(pki.der("good-list"), chain(pki), outside) == first  # by the files
        monkeypatch.setattr(evidence, "_kept", {})
        with pytest.raises(EvidenceError, match="nobody answered"):
            gather_evidence(pki.der("good-list"), chain(pki), replace(outside, folder=f"{outside.folder}-other"))


@pytest.mark.parametrize("label", ["revoked", "revoked-list"])
def test_a_revoked_signer(pki, outside, label):
    with pytest.raises(RevokedError, match="is revoked since 2025-01-02"):
        gather_evidence(pki.der(label), chain(pki), outside)


def test_a_revoked_time_stamp_authority(pki, outside):
    token = TimeStamps(replace(outside, timestamp_url=pki.url("tsa/revoked"))).stamp(b"anything")
    with pytest.raises(RevokedError, match=r"HORODATAGE.*is revoked since 2025-01-02"):
        gather_evidence(pki.der("good"), chain(pki), outside, [token])


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("silent", "publishes nothing"),
        ("directory", "publishes nothing"),
        ("elsewhere", "allow none of its hosts"),
        ("stray", "believed"),
    ],
)
def test_evidence_that_cannot_be_had(pki, outside, label, why):
    with pytest.raises(EvidenceError, match=why):
        gather_evidence(pki.der(label), chain(pki), outside)


def test_a_silent_time_stamp_authority(pki, outside):
    token = TimeStamps(replace(outside, timestamp_url=pki.url("tsa/silent"))).stamp(b"anything")
    with pytest.raises(EvidenceError, match=r"HORODATAGE.*publishes nothing"):
        gather_evidence(pki.der("good"), chain(pki), outside, [token])


def test_nobody_may_be_asked(pki, outside):
    with pytest.raises(EvidenceError, match="allow none of its hosts"):
        gather_evidence(pki.der("good"), chain(pki), replace(outside, hosts=()))


def test_a_test_card(key, outside):
    """It names hosts that there are not."""
    with pytest.raises(EvidenceError, match="none of its hosts, or it is a test card"):
        gather_evidence(key.certificate_der, key.chain_der, outside)


def test_a_signer_without_a_root(pki, outside):
    with pytest.raises(EvidenceError, match="no root"):
        gather_evidence(pki.der("good"), (), outside)


def test_a_token_of_others(pki, outside):
    token = TimeStamps(outside).stamp(b"anything")
    with pytest.raises(EvidenceError, match="vouched for"):
        gather_evidence(pki.der("good"), chain(pki), replace(outside, timestamp_authorities_der=()), [token])
    with pytest.raises(EvidenceError, match="does not hold"):
        gather_evidence(pki.der("good"), chain(pki), outside, [token[:-1]])
