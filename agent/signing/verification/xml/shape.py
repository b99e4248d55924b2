"""What a ds:Signature looks like (XMLDSig 1.1 §4): elements in their order, nothing between them, nothing unknown.

What programs could read differently is refused: comments and processing instructions within its parts, attributes and
elements of no place there, base64 with anything in it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.faults import XmlFaultError, malformed
from agent.signing.xml import C14n, Element
from agent.signing.xml_algorithms import BASE64, ENVELOPED, NO_SIGNATURES, XPATH
from agent.signing.xml_names import DS, ds

MAX_REFERENCES: Final = 64
_FORMS: Final = {each.value: each for each in C14n}
_KEYS: Final = ("KeyName", "KeyValue", "RetrievalMethod", "X509Data")
_SPACE: Final = " \t\r\n"
_WITHOUT_SPACE: Final = str.maketrans("", "", _SPACE)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")


@dataclass(frozen=True, slots=True)
class Form:
    """A canonical form, with the prefixes of InclusiveNamespaces."""

    method: C14n
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A Reference. `enveloped`, `no_signatures`: which signatures are left out; `form` None: none is named."""

    uri: str
    type: str | None
    digest_method: str
    digest: bytes
    id: str | None = None
    enveloped: bool = False
    no_signatures: bool = False
    decoded: bool = False
    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A Signature. `element` stands in its document; `certificates_der`: those of KeyInfo, in order."""

    element: Element
    id: str | None
    signed_info: Element
    form: Form
    method: str
    references: tuple[Reference, ...]
    value: bytes
    value_element: Element
    certificates_der: tuple[bytes, ...]
    objects: tuple[Element, ...]


def read_signature(element: Element) -> Signature:
    """Read a ds:Signature. Raises XmlFaultError."""
    children = children_of(element)
    require_attributes(element, ("Id",))
    if [child.tag for child in children[:2]] != [ds("SignedInfo"), ds("SignatureValue")]:
        raise malformed("a Signature begins with SignedInfo and SignatureValue")
    signed_info, value = children[:2]
    rest = children[2:]
    key_info = rest.pop(0) if rest and rest[0].tag == ds("KeyInfo") else None
    if any(child.tag != ds("Object") for child in rest):
        raise malformed("a Signature ends with KeyInfo and Objects")
    require_attributes(value, ("Id",))
    for each in rest:
        require_attributes(each, ("Id", "MimeType", "Encoding"))
    for part in (signed_info, value, key_info):
        _refuse_remarks(part)
    form, method, references = _read_signed_info(signed_info)
    return Signature(
        element=element,
        id=element.get("Id"),
        signed_info=signed_info,
        form=form,
        method=method,
        references=references,
        value=read_base64(value),
        value_element=value,
        certificates_der=() if key_info is None else _read_certificates(key_info),
        objects=tuple(rest),
    )


def children_of(element: Element) -> list[Element]:
    """Its elements. Raises XmlFaultError for text between them, and for remarks."""
    texts = [element.text, *(child.tail for child in element)]
    if any((text or "").strip(_SPACE) for text in texts):
        raise malformed(f"text in {etree.QName(element).localname}")
    if any(not isinstance(child.tag, str) for child in element):
        raise malformed(f"a comment or instruction in {etree.QName(element).localname}")
    return list(element)


def text_of(element: Element) -> str:
    """All its text. Raises XmlFaultError for anything else in it."""
    if len(element):
        raise malformed(f"{etree.QName(element).localname} holds text alone")
    return (element.text or "").strip(_SPACE)


def read_base64(element: Element) -> bytes:
    """Decode its text, in the one form that these bytes have. Raises XmlFaultError."""
    text = text_of(element).translate(_WITHOUT_SPACE)
    content = base64.b64decode(text, validate=True) if _BASE64.match(text) and len(text) % 4 == 0 else b""
    if base64.b64encode(content).decode() != text:
        raise malformed(f"{etree.QName(element).localname} is no base64")
    return content


def require_attributes(element: Element, names: Iterable[str]) -> None:
    """Raise XmlFaultError for any other."""
    unknown = set(element.attrib) - set(names)
    if unknown:
        raise malformed(f"{etree.QName(element).localname} has the attribute {min(unknown)[:100]}")


def _refuse_remarks(part: Element | None) -> None:
    """Comments end a text node for some readers and not for others; canonical XML without comments drops them."""
    if part is not None and any(not isinstance(each.tag, str) for each in part.iter()):
        raise malformed("a comment or instruction in the signature")


def _read_signed_info(element: Element) -> tuple[Form, str, tuple[Reference, ...]]:
    require_attributes(element, ("Id",))
    children = children_of(element)
    names = [child.tag for child in children]
    if names[:2] != [ds("CanonicalizationMethod"), ds("SignatureMethod")] or set(names[2:]) != {ds("Reference")}:
        raise malformed("SignedInfo has two methods, then References")
    if len(names) > MAX_REFERENCES:
        raise malformed(f"more than {MAX_REFERENCES} References")
    form, method = _read_form(children[0]), children[1]
    if form is None:
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, f"canonical form {children[0].get('Algorithm', '')[:100]}")
    require_attributes(method, ("Algorithm",))
    if children_of(method):
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, "a signature method with parameters")
    return form, method.get("Algorithm", ""), tuple(map(read_reference, children[2:]))


def _read_form(element: Element) -> Form | None:
    """A canonical form, or None for another algorithm."""
    method = _FORMS.get(element.get("Algorithm", ""))
    if method is None:
        return None
    require_attributes(element, ("Algorithm",))
    children = children_of(element)
    if not children:
        return Form(method)
    (first, *others) = children
    if others or not method.is_exclusive or first.tag != f"{{{C14n.EXCLUSIVE.value}}}InclusiveNamespaces":
        raise malformed("a canonical form with something of another in it")
    return Form(method, tuple(first.get("PrefixList", "").split()))


def read_reference(element: Element) -> Reference:
    """A ds:Reference, of SignedInfo or of a Manifest. Raises XmlFaultError."""
    require_attributes(element, ("Id", "URI", "Type"))
    children = children_of(element)
    transforms = children.pop(0) if children and children[0].tag == ds("Transforms") else None
    if [child.tag for child in children] != [ds("DigestMethod"), ds("DigestValue")]:
        raise malformed("a Reference has Transforms, DigestMethod and DigestValue")
    if element.get("URI") is None:
        raise malformed("a Reference without URI")
    plain = Reference(
        uri=element.get("URI"),
        type=element.get("Type"),
        digest_method=children[0].get("Algorithm", ""),
        digest=read_base64(children[1]),
        id=element.get("Id"),
    )
    return plain if transforms is None else _read_transforms(plain, children_of(transforms))


def _read_transforms(reference: Reference, steps: list[Element]) -> Reference:
    """Enveloped, then all signatures left out, then one canonical form; or base64 alone. Nothing that computes."""
    left = list(steps)
    if left and left[0].get("Algorithm") == ENVELOPED:
        _require_empty(left.pop(0))
        reference = replace(reference, enveloped=True)
    if left and _is_no_signatures(left[0]):
        left.pop(0)
        reference = replace(reference, no_signatures=True)
    if len(steps) == 1 and steps[0].get("Algorithm") == BASE64:
        _require_empty(left.pop(0))
        reference = replace(reference, decoded=True)
    elif left and (form := _read_form(left[0])) is not None:
        left.pop(0)
        reference = replace(reference, form=form)
    if left:
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, f"transform {left[0].get('Algorithm', '')[:100]}")
    return reference


def _require_empty(step: Element) -> None:
    if len(step) or (step.text or "").strip(_SPACE):
        raise malformed("a transform with parameters that it does not take")


def _is_no_signatures(step: Element) -> bool:
    """The one expression of XPath that is understood: as our own signatures and ETSI's examples have it."""
    if step.get("Algorithm") != XPATH:
        return False
    children = children_of(step)
    if [child.tag for child in children] != [ds("XPath")]:
        return False
    return text_of(children[0]) == NO_SIGNATURES and children[0].nsmap.get("ds") == DS


def _read_certificates(key_info: Element) -> tuple[bytes, ...]:
    """Certificates of X509Data; keys by themselves, names of keys and addresses say nothing about who signed."""
    require_attributes(key_info, ("Id",))
    children = children_of(key_info)
    if any(child.tag not in map(ds, _KEYS) for child in children):
        raise malformed("KeyInfo with something else in it")
    data = [child for child in children if child.tag == ds("X509Data")]
    found = [part for each in data for part in children_of(each)]
    for part in (*data, *found):
        require_attributes(part, ())
    if any(not etree.QName(part).localname.startswith("X509") for part in found):
        raise malformed("X509Data with something else in it")
    return tuple(read_base64(part) for part in found if part.tag == ds("X509Certificate"))
