"""Key files that nobody should have to trust: each ends soon, and in an error of ours."""

from __future__ import annotations

import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    pkcs7,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.key_files import WORDS, made_p12
from support.openssl import openssl
from support.organisations import phrase

from drivers.card import encoding as der
from drivers.card.der import Elements, read_whole
from drivers.errors import DriverError
from drivers.software.ciphers import Opener
from drivers.software.derivation import Budget
from drivers.software.errors import (
    KeyFileError,
    KeyKindError,
    TooCostlyError,
)
from drivers.software.importing import MAX_CONTENT, read_key_files
from drivers.software.passwords import Password


def _encrypted_key(algorithm, content=bytes(64)):
    return der.sequence(algorithm, der.octets(content))


def _pbes2(derivation):
    cipher = der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octets(bytes(16)))
    return der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(derivation, cipher))


def _pbkdf2(rounds, length=32):
    parameters = der.sequence(der.octets(bytes(8)), der.integer(rounds), der.integer(length))
    return _pbes2(der.sequence(der.oid("1.2.840.113549.1.5.12"), parameters))


def _scrypt(n, r, p):
    numbers = (der.integer(number) for number in (n, r, p))
    return _pbes2(der.sequence(der.oid("1.3.6.1.4.1.11591.4.11"), der.sequence(der.octets(bytes(8)), *numbers)))


def _pkcs12_scheme(rounds):
    return der.sequence(der.oid("1.2.840.113549.1.12.1.3"), der.sequence(der.octets(bytes(8)), der.integer(rounds)))


COSTLY = {
    "PBKDF2": _pbkdf2(10_000_001),
    "PBKDF2 beyond 64 bits": _pbkdf2(1 << 70),
    "PKCS#12": _pkcs12_scheme(5_000_001),
    "scrypt N": _scrypt(1 << 30, 8, 1),
    "scrypt r": _scrypt(2, 1 << 30, 1),
    "scrypt p": _scrypt(1 << 14, 8, 1 << 20),
    "scrypt beyond 64 bits": _scrypt(1 << 100, 8, 1),
}


@pytest.mark.parametrize("attack", COSTLY, ids=list(COSTLY))
def test_attack_costly_derivations_are_refused_before_they_are_made(attack):
    began = time.monotonic()
    with pytest.raises(TooCostlyError):
        read_key_files([_encrypted_key(COSTLY[attack])], phrase(WORDS))
    assert time.monotonic() - began < 1


def test_attack_many_costly_parts_have_one_budget(folder_of):
    """Each part by itself could pass."""
    options = ["-topk8", "-v2", "aes256", "-iter", "3000", "-outform", "DER", "-passout", "file:words"]
    openssl(folder_of, "pkcs8", "-in", "auth.key", "-out", "key", *options)
    parts = Elements(read_whole((folder_of / "key").read_bytes(), 0x30, "a key").value, "a key")
    algorithm, encrypted = parts.take(0x30).der, parts.take(0x04).value
    with Password(phrase(WORDS)) as password:
        opener = Opener(password, Budget(5000))
        assert opener.decrypt(algorithm, encrypted)
        with pytest.raises(TooCostlyError):
            opener.decrypt(algorithm, encrypted)


def test_attack_a_costly_mac_is_refused(export_p12):
    content = export_p12("-iter", "1")
    from asn1crypto.pkcs12 import Pfx  # noqa: PLC0415

    pfx = Pfx.load(content)
    pfx["mac_data"]["iterations"] = 1 << 40
    with pytest.raises(TooCostlyError):
        read_key_files([pfx.dump()], phrase(WORDS))


INSANE = {
    "no rounds": _pbkdf2(0),
    "a key of no length": _pbkdf2(1, 0),
    "a key of another length": _pbkdf2(1, 16),
    "a key of 2 GB": _pbkdf2(1, 1 << 31),
    "scrypt of 3": _scrypt(3, 1, 1),
    "scrypt of nothing": _scrypt(0, 0, 0),
    "an unknown scheme": der.sequence(der.oid("1.2.3"), der.null()),
    "no parameters": der.sequence(der.oid("1.2.840.113549.1.5.13")),
}


@pytest.mark.parametrize("attack", INSANE, ids=list(INSANE))
def test_attack_parameters_that_make_no_sense(attack):
    with pytest.raises(KeyFileError):
        read_key_files([_encrypted_key(INSANE[attack])], phrase(WORDS))


def test_attack_contents_of_odd_lengths():
    for length in (0, 1, 15, 17):
        for scheme in (_pbkdf2(1), _pkcs12_scheme(1)):
            with pytest.raises(KeyFileError):
                read_key_files([_encrypted_key(scheme, bytes(length))], phrase(WORDS))


def test_attack_a_large_rc2_content_costs_little():
    scheme = der.sequence(der.oid("1.2.840.113549.1.12.1.6"), der.sequence(der.octets(bytes(8)), der.integer(1)))
    with pytest.raises(KeyFileError):
        read_key_files([_encrypted_key(scheme, bytes(1 << 20))], phrase(WORDS))


LARGE = {
    "too large": bytes(MAX_CONTENT + 1),
    "zeroes": bytes(MAX_CONTENT),
    "nested sequences": b"\x30\x80" * (MAX_CONTENT // 2),
    "a PFX of nested sequences": b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 1_000_000,
    "many beginnings": b"-----BEGIN CERTIFICATE-----\n" * 300_000,
    "many small blocks": b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n" * 100_000,
    "one long line": b"-----BEGIN CERTIFICATE-----" + b"A" * 9_000_000,
    "a block without an end": b"-----BEGIN CERTIFICATE-----\n" + b"AAAA\n" * 1_000_000,
}


@pytest.mark.parametrize("attack", LARGE, ids=list(LARGE))
def test_attack_large_files_end_soon(attack):
    began = time.monotonic()
    with pytest.raises(KeyFileError):
        read_key_files([LARGE[attack]], phrase(WORDS))
    assert time.monotonic() - began < 5


def test_attack_numbers_too_large_to_check_are_refused_at_once(folder_of):
    """Whether such numbers are prime OpenSSL would compute for hours."""
    prime = (1 << 400_000) + 1
    numbers = (der.integer(number) for number in (0, prime, 65537, 1, prime, prime, 1, 1, 1))
    certificate = (folder_of / "auth.pem").read_bytes()
    began = time.monotonic()
    with pytest.raises(KeyKindError):
        read_key_files([der.sequence(*numbers), certificate], None)
    assert time.monotonic() - began < 2


def test_attack_bags_in_bags_have_an_end(auth):
    from asn1crypto.pkcs12 import Pfx  # noqa: PLC0415

    inner = der.sequence()
    for _ in range(200):
        bag = der.sequence(der.oid("1.2.840.113549.1.12.10.1.6"), der.context(0, inner))
        inner = der.sequence(bag)
    safe = der.sequence(der.sequence(der.oid("1.2.840.113549.1.7.1"), der.context(0, der.octets(inner))))
    content = der.sequence(
        der.integer(3), der.sequence(der.oid("1.2.840.113549.1.7.1"), der.context(0, der.octets(safe)))
    )
    assert Pfx.load(content)
    with pytest.raises(KeyFileError):
        read_key_files([content], None)


@pytest.fixture(scope="module")
def sound(organisation_keys):
    key = organisation_keys["AUTH_CLI"]
    return {
        "PKCS#12": made_p12(key, "x", *key.chain_der),
        "PEM": key.pem() + x509.load_der_x509_certificate(key.certificate_der).public_bytes(Encoding.PEM),
        "PKCS#7": pkcs7.serialize_certificates([x509.load_der_x509_certificate(key.certificate_der)], Encoding.DER),
    }


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["PKCS#12", "PEM", "PKCS#7"]), st.data())
def test_attack_damaged_files_end_in_errors_of_ours(sound, kind, data):
    content = bytearray(sound[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content) - 1, 400)))
        content[at] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        with read_key_files([bytes(content)], phrase(WORDS)) as imported:
            assert imported.items
    except DriverError:
        pass


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b"")
@example(b"\x30")
@example(b"\x30\x80")
@example(b"\x30\x84\xff\xff\xff\xff")
@example(b"\x30\x03\x02\x01\x03")
@example(b"\x30\x80\x02\x01\x03\x00\x00")
@example(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----")
@example(b"-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: x\n\n\n-----END RSA PRIVATE KEY-----")
def test_attack_garbage_ends_in_errors_of_ours(content):
    with pytest.raises(DriverError):
        read_key_files([content], None)


def test_attack_a_key_that_stands_there_many_times_is_kept_once(auth):
    certificate = ssl.DER_cert_to_PEM_cert(auth.certificate_der).encode()
    with read_key_files([auth.pem() * 16 + certificate], None) as imported:
        assert [item.certificate_der for item in imported.items] == [auth.certificate_der]
