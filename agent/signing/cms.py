"""CMS signatures, of every CAdES baseline level (ETSI EN 319 122-1 §6, RFC 5652), detached or around the document.

pyHanko builds level B; `cades` adds the others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Self

from asn1crypto import cms, tsp
from pyhanko.sign.attributes import CMSAttributeProvider, SigningCertificateV2Provider
from pyhanko.sign.general import as_signing_certificate_v2
from pyhanko.sign.signers import Signer as PyHankoSigner
from pyhanko.sign.signers.pdf_cms import (
    CAdESSignedAttributeProviderSpec,
    PdfCMSSignedAttributes,
    format_signed_attributes,
)
from pyhanko_certvalidator.registry import SimpleCertificateStore

from agent.signing.cades import CadesLevels, describe_attributes
from agent.signing.documents import Document
from agent.signing.mechanisms import HASH, find_mechanism
from agent.signing.preparation import (
    Outside,
    SignatureTerms,
    Signer,
    Unsigned,
    refuse_options,
    refuse_uris,
    require_time_stamps,
)
from agent.signing.signeddata import WholeCertificate
from agent.signing.synchronous import run
from agent.signing.words import Packaging

TERMS = SignatureTerms
CONTENT_TYPE = "data"
CMS_VERSION = "v1"  # of SignedData for that content type and no attribute certificates (RFC 5652 §5.1)
MEDIA_TYPE = "application/pkcs7-signature"


class CardSigner(PyHankoSigner):
    """Let pyHanko build the structures around the value that the card made."""

    def __init__(self, signer: Signer, value: bytes = b"") -> None:
        certificates = [WholeCertificate.load(der) for der in signer.chain_der]
        super().__init__(
            signing_cert=WholeCertificate.load(signer.certificate_der),
            cert_registry=SimpleCertificateStore.from_certs(certificates),  # type: ignore[no-untyped-call]
            signature_mechanism=find_mechanism(signer.scheme),
            embed_roots=False,
        )
        self._value = value
        self.reference = as_signing_certificate_v2(self.signing_cert).dump()

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: ARG002, FBT001, FBT002 - pyHanko's
        """Give the card's value over the DER of the signed attributes."""
        return bytes(256) if dry_run else self._value

    def with_value(self, value: bytes) -> Self:
        """The same with the value that the card made."""
        signer = copy(self)
        signer._value = value  # noqa: SLF001 - our own
        return signer


class KnownCertificate(SigningCertificateV2Provider):
    """The attribute that names the certificate, read from bytes: it is the same in all documents."""

    def __init__(self, reference_der: bytes) -> None:
        self._reference_der = reference_der

    async def build_attr_value(self, dry_run: bool = False) -> tsp.SigningCertificateV2:  # noqa: ARG002, FBT001, FBT002 - pyHanko's
        """Give the value (RFC 5035 §3)."""
        return tsp.SigningCertificateV2.load(self._reference_der)


class SignedAttributes(CAdESSignedAttributeProviderSpec):
    """CAdES attributes as pyHanko has them, the certificate's apart."""

    def __init__(self, signer: CardSigner, settings: PdfCMSSignedAttributes, *, is_pades: bool = False) -> None:
        super().__init__(settings, signer.signing_cert, is_pades=is_pades, timestamper=None)
        self._reference = KnownCertificate(signer.reference)

    def signed_attr_providers(self, data_digest: bytes, digest_algorithm: str) -> Iterator[CMSAttributeProvider]:
        """Give pyHanko's, with ours in the place of its own."""
        for provider in super().signed_attr_providers(data_digest, digest_algorithm):
            yield self._reference if isinstance(provider, SigningCertificateV2Provider) else provider


@functools.lru_cache(maxsize=2)
def open_signer(signer: Signer) -> CardSigner:
    """Parse the certificates once for all documents that they sign."""
    return CardSigner(signer)


class CmsUnsigned(Unsigned):
    """The signed attributes of one document; complete, it is a DER ContentInfo."""

    media_type = MEDIA_TYPE

    def __init__(self, document: Document, terms: SignatureTerms, signer: Signer, levels: CadesLevels) -> None:
        self.name = document.name
        self._document = document
        self._detached = terms.packaging is Packaging.DETACHED
        self._signer = signer
        self._levels = levels
        settings = PdfCMSSignedAttributes(datetime.now(UTC), describe_attributes(terms))
        providers = SignedAttributes(open_signer(signer), settings).signed_attr_providers(document.sha256, HASH)
        attributes = run(format_signed_attributes(document.sha256, list(providers), CONTENT_TYPE))
        # Read back, they are bytes: what was made of values is encoded anew at every look, certificate and all.
        self._attributes = cms.CMSAttributes.load(attributes.dump())

    @property
    def to_sign(self) -> bytes:
        """DER of the SET OF signed attributes (RFC 5652 §5.4)."""
        content: bytes = self._attributes.dump()
        return content

    def complete(self, value: bytes) -> bytes:
        """Put the value in, and what the level adds. Raises TimeStampError, EvidenceError."""
        content = None if self._detached else {"content_type": CONTENT_TYPE, "content": self._document.read()}
        info = run(
            open_signer(self._signer)
            .with_value(value)
            .async_sign_prescribed_attributes(
                HASH, self._attributes, cms_version=CMS_VERSION, encap_content_info=content
            )
        )
        return self._levels.raise_(info, self._document.sha256)


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:
    """Refuse what CMS has no place for."""
    refuse_options(terms, "serialization", "reason", "location", "field", "appearance")
    refuse_uris(documents, terms)
    require_time_stamps(terms.level, outside)
    describe_attributes(terms)
    if terms.packaging is not Packaging.DETACHED:
        for document in documents:
            document.read()


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside
) -> Iterator[CmsUnsigned]:
    """Make one for each document."""
    levels = CadesLevels(terms.level, signer, outside)
    for document in documents:
        yield CmsUnsigned(document, terms, signer, levels)
