"""JWS and JAdES: what comes out is what another program verifies, and says of itself."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.jose import Verifier, header_of, run_verifier
from support.signing_keys import SigningKey

from agent.signing import jades, jws
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.preparation import Appearance, Outside, Policy, SignatureTerms
from agent.signing.verification.findings import Finding
from agent.signing.verification.jose import read_signatures
from agent.signing.words import Format, Level, Packaging, Scheme, Serialization

TEXT = "Ordonnance : 1 comprimé\r\n".encode()
KINDS = {Format.JWS: jws, Format.JADES: jades}
JSON = Serialization.JSON
POLICY = Policy("1.2.250.1.213.1.1.2.99", hashlib.sha256(b"policy").digest(), "https://example.org/policy.pdf")


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with run_verifier() as running:
        yield running


def terms(kind: Format, packaging: Packaging = Packaging.ENVELOPING, **more: Any) -> SignatureTerms:
    return SignatureTerms(kind, Level.B, packaging, **more)


def sign(key: SigningKey, chosen: SignatureTerms, *documents: Document, scheme: Scheme = Scheme.RS256) -> list[bytes]:
    given = documents or (Document.of("ordonnance.txt", TEXT, "text/plain"),)
    module = KINDS[chosen.format]
    module.check(given, chosen, Outside())
    return key.complete_all(module.prepare(given, chosen, key.signer(scheme), Outside()), scheme)


def read(signature: bytes, detached: bytes | None = None) -> Finding:
    (finding,) = read_signatures(signature, detached)
    assert finding.reason is None, finding.hint
    return finding


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("serialization", [None, *Serialization])
@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_around_the_document(
    key: SigningKey, verifier: Verifier, kind: Format, serialization: Serialization | None, scheme: Scheme
) -> None:
    (signature,) = sign(key, terms(kind, serialization=serialization), scheme=scheme)
    assert signature.startswith(b"{") is (serialization is JSON)
    header, payload = verifier.verify(signature)
    assert payload == TEXT
    assert (header["alg"], header["cty"]) == (scheme, "text/plain")
    assert header["typ"] == ("JOSE+JSON" if serialization is JSON else "JOSE")
    finding = read(signature)
    assert (finding.format, finding.certificate_der) == (kind, key.certificate_der)


@pytest.mark.parametrize("serialization", Serialization)
def test_a_jws_beside_the_document(key: SigningKey, verifier: Verifier, serialization: Serialization) -> None:
    (signature,) = sign(key, terms(Format.JWS, Packaging.DETACHED, serialization=serialization))
    assert base64.urlsafe_b64encode(TEXT).rstrip(b"=") not in signature
    assert verifier.verify(signature, TEXT)[1] == TEXT
    assert verifier.refuses(signature, TEXT + b" ")
    assert read(signature, TEXT).format is Format.JWS


@pytest.mark.parametrize("serialization", Serialization)
def test_a_jades_beside_the_document_needs_its_hash_alone(
    key: SigningKey, verifier: Verifier, serialization: Serialization
) -> None:
    """The foreign program proves the header with its empty payload; the hash in it is compared here."""
    document = Document("scan é.pdf", None, hashlib.sha256(TEXT).digest(), None, "application/pdf")
    (signature,) = sign(key, terms(Format.JADES, Packaging.DETACHED, serialization=serialization), document)
    header, payload = verifier.verify(signature, b"", ["sigD"])
    assert payload == b""
    assert verifier.refuses(signature, b"")  # what does not know sigD must not pass it over
    assert header["b64"] is False
    assert header["crit"] == ["b64", "sigD"]
    assert header["sigD"] == {
        "mId": "http://uri.etsi.org/19182/ObjectIdByURIHash",
        "pars": ["scan%20%C3%A9.pdf"],
        "hashM": "S256",
        "hashV": [base64.urlsafe_b64encode(document.sha256).rstrip(b"=").decode()],
        "ctys": ["pdf"],
    }
    finding = read(signature, TEXT)
    assert (finding.level, finding.names) == (Level.B, ("scan%20%C3%A9.pdf",))


def test_a_document_is_named_by_its_uri_where_it_has_one(key: SigningKey) -> None:
    document = Document.of("a", TEXT, None, "https://example.org/a")
    (signature,) = sign(key, terms(Format.JADES, Packaging.DETACHED), document)
    assert read(signature, TEXT).names == ("https://example.org/a",)


def test_the_certificate_and_its_issuers_stand_in_the_header_without_the_root(key: SigningKey) -> None:
    (signature,) = sign(key, terms(Format.JWS))
    header = header_of(signature)
    issuing, _ = key.chain_der
    assert [base64.b64decode(each) for each in header["x5c"]] == [key.certificate_der, issuing]
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(key.certificate_der).digest()).rstrip(b"=").decode()
    assert header["x5t#S256"] == thumbprint
    assert {"kid", "jwk", "jku", "x5u"}.isdisjoint(header)
    assert read(signature).evidence.certificates_der == (issuing,)


def test_a_jades_says_when_as_what_and_under_which_policy(key: SigningKey, verifier: Verifier) -> None:
    before = int(time.time())
    (signature,) = sign(key, terms(Format.JADES, claimed_role="Médecin coordonnateur", policy=POLICY))
    header, _ = verifier.verify(signature)
    assert before <= header["iat"] <= time.time()
    assert "sigT" not in header  # not in signatures made after 2025-05-15
    assert "crit" not in header
    claimed = {"mediaType": "text/plain", "encoding": "binary", "qVals": ["Médecin coordonnateur"]}
    assert header["srAts"] == {"claimed": [claimed]}
    assert header["sigPId"] == {
        "id": {"id": "urn:oid:1.2.250.1.213.1.1.2.99"},
        "digAlg": "S256",
        "digVal": base64.urlsafe_b64encode(POLICY.sha256).rstrip(b"=").decode(),
        "sigPQuals": [{"spURI": "https://example.org/policy.pdf"}],
    }
    finding = read(signature)
    assert finding.claimed_at is not None
    assert int(finding.claimed_at.timestamp()) == header["iat"]


def test_a_policy_by_uri_stays_one(key: SigningKey) -> None:
    policy = Policy("https://example.org/policy", bytes(32))
    (signature,) = sign(key, terms(Format.JADES, policy=policy))
    described = header_of(signature)["sigPId"]
    assert described["id"] == {"id": "https://example.org/policy"}
    assert "sigPQuals" not in described


def test_kinds_of_content_are_named_as_the_standards_do(key: SigningKey) -> None:
    documents = [Document.of("a", b"{}", kind) for kind in ("application/json", "image/png", None)]
    signed = sign(key, terms(Format.JWS), *documents), sign(key, terms(Format.JADES), *documents)
    kinds = [[header_of(each).get("cty") for each in signatures] for signatures in signed]
    assert kinds == [["json", "image/png", None], ["json", "image/png", "octet-stream"]]


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 3, b"x" * 300_000])
def test_any_bytes_are_signed(key: SigningKey, verifier: Verifier, content: bytes) -> None:
    (signature,) = sign(key, terms(Format.JWS, serialization=JSON), Document.of("a", content))
    assert verifier.verify(signature)[1] == content
    if content:
        read(signature)
    assert json.loads(signature).keys() == {"payload", "protected", "signature"}


REFUSED = {
    "policy": POLICY,
    "claimed_role": "x",
    "reason": "x",
    "location": "x",
    "field": "x",
    "appearance": Appearance(),
}


@pytest.mark.parametrize("option", REFUSED)
@pytest.mark.parametrize("kind", KINDS)
def test_options_of_other_formats_are_refused(key: SigningKey, kind: Format, option: str) -> None:
    chosen = terms(kind, **{option: REFUSED[option]})
    if kind is Format.JADES and option in ("policy", "claimed_role"):
        assert sign(key, chosen)
        return
    with pytest.raises(TermsRefusedError):
        sign(key, chosen)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_no_higher_level(key: SigningKey, kind: Format) -> None:
    with pytest.raises(TermsRefusedError):
        sign(key, SignatureTerms(kind, Level.T, Packaging.ENVELOPING))


@pytest.mark.parametrize(("kind", "packaging"), [(Format.JWS, p) for p in Packaging] + [(Format.JADES, "enveloping")])
def test_a_hash_alone_is_refused_where_the_content_is_signed(key: SigningKey, kind: Format, packaging: str) -> None:
    with pytest.raises(DocumentRefusedError):
        sign(key, terms(kind, Packaging(packaging)), Document("a", None, bytes(32)))


def test_a_jws_names_no_document(key: SigningKey) -> None:
    with pytest.raises(TermsRefusedError):
        sign(key, terms(Format.JWS), Document.of("a", TEXT, None, "https://example.org/a"))
