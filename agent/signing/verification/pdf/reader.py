"""Read the signatures of a PDF: PAdES, and the older kind of ISO 32000-1 (`adbe.pkcs7.detached`).

Every filled signature field is reported. A signature is found valid when its value and digest hold, its ranges leave
out nothing but itself, and everything behind it is a signature, a time-stamp or evidence that holds as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from asn1crypto import cms, core
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from agent.signing.pdf.effort import limited_effort
from agent.signing.pdf.files import read_file
from agent.signing.signeddata import SignatureFaultError, any_bytes, load_signed_data
from agent.signing.tokens import read_token
from agent.signing.verification.carried import require_undamaged
from agent.signing.verification.cms import read_signers
from agent.signing.verification.cms_levels import Stamps, find_level
from agent.signing.verification.findings import Evidence, Finding, Reason, Stamp, UnreadableError
from agent.signing.verification.pdf.changes import STAMP, is_seen, require_unchanged
from agent.signing.verification.pdf.ranges import Covered, digest_covered, ends_with_table, read_range
from agent.signing.verification.pdf.store import join, read_store
from agent.signing.words import Format, Level

MAX_SIGNATURES: Final = 64
PADES, OLDER = "/ETSI.CAdES.detached", "/adbe.pkcs7.detached"
LAST: Final = 1 << 31
ZIP_END: Final = b"PK\5\6\0\0\0\0"
"""Programs look for this from the end of a file, whatever it begins with (APPNOTE 6.3 §4.3.16)."""


@dataclass(frozen=True, slots=True)
class Field:
    """A filled field: a signature's finding, or a time-stamp over the file, or what is wrong with either.

    `revision`: of the file, in which it was added; after all others where that is not known. `is_seen`: on a page.
    """

    name: str
    revision: int
    finding: Finding | None = None
    stamp: Stamp | None = None
    fault: SignatureFaultError | None = None
    is_seen: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is what it says."""
        return self.fault is None and (self.finding is None or self.finding.reason is None)


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Find and check every signature, in the order in which they were made. Raises UnreadableError."""
    if detached is not None:
        raise UnreadableError("a PDF is signed within: nothing stands beside it")
    try:
        with limited_effort():
            return list(_read(content))
    except UnreadableError:
        raise
    except Exception as error:  # the edge to pyHanko, as in agent.signing.pdf.files
        raise UnreadableError(f"it cannot be read as a PDF ({type(error).__name__}: {error})"[:300]) from error


def _read(content: bytes) -> Iterator[Finding]:
    reader = read_file(content)
    if reader.encrypted or reader.xrefs.hybrid_xrefs_present:
        raise UnreadableError("it is encrypted, or has two cross-reference tables that may differ")
    filled = _list_filled(reader)
    fields = [_Reading(content, reader).read(*each) for each in filled]
    fields.sort(key=lambda field: field.revision)
    fields += _list_lost(reader, {name for name, _ in filled})
    for place, field in enumerate(fields):
        if field.finding is not None:
            yield _conclude(reader, field, fields[place + 1 :])
        elif field.fault is not None:
            yield Finding(Format.PADES, reason=field.fault.reason, hint=f"a time-stamp over the file: {field.fault}")


def _list_lost(reader: PdfFileReader, names: set[str]) -> Iterator[Field]:
    """Signatures of earlier versions that the last one does not have any more."""
    versions = map(reader.get_historical_resolver, range(reader.xrefs.total_revisions - 1))
    before = {name for version in versions for name, *_ in enumerate_sig_fields(version, filled_status=True)}
    for name in sorted(before - names):
        fault = SignatureFaultError(Reason.NOT_COVERED, f"an earlier version of the file was signed in {name}")
        yield Field(name, LAST, Finding(Format.PADES), fault=fault)


def _list_filled(reader: PdfFileReader) -> list[tuple[str, Any]]:
    filled = [(name, field.get_object()) for name, _, field in enumerate_sig_fields(reader, filled_status=True)]
    if len(filled) > MAX_SIGNATURES:
        raise UnreadableError(f"more than {MAX_SIGNATURES} signatures")
    return filled


class _Reading:
    """One file, for each of its signatures."""

    def __init__(self, content: bytes, reader: PdfFileReader) -> None:
        self._content = content
        self._reader = reader

    def read(self, name: str, field: Any) -> Field:
        """Check a filled field by itself."""
        found = Field(name, LAST, Finding(Format.PADES))
        try:
            with any_bytes():
                signature = EmbeddedPdfSignature(self._reader, field, name)
                found = replace(found, revision=signature.signed_revision, is_seen=is_seen(field))
                if signature.sig_object["/SubFilter"] == STAMP:
                    found = replace(found, finding=None)
                covered = read_range(self._content, signature.byte_range, signature.pkcs7_content)
                found = self._read_value(found, signature, covered)
                self._check_changes(signature, covered)
        except SignatureFaultError as error:
            return replace(found, fault=error)
        return found

    def _read_value(self, found: Field, signature: EmbeddedPdfSignature, covered: Covered) -> Field:
        """Check the value over what is covered. Raises SignatureFaultError."""

        def imprint(name: str) -> bytes:
            return digest_covered(self._content, covered, name)

        if found.finding is None:
            return replace(found, stamp=read_token(covered.signature, imprint).stamp)
        kind = signature.sig_object["/SubFilter"]
        if kind not in {PADES, OLDER}:
            raise SignatureFaultError(Reason.ALGORITHM_REFUSED, f"a signature of the kind {str(kind)[:60]}")
        data = load_signed_data(covered.signature)
        _require_plain(data)
        (finding,) = read_signers(data, imprint)
        if kind == PADES and finding.reason is None and finding.format is not Format.CADES:
            raise SignatureFaultError(Reason.MALFORMED, "PAdES without signing-certificate")
        at = signature.self_reported_timestamp
        level = Level.B if kind == PADES else None
        return replace(found, finding=replace(finding, format=Format.PADES, level=level, claimed_at=at))

    def _check_changes(self, signature: EmbeddedPdfSignature, covered: Covered) -> None:
        if covered.total == len(self._content):
            return
        if self._content.find(ZIP_END, covered.total) >= 0:
            raise SignatureFaultError(Reason.NOT_COVERED, "behind it stands what makes the file a ZIP file as well")
        require_unchanged(self._reader, signature)
        is_last = signature.signed_revision == self._reader.xrefs.total_revisions - 1
        startxref = self._reader.last_startxref
        if is_last or startxref is None or not ends_with_table(self._content, startxref):
            raise SignatureFaultError(Reason.NOT_COVERED, "something stands behind it that is no part of the file")


def _require_plain(data: cms.SignedData) -> None:
    """One signer, of the file and not of something within the signature (§4.2, ISO 32000-1 §12.8.3.3.1)."""
    if len(data["signer_infos"]) != 1 or not isinstance(data["encap_content_info"]["content"], core.Void):
        raise SignatureFaultError(Reason.MALFORMED, "a signature of several signers, or around something else")


def _conclude(reader: PdfFileReader, field: Field, later: Sequence[Field]) -> Finding:
    """The finding, with what later time-stamps over the file prove, and unless something behind it does not hold."""
    finding = field.finding
    assert finding is not None
    if finding.reason is not None:
        return replace(finding, level=None)
    fault = field.fault or _find_later_fault(later)
    if fault is not None:
        return _refuse(finding, fault)
    stamped = [each for each in later if each.stamp is not None and each.revision > field.revision]
    finding = replace(finding, evidence=join(finding.evidence, read_store(reader)))
    stamps = [each.stamp for each in stamped if each.stamp is not None]
    try:  # a store serves all signatures of a file, made here or elsewhere: each certificate has a part in it
        require_undamaged(finding.evidence, finding.evidence.certificates_der, stamps)
    except SignatureFaultError as error:
        return _refuse(finding, error)
    finding = replace(finding, hint=_describe_seen(later))
    return _raise_level(finding, [_as_archive(reader, each) for each in stamped])


def _describe_seen(later: Iterable[Field]) -> str:
    """What of a page is not the signer's: a later signature, whoever made it, may be drawn over anything."""
    names = [each.name for each in later if each.is_seen]
    return f"on its pages, signatures that were added after it are shown: {', '.join(names)[:200]}" if names else ""


def _refuse(finding: Finding, fault: SignatureFaultError) -> Finding:
    return replace(finding, level=None, reason=fault.reason, hint=str(fault))


def _find_later_fault(later: Iterable[Field]) -> SignatureFaultError | None:
    for each in later:
        if not each.holds:
            return SignatureFaultError(Reason.NOT_COVERED, f"what was added after it, {each.name}, does not hold")
    return None


def _as_archive(reader: PdfFileReader, field: Field) -> tuple[Stamp, Evidence]:
    """A time-stamp over the file, and the evidence that it covers."""
    assert field.stamp is not None
    return field.stamp, read_store(reader.get_historical_resolver(field.revision))


def _raise_level(finding: Finding, archives: Sequence[tuple[Stamp, Evidence]]) -> Finding:
    """The level that the parts make (EN 319 142-1 §6.3)."""
    over_file = tuple(stamp for stamp, _ in archives)
    signature = finding.stamps or over_file
    level = finding.level and find_level(finding, Stamps(signature, ()))
    for stamp, evidence in archives:
        covered = replace(finding, evidence=join(finding.evidence, evidence))
        if level is Level.LT and find_level(covered, Stamps(signature, (stamp,))) is Level.LTA:
            level = Level.LTA
    return replace(finding, level=level, stamps=(*finding.stamps, *over_file))
