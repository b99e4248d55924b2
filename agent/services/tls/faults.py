"""What went wrong in a handshake, from what Python's ssl tells of it."""

from __future__ import annotations

import re
import ssl
from typing import Final

from agent.services.tls.errors import (
    CertificateFault,
    ClientRefusedError,
    ServerCertificateError,
    ServerUnreachableError,
    TlsError,
    TlsVersionError,
)
from agent.services.tls.signing import Watch

_ALERT: Final = re.compile(r"\A(?:SSLV3|TLSV1|TLSV13)_ALERT_(\w+)\Z")
_ABOUT_US: Final = frozenset(
    {
        "access_denied", "bad_certificate", "certificate_expired", "certificate_required", "certificate_revoked",
        "certificate_unknown", "decrypt_error", "no_certificate", "unknown_ca", "unsupported_certificate",
    }
)  # fmt: skip
"""RFC 8446 §6.2, RFC 5246 §7.2.2: what a server says of a client's certificate, or of its proof."""
_NOTHING_IN_COMMON: Final = frozenset({"protocol_version", "insufficient_security"})
_NOTHING_IN_COMMON_HERE: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "NO_SUITABLE_SIGNATURE_ALGORITHM", "NO_PROTOCOLS_AVAILABLE", "NO_SHARED_CIPHER"}
)
# X509_V_ERR_ of openssl/x509_vfy.h
_NAME: Final = frozenset({62, 64})
_EXPIRED: Final = frozenset({9, 10})
_UNKNOWN: Final = frozenset({2, 18, 19, 20, 21, 24, 27, 28})
_REVOKED: Final = frozenset({23})
_FAULTS: Final = (
    (_NAME, CertificateFault.NAME),
    (_EXPIRED, CertificateFault.EXPIRED),
    (_UNKNOWN, CertificateFault.UNKNOWN),
    (_REVOKED, CertificateFault.REVOKED),
)


def explain(error: OSError, watch: Watch) -> TlsError:
    """Say whose fault it is. `watch`: what was seen of the handshake, or of the one that the line began with."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ServerCertificateError(_certificate_fault(error.verify_code), error.verify_message)
    if not isinstance(error, ssl.SSLError):
        return ServerUnreachableError(str(error) or type(error).__name__)
    reason = error.reason or ""
    alert = _ALERT.match(reason)
    if alert is not None:
        return _explain_alert(alert[1].lower(), watch)
    if reason in _NOTHING_IN_COMMON_HERE:
        return TlsVersionError(reason.lower().replace("_", " "))
    return ServerUnreachableError(f"no TLS that is understood: {reason or error}")


def _explain_alert(alert: str, watch: Watch) -> TlsError:
    """A handshake that fails once suites are agreed upon does so for a certificate: for want of one, or for ours."""
    failed = alert == "handshake_failure"
    no_signature_in_common = watch.asked and not watch.signatures
    if alert in _NOTHING_IN_COMMON or (failed and (not watch.agreed or no_signature_in_common)):
        return TlsVersionError(f"the server answered {alert}")
    if alert in _ABOUT_US or failed:
        return ClientRefusedError(alert)
    return ServerUnreachableError(f"the server answered {alert}")


def _certificate_fault(code: int) -> CertificateFault:
    return next((fault for codes, fault in _FAULTS if code in codes), CertificateFault.OTHER)
