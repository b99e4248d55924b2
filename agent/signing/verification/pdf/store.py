"""The document security store of a PDF (ETSI EN 319 142-1 §5.4): certificates, CRLs and OCSP responses."""

from __future__ import annotations

from typing import Any, Final

from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.rw_common import PdfHandler

from agent.signing.verification.findings import Evidence, UnreadableError

MAX_EACH: Final = 256
KINDS: Final = (
    ("/Certs", DecodePurpose.CERTIFICATE),
    ("/CRLs", DecodePurpose.CRL),
    ("/OCSPs", DecodePurpose.OCSP_RESPONSE),
)


def read_store(version: PdfHandler) -> Evidence:
    """What the store of that version of a file holds; empty without one. Raises UnreadableError for a hostile one."""
    if "/DSS" not in version.root:
        return Evidence()
    store = version.root["/DSS"]
    return Evidence(*(_read_kind(store, name, purpose) for name, purpose in KINDS))


def _read_kind(store: Any, name: str, purpose: DecodePurpose) -> tuple[bytes, ...]:
    listed = store[name] if name in store else ()  # noqa: SIM401 - get() gives references
    if len(listed) > MAX_EACH:
        raise UnreadableError(f"more than {MAX_EACH} entries in {name}")
    return tuple(each.get_object().read_data(purpose) for each in listed)


def join(*parts: Evidence) -> Evidence:
    """All of it, each once."""
    return Evidence(
        tuple(dict.fromkeys(der for part in parts for der in part.certificates_der)),
        tuple(dict.fromkeys(der for part in parts for der in part.crls_der)),
        tuple(dict.fromkeys(der for part in parts for der in part.ocsps_der)),
    )
