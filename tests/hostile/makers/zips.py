"""ZIP files: documents that nothing signs, names that lead elsewhere, archives that grow or that two programs read."""

from __future__ import annotations

import io
import warnings
import zipfile

from support.signing_keys import SigningKey

from agent.signing import asic
from agent.signing.containers import MANIFEST, read_container, write_container
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.words import Format, Level, Packaging
from hostile.makers import Made, Making, truncated
from hostile.pki import Pki

FIRST = "META-INF/signatures001.xml"


def make(pki: Pki) -> Making:
    container = pack(pki.signer)
    yield Made("container.asice", container, "valid", "an honest container with two documents")
    yield from truncated("container.asice", container, "unreadable|no-signature")
    shapes: dict[str, tuple[dict[str, bytes], str, str]] = {
        "altered": ({"a.xml": b"<d>99</d>"}, "altered", "one of the documents was exchanged"),
        "more": ({"c.txt": b"99"}, "not-covered", "one document more than was signed"),
        "cades": ({"META-INF/signature.p7s": b"0"}, "unreadable", "a signature of another kind beside it"),
        "unsigned": ({FIRST: b"<d/>"}, "unreadable|no-signature", "a file for signatures that has none"),
        "dtd": ({FIRST: b'<!DOCTYPE d [<!ENTITY e "e">]><d>&e;</d>'}, "unreadable", "entities where signatures stand"),
    }
    files = {name: content for name, content in read_container(container).items() if name != MANIFEST}
    for name, (changes, expected, line) in shapes.items():
        yield Made(f"container-{name}.asice", write_container({**files, **changes}), expected, line)
    listed = {**read_container(container), "c.txt": b"99"}
    yield Made("container-list.asice", write_container(listed), "unreadable", "a file that the manifest does not list")
    yield Made("container-tail.asice", container + b"x" * 100, "unreadable", "bytes after the directory")
    yield Made("container-path.asice", _zip(files, {"../../a": b"x"}), "unreadable", "a name that leaves its folder")
    yield Made(
        "container-twice.asice", _zip(files, {"a.xml": b"<d>99</d>"}), "unreadable", "a document that is there twice"
    )
    yield Made("bomb.asice", _zip(files, {"b": bytes(80_000_000)}), "unreadable", "80 MB of zeros in 80 kB")
    yield Made("office.docx", _plain({"word/document.xml": b"<d/>"}), "no-signature", "a ZIP file of another kind")


def pack(key: SigningKey) -> bytes:
    terms = SignatureTerms(Format.ASIC_E, Level.B, Packaging.ENVELOPING)
    documents = [Document.of("a.xml", b"<d>10</d>"), Document.of("b.txt", b"text")]
    (container,) = key.complete_all(asic.prepare(documents, terms, key.signer(), Outside()))
    return container


def _zip(files: dict[str, bytes], more: dict[str, bytes]) -> bytes:
    """As `write_container`, which refuses what is added here."""
    packed = io.BytesIO(write_container(files))
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in more.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _plain(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return packed.getvalue()
