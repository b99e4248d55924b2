"""Key files as other programs write them, read here; and files that nobody should have to trust."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from support.key_files import WORDS, made_p12
from support.nss import export, make_profile
from support.openssl import openssl
from support.organisations import phrase

from drivers.card import encoding as der
from drivers.errors import NotSupportedError, PinWrongError
from drivers.software.errors import (
    KeyFileError,
    KeyKindError,
    KeyMismatchError,
    PassphraseNeededError,
)
from drivers.software.importing import read_certificates, read_key_files

LEGACY = ["-provider", "legacy", "-provider", "default"]

PKCS12_VARIANTS = {
    "of today": [],
    "of OpenSSL 1": ["-legacy"],
    "RC2-40 and RC2-40": ["-legacy", "-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-RC2-40"],
    "RC2-128": ["-legacy", "-certpbe", "PBE-SHA1-RC2-128", "-keypbe", "PBE-SHA1-RC2-128"],
    "3DES": ["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"],
    "3DES of two keys": ["-certpbe", "PBE-SHA1-2DES", "-keypbe", "PBE-SHA1-2DES"],
    "AES-128": ["-certpbe", "AES-128-CBC", "-keypbe", "AES-128-CBC"],
    "AES-192, SHA-512": ["-certpbe", "AES-192-CBC", "-keypbe", "AES-192-CBC", "-macalg", "sha512"],
    "PBES2 with 3DES": ["-certpbe", "DES-EDE3-CBC", "-keypbe", "DES-EDE3-CBC", "-macalg", "sha384"],
    "certificates in clear": ["-certpbe", "NONE"],
    "nothing encrypted": ["-certpbe", "NONE", "-keypbe", "NONE"],
    "no MAC": ["-nomac"],
    "one round": ["-noiter", "-nomaciter"],
    "100,000 rounds": ["-iter", "100000"],
}


def require(key, *files, words=WORDS, chain=True):
    """The files give that key, whole."""
    with read_key_files(files, None if words is None else phrase(words)) as imported:
        (item,) = imported.items
        assert imported.unmatched == 0
        assert item.certificate_der == key.certificate_der
        assert item.chain_der == (key.chain_der if chain else ())
        assert item.key.load().private_numbers() == key.private.private_numbers()
    assert not any(item.key.pkcs8)


@pytest.mark.parametrize("variant", PKCS12_VARIANTS, ids=list(PKCS12_VARIANTS))
def test_pkcs12_of_every_age(export_p12, auth, variant):
    content = export_p12(*PKCS12_VARIANTS[variant])
    require(auth, content)
    if variant != "nothing encrypted":
        with pytest.raises(PassphraseNeededError):
            read_key_files([content], None)
        with pytest.raises(PinWrongError) as raised:
            read_key_files([content], phrase(WORDS + "x"))
        assert raised.value.tries_left is None


@pytest.mark.parametrize("variant", ["of today", "of OpenSSL 1", "no MAC"])
def test_an_empty_passphrase_is_none(export_p12, auth, variant):
    require(auth, export_p12(*PKCS12_VARIANTS[variant], words="pass:"), words=None)


@pytest.mark.parametrize("words", ["a", "é", "鍵", "🔑", "x" * 128, "🔑" * 128, "\u07ff\u0800\uffff"])
@pytest.mark.parametrize("variant", ["of today", "of OpenSSL 1"])
def test_passphrases_of_any_script(export_p12, folder_of, auth, words, variant):
    (folder_of / "words").write_text(words)
    require(auth, export_p12(*PKCS12_VARIANTS[variant]), words=words)


def test_several_keys_in_one_file(auth, seal, folder_of):
    """As browsers write them: each key and certificate in a safe of its own."""
    files = [made_p12(key, f"{number}") for number, key in enumerate((auth, seal))]
    joined = _join_pkcs12(*files)
    with read_key_files([joined], phrase(WORDS)) as imported:
        assert {item.certificate_der for item in imported.items} == {auth.certificate_der, seal.certificate_der}
        for item in imported.items:
            key = auth if item.certificate_der == auth.certificate_der else seal
            assert item.key.load().private_numbers() == key.private.private_numbers()


def _join_pkcs12(*files):
    """One file of the safes of all, without a MAC."""
    from asn1crypto.pkcs12 import AuthenticatedSafe, Pfx  # noqa: PLC0415

    safes = [safe for content in files for safe in Pfx.load(content).authenticated_safe]
    content = AuthenticatedSafe(safes)
    return Pfx({"version": "v3", "auth_safe": {"content_type": "data", "content": content.dump()}}).dump()


def test_the_mac_by_pbkdf2_of_rfc_9579(auth):
    """Debian's OpenSSL does not write it yet: made here with hashlib."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    from asn1crypto.pkcs12 import Pfx  # noqa: PLC0415

    inner = Pfx.load(made_p12(auth, "x", *auth.chain_der))
    safe = inner["auth_safe"]["content"].native
    salt, rounds = os.urandom(16), 2048
    for words in (WORDS, "another"):
        key = hashlib.pbkdf2_hmac("sha512", words.encode(), salt, rounds, 32)
        prf = der.sequence(der.oid("1.2.840.113549.2.11"), der.null())
        derivation = der.sequence(
            der.oid("1.2.840.113549.1.5.12"),
            der.sequence(der.octets(salt), der.integer(rounds), der.integer(32), prf),
        )
        scheme = der.sequence(der.oid("1.2.840.113549.1.5.14"), der.sequence(derivation, prf))
        mac = der.sequence(der.sequence(scheme, der.octets(hmac.digest(key, safe, "sha512"))), der.octets(b"x"))
        content = der.sequence(der.integer(3), inner["auth_safe"].dump(), mac)
        if words == WORDS:
            require(auth, content)
        else:
            with pytest.raises(PinWrongError):
                read_key_files([content], phrase(WORDS))


NSS_VARIANTS = {
    "of today": [],
    "AES-256": ["-c", "AES-256-CBC", "-C", "AES-256-CBC", "-M", "SHA-512"],
    "certificates in clear": ["-C", "none"],
    "of before": [
        "-c", "PKCS #12 V2 PBE With SHA-1 And 3KEY Triple DES-CBC",
        "-C", "PKCS #12 V2 PBE With SHA-1 And 40 Bit RC2 CBC",
    ],
}  # fmt: skip


@pytest.mark.skipif(not shutil.which("pk12util"), reason="needs certutil and pk12util (libnss3-tools)")
@pytest.mark.parametrize("words", ["words", WORDS])
def test_what_firefox_saves_is_read(tmp_path, auth, words):
    profile = make_profile(tmp_path / "profile", auth)
    for options in NSS_VARIANTS.values():
        saved = export(profile, words, *options)
        assert saved[:2] == b"\x30\x80"
        require(auth, saved, words=words)
        with pytest.raises(PinWrongError):
            read_key_files([saved], phrase("wrong"))


PEM_VARIANTS = {
    "PKCS#8": ["pkcs8", "-topk8", "-nocrypt"],
    "PKCS#1": ["rsa", "-traditional"],
    "PKCS#8, AES": ["pkcs8", "-topk8", "-v2", "aes256"],
    "PKCS#8, SHA-512": ["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"],
    "PKCS#8, scrypt": ["pkcs8", "-topk8", "-scrypt"],
    "PKCS#8, 3DES": ["pkcs8", "-topk8", "-v2", "des3"],
    "PKCS#8, old": ["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"],
    "PKCS#8, RC2": ["pkcs8", "-topk8", "-v1", "PBE-SHA1-RC2-40", *LEGACY],
    "PKCS#1, AES": ["rsa", "-traditional", "-aes256"],
    "PKCS#1, AES-128": ["rsa", "-traditional", "-aes128"],
    "PKCS#1, 3DES": ["rsa", "-traditional", "-des3"],
}


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("variant", PEM_VARIANTS, ids=list(PEM_VARIANTS))
def test_pem_and_der_of_every_age(folder_of, auth, variant, form):
    command, *options = PEM_VARIANTS[variant]
    if form == "DER" and variant.startswith("PKCS#1,"):
        return  # there is no such form
    words = [] if variant in {"PKCS#8", "PKCS#1"} else ["-passout", "file:words"]
    openssl(folder_of, command, "-in", "auth.key", "-out", "key", "-outform", form, *options, *words)
    key, certificates = (folder_of / "key").read_bytes(), (folder_of / "auth.pem").read_bytes()
    require(auth, key, certificates, chain=False)
    if form == "PEM":
        require(auth, (folder_of / "chain.pem").read_bytes() + b"\nnotes: of mine\n" + certificates + key)
    if words:
        with pytest.raises(PassphraseNeededError):
            read_key_files([key, certificates], None)
        with pytest.raises(PinWrongError):
            read_key_files([key, certificates], phrase("wrong"))


def test_what_openssl_prints_of_a_pkcs12_is_read(folder_of, export_p12, auth):
    export_p12()
    text = openssl(folder_of, "pkcs12", "-in", "x.p12", "-passin", "file:words", "-nodes")
    require(auth, text.replace("\n", "\r\n").encode(), words=None)


def test_a_key_alone_and_a_certificate_alone_are_named(folder_of, auth, seal):
    key, other = auth.pem(), (folder_of / "seal.pem").read_bytes()
    for files in ([key], [key, other]):
        with pytest.raises(KeyMismatchError):
            read_key_files(files, None)
    with pytest.raises(KeyFileError):
        read_key_files([other], None)
    with read_key_files([key, other, seal.pem()], None) as imported:
        assert len(imported.items) == imported.unmatched == 1


def test_other_keys_than_rsa_are_refused(tmp_path):
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "EC")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    certificate = builder.sign(private, SHA256()).public_bytes(Encoding.PEM)
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        key = private.private_bytes(Encoding.PEM, form, NoEncryption())
        with pytest.raises(KeyKindError) as raised:
            read_key_files([certificate, key], None)
        assert isinstance(raised.value, NotSupportedError)


def test_certificates_as_an_authority_delivers_them(folder_of, auth):
    whole = (auth.certificate_der, *auth.chain_der)
    loaded = [x509.load_der_x509_certificate(each) for each in whole]
    for encoding in (Encoding.DER, Encoding.PEM):
        found = read_certificates(pkcs7.serialize_certificates(loaded, encoding))
        assert set(found) == set(whole)
    assert read_certificates(auth.certificate_der) == (auth.certificate_der,)
    assert read_certificates((folder_of / "chain.pem").read_bytes()) == auth.chain_der
    openssl(folder_of, "pkcs12", "-export", "-nokeys", "-in", "auth.pem", "-out", "x", "-passout", "pass:")
    assert read_certificates((folder_of / "x").read_bytes()) == (auth.certificate_der,)


def test_another_program_reads_what_we_call_the_same_key(export_p12, folder_of, auth):
    """OpenSSL and we agree on which key is in the file."""
    with read_key_files([export_p12("-legacy")], phrase(WORDS)) as imported:
        (folder_of / "ours").write_bytes(bytes(imported.items[0].key.pkcs8))
    made = subprocess.run(
        ["openssl", "pkey", "-inform", "DER", "-in", "ours", "-pubout"], cwd=folder_of, capture_output=True, check=True
    )
    assert made.stdout.decode() == openssl(folder_of, "x509", "-in", "auth.pem", "-noout", "-pubkey")
