"""PDF files that are not signed: damaged, protected, hostile, or closed by those who signed them before."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.pdf import ORDONNANCE, pack_catalogue, pages, pdfsig, write_pdf
from support.pdf_damage import DAMAGED, PACKED, with_catalogue
from support.signing_keys import SigningKey

from agent.signing import pades
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.pdf import effort
from agent.signing.preparation import Appearance, Outside, SignatureTerms
from agent.signing.words import Format, Level, Packaging

B = SignatureTerms(Format.PADES, Level.B, Packaging.ENVELOPED)
SEEN = SignatureTerms(Format.PADES, Level.B, Packaging.ENVELOPED, appearance=Appearance())


def check(content: bytes, terms: SignatureTerms = SEEN) -> None:
    pades.check([Document.of("a.pdf", content)], terms, Outside())


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_or_hostile_file_is_refused_soon(case: str) -> None:
    started = time.process_time()
    with pytest.raises((DocumentRefusedError, TermsRefusedError)) as refused:
        check(DAMAGED[case])
    assert time.process_time() - started < 2
    assert refused.value.document == "a.pdf"
    assert len(str(refused.value)) > 20


def test_a_file_for_which_a_code_is_needed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(ORDONNANCE)
    command = ["qpdf", "--encrypt", "", "owner", "256", "--", "a.pdf", "b.pdf"]
    subprocess.run(command, cwd=tmp_path, check=True)
    with pytest.raises(DocumentRefusedError, match="encrypted"):
        check((tmp_path / "b.pdf").read_bytes())


def test_every_cut_is_refused_or_signed_but_never_crashes() -> None:
    random_ = random.Random(11)
    for _ in range(60):
        at = random_.randrange(len(ORDONNANCE))
        changed = bytearray(ORDONNANCE)
        changed[at : at + random_.randrange(1, 9)] = random_.randbytes(random_.randrange(9))
        try:
            check(bytes(changed))
        except (DocumentRefusedError, TermsRefusedError) as error:
            assert error.document == "a.pdf"  # noqa: PT017


def test_100_000_objects_are_no_trouble() -> None:
    started = time.process_time()
    check(write_pdf(pages() | {number: b"<< /A (%d) >>" % number for number in range(20, 100_000)}))
    assert time.process_time() - started < 10


def test_a_packed_catalogue_is_no_trouble() -> None:
    check(pack_catalogue(PACKED))


def test_work_without_end_is_ended() -> None:
    def work() -> None:
        while True:
            with contextlib.suppress(Exception):  # as a library might
                sum(range(1000))

    with pytest.raises(effort.EffortError, match=r"more than 0\.05 s"), effort.limited_effort(0.05):
        work()


# --- closed by an earlier signature ---


@pytest.fixture(scope="module")
def sign(key: SigningKey) -> Callable[..., bytes]:
    def make(content: bytes, terms: SignatureTerms = B) -> bytes:
        check(content, terms)
        (signed,) = key.complete_all(pades.prepare([Document.of("a", content)], terms, key.signer(), Outside()))
        return signed

    return make


def locking(lock: bytes) -> bytes:
    """A form whose field A closes others when it is signed."""
    common = b"<< /Type /Annot /Subtype /Widget /F 4 /P 5 0 R /Rect [0 0 0 0] /FT /Sig"
    return with_catalogue(
        b"/AcroForm << /Fields [20 0 R 21 0 R] >>",
        _20=b"%s /T (A) /Lock << /Type /SigFieldLock %s >> >>" % (common, lock),
        _21=b"%s /T (B) >>" % common,
        _5=pages()[5].replace(b"/Type /Page ", b"/Type /Page /Annots [20 0 R 21 0 R] "),
    )


def test_a_field_locked_by_a_signature_is_refused(sign: Callable[..., bytes]) -> None:
    def field(name: str) -> SignatureTerms:
        return SignatureTerms(Format.PADES, Level.B, Packaging.ENVELOPED, field=name)

    signed = sign(locking(b"/Action /Include /Fields [(B)]"), field("A"))
    with pytest.raises(DocumentRefusedError, match="signature A forbids"):
        check(signed, field("B"))
    sign(sign(locking(b"/Action /Include /Fields [(C)]"), field("A")), field("B"))


@pytest.mark.parametrize("permission", [1, 2])
def test_a_certified_file_is_signed_only_where_that_is_allowed(
    sign: Callable[..., bytes], certify: Callable[[int], bytes], tmp_path: Path, permission: int
) -> None:
    certified = certify(permission)
    if permission == 1:
        with pytest.raises(DocumentRefusedError, match="forbids"):
            check(certified, B)
        return
    with pytest.raises(DocumentRefusedError, match="forbids"):
        check(certified, SEEN)
    assert [each.is_valid for each in pdfsig(tmp_path, sign(certified))] == [True, True]


@pytest.fixture(scope="module")
def certify(key: SigningKey) -> Callable[[int], bytes]:
    """A file certified by its author, with what may follow (ISO 32000-1 table 254), by pyHanko's own way."""
    from io import BytesIO  # noqa: PLC0415

    from asn1crypto import keys, x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter  # noqa: PLC0415
    from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner  # noqa: PLC0415
    from pyhanko.sign.fields import MDPPerm  # noqa: PLC0415
    from pyhanko_certvalidator.registry import SimpleCertificateStore  # noqa: PLC0415

    der = key.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        x509.Certificate.load(key.certificate_der), keys.PrivateKeyInfo.load(der), SimpleCertificateStore()
    )

    def make(permission: int) -> bytes:
        metadata = PdfSignatureMetadata("Author", certify=True, docmdp_permissions=MDPPerm(permission))
        return PdfSigner(metadata, signer).sign_pdf(IncrementalPdfFileWriter(BytesIO(ORDONNANCE))).getvalue()

    return make
