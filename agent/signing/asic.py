"""Documents and XAdES signatures in one ASiC-E container (ETSI EN 319 162-1), or one signature more in such a one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath
from typing import Final

from lxml import etree

from agent.signing.containers import (
    MANIFEST,
    MEDIA_TYPE,
    META_INF,
    SIGNATURES,
    check_names,
    documents_of,
    is_container,
    read_container,
    write_container,
)
from agent.signing.documents import BYTES, Document
from agent.signing.errors import DocumentRefusedError
from agent.signing.preparation import Outside, SignatureTerms, Signer, Unsigned, refuse_uris
from agent.signing.words import Packaging
from agent.signing.xades import Making, XadesUnsigned, check_terms
from agent.signing.xml import parse_xml
from agent.signing.xml_elements import add
from agent.signing.xml_names import ASIC, ODF
from agent.signing.xml_packaging import Place, pack

TERMS = SignatureTerms
PLACE: Final = Place(
    head=f'<?xml version="1.0" encoding="UTF-8"?>\n<asic:XAdESSignatures xmlns:asic="{ASIC}">'.encode(),
    tail=b"</asic:XAdESSignatures>",
)
SUFFIX: Final = ".asice"


class AsicUnsigned(Unsigned):
    """One signature over all documents of a container; complete, it is the container. `files`: what it has so far."""

    media_type = MEDIA_TYPE

    def __init__(self, name: str, files: Mapping[str, bytes], making: Making) -> None:
        self.name = name
        self._files = files
        packed = [pack(document, Packaging.DETACHED) for document in _read_documents(files)]
        self._signature = XadesUnsigned(name, packed, PLACE, making)

    @property
    def to_sign(self) -> bytes:
        """SignedInfo of the signature."""
        return self._signature.to_sign

    def complete(self, value: bytes) -> bytes:
        """Pack the signature with the rest."""
        return write_container({**self._files, _free_name(self._files): self._signature.complete(value)})


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:
    """Refuse names that a container cannot have, damaged containers, and what XAdES has no place for."""
    check_terms(terms, outside)
    refuse_uris(documents, terms)
    _collect(documents)


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside
) -> Iterator[AsicUnsigned]:
    """Make one for all of them."""
    name, files = _collect(documents)
    yield AsicUnsigned(name, files, Making.begin(terms, signer, outside))


def _collect(documents: Sequence[Document]) -> tuple[str, Mapping[str, bytes]]:
    """The name of the container, and its files before it is signed."""
    first = documents[0]
    if len(documents) == 1 and is_container(first.read()):
        return first.name, _open(first)
    check_names(document.name for document in documents)
    files = {document.name: document.read() for document in documents}
    types = {document.name: document.media_type or BYTES for document in documents}
    return f"{PurePosixPath(first.name).stem}{SUFFIX}", {**files, MANIFEST: _write_manifest(types)}


def _open(document: Document) -> Mapping[str, bytes]:
    """The files of a container with XAdES signatures. Raises DocumentRefusedError."""
    files = read_container(document.read(), document.name)
    own = [name for name in files if name.startswith(META_INF)]
    if not documents_of(files) or not all(name == MANIFEST or SIGNATURES.match(name) for name in own):
        raise DocumentRefusedError("a container without documents, or with signatures other than XAdES", document.name)
    try:
        _read_types(files)
    except DocumentRefusedError as error:
        raise DocumentRefusedError(f"its manifest: {error}", document.name) from error
    return files


def _read_documents(files: Mapping[str, bytes]) -> list[Document]:
    types = _read_types(files)
    return [Document.of(name, content, types.get(name, BYTES)) for name, content in documents_of(files).items()]


def _read_types(files: Mapping[str, bytes]) -> dict[str, str]:
    if MANIFEST not in files:
        return {}
    entries = parse_xml(files[MANIFEST]).iterfind(f"{{{ODF}}}file-entry")
    return {each.get(f"{{{ODF}}}full-path", ""): each.get(f"{{{ODF}}}media-type", "") or BYTES for each in entries}


def _write_manifest(types: Mapping[str, str]) -> bytes:
    """OpenDocument 1.2 part 3 §3; not asked for by EN 319 162-1, but by programs."""
    root = etree.Element(f"{{{ODF}}}manifest", {f"{{{ODF}}}version": "1.2"}, nsmap={"manifest": ODF})
    for name, media_type in {"/": MEDIA_TYPE, **types}.items():
        add(root, f"{{{ODF}}}file-entry", None, **{f"{{{ODF}}}full-path": name, f"{{{ODF}}}media-type": media_type})
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return content


def _free_name(files: Mapping[str, bytes]) -> str:
    names = (f"{META_INF}signatures{number:03}.xml" for number in count(1))
    return next(name for name in names if name not in files)
