"""XML as signatures need it: read in the one safe way, canonical byte for byte, elements found by a unique id.

lxml over libxml2. Nothing outside of the bytes is ever looked at, and nothing in them may grow while it is read.
"""

from __future__ import annotations

import functools
import re
import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias

from lxml import etree

from agent.signing.errors import DocumentRefusedError
from agent.signing.xml_names import WSU, XML

Element: TypeAlias = Any  # lxml says nothing about its types


MAX_BYTES: Final = 16 * 1024 * 1024
MAX_TEXT: Final = 10_000_000
"""Of one text node: libxml2 reads no more than that, nor do most programs built on it."""
MAX_MARKS: Final = 1_000_000
"""Opening brackets: a tag takes ten times the memory of its letters."""
MAX_ATTRIBUTES: Final = 256
"""Of one element; and prefixes of one document. Canonical XML sorts both, and libxml2 does it slowly."""
MAX_DEPTH: Final = 200

ENCODINGS: Final = frozenset({"utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})
"""In all of these ASCII is ASCII, so that what is looked for in the bytes is what the parser meets."""
BOM: Final = b"\xef\xbb\xbf"

_NAMESPACES: Final = {"wsu": WSU, "xml": XML}

_DECLARED = re.compile(rb"<\?xml\s[^>]{0,200}?\sencoding\s*=\s*([\"'])([A-Za-z][A-Za-z0-9._-]*)\1")
_PROLOG = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_PREFIX = re.compile(rb"xmlns:([^=\s]+)")
_AMPERSAND = re.compile(rb"xmlns(?::[^=\s]*)?\s*=\s*(?:\"[^\"]*&|'[^']*&)")
"""In a namespace: libxml2 writes it in canonical form as no standard has it, and in another way in each version."""
_TOO_WIDE = etree.XPath(f"boolean(//@*[{MAX_ATTRIBUTES + 1}])")
_INCLUDES = etree.XPath(
    "boolean(//old:* | //new:*)",
    namespaces={"old": "http://www.w3.org/2001/XInclude", "new": "http://www.w3.org/2003/XInclude"},
)
_IDS = etree.XPath("//@Id | //@ID | //@xml:id | //@wsu:Id", namespaces=_NAMESPACES, smart_strings=False)
_BY_ID = etree.XPath(
    "//*[@Id = $id or @ID = $id or @id = $id or @xml:id = $id or @wsu:Id = $id]", namespaces=_NAMESPACES
)


class C14n(StrEnum):
    """Canonical XML 1.0 (W3C, 15 March 2001) and Exclusive XML Canonicalization 1.0 (18 July 2002)."""

    INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    INCLUSIVE_WITH_COMMENTS = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
    EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
    EXCLUSIVE_WITH_COMMENTS = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"

    @property
    def is_exclusive(self) -> bool:
        """Whether it shows only the namespaces that names use."""
        return self.value.startswith(C14n.EXCLUSIVE.value)

    @property
    def has_comments(self) -> bool:
        """Whether comments are part of it."""
        return self.value.endswith("#WithComments")


def parse_xml(content: bytes, name: str | None = None, room: int = 0) -> Element:
    """Give the root element. Raises DocumentRefusedError, for `name`; `room`: how much deeper it will stand.

    Refused: what is not well-formed XML 1.0 with namespaces in one of ENCODINGS, any document type declaration
    (and so any entity), XInclude, an id that stands twice, and more of anything than the caps above.
    """
    try:
        encoding = _look(content)
        root = etree.fromstring(content, _parser(encoding))
        _look_again(root, MAX_DEPTH - room)
    except etree.LxmlError as error:
        raise DocumentRefusedError(f"no well-formed XML: {str(error)[:200]}", name) from error
    except DocumentRefusedError as error:
        raise DocumentRefusedError(str(error), name) from error
    return root


def _parser(encoding: str) -> Any:
    return etree.XMLParser(
        encoding=encoding,  # the one that was looked at, whatever libxml2 would have guessed
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        strip_cdata=False,
        collect_ids=False,
    )


def _look(content: bytes) -> str:
    """Refuse by the bytes alone what must not even reach the parser. Gives the encoding."""
    if len(content) > MAX_BYTES:
        raise DocumentRefusedError(f"XML of more than {MAX_BYTES} bytes")
    content = content.removeprefix(BOM)
    if not content.lstrip().startswith(b"<"):
        raise DocumentRefusedError("no XML, or not in UTF-8")
    declared = _DECLARED.match(content)
    encoding = declared[2].decode().lower() if declared else "utf-8"
    if encoding not in ENCODINGS:
        raise DocumentRefusedError(f"XML in the encoding {encoding}")
    prolog = _PROLOG.match(content)
    if prolog and content.startswith(b"<!", prolog.end()):
        raise DocumentRefusedError("XML with a document type declaration")
    if content.count(b"<") > MAX_MARKS or len(set(_PREFIX.findall(content))) > MAX_ATTRIBUTES:
        raise DocumentRefusedError("XML of too many elements or prefixes")
    if _AMPERSAND.search(content):
        raise DocumentRefusedError("XML with an ampersand in the name of a namespace")
    return encoding


def _look_again(root: Element, depth: int) -> None:
    """Refuse what only the tree shows."""
    info = root.getroottree().docinfo
    if info.internalDTD is not None or info.externalDTD is not None or info.xml_version != "1.0":
        raise DocumentRefusedError("XML with a document type declaration, or not of version 1.0")
    if _deeper_than(depth)(root) or _TOO_WIDE(root):
        raise DocumentRefusedError(f"XML deeper than {depth} or with more than {MAX_ATTRIBUTES} attributes")
    if _INCLUDES(root):
        raise DocumentRefusedError("XML with XInclude")
    ids = _IDS(root)
    if len(ids) != len(set(ids)):
        raise DocumentRefusedError("XML in which an id stands twice")


@functools.cache
def _deeper_than(depth: int) -> Any:
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


def find_by_id(root: Element, value: str) -> Element:
    """Give the only element of the tree with an attribute Id, ID, id, xml:id or wsu:Id of this value.

    Raises DocumentRefusedError when there is none or several: who signs one of two leaves the reader the choice.
    """
    found = _BY_ID(root, id=value)
    if len(found) != 1:
        raise DocumentRefusedError(f"{len(found)} elements have the id {value[:100]!r}")
    return found[0]


def new_id() -> str:
    """An id that no document has yet."""
    return f"id-{uuid.uuid4()}"


def canonicalise(element: Element, method: C14n, prefixes: Sequence[str] = ()) -> bytes:
    """Canonical form of an element with all that is in it, as it stands in its document.

    `prefixes`: those of InclusiveNamespaces, `#default` for none. Raises DocumentRefusedError for what has no
    canonical form, such as a relative namespace.
    """
    return _canonicalise(etree.ElementTree(_uproot(element, with_inherited=not method.is_exclusive)), method, prefixes)


def canonicalise_document(root: Element, method: C14n, prefixes: Sequence[str] = ()) -> bytes:
    """Canonical form of the whole document: of processing instructions beside the root too, as the empty URI means."""
    return _canonicalise(root.getroottree(), method, prefixes)


def _canonicalise(tree: Any, method: C14n, prefixes: Sequence[str]) -> bytes:
    try:
        canonical: bytes = etree.tostring(
            tree,
            method="c14n",
            exclusive=method.is_exclusive,
            with_comments=method.has_comments,
            inclusive_ns_prefixes=list(prefixes) or None,
        )
    except (etree.LxmlError, ValueError) as error:
        raise DocumentRefusedError(f"no canonical XML: {str(error)[:200]}") from error
    return canonical


def _uproot(element: Element, *, with_inherited: bool) -> Element:
    """A copy as the root of its own tree, with the namespaces and, where wanted, xml: attributes of its ancestors.

    Exclusive canonical form brings no such attributes along (§3), Canonical XML 1.0 does (§2.4).

    libxml2 looks at the real parents of what lxml 6.1 gives it of a larger tree, and writes xmlns="" where there is
    nothing to undo. lxml's own copies lose namespaces that no name uses, or change prefixes: written and read again,
    nothing is lost.
    """
    root = etree.fromstring(etree.tostring(element, encoding="UTF-8", with_tail=False), _parser("utf-8"))
    for ancestor in element.iterancestors() if with_inherited else ():
        for name, value in ancestor.attrib.items():
            if name.startswith(f"{{{XML}}}") and root.get(name) is None:
                root.set(name, value)
    return root


def serialise(root: Element) -> bytes:
    """The document in UTF-8, with all that stands beside the root. Its canonical form is that of the tree."""
    content: bytes = etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)
    return content
