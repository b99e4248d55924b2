"""SOAP faults explained: those of the public samples, whatever their prefixes and encodings; nothing is invented."""

from __future__ import annotations

import re

import pytest
from support.insi_service import fault
from support.soap_service import FaultError, write_envelope

from agent.services.catalog import Assertion, Service, load_catalog
from agent.services.faults import MAX_HEAD, Explanation, _load_table, explain, is_decided, may_hold_fault

CATALOG = load_catalog().services
DMP, INSI = CATALOG["dmp"], CATALOG["insi"]


def explained(error: FaultError, service: Service) -> Explanation:
    found = explain(error.write(), service)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("error", "codes", "word"),
    [
        (FaultError("x", "soap:DMPInvalidCertificate"), ("DMPInvalidCertificate",), "signature key"),
        (FaultError("x", "s:DMPAccessDeniedByRightsService"), ("DMPAccessDeniedByRightsService",), "authorised"),
        (FaultError("Structure introuvable ou Inactive"), ("structure-unknown",), "structure.id"),
        (FaultError("PS et Structure non liés"), ("structure-not-linked",), "works in this structure"),
        (FaultError("Aucune spécialité dans le vihf pour un médecin"), ("speciality-missing",), "professional.roles"),
    ],
)
def test_faults_of_the_dmp(error: FaultError, codes: tuple[str, ...], word: str) -> None:
    found = explained(error, DMP)
    assert found.codes == codes
    assert word in (found.sentence or "")
    assert explain(error.write(), INSI) is None


def test_faults_of_insi() -> None:
    wrong = explained(fault("desir_560", "Certificat refusé"), INSI)
    assert wrong.codes == ("desir_560",)
    assert "INSI-AUTO or INSI-MANU" in (wrong.sentence or "")
    unknown = explained(fault("desir_550", "Numéro inconnu", "siram_100"), INSI)
    assert unknown.codes == ("siram_100", "desir_550")
    assert "LPS" in (unknown.sentence_fr or "")


def test_a_code_that_nobody_has_explained_is_shown_as_it_is() -> None:
    assert explained(fault("desir_5601", "?", "siram_42"), INSI) == Explanation(("siram_42", "desir_5601"))
    assert explained(FaultError("?", "s:DMPSomethingNew"), DMP) == Explanation(("DMPSomethingNew",))
    assert explain(FaultError("quelque chose").write(), DMP) is None


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_letters_with_accents_are_found_however_they_are_written(encoding: str) -> None:
    text = "PS et Structure non liés"
    for written in (text.encode(encoding), text.encode("ascii", "xmlcharrefreplace"), b"PS et Structure non li&#xE9;s"):
        content = b"<S:Envelope><S:Body>\n <S:Fault>" + written + b"</S:Fault></S:Body></S:Envelope>"
        found = explain(content, DMP)
        assert found is not None
        assert found.codes == ("structure-not-linked",)


def test_a_fault_within_a_multipart_answer() -> None:
    body = FaultError("x", "soap:DMPInvalidCertificate").write()
    head = b'--b\r\nContent-Type: application/xop+xml; type="application/soap+xml"\r\n\r\n'
    assert explain(head + body + b"\r\n--b--", DMP) is not None
    assert may_hold_fault('Multipart/Related; boundary="b"')
    assert not may_hold_fault("application/json")
    assert not may_hold_fault(None)


ANSWERS = {
    "another-body": write_envelope("", "<a>siram_100 DMPInvalidCertificate</a>"),
    "said-in-a-text": write_envelope("", "<a>&lt;Fault>DMPInvalidCertificate</a>"),
    "a-fault-of-its-own": write_envelope("", "<a><Fault>DMPInvalidCertificate</Fault></a>"),
    "in-a-header": write_envelope("<Fault>DMPInvalidCertificate</Fault>", "<a/>"),
    "after-the-fault": write_envelope("", "<s:Fault>x</s:Fault><a>DMPInvalidCertificate</a>"),
    "json": b'{"Fault": "DMPInvalidCertificate"}',
    "empty": b"",
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("content", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_fault_is_not_explained(content: bytes) -> None:
    assert explain(content, DMP) is None
    assert explain(content, INSI) is None


def test_a_fault_made_of_codes_fills_no_header() -> None:
    many = FaultError(" ".join(f"siram_{number}" for number in range(5000)))
    assert len(explained(many, INSI).codes) == 4


def test_a_service_of_no_known_kind_has_no_explanations() -> None:
    assert explain(FaultError("x", "soap:DMPInvalidCertificate").write(), CATALOG["psc"]) is None


def test_no_more_of_an_answer_is_held_than_tells() -> None:
    large = write_envelope("<h/>", "<a>" + "x" * 1000 + "</a>")
    first = next(end for end in range(len(large)) if is_decided(large[:end]))
    assert large[:first].endswith(b"<s:Body><a>")
    cut = FaultError("x" * 100, "s:DMPInvalidCertificate").write()
    assert not is_decided(cut[:-30])
    assert is_decided(cut)
    assert is_decided(b"<" * MAX_HEAD)


@pytest.mark.parametrize("piece", [b"<", b"<Body ", b"<a:Body><", b"<s:Body>" + b" " * 100, b"<Body a=''"])
def test_no_answer_keeps_the_scan_busy(piece: bytes) -> None:
    content = (piece * (MAX_HEAD // len(piece) + 1))[:MAX_HEAD]
    for service in (DMP, INSI):
        explain(content, service)
    is_decided(content)


def test_the_table_is_whole() -> None:
    for name, family in _load_table().items():
        re.compile(family.codes.encode())
        assert name in {"dmp", "insi"}
        for each in family.faults:
            assert each.en.endswith(".")
            assert each.fr.endswith(".")
            for mark in each.marks:
                re.compile(mark.encode("ascii"))
    assert set(Assertion) == {Assertion.VIHF, Assertion.INSI}
