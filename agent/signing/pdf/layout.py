"""A PDF up to its signature's value: field, appearance, signature dictionary, and room for the value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final

from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.signers.pdf_byterange import PreparedByteRangeDigest
from pyhanko.sign.signers.pdf_cms import Signer as PyHankoSigner
from pyhanko.sign.signers.pdf_signer import PdfSigningSession

from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.mechanisms import HASH, find_mechanism
from agent.signing.pdf.appearance import Style, write_words
from agent.signing.pdf.earlier import list_earlier, refuse_harm
from agent.signing.pdf.files import open_file, read_file
from agent.signing.pdf.placement import find_place
from agent.signing.preparation import SignatureTerms
from agent.signing.words import Level, Scheme

ROOM: Final = 4096
HEX: Final = 2  # digits for each byte


class Nobody(PyHankoSigner):
    """Stands where pyHanko wants a signer before anything is signed."""

    def __init__(self) -> None:
        super().__init__(signature_mechanism=find_mechanism(Scheme.RS256))

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:  # noqa: FBT001, FBT002 - pyHanko's
        """Nobody signs."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Holder:
    """Who signs, as a person reads it."""

    name: str
    profession: str | None = None


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A file that lacks nothing but the value, and where that goes."""

    file: BytesIO
    room: PreparedByteRangeDigest

    @property
    def sha256(self) -> bytes:
        """The digest over the /ByteRange: of everything but that room."""
        digest: bytes = self.room.document_digest
        return digest


def lay_out(document: Document, terms: SignatureTerms, holder: Holder, room: int = ROOM) -> LaidOut:
    """Write it all behind the file as it is, with `room` bytes for the CMS. To be called within `refusing`.

    Raises DocumentRefusedError, TermsRefusedError, and what pyHanko raises.
    """
    writer, at = open_file(document), datetime.now().astimezone()
    earlier = list_earlier(writer.prev)
    place = find_place(writer, terms)
    metadata = PdfSignatureMetadata(
        field_name=place.field,
        md_algorithm=HASH,
        name=holder.name or None,
        reason=terms.reason,
        location=terms.location,
        subfilter=SigSeedSubFilter.PADES,
    )
    style = Style(words=write_words(holder.name, holder.profession, at), turn=place.turn)
    signer = PdfSigner(metadata, Nobody(), stamp_style=style, new_field_spec=place.spec)
    session = signer.init_signing_session(writer)
    session.system_time = at
    _require_stamp(session, terms)
    laid_out = _write(session, room)
    if earlier:
        refuse_harm(read_file(laid_out.file.getvalue()), earlier)
    return laid_out


def _require_stamp(session: PdfSigningSession, terms: SignatureTerms) -> None:
    """Refuse what a field asks for and the level has not; the authority that it names is never asked."""
    session.timestamper = None
    wanted = session.sv_spec
    if wanted is not None and wanted.timestamp_required and terms.level is Level.B:
        raise TermsRefusedError(f"the field {terms.field} asks for a time-stamp: level T, LT or LTA")


def _write(session: PdfSigningSession, room: int) -> LaidOut:
    unsigned = session.prepare_tbs_document(validation_info=None, bytes_reserved=HEX * room)
    prepared, file = unsigned.digest_tbs_document(in_place=True)
    assert isinstance(file, BytesIO)
    return LaidOut(file, prepared)
