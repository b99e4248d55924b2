"""Where a document stands that an XML signature is about: around it, inside it, or beside it (XMLDSig 1.1 §2, §4.4.3).

An enveloped signature leaves out every ds:Signature of the document, not itself alone: so that one more, by somebody
else, breaks none. What stands in such an element is therefore never taken for a part of the document.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from lxml import etree

from agent.signing import xml_algorithms
from agent.signing.documents import BYTES, Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.words import Packaging
from agent.signing.xml import (
    BOM,
    MAX_BYTES,
    MAX_TEXT,
    C14n,
    Element,
    canonicalise_document,
    new_id,
    parse_xml,
    serialise,
)
from agent.signing.xml_companions import refuse_assertions, refuse_companions
from agent.signing.xml_names import DS, ds

TEXT_XML: Final = "text/xml"
ROOM: Final = 1024 * 1024
"""What a signature may add to a document, in bytes, without making it too large to be read again."""

_IS_XML = re.compile(r"(text|application)/([a-z0-9.-]+\+)?xml\Z", re.IGNORECASE)
_URI = re.compile(r"[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]%-]+\Z")


class Transform(StrEnum):
    """What a verifier does to the document before it is hashed (XMLDSig 1.1 §6.6)."""

    BASE64 = xml_algorithms.BASE64
    ENVELOPED = xml_algorithms.ENVELOPED
    NO_SIGNATURES = xml_algorithms.XPATH
    EXCLUSIVE = C14n.EXCLUSIVE.value


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes that a signature stands in: the document around it; `content`, a ds:Object that it is to hold."""

    content: bytes = b""
    head: bytes = b""
    tail: bytes = b""


@dataclass(frozen=True, slots=True)
class Packed:
    """What a signature refers to, and where it is to stand."""

    uri: str
    sha256: bytes
    media_type: str
    transforms: tuple[Transform, ...] = ()
    place: Place = Place()


def pack(document: Document, packaging: Packaging) -> Packed:
    """Look at a document and hash what of it is signed. Raises DocumentRefusedError, TermsRefusedError."""
    if document.uri is not None and packaging is not Packaging.DETACHED:
        raise TermsRefusedError("only of a detached document the signature gives a uri", document.name)
    return _PACKERS[packaging](document)


def _detach(document: Document) -> Packed:
    return Packed(_name_outside(document), document.sha256, document.media_type or BYTES)


def _name_outside(document: Document) -> str:
    """A URI reference (RFC 3986 §4.1) that is no fragment of the signature's own document."""
    if document.uri is None:
        return quote(document.name, safe="/")
    if not _URI.match(document.uri):
        raise TermsRefusedError("no URI, or one with a fragment", document.name)
    return document.uri


def _envelop(document: Document) -> Packed:
    """Stand inside the document, as the last child of its root."""
    if not _is_xml(document):
        raise DocumentRefusedError("only XML can hold its signature", document.name)
    root = parse_xml(_read(document), document.name)
    refuse_companions(root, document.name)
    refuse_assertions(root, document.name)
    token = new_id()
    root.append(etree.Comment(token))
    head, _, tail = serialise(root).partition(f"<!--{token}-->".encode())
    etree.strip_elements(root, ds("Signature"), with_tail=False)
    transforms = (Transform.ENVELOPED, Transform.NO_SIGNATURES, Transform.EXCLUSIVE)
    sha256 = _hash(root, document)
    return Packed("", sha256, document.media_type or TEXT_XML, transforms, Place(head=head, tail=tail))


def _read(document: Document) -> bytes:
    content = document.read()
    if len(content) > MAX_BYTES - ROOM:
        raise DocumentRefusedError("too large to hold or be held by an XML signature; sign it detached", document.name)
    return content


def _hash(root: Element, document: Document) -> bytes:
    try:
        return hashlib.sha256(canonicalise_document(root, C14n.EXCLUSIVE)).digest()
    except DocumentRefusedError as error:
        raise DocumentRefusedError(str(error), document.name) from error


def _hold(document: Document) -> Packed:
    """Hold the document: XML as it is, anything else as base64."""
    if _is_xml(document):
        return _hold_xml(document)
    content, holder_id = base64.b64encode(_read(document)), new_id()
    if len(content) > MAX_TEXT:
        raise DocumentRefusedError("too large for an XML signature to hold it; sign it detached", document.name)
    place = Place(_wrap(content, holder_id))
    return Packed(f"#{holder_id}", document.sha256, document.media_type or BYTES, (Transform.BASE64,), place)


def _is_xml(document: Document) -> bool:
    if document.media_type is not None:
        return _IS_XML.match(document.media_type) is not None
    return document.read().removeprefix(BOM).lstrip().startswith(b"<")


def _hold_xml(document: Document) -> Packed:
    """Hold the root element; it is put in as bytes, as lxml would exchange its prefixes for those that it meets."""
    root, holder_id = parse_xml(_read(document), document.name, room=2), new_id()
    content = etree.tostring(root, encoding="UTF-8", xml_declaration=False, with_tail=False)
    sha256 = _hash(parse_xml(_wrap(content, holder_id, f' xmlns:ds="{DS}"'), document.name), document)
    place = Place(_wrap(content, holder_id))
    return Packed(f"#{holder_id}", sha256, document.media_type or TEXT_XML, (Transform.EXCLUSIVE,), place)


def _wrap(content: bytes, holder_id: str, namespace: str = "") -> bytes:
    """A ds:Object, with no attribute that a signature over its content alone would not cover."""
    return f'<ds:Object{namespace} Id="{holder_id}">'.encode() + content + b"</ds:Object>"


_PACKERS: Final[Mapping[Packaging, Callable[[Document], Packed]]] = {
    Packaging.DETACHED: _detach,
    Packaging.ENVELOPING: _hold,
    Packaging.ENVELOPED: _envelop,
}
