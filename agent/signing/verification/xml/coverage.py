"""Whether what is signed is what a person takes for the document (XMLDSig 1.1 §8.1.2: see what is signed).

A signature around something signs everything that it holds; one inside a document signs all of it but signatures; one
beside documents signs these. An assertion is signed by the signature in it, and nothing of the message around it is.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.faults import XmlFaultError
from agent.signing.verification.xml.profiles import Profile, is_only_assertion
from agent.signing.verification.xml.properties import is_of_xades
from agent.signing.verification.xml.references import Source, is_inside, refuse_cut_text
from agent.signing.verification.xml.shape import Reference, Signature
from agent.signing.xml import Element
from agent.signing.xml_companions import find_foreign, hides_content
from agent.signing.xml_names import XS, XSI, ds

PURPOSE: Final = "1.2.840.10065.1.12.1.14"  # source (ASTM E1762): the one that the DMP knows
XSI_TYPE: Final = f"{{{XSI}}}type"


def find_covered(signature: Signature, source: Source, profile: Profile | None, *, stands_alone: bool) -> list[str]:
    """Names of what is signed. `stands_alone`: no document is around the signature. Raises XmlFaultError."""
    refuse_foreign(signature.element, [each for each in signature.objects if not any(map(is_of_xades, each))])
    outside = [reference.uri for reference in signature.references if not is_inside(reference)]
    targets = [(reference, source.find(reference.uri)) for reference in signature.references if is_inside(reference)]
    held = _find_held(signature, [element for _, element in targets], profile)
    if not any(reference.uri == "" for reference, _ in targets):
        _refuse_instructions(source.root)
    if stands_alone:
        if not (outside or held):
            raise _not_covered("nothing but the signature's own properties is signed")
        return [*outside, *held]
    if profile in (None, Profile.SUBMISSION):
        _require_whole(signature, source, targets)
        return [_name(source.root), *outside, *held]
    return [_find_assertion(signature, source, targets)]


def _find_held(signature: Signature, targets: list[Element], profile: Profile | None) -> list[str]:
    """Names of the Objects with content; each of them is signed, or all that is in it."""
    names = []
    for each in signature.objects:
        if each not in targets and any(not isinstance(child.tag, str) for child in each):
            raise _not_covered("a comment or instruction in an Object that is not signed")
        parts = [child for child in each if not is_of_xades(child)]
        text = "".join(filter(None, [each.text, *(child.tail for child in each)])).strip()
        if not parts and not text:
            continue
        if each not in targets and (text or any(part not in targets for part in parts)):
            if not (profile is Profile.SUBMISSION and _is_purpose(each, signature)):
                raise _not_covered("an Object that nothing signs")
            continue
        refuse_cut_text(each)
        names.append(each.get("Id") or _name(parts[0] if parts else each))
    return names


def _is_purpose(element: Element, signature: Signature) -> bool:
    """Whether it is what the DMP's own samples have unsigned, in no namespace, to the letter."""
    tags = [each.tag for each in element.iter(etree.Element)][1:]
    if tags != ["SignatureProperties", "SignatureProperty"] or len(element[0]) != 1 or element[0].attrib:
        return False
    attributes = {"Id": "purposeOfSignature", "Target": f"#{signature.id}"}
    return dict(element[0][0].attrib) == attributes and "".join(element.itertext()).strip() == PURPOSE


def _require_whole(signature: Signature, source: Source, targets: list[tuple[Reference, Element]]) -> None:
    """The root is signed, and signatures that are left out hold nothing that could be taken for a part of it."""
    whole = [reference for reference, element in targets if element is source.root]
    if not any(reference.enveloped or reference.no_signatures for reference in whole):
        raise _not_covered("the signature is for a part of the document alone")
    others = [each for each in source.root.iter(ds("Signature")) if each is not signature.element]
    if any(reference.no_signatures for reference in whole):
        if any(map(hides_content, others)):
            raise _not_covered("another signature in the document holds something that nothing signs")
        for each in others:
            refuse_foreign(each, [])
    refuse_cut_text(source.root)
    if any((each.tail or "").strip() for each in source.root.iter(ds("Signature"))):
        raise _not_covered("a signature, which is left out, cuts a text in two")


def _find_assertion(signature: Signature, source: Source, targets: list[tuple[Reference, Element]]) -> str:
    assertion = signature.element.getparent()
    is_target = [element for _, element in targets] == [assertion] and targets[0][0].enveloped
    if not is_target or signature.objects or not is_only_assertion(assertion, source):
        raise _not_covered("not the one assertion of the document is signed, or not all of it")
    refuse_cut_text(assertion)
    if any(map(_has_loose_type, assertion.iter(etree.Element))):
        raise _not_covered("a type whose prefix nothing signs")
    return _name(assertion)


def _has_loose_type(element: Element) -> bool:
    """Exclusive canonical form leaves out namespaces of prefixes that only values use: these could be exchanged."""
    prefix, colon, _ = element.get(XSI_TYPE, "").strip().partition(":")
    return bool(colon) and prefix != element.prefix and element.nsmap.get(prefix) != XS


def refuse_foreign(signature: Element, held: list[Element]) -> None:
    """Raise XmlFaultError for an element of another vocabulary where nothing signs it, such as in KeyInfo.

    Whoever looks for its name in the whole document would find it. `held`: Objects, which are looked at apart.
    """
    for part in signature:
        if part in held:
            continue
        foreign = find_foreign(part)
        if foreign is not None:
            raise _not_covered(f"{_name(foreign)[:100]} stands in a signature, and is no part of it")


def _refuse_instructions(root: Element) -> None:
    """Processing instructions beside the root are signed by the empty URI alone; a style sheet may be one."""
    beside = [*root.itersiblings(preceding=True), *root.itersiblings()]
    if any(each.tag is etree.ProcessingInstruction for each in beside):
        raise _not_covered("an instruction beside the root that nothing signs")


def _not_covered(hint: str) -> XmlFaultError:
    return XmlFaultError(Reason.NOT_COVERED, hint)


def _name(element: Element) -> str:
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""
