"""PDF files of others, opened for signing: whatever cannot be signed well is refused with the reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils.decode_limits import DecodeLimits
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError as PyHankoSigningError
from pyhanko.sign.validation.dss import DocumentSecurityStore

from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, SigningError
from agent.signing.pdf.effort import EffortError, limited_effort

MAX_DEPTH: Final = 64  # of a page tree and of a tree of fields, both are of a handful in practice
LIMITS: Final = DecodeLimits.for_untrusted_input()
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # it tells in tracebacks what is told by exceptions here


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Have whatever goes wrong with a file end in a DocumentRefusedError, within bounded work."""
    try:
        with limited_effort():
            yield
    except SigningError as error:
        error.document = error.document or name
        raise
    except (EffortError, PdfError, PyHankoSigningError) as error:
        raise DocumentRefusedError(f"it cannot be signed as a PDF: {error}", name) from error
    except Exception as error:  # the edge to pyHanko: KeyError, TypeError, RecursionError, MemoryError …
        raise DocumentRefusedError(f"it cannot be read as a PDF ({type(error).__name__})", name) from error


class QuietWriter(IncrementalPdfFileWriter):
    """Writes what it is told behind a file, and nothing about itself.

    pyHanko 0.38 sets dates and producer otherwise, and writes all XMP anew: a PDF/A may lose what says that it is one.
    """

    def _update_meta(self) -> None:
        """Leave /Info and /Metadata as they are."""


def open_file(document: Document) -> QuietWriter:
    """Open for an incremental update, within `refusing`. Raises DocumentRefusedError, PdfError and others."""
    reader = read_file(document.read())
    for defect, has_it in (
        ("it is encrypted", reader.encrypted),
        ("it has two cross-reference tables that may differ (a hybrid file)", reader.xrefs.hybrid_xrefs_present),
        ("it holds an XFA form, which other programs show instead of what would be signed", _has_xfa(reader)),
    ):
        if has_it:
            raise DocumentRefusedError(defect)
    if entry(reader.root, "/DSS") is not None:
        DocumentSecurityStore.read_dss(reader)  # a damaged one would be found when the code was typed already
    return QuietWriter(reader.stream, prev=reader)


def read_file(content: bytes) -> PdfFileReader:
    """Parse strictly, with bounds on what its streams unpack to. Raises PdfError and others."""
    return PdfFileReader(BytesIO(content), strict=True, decode_limits=LIMITS)


def _has_xfa(reader: PdfFileReader) -> bool:
    form = entry(reader.root, "/AcroForm")
    return form is not None and "/XFA" in form


def entry(dictionary: Any, key: str) -> Any | None:
    """What a dictionary holds under a key, wherever in the file that stands; None where it has none."""
    return dictionary[key] if key in dictionary else None  # noqa: SIM401 - get() gives references


def find_inherited(node: Any, key: str) -> Any | None:
    """The value of a page's or field's attribute, its own or of what it hangs from (ISO 32000-1 §7.7.3.4)."""
    for _ in range(MAX_DEPTH):
        if key in node:
            return node[key]
        if "/Parent" not in node:
            return None
        node = node["/Parent"]
    raise DocumentRefusedError("its pages hang from each other in a circle")
