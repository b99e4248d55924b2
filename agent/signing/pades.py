"""PDF signatures at the PAdES baseline levels (ETSI EN 319 142-1 §6; ISO 32000-1 §12.8), by pyHanko.

What is there stays byte for byte: everything is added behind it, as incremental updates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from asn1crypto import cms
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, format_signed_attributes

from agent.signing.cms import CMS_VERSION, SignedAttributes, open_signer
from agent.signing.documents import Document
from agent.signing.mechanisms import HASH
from agent.signing.pdf.archiving import PadesLevels
from agent.signing.pdf.files import refusing
from agent.signing.pdf.layout import Holder, lay_out
from agent.signing.preparation import (
    Outside,
    SignatureTerms,
    Signer,
    Unsigned,
    refuse_options,
    refuse_uris,
    require_time_stamps,
)
from agent.signing.synchronous import run

TERMS = SignatureTerms
MEDIA_TYPE = "application/pdf"
VALUE_BYTES: Final = 512  # of an RSA 4096 key
STRUCTURE_BYTES: Final = 2048  # of SignedData around certificates and value: attributes, identifiers, lengths
EXAMPLE: Final = Holder("Camille Martin", "Médecin")


class PadesUnsigned(Unsigned):
    """The signed attributes of one file; complete, it is the PDF with its signature."""

    media_type = MEDIA_TYPE

    def __init__(self, document: Document, terms: SignatureTerms, signer: Signer, levels: PadesLevels) -> None:
        self.name = document.name
        self._signer = signer
        self._levels = levels
        holder = Holder(signer.name, signer.profession)
        with refusing(document.name):
            self._laid_out = lay_out(document, terms, holder, _measure(signer) + levels.room)
        # Without signing-time: the entry /M says it (EN 319 142-1 §6.3).
        providers = SignedAttributes(open_signer(signer), PdfCMSSignedAttributes(), is_pades=True)
        sha256 = self._laid_out.sha256
        attributes = run(format_signed_attributes(sha256, list(providers.signed_attr_providers(sha256, HASH))))
        self._attributes = cms.CMSAttributes.load(attributes.dump())  # read back, as in agent.signing.cms

    @property
    def to_sign(self) -> bytes:
        """DER of the SET OF signed attributes (RFC 5652 §5.4)."""
        content: bytes = self._attributes.dump()
        return content

    def complete(self, value: bytes) -> bytes:
        """Put the value in, and what the level adds. Raises TimeStampError, EvidenceError."""
        signer = open_signer(self._signer).with_value(value)
        signing = signer.async_sign_prescribed_attributes(
            HASH, self._attributes, cms_version=CMS_VERSION, timestamper=self._levels.stamper
        )
        with refusing(self.name):
            return self._levels.fill(self._laid_out, run(signing))


def _measure(signer: Signer) -> int:
    """Bytes that the CMS of level B needs at most."""
    return VALUE_BYTES + STRUCTURE_BYTES + sum(map(len, (signer.certificate_der, *signer.chain_der)))


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:
    """Refuse the options that a PDF has no place for, and every file that could not be signed."""
    refuse_options(terms, "serialization", "policy", "claimed_role")
    refuse_uris(documents, terms)
    require_time_stamps(terms.level, outside)
    for document in documents:
        with refusing(document.name):
            lay_out(document, terms, EXAMPLE)


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside
) -> Iterator[PadesUnsigned]:
    """Make one for each file."""
    levels = PadesLevels(terms.level, signer, outside)
    for document in documents:
        yield PadesUnsigned(document, terms, signer, levels)
