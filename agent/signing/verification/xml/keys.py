"""Who signed: the certificate in KeyInfo whose key made the value. A key without a certificate is nobody's."""

from __future__ import annotations

from typing import Final

from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.algorithms import fits
from agent.signing.verification.xml.faults import XmlFaultError
from agent.signing.verification.xml.shape import Signature
from agent.signing.xml import canonicalise
from drivers.card.certificate import parse_certificate
from drivers.errors import CardUnknownError

MAX_CERTIFICATES: Final = 16


def find_signer(signature: Signature) -> bytes:
    """DER of the signer's certificate. Raises XmlFaultError when there is none, or the value is not of its key."""
    if not signature.certificates_der:
        raise XmlFaultError(Reason.CERTIFICATE_ABSENT, "KeyInfo has no X509Certificate")
    content = canonicalise(signature.signed_info, signature.form.method, signature.form.prefixes)
    for der in signature.certificates_der[:MAX_CERTIFICATES]:
        try:
            key = parse_certificate(der).public_key_der
        except CardUnknownError:
            continue
        if fits(signature.method, key, signature.value, content):
            return der
    raise XmlFaultError(Reason.SIGNATURE_WRONG, "no certificate of KeyInfo has the key of this value")
