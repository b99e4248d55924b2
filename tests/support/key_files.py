"""Key files made with `cryptography`, and the passphrase of those that the tests make."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

WORDS = "s3cret été 🔑"


def made_p12(key, name, *extra):
    certificate = x509.load_der_x509_certificate(key.certificate_der)
    encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1000).build(WORDS.encode())
    return pkcs12.serialize_key_and_certificates(
        name.encode(), key.private, certificate, [x509.load_der_x509_certificate(each) for each in extra], encryption
    )
