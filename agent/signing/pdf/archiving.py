"""What the levels T, LT and LTA add to a signed PDF (ETSI EN 319 142-1 §5.4, §5.5, §6).

T: a time-stamp in the signature; LT: certificates and answers about revocation in the document security store (DSS);
LTA: a time-stamp over the whole file, in the same incremental update as the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

from asn1crypto import cms, crl, ocsp
from pyhanko.sign.general import SigningError as PyHankoSigningError
from pyhanko.sign.signers import PdfTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore

from agent.signing.errors import TimeStampError
from agent.signing.evidence import EvidenceSet, gather_evidence
from agent.signing.mechanisms import HASH
from agent.signing.pdf.files import LIMITS, QuietWriter
from agent.signing.pdf.layout import HEX, LaidOut
from agent.signing.preparation import Outside, Signer
from agent.signing.signeddata import WholeCertificate, find_attribute, read_as_it_stands
from agent.signing.synchronous import run
from agent.signing.timestamps import PyHankoTimeStamper, TimeStamps
from agent.signing.words import Level

TOKEN_BYTES: Final = 12 * 1024
"""Room for a time-stamp: with its authority's chain it has 3 to 8 kB, and nobody knows before it is there."""
SECOND_BYTES: Final = 2048  # that much may the next one of the same authority be larger


class WholeList(crl.CertificateList):  # type: ignore[misc]
    """A CRL that is written as it was read: its issuer has signed those bytes."""

    def dump(self, force: bool = False) -> bytes:  # noqa: ARG002, FBT001, FBT002 - asn1crypto's
        """Give its bytes."""
        return read_as_it_stands(self)


class WholeResponse(ocsp.OCSPResponse):  # type: ignore[misc]
    """An OCSP response that is written as it was read."""

    def dump(self, force: bool = False) -> bytes:  # noqa: ARG002, FBT001, FBT002 - asn1crypto's
        """Give its bytes."""
        return read_as_it_stands(self)


class PadesLevels:
    """Bring signed PDFs from level B to another; whom it asks, it asks for one after another."""

    def __init__(self, level: Level, signer: Signer, outside: Outside) -> None:
        self._level = level
        self._signer = signer
        self._outside = outside
        self.stamper = None if level is Level.B else PyHankoTimeStamper(TimeStamps(outside))

    @property
    def room(self) -> int:
        """Bytes that the level needs within the signature."""
        return 0 if self.stamper is None else TOKEN_BYTES

    def fill(self, laid_out: LaidOut, signature: cms.ContentInfo) -> bytes:
        """The file with its signature and what the level adds behind it. Raises TimeStampError, EvidenceError."""
        with _enough_room(TOKEN_BYTES):
            laid_out.room.fill_with_cms(laid_out.file, signature)
        if self._level in {Level.LT, Level.LTA}:
            (signer,) = signature["content"]["signer_infos"]
            token = find_attribute(signer["unsigned_attrs"], "signature_time_stamp_token")
            assert token is not None
            chain = self._signer.chain_der
            token_der = read_as_it_stands(token)
            evidence = gather_evidence(self._signer.certificate_der, chain, self._outside, [token_der])
            self._archive(laid_out.file, evidence, len(token_der) + SECOND_BYTES)
        return laid_out.file.getvalue()

    def _archive(self, file: BytesIO, evidence: EvidenceSet, room: int) -> None:
        writer = QuietWriter(file, decode_limits=LIMITS)
        _put_evidence(writer, evidence)
        if self._level is Level.LTA:
            assert self.stamper is not None
            stamping = PdfTimeStamper(self.stamper).async_timestamp_pdf
            with _enough_room(room):
                run(stamping(writer, HASH, in_place=True, bytes_reserved=HEX * room))
        else:
            writer.write_in_place()


@contextmanager
def _enough_room(room: int) -> Iterator[None]:
    try:
        yield
    except PyHankoSigningError as error:  # all else was measured
        raise TimeStampError(f"the time-stamp is larger than the {room} bytes that are left for it") from error


def _put_evidence(writer: QuietWriter, evidence: EvidenceSet) -> None:
    """Into the store of the file, beside what it holds; without /VRI, which is optional (§5.4.2.3) and needs SHA-1."""
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=map(WholeCertificate.load, evidence.certificates_der),
        ocsps=map(WholeResponse.load, evidence.ocsps_der),
        crls=map(WholeList.load, evidence.crls_der),
    )
