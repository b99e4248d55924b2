"""ASiC-E containers: unzip unpacks them, xmlsec1 verifies what was unpacked; names and archives of any shape."""

from __future__ import annotations

import io
import subprocess
import zipfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from support.certomancer import Pki
from support.signing_keys import SigningKey
from support.xadesjs import run_xades_verifier
from support.xmlsec import DS, XADES, xmlsec_accepts

from agent.signing import asic
from agent.signing.containers import MEDIA_TYPE, read_container, write_container
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.preparation import Outside, Policy, SignatureTerms
from agent.signing.words import Format, Level, Packaging, Scheme
from agent.signing.zip_layout import check_layout

DOCUMENTS = (
    Document.of("compte rendu n°1.xml", b"<a>b</a>", "text/xml"),
    Document.of("annexes/radio 50%.bin", b"\0\xff" * 500),
    Document.of("vide.txt", b"", "text/plain"),
)
FIRST = "META-INF/signatures001.xml"


def terms(level: Level = Level.B, **options: Any) -> SignatureTerms:
    return SignatureTerms(Format.ASIC_E, level, Packaging.ENVELOPING, **options)


def sign(
    key: SigningKey,
    *documents: Document,
    asked: SignatureTerms | None = None,
    outside: Outside | None = None,
    scheme: Scheme = Scheme.RS256,
) -> bytes:
    asked, outside = asked or terms(), outside or Outside()
    asic.check(documents, asked, outside)
    (unsigned,) = asic.prepare(documents, asked, key.signer(scheme), outside)
    assert unsigned.media_type == MEDIA_TYPE
    return key.complete(unsigned, scheme)


def unpack(container: bytes, folder: Path) -> Path:
    """Elsewhere, as another program does."""
    (folder / "a.asice").write_bytes(container)
    with zipfile.ZipFile(folder / "a.asice") as archive:
        assert archive.testzip() is None
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def accepts(key: SigningKey, unpacked: Path, name: str = FIRST) -> bool:
    """The names in the signature are relative to the container's root."""
    key.write_chain(unpacked)
    return xmlsec_accepts(unpacked, (unpacked / name).read_bytes())


def test_documents_and_signature_are_in_one_container(tmp_path: Path, key: SigningKey) -> None:
    container = sign(key, *DOCUMENTS, asked=terms(claimed_role="Médecin", policy=Policy("1.2.3", bytes(32))))
    unpacked = unpack(container, tmp_path)
    assert [(unpacked / each.name).read_bytes() for each in DOCUMENTS] == [each.read() for each in DOCUMENTS]
    assert accepts(key, unpacked)
    for document in DOCUMENTS:
        (unpacked / document.name).write_bytes(document.read() + b" ")
        assert not accepts(key, unpacked)
        (unpacked / document.name).write_bytes(document.read())
    assert accepts(key, unpacked)


def test_its_shape_is_that_of_the_standard(key: SigningKey) -> None:
    container = sign(key, *DOCUMENTS)
    assert container[:4] == b"PK\3\4"
    assert container[30:].startswith(b"mimetype" + MEDIA_TYPE.encode())
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        names = archive.namelist()
        signature, manifest = (etree.fromstring(archive.read(name)) for name in (FIRST, "META-INF/manifest.xml"))
    assert names == ["mimetype", *(each.name for each in DOCUMENTS), "META-INF/manifest.xml", FIRST]
    assert signature.tag == "{http://uri.etsi.org/02918/v1.2.1#}XAdESSignatures"
    schema = etree.XMLSchema(file=str(files("signxml") / "xades" / "schemas" / "XAdES01903v132-201601.xsd"))
    schema.assertValid(etree.fromstring(etree.tostring(signature[0])))
    uris = [each.get("URI") for each in signature.iter(f"{{{DS}}}Reference")]
    assert uris[:3] == ["compte%20rendu%20n%C2%B01.xml", "annexes/radio%2050%25.bin", "vide.txt"]
    types = ["text/xml", "application/octet-stream", "text/plain"]
    assert [each.text for each in signature.iter(f"{{{XADES}}}MimeType")] == types
    attributes = [list(entry.attrib.values()) for entry in manifest]
    assert attributes == [["/", MEDIA_TYPE], *([each.name, kind] for each, kind in zip(DOCUMENTS, types, strict=True))]


def test_somebody_else_signs_the_same_container(tmp_path: Path, key: SigningKey) -> None:
    container = sign(key, *DOCUMENTS)
    again = sign(key, Document.of("a.asice", container))
    before, after = read_container(container), read_container(again)
    assert list(after) == [*before, "META-INF/signatures002.xml"]
    assert {name: after[name] for name in before} == before
    unpacked = unpack(again, tmp_path)
    assert accepts(key, unpacked)
    assert accepts(key, unpacked, "META-INF/signatures002.xml")


def test_one_signed_with_pss_holds_for_xadesjs(key: SigningKey) -> None:
    container = sign(key, DOCUMENTS[0], scheme=Scheme.PS256)
    with run_xades_verifier() as xadesjs:
        assert xadesjs.verify(read_container(container)[FIRST], DOCUMENTS[0].read())
        assert xadesjs.refuses(read_container(container)[FIRST], b"<a>c</a>")


def test_levels_are_those_of_xades(published_key: SigningKey, outside: Outside, pki: Pki) -> None:
    container = sign(published_key, *DOCUMENTS, asked=terms(Level.LT), outside=outside)
    signature = etree.fromstring(read_container(container)[FIRST])
    for name in ("SignatureTimeStamp", "CertificateValues", "RevocationValues"):
        assert len(list(signature.iter(f"{{{XADES}}}{name}"))) == 1


def test_the_container_is_named_by_its_first_document(key: SigningKey) -> None:
    (unsigned,) = asic.prepare(DOCUMENTS, terms(), key.signer(), Outside())
    assert unsigned.name == "compte rendu n°1.asice"
    (unsigned,) = asic.prepare([Document.of("b.asice", sign(key, *DOCUMENTS))], terms(), key.signer(), Outside())
    assert unsigned.name == "b.asice"


@pytest.mark.parametrize(
    "names",
    [
        ["../a"], ["a/../b"], ["/a"], ["a//b"], ["a/"], ["./a"], [".."], ["a\\b"], ["C:a"], ["a\0b"], ["a\nb"], ["a\ufffe"],
        ["mimetype"], ["MimeType"], ["META-INF/manifest.xml"], ["meta-inf/x"], ["META-INF"],
        ["a", "a"], ["a", "A"], ["\u00e9", "e\u0301"],
    ],
)  # fmt: skip
def test_names_that_a_container_cannot_have_are_refused(names: list[str]) -> None:
    with pytest.raises(DocumentRefusedError) as refused:
        asic.check([Document.of(name, b"text") for name in names], terms(), Outside())
    assert refused.value.document == names[-1]


def archive(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED, first: bytes = MEDIA_TYPE.encode()) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as made:
        made.writestr(zipfile.ZipInfo("mimetype"), first, zipfile.ZIP_STORED)
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()


WHOLE = archive(("a.txt", b"text" * 20))
HOSTILE = {
    "truncated": WHOLE[:-30],
    "cut-short": WHOLE[:60],
    "before": b"#!/bin/sh\n" + WHOLE,
    "after": WHOLE + b"more",
    "between": WHOLE[: 30 + 8 + len(MEDIA_TYPE)] + b"PK\3\4hidden" + WHOLE[30 + 8 + len(MEDIA_TYPE) :],
    "commented": WHOLE[:-2] + b"\5\0hello",
    "commented-with-another": WHOLE[:-2] + len(WHOLE).to_bytes(2, "little") + WHOLE,
    "altered": WHOLE.replace(b"texttext", b"TEXTtext", 1),
    "two-names": WHOLE.replace(b"a.txt", b"b.txt", 1),
    "name-ends-early": WHOLE.replace(b"a.txt", b"a\0txt"),
    "encrypted": WHOLE.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0"),
    "other-kind": archive(("a.txt", b""), first=b"application/vnd.etsi.asic-s+zip"),
    "other-kind-behind": archive(("a.txt", b""), first=MEDIA_TYPE.encode() + b"x"),
    "out-of-its-folder": archive(("../a.txt", b"")),
    "out-of-meta-inf": archive(("META-INF/../../a.txt", b"")),
    "names-alike": archive(("a.txt", b""), ("A.txt", b"")),
    "rare-method": archive(("a.txt", b"text"), method=zipfile.ZIP_LZMA),
    "bomb": archive(*((str(n), bytes(1024 * 1024)) for n in range(65)), method=zipfile.ZIP_DEFLATED),
    "too-many": archive(*((str(n), b"") for n in range(1001))),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_container_is_refused_by_its_name(content: bytes) -> None:
    with pytest.raises(DocumentRefusedError) as refused:
        read_container(content, "a.asice")
    assert refused.value.document == "a.asice"


def test_no_byte_of_a_container_changes_its_files_unseen() -> None:
    files = read_container(WHOLE)
    for place in range(len(WHOLE)):
        with suppress(DocumentRefusedError):
            assert read_container(WHOLE[:place] + bytes([WHOLE[place] ^ 0x20]) + WHOLE[place + 1 :]) == files


def test_an_honest_container_is_read_however_it_was_packed(tmp_path: Path) -> None:
    packed = io.BytesIO()

    class Stream(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, piece: Any) -> int:
            return packed.write(piece)

    with zipfile.ZipFile(Stream(), "w") as made:  # sizes after the files, as it cannot go back
        made.writestr("a.txt", b"text")
    streamed = packed.getvalue()
    with zipfile.ZipFile(io.BytesIO(streamed)) as made:
        assert made.infolist()[0].flag_bits & 0x8
        check_layout(made, streamed)
    by_folder = archive(("sub/", b""), ("sub/a.txt", b"text"), method=zipfile.ZIP_DEFLATED)
    assert list(read_container(by_folder)) == ["mimetype", "sub/a.txt"]
    commented = f"mimetype={MEDIA_TYPE}".encode()
    assert list(read_container(WHOLE[:-2] + bytes([len(commented), 0]) + commented)) == ["mimetype", "a.txt"]
    assert read_container(write_container({"a": b"b"})) == {"mimetype": MEDIA_TYPE.encode(), "a": b"b"}


@pytest.mark.parametrize(
    "container",
    [
        archive(),
        archive(("a", b""), ("META-INF/ASiCManifest.xml", b"<a/>")),
        archive(("a", b""), ("META-INF/signature.p7s", b"")),
        archive(("a", b""), ("META-INF/manifest.xml", b"<!DOCTYPE a><a/>")),
    ],
)
def test_a_container_of_another_kind_is_not_signed_once_more(container: bytes) -> None:
    with pytest.raises(DocumentRefusedError):
        asic.check([Document.of("a.asice", container)], terms(), Outside())


def test_what_the_format_has_no_place_for_is_refused() -> None:
    with pytest.raises(TermsRefusedError):
        asic.check([Document.of("a", b"", uri="urn:a")], terms(), Outside())
    with pytest.raises(TermsRefusedError):
        asic.check(DOCUMENTS, terms(reason="a"), Outside())
    with pytest.raises(DocumentRefusedError):
        asic.check([Document("a", None, bytes(32))], terms(), Outside())


def test_another_program_unpacks_it(tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "a.asice").write_bytes(sign(key, *DOCUMENTS))
    subprocess.run(["unzip", "-tq", "a.asice"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["unzip", "-q", "a.asice", "vide.txt", "META-INF/*"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(each.name for each in (tmp_path / "META-INF").iterdir()) == ["manifest.xml", "signatures001.xml"]
