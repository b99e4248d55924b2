"""What the references of a signature name, and whether it is still as it was hashed (XMLDSig 1.1 §4.4.3, §3.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from agent.signing.errors import DocumentRefusedError
from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.algorithms import digest
from agent.signing.verification.xml.faults import XmlFaultError, malformed
from agent.signing.verification.xml.shape import Form, Reference, Signature, read_base64
from agent.signing.xml import C14n, Element, canonicalise, canonicalise_document, find_by_id, parse_xml
from agent.signing.xml_names import ds

MAX_WORK: Final = 256 * 1024 * 1024
"""Bytes that are read again for the references of one file: each may name all of it."""
Resolver = Callable[[str], bytes | None]
_PLAIN: Final = Form(C14n.INCLUSIVE)
_WITHOUT_COMMENTS: Final = {
    C14n.INCLUSIVE_WITH_COMMENTS: C14n.INCLUSIVE,
    C14n.EXCLUSIVE_WITH_COMMENTS: C14n.EXCLUSIVE,
}


@dataclass
class Source:
    """The file that signatures stand in. `resolve`: the bytes that a URI names outside of it, None where unknown.

    `old`: the signature at hand may use SHA-1; `looked_outside`: it names something outside.
    """

    content: bytes
    root: Element
    resolve: Resolver
    old: bool = False
    looked_outside: bool = False
    _work: int = field(default=0)

    def count(self) -> None:
        """Raise XmlFaultError when the document was read too often."""
        self._work += len(self.content)
        if self._work > MAX_WORK:
            raise malformed("references that take too much work")

    def find(self, uri: str) -> Element:
        """The element that a URI of this document names. Raises XmlFaultError."""
        if uri == "":
            return self.root
        if not uri.startswith("#") or uri.startswith("#xpointer"):
            raise XmlFaultError(Reason.ALGORITHM_REFUSED, f"a reference by {uri[:100]!r}")
        return find_by_id(self.root, uri[1:])


def is_inside(reference: Reference) -> bool:
    """Whether it names a part of the document that it stands in."""
    return reference.uri == "" or reference.uri.startswith("#")


def holds(reference: Reference, signature: Signature, source: Source) -> bool:
    """Whether the hash is that of what is named. Raises XmlFaultError, also for content that is not at hand."""
    content = _read_inside(reference, signature, source) if is_inside(reference) else _read_outside(reference, source)
    return digest(reference.digest_method, content, old=source.old) == reference.digest


def require_holds(reference: Reference, signature: Signature, source: Source) -> None:
    """Raise XmlFaultError unless it holds."""
    if not holds(reference, signature, source):
        raise XmlFaultError(Reason.ALTERED, f"{reference.uri[:200]!r} is not what was hashed")


def _read_inside(reference: Reference, signature: Signature, source: Source) -> bytes:
    """Comments are no part of what a URI of the same document names (§4.4.3.3), whatever the canonical form."""
    source.count()
    element = source.find(reference.uri)
    if reference.decoded:
        return read_base64(element)
    form = reference.form or _PLAIN
    form = Form(_WITHOUT_COMMENTS.get(form.method, form.method), form.prefixes)
    if reference.enveloped or reference.no_signatures:
        element = _without_signatures(reference, signature, source)
    if reference.uri == "":
        return canonicalise_document(element, form.method, form.prefixes)
    return canonicalise(element, form.method, form.prefixes)


def _without_signatures(reference: Reference, signature: Signature, source: Source) -> Element:
    place = list(source.root.iter(ds("Signature"))).index(signature.element)
    root = parse_xml(source.content)
    target = root if reference.uri == "" else find_by_id(root, reference.uri[1:])
    own = list(root.iter(ds("Signature")))[place]
    if target is not root and target not in own.iterancestors():
        raise malformed("an enveloped signature that does not stand in what it signs")
    _take_out(own)
    if reference.no_signatures:
        etree.strip_elements(target, ds("Signature"), with_tail=False)
    return target


def _take_out(element: Element) -> None:
    """Remove it and leave the text after it where it is."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    if parent is None:
        raise malformed("an enveloped signature around nothing")
    if before is None:
        parent.text = (parent.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    parent.remove(element)


def _read_outside(reference: Reference, source: Source) -> bytes:
    """Nothing is ever fetched: what a URI names is what the caller gave with the signature."""
    if reference.enveloped or reference.no_signatures or reference.decoded:
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, "a transform of a document outside")
    content = source.resolve(reference.uri)
    source.looked_outside = True
    if content is None:
        raise XmlFaultError(Reason.CONTENT_ABSENT, f"{reference.uri[:200]} is not given")
    if reference.form is None:
        return content
    try:
        root = parse_xml(content)
        if not reference.form.method.has_comments:
            refuse_cut_text(root)
        return canonicalise_document(root, reference.form.method, reference.form.prefixes)
    except DocumentRefusedError as error:
        raise XmlFaultError(Reason.ALTERED, f"{reference.uri[:200]}: {error}") from error


def refuse_cut_text(element: Element) -> None:
    """Raise XmlFaultError for a comment before text: nothing signs it, and many programs stop reading there."""
    if any((comment.tail or "").strip() for comment in element.iter(etree.Comment)):
        raise XmlFaultError(Reason.NOT_COVERED, "a comment that nothing signs cuts a text off")
