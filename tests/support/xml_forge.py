"""XML signatures that nobody should make: any references, methods and objects, signed with a real key nevertheless."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree
from support.signing_keys import SigningKey

from agent.signing.xml import C14n, canonicalise, parse_xml
from agent.signing.xml_names import DS

RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA1 = f"{DS}sha1"
ENVELOPED = f'<Transform Algorithm="{DS}enveloped-signature"/>'
EXCLUSIVE = f'<Transform Algorithm="{C14n.EXCLUSIVE}"/>'
WHOLE = ENVELOPED + EXCLUSIVE


@dataclass(frozen=True)
class Ref:
    """A Reference with the hash of `content`."""

    uri: str
    content: bytes
    transforms: str = ""
    attributes: str = ""
    method: str = SHA256

    def write(self) -> str:
        name = "sha1" if self.method == SHA1 else "sha256"
        transforms = f"<Transforms>{self.transforms}</Transforms>" if self.transforms else ""
        return (
            f'<Reference URI="{self.uri}" {self.attributes}>{transforms}<DigestMethod Algorithm="{self.method}"/>'
            f"<DigestValue>{base64_text(hashlib.new(name, self.content).digest())}</DigestValue></Reference>"
        )


@dataclass(frozen=True)
class Forge:
    """How a Signature is to be."""

    key: SigningKey
    method: str = RSA_SHA256
    hash_name: str = "sha256"
    form: str = C14n.EXCLUSIVE.value
    objects: str = ""
    key_info: str | None = None
    method_content: str = ""

    def sign(self, refs: Sequence[Ref], *, name: str = "s") -> str:
        """The Signature as text, without a namespace prefix."""
        info = (
            f'<SignedInfo><CanonicalizationMethod Algorithm="{self.form}"/>'
            f'<SignatureMethod Algorithm="{self.method}">{self.method_content}</SignatureMethod>'
            f"{''.join(ref.write() for ref in refs)}</SignedInfo>"
        )
        root = parse_xml(f'<Signature xmlns="{DS}" Id="{name}">{info}</Signature>'.encode())
        value = self.key.sign(canonicalise(root[0], C14n.EXCLUSIVE), hash_name=self.hash_name)
        info = etree.tostring(root[0]).decode()
        return (
            f'<Signature xmlns="{DS}" Id="{name}">{info}<SignatureValue>{base64_text(value)}</SignatureValue>'
            f"{self._key_info()}{self.objects}</Signature>"
        )

    def _key_info(self) -> str:
        if self.key_info is not None:
            return self.key_info
        certificate = base64_text(self.key.certificate_der)
        return f"<KeyInfo><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>"


def exclusive(text: str) -> bytes:
    """Exclusive canonical form of a document."""
    return canonicalise(parse_xml(text.encode()), C14n.EXCLUSIVE)


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode()
