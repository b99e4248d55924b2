"""An assertion put into the header of a caller's own SOAP 1.2 message, whose other bytes stay as they are.

They are not written anew: something else in the message may be signed, by whoever made it. lxml says what the message
is, expat where in its bytes a tag begins; then both must agree that the assertion alone was added.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from xml.parsers import expat

from lxml import etree

from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, EnvelopeRefusedError
from agent.signing.xml import C14n, Element, canonicalise, canonicalise_document, find_by_id, parse_xml
from agent.signing.xml_names import DS, SECURITY, SOAP, WSU, XML

MAX_MESSAGE: Final = 1024 * 1024
MEDIA_TYPES: Final = frozenset({"application/soap+xml", "application/xop+xml"})
SOAP_1_1: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE, HEADER, BODY = (f"{{{SOAP}}}{name}" for name in ("Envelope", "Header", "Body"))
SECURITY_HEADER: Final = f"{{{SECURITY}}}Security"
ASSERTIONS: Final = tuple(
    f"{{urn:oasis:names:tc:SAML:{version}:assertion}}{name}"
    for version in ("1.0", "2.0")
    for name in ("Assertion", "EncryptedAssertion")
)
ID_NAMES: Final = ("Id", "ID", "id", f"{{{WSU}}}Id", f"{{{XML}}}id")
OPENINGS: Final = {
    HEADER: f'<soap:Header xmlns:soap="{SOAP}">',
    SECURITY_HEADER: f'<wsse:Security xmlns:wsse="{SECURITY}">',
}
CLOSINGS: Final = {HEADER: "</soap:Header>", SECURITY_HEADER: "</wsse:Security>"}

_TAG = re.compile(rb"<([^\s/>]+)[^>\"']*(?:\"[^\"]*\"[^>\"']*|'[^']*'[^>\"']*)*>")
"""A start tag of a well-formed document, in an encoding in which ASCII is ASCII."""


@dataclass(frozen=True, slots=True)
class Place:
    """An element in the bytes: where its start tag begins and, unless that is empty, where its content ends."""

    start: int
    end: int


class Message:
    """A SOAP 1.2 message that has no assertion yet. Raises EnvelopeRefusedError for any other."""

    def __init__(self, document: Document) -> None:
        self._content = document.read()
        if len(self._content) > MAX_MESSAGE:
            raise EnvelopeRefusedError(f"a message of more than {MAX_MESSAGE} bytes")
        try:
            root = parse_xml(self._content)
            self._canonical = _canonical(root)
        except DocumentRefusedError as error:
            raise EnvelopeRefusedError(str(error)) from error
        parent, self._missing = _find_parent(root)
        _refuse_signed(root, parent)
        self._parent = parent.tag
        self._place = _find_place(self._content, self._parent)

    def put(self, assertion: Element) -> bytes:
        """The message with the assertion in its Security header, which is made where there is none."""
        opened = "".join(OPENINGS[tag] for tag in self._missing)
        closed = "".join(CLOSINGS[tag] for tag in reversed(self._missing))
        written: bytes = etree.tostring(assertion, encoding="US-ASCII", with_tail=False)  # ASCII in every encoding
        content = self._splice(opened.encode() + written + closed.encode())
        self._require_unchanged(content, assertion)
        return content

    def _splice(self, inserted: bytes) -> bytes:
        """As the last header; into a Security header as its first element (WS-Security 1.0 §5)."""
        tag = _TAG.match(self._content, self._place.start)
        assert tag is not None
        before, after = self._content[: tag.end()], self._content[tag.end() :]
        if before.endswith(b"/>"):
            return b"".join((before[:-2], b">", inserted, b"</", tag[1], b">", after))
        if self._parent == HEADER:
            before, after = self._content[: self._place.end], self._content[self._place.end :]
        return b"".join((before, inserted, after))

    def _require_unchanged(self, content: bytes, assertion: Element) -> None:
        """Take the assertion out again and compare. Raises EnvelopeRefusedError: two parsers read the bytes apart."""
        root = parse_xml(content)
        added = find_by_id(root, assertion.get("ID"))
        line = [each.tag for each in added.iterancestors()]
        same = canonicalise(added, C14n.EXCLUSIVE) == canonicalise(assertion, C14n.EXCLUSIVE)
        for _ in self._missing:
            added = added.getparent()
        _take_out(added)
        if not same or line != [SECURITY_HEADER, HEADER, ENVELOPE] or _canonical(root) != self._canonical:
            raise EnvelopeRefusedError("no place for an assertion was found in this message")


def _canonical(root: Element) -> bytes:
    return canonicalise_document(root, C14n.INCLUSIVE_WITH_COMMENTS)


def _find_parent(root: Element) -> tuple[Element, tuple[str, ...]]:
    """The innermost of Envelope, Header and Security that there is, and which of them are missing below it."""
    if root.tag != ENVELOPE:
        old = root.tag == f"{{{SOAP_1_1}}}Envelope"
        raise EnvelopeRefusedError("a message of SOAP 1.1: send SOAP 1.2" if old else "no SOAP 1.2 envelope")
    children = [child.tag for child in root if isinstance(child.tag, str)]
    if children not in ([BODY], [HEADER, BODY]):
        raise EnvelopeRefusedError("an envelope has one Header at most, and then one Body")
    if next(root.iter(*ASSERTIONS), None) is not None:
        raise EnvelopeRefusedError("there is an assertion in it already")
    header = root.find(HEADER)
    if header is None:
        return root, (HEADER, SECURITY_HEADER)
    found = list(header.iter(SECURITY_HEADER))
    if len(found) > 1 or any(each.getparent() is not header for each in found):
        raise EnvelopeRefusedError("there are two Security headers in it, or one within another header")
    return (found[0], ()) if found else (header, (SECURITY_HEADER,))


def _refuse_signed(root: Element, parent: Element) -> None:
    """Refuse to change what a signature in the header refers to as a whole."""
    header = root.find(HEADER)
    if header is None:
        return
    changed = {f"#{value}" for each in _line(parent) for value in map(each.get, ID_NAMES) if value}
    for reference in header.iter(f"{{{DS}}}Reference"):
        if reference.get("URI", "") in changed | {""}:
            raise EnvelopeRefusedError("its signature is over a whole header: an assertion would break it")


def _line(element: Element) -> Iterator[Element]:
    yield element
    yield from element.iterancestors()


def _find_place(content: bytes, wanted: str) -> Place:
    """Where the first element of this name begins, and where its content ends."""
    reader = _Offsets(wanted)
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = lambda name, _: reader.start(name, parser.CurrentByteIndex)
    parser.EndElementHandler = lambda name: reader.end(name, parser.CurrentByteIndex)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise EnvelopeRefusedError("another parser cannot read this message") from error
    if reader.begins is None or reader.ends is None:
        raise EnvelopeRefusedError("another parser finds no place in this message")
    return Place(reader.begins, reader.ends)


class _Offsets:
    """Byte offsets of the first element of a name; `ends` of an empty tag is where that ends."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted.removeprefix("{")
        self._depth = 0
        self.begins: int | None = None
        self.ends: int | None = None

    def start(self, name: str, index: int) -> None:
        if name == self._wanted:
            self._depth += 1
            if self.begins is None:
                self.begins = index

    def end(self, name: str, index: int) -> None:
        if name == self._wanted:
            self._depth -= 1
            if self._depth == 0 and self.ends is None:
                self.ends = index


def _refuse_doctype(*_: Any) -> None:
    raise EnvelopeRefusedError("a document type declaration")


def _take_out(element: Element) -> None:
    """Remove an element, and leave the text after it where it is."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    parent.remove(element)
    if before is None:
        parent.text = (parent.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
