"""Keys for one making of the corpus: a root, a signer under it, a stranger, and a time-stamp authority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from support.signing_keys import SigningKey

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True)
class Pki:
    """`login` may log in and not sign; `stranger` has a root of its own that nobody believes."""

    root_der: bytes
    signer: SigningKey
    login: SigningKey
    stranger: SigningKey
    tsa: SigningKey


def make_pki() -> Pki:
    root, other = _key(), _key()
    root_der = _certify("CORPUS ROOT", root, "CORPUS ROOT", root, "key_cert_sign", authority=True)
    other_der = _certify("OTHER ROOT", other, "OTHER ROOT", other, "key_cert_sign", authority=True)

    def issue(name: str, usage: str, *purposes: x509.ObjectIdentifier) -> SigningKey:
        key = _key()
        der = _certify(name, key, "CORPUS ROOT", root, usage, purposes=purposes)
        return SigningKey(key, der, (root_der,))

    key = _key()
    stranger = SigningKey(key, _certify("STRANGER", key, "OTHER ROOT", other, "content_commitment"), (other_der,))
    return Pki(
        root_der,
        issue("SIGNER", "content_commitment"),
        issue("LOGIN", "digital_signature", ExtendedKeyUsageOID.CLIENT_AUTH),
        stranger,
        issue("TSA", "digital_signature", ExtendedKeyUsageOID.TIME_STAMPING),
    )


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _certify(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: str,
    issuer_key: rsa.RSAPrivateKey,
    usage: str,
    *,
    authority: bool = False,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(BEGIN)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.KeyUsage(**{each: each == usage for each in USAGES}), critical=True)
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=True)
    return builder.sign(issuer_key, SHA256()).public_bytes(Encoding.DER)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.COMMON_NAME, text)])
