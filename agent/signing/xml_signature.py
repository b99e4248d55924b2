"""A ds:Signature (XMLDSig 1.1 §4), from its references to its value."""

from __future__ import annotations

import hashlib
from typing import Final

from lxml import etree

from agent.signing.preparation import Signer, Unsigned
from agent.signing.words import Scheme
from agent.signing.xml import C14n, Element, canonicalise, new_id
from agent.signing.xml_algorithms import NO_SIGNATURES, PSS_SHA256, RSA_SHA256, SHA256
from agent.signing.xml_elements import add, base64_text
from agent.signing.xml_names import DS, ds
from agent.signing.xml_packaging import Packed, Place, Transform

METHODS: Final = {Scheme.RS256: RSA_SHA256, Scheme.PS256: PSS_SHA256}
MEDIA_TYPE: Final = "application/xml"


class SignatureDraft:
    """A signature with key information and without value, to which references are added. `root`: the ds:Signature.

    The key information is signed too, and nothing has an id that no reference names: no byte is left open.
    """

    def __init__(self, signer: Signer) -> None:
        self.root: Element = etree.Element(ds("Signature"), nsmap={"ds": DS})
        self.signed_info = add(self.root, ds("SignedInfo"))
        add(self.signed_info, ds("CanonicalizationMethod"), Algorithm=C14n.EXCLUSIVE.value)
        add(self.signed_info, ds("SignatureMethod"), Algorithm=METHODS[signer.scheme])
        self.value = add(self.root, ds("SignatureValue"))
        self._key_info = add(self.root, ds("KeyInfo"), Id=new_id())
        x509 = add(self._key_info, ds("X509Data"))
        for der in (signer.certificate_der, *signer.chain_der[:-1]):
            add(x509, ds("X509Certificate"), base64_text(der))

    def refer(self, packed: Packed) -> str:
        """Sign a document. Gives the id of the reference."""
        reference_id = new_id()
        self._add_reference(packed.uri, packed.transforms, packed.sha256, Id=reference_id)
        return reference_id

    def refer_to_key(self) -> None:
        """Sign the key information."""
        self.refer_inside(self._key_info)

    def refer_inside(self, element: Element, **attributes: str) -> None:
        """Sign a finished part of the signature itself, by its Id."""
        digest = hashlib.sha256(canonicalise(element, C14n.EXCLUSIVE)).digest()
        self._add_reference(f"#{element.get('Id')}", (Transform.EXCLUSIVE,), digest, **attributes)

    def _add_reference(self, uri: str, transforms: tuple[Transform, ...], digest: bytes, **attributes: str) -> None:
        reference = add(self.signed_info, ds("Reference"), URI=uri, **attributes)
        if transforms:
            parent = add(reference, ds("Transforms"))
            for transform in transforms:
                node = add(parent, ds("Transform"), Algorithm=transform.value)
                if transform is Transform.NO_SIGNATURES:
                    add(node, ds("XPath"), NO_SIGNATURES)
        add_digest(reference, digest)


def add_digest(parent: Element, sha256: bytes) -> None:
    """ds:DigestMethod and ds:DigestValue."""
    add(parent, ds("DigestMethod"), Algorithm=SHA256)
    add(parent, ds("DigestValue"), base64_text(sha256))


class XmlUnsigned(Unsigned):
    """A signature of one document; complete, it is an XML document in UTF-8."""

    media_type = MEDIA_TYPE

    def __init__(self, name: str, draft: SignatureDraft, place: Place) -> None:
        self.name = name
        self._draft = draft
        self._place = place

    @property
    def to_sign(self) -> bytes:
        """SignedInfo in its canonical form (XMLDSig 1.1 §3.1.2)."""
        return canonicalise(self._draft.signed_info, C14n.EXCLUSIVE)

    def complete(self, value: bytes) -> bytes:
        """Put the value in, then the signature to its place."""
        self._draft.value.text = base64_text(value)
        self._extend()
        return self._place.head + self._write() + self._place.tail

    def _extend(self) -> None:
        """Add what comes after the value."""

    def _write(self) -> bytes:
        """The signature, with the document that it holds put in as bytes: parsed, lxml might exchange prefixes."""
        written: bytes = etree.tostring(self._draft.root)
        end = written.rindex(b"</")
        return written[:end] + self._place.content + written[end:]
