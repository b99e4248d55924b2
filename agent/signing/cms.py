"""CMS signatures at CAdES baseline B (ETSI EN 319 122-1 §6, RFC 5652), detached or around the document, by pyHanko."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from asn1crypto import algos, x509
from pyhanko.sign.signers import Signer
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko_certvalidator.registry import SimpleCertificateStore

from agent.cards.uses import UnlockedKey
from agent.signing.documents import Document, Signature
from drivers.base import Digest

HASH = "sha256"


@dataclass(frozen=True, slots=True)
class CmsOptions:
    """`detached`: the document stays outside. `chain_der`: certificates to add after the signer's."""

    detached: bool = True
    chain_der: tuple[bytes, ...] = ()


class CardSigner(Signer):
    """Let pyHanko build the structure and the card's key sign its attributes."""

    def __init__(self, key: UnlockedKey, chain_der: Iterable[bytes] = ()) -> None:
        store = SimpleCertificateStore.from_certs([x509.Certificate.load(der) for der in chain_der])  # type: ignore[no-untyped-call]
        super().__init__(
            signing_cert=x509.Certificate.load(key.info.certificate_der),
            cert_registry=store,
            signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": f"{HASH}_rsa"}),
            embed_roots=False,
        )
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 - pyHanko's
        """Sign the DER of the signed attributes."""
        if dry_run:
            return bytes(256)
        return await self._key.sign(Digest(digest_algorithm, hashlib.new(digest_algorithm, data).digest()))


async def sign_cms(key: UnlockedKey, documents: Sequence[Document], options: CmsOptions) -> list[Signature]:
    """Sign each document; the signatures are DER ContentInfo."""
    signer = CardSigner(key, options.chain_der)
    signatures = []
    for document in documents:
        content = await signer.async_sign(
            document.sha256,
            HASH,
            use_pades=True,  # the name that pyHanko gives to CAdES attributes here
            is_pdf_sig=False,
            signed_attr_settings=PdfCMSSignedAttributes(signing_time=datetime.now(UTC)),
            encap_content_info=None if options.detached else {"content_type": "data", "content": document.content},
        )
        signatures.append(Signature(document.name, content.dump(), key.info.certificate_der))
        await asyncio.sleep(0)
    return signatures
