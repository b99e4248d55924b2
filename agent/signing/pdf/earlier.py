"""Signatures that a PDF has already: what is added must leave them as valid as they were."""

from __future__ import annotations

from collections.abc import Iterator

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from agent.signing.errors import DocumentRefusedError


def list_earlier(before: PdfFileReader) -> frozenset[str]:
    """The names of the fields whose signatures allow everything that was added after them."""
    filled = {name for name, _, _ in enumerate_sig_fields(before, filled_status=True)}
    return frozenset(each.fq_name for each in _load(before, filled) if _is_kept(each))


def refuse_harm(after: PdfFileReader, earlier: frozenset[str]) -> None:
    """Raise DocumentRefusedError when one of them forbids what was added: a certification, or a lock of fields."""
    for signature in _load(after, earlier):
        if not _is_kept(signature):
            raise DocumentRefusedError(f"its signature {signature.fq_name} forbids to sign it once more like that")


def _load(reader: PdfFileReader, names: set[str] | frozenset[str]) -> Iterator[EmbeddedPdfSignature]:
    for name, _, reference in enumerate_sig_fields(reader, filled_status=True):
        if name in names:
            yield EmbeddedPdfSignature(reader, reference.get_object(), name)


def _is_kept(signature: EmbeddedPdfSignature) -> bool:
    """Whether everything after it is what it allows (DocMDP and FieldMDP, ISO 32000-1 §12.8.2)."""
    signature.compute_integrity_info()
    return bool(signature.summarise_integrity_info()["docmdp_ok"])
