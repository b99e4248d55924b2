"""Manifests (XMLDSig 1.1 §5.1): lists of hashes that are signed as a list, and have to hold one by one."""

from __future__ import annotations

from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.faults import XmlFaultError, malformed
from agent.signing.verification.xml.profiles import MANIFEST, Profile
from agent.signing.verification.xml.references import Source, holds, is_inside, require_holds
from agent.signing.verification.xml.shape import MAX_REFERENCES, Reference, Signature, children_of, read_reference
from agent.signing.xml import Element
from agent.signing.xml_names import ds


def check_manifests(signature: Signature, source: Source, profile: Profile | None) -> list[str]:
    """Check what every Manifest lists. Gives the URIs that hold. Raises XmlFaultError."""
    manifests = [
        source.find(reference.uri)
        for reference in signature.references
        if reference.type == MANIFEST and is_inside(reference)
    ]
    listed = [reference for manifest in manifests for reference in _read(manifest)]
    if profile is Profile.SUBMISSION:
        return _check_submission(listed, signature, source)
    for reference in listed:
        require_holds(reference, signature, source)
    return [reference.uri for reference in listed]


def _read(manifest: Element) -> list[Reference]:
    children = children_of(manifest)
    if manifest.tag != ds("Manifest") or not 0 < len(children) <= MAX_REFERENCES:
        raise malformed("a Manifest of another form")
    if any(child.tag != ds("Reference") for child in children):
        raise malformed("a Manifest lists References")
    return list(map(read_reference, children))


def _check_submission(listed: list[Reference], signature: Signature, source: Source) -> list[str]:
    """The set itself has no content; a document that is given has to be one of those listed."""
    documents = [reference for reference in listed[1:] if not is_inside(reference)]
    if len(documents) != len(listed) - 1:
        raise malformed("a submission set lists documents by their OIDs")
    given = [reference for reference in documents if source.resolve(reference.uri) is not None]
    matching = [reference for reference in given if _matches(reference, signature, source)]
    if given and not matching:
        raise XmlFaultError(Reason.ALTERED, "the document is none of those in the submission set")
    return [reference.uri for reference in matching or documents]


def _matches(reference: Reference, signature: Signature, source: Source) -> bool:
    """Whether the document that is given is this one: what is no XML is none that was signed as XML."""
    try:
        return holds(reference, signature, source)
    except XmlFaultError as error:
        if error.reason is not Reason.ALTERED:
            raise
        return False
