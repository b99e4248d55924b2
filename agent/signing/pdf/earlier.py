"""Signatures that a PDF has already: what is added must leave them as valid as they were."""

from __future__ import annotations

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from agent.signing.errors import DocumentRefusedError


def refuse_harm(before: PdfFileReader, after: PdfFileReader) -> None:
    """Raise DocumentRefusedError when a signature forbids what was added: a certification, or a lock of fields."""
    allowed = {each.fq_name for each in before.embedded_signatures if _is_kept(each)}
    for signature in after.embedded_signatures:
        if signature.fq_name in allowed and not _is_kept(signature):
            raise DocumentRefusedError(f"its signature {signature.fq_name} forbids to sign it once more like that")


def _is_kept(signature: EmbeddedPdfSignature) -> bool:
    """Whether everything after it is what it allows (DocMDP and FieldMDP, ISO 32000-1 §12.8.2)."""
    signature.compute_integrity_info()
    return bool(signature.summarise_integrity_info()["docmdp_ok"])
