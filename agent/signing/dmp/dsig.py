"""XML-DSig (W3C, 10 June 2008) as these profiles have it: what is referred to, the algorithms, one certificate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.signing.dmp.words import Hash
from agent.signing.xml import C14n, Element
from agent.signing.xml_algorithms import RSA_SHA1, RSA_SHA256, SHA1, SHA256
from agent.signing.xml_elements import add, base64_text, new_root
from agent.signing.xml_names import DS, ds

DIGESTS: Final[Mapping[Hash, str]] = {Hash.SHA1: SHA1, Hash.SHA256: SHA256}
METHODS: Final[Mapping[Hash, str]] = {Hash.SHA1: RSA_SHA1, Hash.SHA256: RSA_SHA256}


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that is hashed: where it is, what it is, what is done to it before, and the hash."""

    uri: str
    digest: bytes
    transforms: Sequence[str] = ()
    type: str | None = None


def hash_of(content: bytes, hash_name: Hash) -> bytes:
    """Hash as the profile says; SHA-1 where it asks for that by name."""
    return hashlib.new(hash_name, content).digest()


def new_signature(method: C14n, hash_name: Hash, references: Sequence[Reference], **attributes: str) -> Element:
    """A Signature with its SignedInfo and an empty SignatureValue."""
    signature = new_root(ds("Signature"), {None: DS}, **attributes)
    info = add(signature, ds("SignedInfo"))
    add(info, ds("CanonicalizationMethod"), Algorithm=method)
    add(info, ds("SignatureMethod"), Algorithm=METHODS[hash_name])
    for reference in references:
        add_reference(info, reference, hash_name)
    add(signature, ds("SignatureValue"))
    return signature


def add_reference(parent: Element, reference: Reference, hash_name: Hash) -> None:
    """A Reference as the last child: of SignedInfo, or of a Manifest."""
    kind = {} if reference.type is None else {"Type": reference.type}
    element = add(parent, ds("Reference"), **kind, URI=reference.uri)
    if reference.transforms:
        transforms = add(element, ds("Transforms"))
        for transform in reference.transforms:
            add(transforms, ds("Transform"), Algorithm=transform)
    add(element, ds("DigestMethod"), Algorithm=DIGESTS[hash_name])
    add(element, ds("DigestValue"), base64_text(reference.digest))


def add_certificate(signature: Element, certificate_der: bytes) -> None:
    """KeyInfo with the signer's certificate alone."""
    data = add(add(signature, ds("KeyInfo")), ds("X509Data"))
    add(data, ds("X509Certificate"), base64_text(certificate_der))


def signed_info(signature: Element) -> Element:
    """Its SignedInfo."""
    return signature[0]


def put_value(signature: Element, value: bytes) -> None:
    """Fill SignatureValue."""
    signature[1].text = base64_text(value)
