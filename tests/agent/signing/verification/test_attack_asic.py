"""Attacks on containers: true signatures beside files that they do not sign, archives that two programs unpack apart."""

from __future__ import annotations

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.signing_keys import SigningKey

from agent.signing import asic, xades
from agent.signing.containers import MANIFEST, MEDIA_TYPE, read_container, write_container
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.asic import read_signatures
from agent.signing.verification.findings import Reason, UnreadableError
from agent.signing.words import Format, Level, Packaging

FIRST = "META-INF/signatures001.xml"
EVIL = b"<ordonnance><dose>100</dose></ordonnance>"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def key(made_folder: Path) -> SigningKey:
    return SigningKey.of_card(made_folder)


@pytest.fixture(scope="module")
def good(key: SigningKey) -> bytes:
    """A container of two documents."""
    documents = [Document.of("ordonnance", b"<ordonnance><dose>1</dose></ordonnance>"), Document.of("b.txt", b"text")]
    terms = SignatureTerms(Format.ASIC_E, Level.B, Packaging.ENVELOPING)
    (unsigned,) = asic.prepare(documents, terms, key.signer(), Outside())
    return key.complete(unsigned)


def sign_xml(
    key: SigningKey, packaging: Packaging, content: bytes = b"<ordonnance><dose>1</dose></ordonnance>"
) -> bytes:
    terms = SignatureTerms(Format.XADES, Level.B, packaging)
    (unsigned,) = xades.prepare([Document.of("ordonnance", content)], terms, key.signer(), Outside())
    return key.complete(unsigned)


def wrap(signature: bytes) -> bytes:
    """In the root that signatures of a container have."""
    bare = signature.partition(b"?>")[2]
    return b'<a:XAdESSignatures xmlns:a="http://uri.etsi.org/02918/v1.2.1#">%s</a:XAdESSignatures>' % bare


def list_valid(container: bytes) -> list[tuple[str, ...]]:
    """What of it is said to be signed."""
    try:
        return [finding.names for finding in read_signatures(container, None) if finding.reason is None]
    except UnreadableError:
        return []


def repack(container: bytes, change: Callable[[Files], Mapping[str, bytes]]) -> bytes:
    return write_container(change(read_container(container)))


def test_the_container_holds(good: bytes) -> None:
    assert list_valid(good) == [("ordonnance", "b.txt")]
    assert list_valid(repack(good, lambda files: files)) == [("ordonnance", "b.txt")]


def test_attack_an_enveloped_signature_beside_a_file_named_like_its_root(key: SigningKey) -> None:
    signature = sign_xml(key, Packaging.ENVELOPED)
    (finding,) = read_signatures(write_container({"ordonnance": EVIL, FIRST: signature}), None)
    assert finding.reason is Reason.NOT_COVERED


@pytest.mark.parametrize("content", [b"text", b"<ordonnance/>"])
def test_attack_an_enveloping_signature_beside_a_file_named_like_what_it_holds(key: SigningKey, content: bytes) -> None:
    signature = sign_xml(key, Packaging.ENVELOPING, content)
    held = re.search(rb'<ds:Object Id="(id-[0-9a-f-]+)"', signature)
    assert held
    for name in (held[1].decode(), "ordonnance", "Object"):
        for xml in (signature, wrap(signature)):
            assert list_valid(write_container({name: EVIL, FIRST: xml})) == []


CHANGES: dict[str, Callable[[Files], Mapping[str, bytes]]] = {
    "a file more": lambda files: files | {"c.txt": EVIL},
    "a file less": lambda files: {name: files[name] for name in files if name != "b.txt"},
    "another content": lambda files: files | {"b.txt": b"Text"},
    "another name": lambda files: {{"b.txt": "b.exe"}.get(name, name): files[name] for name in files},
    "contents exchanged": lambda files: files | {"ordonnance": files["b.txt"], "b.txt": files["ordonnance"]},
    "something else in META-INF": lambda files: files | {"META-INF/c.txt": EVIL},
    "a CAdES manifest": lambda files: files | {"META-INF/ASiCManifest.xml": b"<a/>"},
    "a manifest that lists more": lambda files: files
    | {MANIFEST: files[MANIFEST].replace(b"</manifest:manifest>", b'<manifest:file-entry manifest:full-path="c.txt" manifest:media-type="a/b"/></manifest:manifest>')},
    "a manifest that lists another": lambda files: files | {MANIFEST: files[MANIFEST].replace(b'"b.txt"', b'"c.txt"')},
    "a manifest with an entity": lambda files: files | {MANIFEST: b'<!DOCTYPE a [<!ENTITY b "c">]>' + files[MANIFEST].partition(b"?>")[2]},
    "the signature in another root": lambda files: files | {FIRST: b"<a>" + files[FIRST].partition(b"?>")[2] + b"</a>"},
    "a file in the signature's file": lambda files: files | {FIRST: files[FIRST].replace(b"</asic:XAdESSignatures>", EVIL + b"</asic:XAdESSignatures>")},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_attack_a_container_that_was_packed_again(good: bytes, change: str) -> None:
    changed = repack(good, CHANGES[change])
    assert read_container(changed) != read_container(good)
    assert list_valid(changed) == []


def twice(container: bytes) -> bytes:
    """An entry twice: programs take the first, or the last."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry))
        with pytest.warns(UserWarning, match="Duplicate"):
            new.writestr("b.txt", EVIL)
    return packed.getvalue()


def other_local_name(container: bytes) -> bytes:
    """Programs that unpack from the start see another name than those that read the directory."""
    return container.replace(b"b.txt", b"b.exe", 1)


def other_unicode_name(container: bytes) -> bytes:
    """Info-ZIP's extra field gives an entry another name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(container)) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.infolist():
            if entry.filename == "b.txt":
                name = struct.pack("<BI", 1, zlib.crc32(b"b.txt")) + b"b.exe"
                entry.extra = struct.pack("<HH", 0x7075, len(name)) + name
            new.writestr(entry, old.read(entry))
    return packed.getvalue()


def other_local_method(container: bytes) -> bytes:
    """Stored, to whoever reads from the start."""
    at = container.index(b"b.txt") - 30
    return container[: at + 8] + b"\0\0" + container[at + 10 :]


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "something before it": lambda container: b"%PDF-1.7\n" + container,
    "a PDF behind it": lambda container: container + b"%PDF-1.7\n%%EOF",
    "a comment": lambda container: container[:-2] + b"\x09\0%PDF-1.7\n",
    "an entry twice": twice,
    "another local name": other_local_name,
    "another local method": other_local_method,
    "another name for Unicode": other_unicode_name,
    "another media type": lambda container: container.replace(MEDIA_TYPE.encode(), b"application/zip".ljust(31), 1),
    "two ends": lambda container: container + container[container.rindex(b"PK\5\6") :],
    "two archives": lambda container: container + container,
}


@pytest.mark.parametrize("trick", ARCHIVES)
def test_attack_an_archive_that_programs_read_apart(good: bytes, trick: str) -> None:
    altered = ARCHIVES[trick](good)
    assert altered != good
    assert list_valid(altered) == []


def test_attack_bits_turned_all_over(good: bytes) -> None:
    """What is still valid holds the same documents, to whoever unpacks it."""
    expected = {name: content for name, content in read_container(good).items() if not name.startswith("META-INF/")}
    source, taken = random.Random(7), 0
    for _ in range(1500):
        altered = bytearray(good)
        altered[source.randrange(len(altered))] ^= 1 << source.randrange(8)
        if list_valid(bytes(altered)):
            taken += 1
            with zipfile.ZipFile(io.BytesIO(altered)) as archive:
                contents = {name: archive.read(name) for name in archive.namelist() if not name.startswith("META-INF/")}
            assert contents == expected
    assert taken < 300


def test_attack_names_of_files_that_leave_their_folder() -> None:
    for name in (
        "../a",
        "/a",
        "a/../b",
        "a\\b",
        "a\0b",
        "META-INF/a",
        "meta-inf/a",
        "MIMETYPE",
        "",
        "a//b",
        ".",
        "C:a",
    ):
        with pytest.raises(DocumentRefusedError):
            asic.check(
                [Document.of(name, b"")], SignatureTerms(Format.ASIC_E, Level.B, Packaging.ENVELOPING), Outside()
            )
