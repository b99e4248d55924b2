"""What was added to a PDF after a signature: more signatures, time-stamps and evidence, and nothing else.

pyHanko compares the revisions object by object (ISA and shadow attacks). Filled-in form fields count as changes here,
although the standard allows them: a person who reads the page takes them for signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
from pyhanko.pdf_utils.rw_common import PdfHandler
from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DocInfoRule,
    DSSCompareRule,
    FormUpdatingRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    SuspiciousModification,
    XrefStreamRule,
)
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from agent.signing.pdf.files import entry
from agent.signing.signeddata import SignatureFaultError
from agent.signing.verification.findings import Reason

WRITTEN_ANEW: Final = frozenset({"/ModDate", "/Producer"})
"""What programs that add evidence or a time-stamp say of themselves."""


class DocInfoKeptRule(DocInfoRule):
    """Title, author and the like stay as they were signed: programs show them over the page (ISO 32000-1 §14.3.3)."""

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterable[Any]:
        """Raise SuspiciousModification for anything else than a newer date or another program."""
        before, after = _read_info(old), _read_info(new)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        if not changed <= WRITTEN_ANEW:
            raise SuspiciousModification(f"the document information has another {min(changed - WRITTEN_ANEW)}")
        yield from super().apply(old, new)


def _read_info(version: HistoricalResolver) -> dict[str, Any]:
    view = version.trailer_view
    info: Any = view["/Info"] if "/Info" in view else None  # noqa: SIM401 - get() gives references
    return {} if info is None else {str(key): info.raw_get(key) for key in info}


_RULES: Final = (DocInfoKeptRule(), XrefStreamRule(), ObjectStreamRule(), DSSCompareRule(), MetadataUpdateRule())
STAMP: Final = "/ETSI.RFC3161"
"""The /SubFilter of a time-stamp over the file."""
POLICY: Final = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(),
        *(rule.as_qualified(ModificationLevel.LTA_UPDATES) for rule in _RULES),
    ],
    form_rule=FormUpdatingRule(field_rules=[SigFieldCreationRule(), SigFieldModificationRule()]),
)


def require_unchanged(reader: PdfFileReader, signature: EmbeddedPdfSignature) -> None:
    """Raise SignatureFaultError for an addition that is not of the kinds above, or that the signature forbids."""
    signature.compute_integrity_info(diff_policy=POLICY)
    covers: Any = signature.coverage
    if covers < SignatureCoverageLevel.ENTIRE_REVISION:
        raise SignatureFaultError(Reason.NOT_COVERED, "it does not cover the version of the file that it stands in")
    changes = signature.diff_result
    if isinstance(changes, SuspiciousModification):
        raise SignatureFaultError(Reason.NOT_COVERED, f"the file was changed after it: {str(changes)[:200]}")
    if not signature.summarise_integrity_info()["docmdp_ok"]:
        raise SignatureFaultError(Reason.NOT_COVERED, "what was added after it is what it forbids (DocMDP)")
    if covers is not SignatureCoverageLevel.ENTIRE_FILE:
        signed = reader.get_historical_resolver(signature.signed_revision)
        _require_filled(reader, signed)
        if _draws_fields(reader) and not _draws_fields(signed):
            raise SignatureFaultError(Reason.NOT_COVERED, "fields are drawn anew after it, maybe in other letters")


def _draws_fields(version: PdfHandler) -> bool:
    """Whether programs are told to draw form fields themselves; pyHanko lets that and the form's fonts change."""
    form = entry(version.root, "/AcroForm")
    return form is not None and bool(entry(form, "/NeedAppearances"))


def _require_filled(reader: PdfFileReader, signed: PdfHandler) -> None:
    """A field that came to show something, without a signature, is a picture over the page: nobody answers for it.

    So is one with a time-stamp, which anybody can have. What waited already, pyHanko sees that it stays as it was.
    """
    before = {name: value is not None for name, value, _ in enumerate_sig_fields(signed)}
    for name, value, field in enumerate_sig_fields(reader):
        is_picture = name not in before if value is None else not before.get(name) and _is_stamp(value)
        if is_picture and is_seen(field.get_object()):
            raise SignatureFaultError(Reason.NOT_COVERED, f"the field {name} came to show something after it")


def _is_stamp(value: Any) -> bool:
    return bool(entry(value.get_object(), "/SubFilter") == STAMP)


def is_seen(field: Any) -> bool:
    """Whether a field shows something on a page."""
    return any(map(_has_box, _list_widgets(field)))


def _list_widgets(field: Any) -> Iterator[Any]:
    yield field
    if "/Kids" in field:
        yield from (kid.get_object() for kid in field["/Kids"])


def _has_box(widget: Any) -> bool:
    if "/Rect" not in widget:
        return False
    x1, y1, x2, y2 = map(float, widget["/Rect"])
    return x1 != x2 and y1 != y2
