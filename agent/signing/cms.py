"""CMS signatures at CAdES baseline B (ETSI EN 319 122-1 §6, RFC 5652), detached or around the document, by pyHanko.

What each signature covers is made first, for all documents; then the card signs it with one code, in few exchanges.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from asn1crypto import algos, cms, x509
from pyhanko.sign.signers import Signer
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko_certvalidator.registry import SimpleCertificateStore

from agent.cards.uses import UnlockedKey
from agent.signing.documents import Document, Signature
from drivers.base import Digest

HASH = "sha256"
CONTENT_TYPE = "data"
CMS_VERSION = "v1"  # of SignedData for that content type and no attribute certificates (RFC 5652 §5.1)


@dataclass(frozen=True, slots=True)
class CmsOptions:
    """`detached`: the document stays outside. `chain_der`: certificates to add after the signer's."""

    detached: bool = True
    chain_der: tuple[bytes, ...] = ()


class CardSigner(Signer):
    """Let pyHanko build the structures; the values that the card made for them are put in by `signatures`."""

    def __init__(self, certificate_der: bytes, chain_der: Iterable[bytes] = ()) -> None:
        store = SimpleCertificateStore.from_certs([x509.Certificate.load(der) for der in chain_der])  # type: ignore[no-untyped-call]
        super().__init__(
            signing_cert=x509.Certificate.load(certificate_der),
            cert_registry=store,
            signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": f"{HASH}_rsa"}),
            embed_roots=False,
        )
        self.signatures: dict[bytes, bytes] = {}

    async def describe(self, document: Document) -> cms.CMSAttributes:
        """Make the signed attributes of a document."""
        return await self.signed_attrs(
            document.sha256,
            HASH,
            attr_settings=PdfCMSSignedAttributes(signing_time=datetime.now(UTC)),
            content_type=CONTENT_TYPE,
            use_pades=True,  # the name that pyHanko gives to CAdES attributes here
            is_pdf_sig=False,
        )

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 - pyHanko's
        """Give the card's signature over the DER of the signed attributes."""
        return bytes(256) if dry_run else self.signatures[hashlib.new(digest_algorithm, data).digest()]


async def sign_cms(key: UnlockedKey, documents: Sequence[Document], options: CmsOptions) -> list[Signature]:
    """Sign each document; the signatures are DER ContentInfo."""
    signer = CardSigner(key.info.certificate_der, options.chain_der)
    described = [await signer.describe(document) for document in documents]
    digests = [hashlib.new(HASH, attributes.dump()).digest() for attributes in described]
    signed = await key.sign_all([Digest(HASH, digest) for digest in digests])
    signer.signatures = dict(zip(digests, signed, strict=True))
    signatures = []
    for document, attributes in zip(documents, described, strict=True):
        content = None if options.detached else {"content_type": CONTENT_TYPE, "content": document.content}
        info = await signer.async_sign_prescribed_attributes(
            HASH, attributes, cms_version=CMS_VERSION, encap_content_info=content
        )
        signatures.append(Signature(document.name, info.dump(), key.info.certificate_der))
        await asyncio.sleep(0)
    return signatures
