"""Attacks that are the same for all formats: the wrong key, a namesake of an authority, two files in one, one for another.

Each signature goes through all of the child: the reader of its format, and the judge.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from support.pdf import pages, write_pdf
from support.signing_keys import SigningKey

from agent.certificates.chains import Authorities
from agent.signing import asic, cms, jades, jws, pades, xades, xmldsig
from agent.signing.containers import write_container
from agent.signing.documents import Document
from agent.signing.preparation import Kind, Outside, SignatureTerms
from agent.signing.verification.child import verify
from agent.signing.verification.findings import Reason
from agent.signing.verification.messages import DocumentJudged, Head, Judged, Status, Trust, Verify
from agent.signing.words import Format, Level, Packaging
from drivers.virtual.authorities import load_key

XML = b"<ordonnance><dose>1</dose></ordonnance>"
FORMATS: Mapping[Format, tuple[Kind, Packaging, bytes]] = {
    Format.CMS: (cms, Packaging.ENVELOPING, b"text"),  # type: ignore[dict-item]
    Format.XMLDSIG: (xmldsig, Packaging.ENVELOPED, XML),  # type: ignore[dict-item]
    Format.XADES: (xades, Packaging.ENVELOPING, XML),  # type: ignore[dict-item]
    Format.PADES: (pades, Packaging.ENVELOPED, write_pdf(pages())),  # type: ignore[dict-item]
    Format.ASIC_E: (asic, Packaging.ENVELOPING, XML),  # type: ignore[dict-item]
    Format.JWS: (jws, Packaging.ENVELOPING, b"text"),  # type: ignore[dict-item]
    Format.JADES: (jades, Packaging.ENVELOPING, b"text"),  # type: ignore[dict-item]
}
every_format = pytest.mark.parametrize("kind", FORMATS)


@pytest.fixture(scope="module")
def key(made_folder: Path) -> SigningKey:
    return SigningKey.of_card(made_folder)


@pytest.fixture(scope="module")
def login_key(key: SigningKey, made_folder: Path) -> SigningKey:
    """The key of the same card that is for logging in."""
    folder = min((made_folder / "virtual" / "cards").iterdir())
    certificate = next(folder.glob("authentication-*.der")).read_bytes()
    return replace(key, key=load_key(folder / "authentication.key.pem"), certificate_der=certificate)


@pytest.fixture(scope="module")
def trust(key: SigningKey) -> Trust:
    """Of a workstation that uses this card; nobody is asked about test cards."""
    issuing, root = key.chain_der
    return Trust(Authorities((root,), (issuing,), (root,)))


def sign(key: SigningKey, kind: Format, content: bytes | None = None) -> bytes:
    module, packaging, usual = FORMATS[kind]
    document = Document.of("a.bin", usual if content is None else content)
    (unsigned,) = module.prepare([document], SignatureTerms(kind, Level.B, packaging), key.signer(), Outside())
    return key.complete(unsigned)


def read(trust: Trust, content: bytes, detached: bytes | None = None) -> DocumentJudged:
    blobs = [content] if detached is None else [content, detached]
    (judged,) = verify(
        Verify(documents=(Head("a", detached is not None),), trust=trust), blobs, datetime.now(UTC)
    ).documents
    return judged


def list_valid(trust: Trust, content: bytes, detached: bytes | None = None) -> list[Judged]:
    return [each for each in read(trust, content, detached).signatures if each.status is Status.VALID]


@every_format
def test_the_signature_of_a_card_is_valid(key: SigningKey, trust: Trust, kind: Format) -> None:
    (judged,) = read(trust, sign(key, kind)).signatures
    assert (judged.status, judged.hint, judged.certificate_der) == (Status.VALID, "", key.certificate_der)


@every_format
def test_attack_the_key_for_logging_in_signs_a_document(login_key: SigningKey, trust: Trust, kind: Format) -> None:
    (judged,) = read(trust, sign(login_key, kind)).signatures
    assert (judged.status, judged.reason) == (Status.INVALID, Reason.KEY_USAGE)


@every_format
def test_attack_an_authority_signs_a_document(key: SigningKey, trust: Trust, kind: Format, made_folder: Path) -> None:
    issuing, root = key.chain_der
    private = load_key(made_folder / "virtual" / "pki" / "issuing.key.pem")
    (judged,) = read(trust, sign(SigningKey(private, issuing, (root,)), kind)).signatures
    assert (judged.status, judged.reason) == (Status.INVALID, Reason.KEY_USAGE)


@pytest.fixture(scope="module")
def namesake(key: SigningKey) -> SigningKey:
    """The same names all the way up, other keys."""
    private = rsa.generate_private_key(65537, 2048)
    below: list[bytes] = []
    for der in (key.certificate_der, *key.chain_der):
        model = x509.load_der_x509_certificate(der)
        builder = x509.CertificateBuilder(model.issuer, model.subject, private.public_key(), model.serial_number)
        builder = builder.not_valid_before(datetime.now(UTC) - timedelta(days=1))
        builder = builder.not_valid_after(datetime.now(UTC) + timedelta(days=99))
        for extension in model.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        below.append(builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER))
    certificate, *chain = below
    return SigningKey(private, certificate, tuple(chain))


@every_format
def test_attack_a_namesake_of_every_authority(namesake: SigningKey, trust: Trust, kind: Format) -> None:
    (judged,) = read(trust, sign(namesake, kind)).signatures
    assert judged.status is not Status.VALID
    assert not judged.trusted


@every_format
def test_attack_the_certificate_of_somebody_else(
    namesake: SigningKey, key: SigningKey, trust: Trust, kind: Format
) -> None:
    """The right certificate beside the value of a wrong key."""
    forged = replace(key, key=namesake.key)
    assert list_valid(trust, sign(forged, kind)) == []


@every_format
def test_attack_a_file_is_two_files(key: SigningKey, trust: Trust, kind: Format) -> None:
    """What other programs open as a PDF, a ZIP, XML or a web page shows nothing that is not signed."""
    signed = sign(key, kind)
    evil = write_container({"a.exe": b"evil"})
    for other in (evil, b"%PDF-1.7\n%%EOF\n", b"<html><script>evil</script></html>", b"\0" * 22, sign(key, Format.CMS)):
        assert list_valid(trust, signed + other) == []
        assert list_valid(trust, other + signed) == []


@every_format
def test_attack_a_signature_beside_another_document(key: SigningKey, trust: Trust, kind: Format) -> None:
    assert list_valid(trust, sign(key, kind), b"something else") == []


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "in PEM": lambda signed: b"-----BEGIN CMS-----\n" + base64.b64encode(signed) + b"\n-----END CMS-----\n",
    "as UTF-16": lambda signed: signed.decode("latin-1").encode("utf-16"),
    "as UTF-8": lambda signed: signed.decode("latin-1").encode(),
    "in base64": base64.b64encode,
    "in a JSON text": lambda signed: b'{"a":"' + base64.b64encode(signed) + b'"}',
    "in XML": lambda signed: b"<a>" + base64.b64encode(signed) + b"</a>",
    "half": lambda signed: signed[: len(signed) // 2],
    "less one": lambda signed: signed[:-1],
    "twice": lambda signed: signed + signed,
}


@every_format
def test_attack_a_signature_in_another_dress(key: SigningKey, trust: Trust, kind: Format) -> None:
    signed = sign(key, kind)
    for name, cut in CUTS.items():
        is_the_same = name == "in PEM" and kind is Format.CMS
        assert bool(list_valid(trust, cut(signed))) is is_the_same or cut(signed) == signed, name


@every_format
def test_attack_parts_of_two_signatures(key: SigningKey, trust: Trust, kind: Format) -> None:
    """Pieces of one in another of the same person: whatever is valid says what one of them says."""
    contents = {b"text": b"texts", XML: XML.replace(b"1", b"100")}
    usual = FORMATS[kind][2]
    other = contents.get(usual, write_pdf(pages(2)))
    one, two = sign(key, kind), sign(key, kind, other)
    chance = random.Random(f"{kind}")
    for _ in range(20 if kind is Format.PADES else 120):
        at, length = chance.randrange(len(one)), chance.choice((1, 8, 64, 512))
        start = chance.choice((at, chance.randrange(len(two))))
        mixed = one[:at] + two[start : start + length] + one[at + length :]
        if usual in one and list_valid(trust, mixed):
            assert usual in mixed or XML in mixed
