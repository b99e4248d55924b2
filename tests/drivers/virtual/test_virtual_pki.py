"""The test PKI: what its certificates look like, what it vouches for, how it is made."""

import datetime as dt
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from drivers.base import KeyRole
from drivers.virtual import pki as pki_module
from drivers.virtual.certificates import Subject
from drivers.virtual.organisations import Offer
from drivers.virtual.personalisation import DEFAULT, Employee
from drivers.virtual.pki import PkiDamagedError, TestPki
from drivers.virtual.store import pki_folder

UPN = "1.3.6.1.4.1.311.20.2.3"


@pytest.fixture
def pki(data_dir):
    return TestPki.load(pki_folder(data_dir))


@pytest.fixture
def small_keys(monkeypatch):
    monkeypatch.setattr(pki_module, "CA_KEY_BITS", 2048)


@pytest.fixture
def certificates(terminal):
    fids = {KeyRole.SIGNATURE: "B001", KeyRole.AUTHENTICATION: "B002"}
    return {role: x509.load_der_x509_certificate(terminal.read("3F000001" + fid)) for role, fid in fids.items()}


def private_extension(certificate, oid):
    """Value of a CPS extension, read as DER inside extnValue."""
    extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid))
    assert not extension.critical
    return core.load(extension.value.value, strict=True)


@pytest.mark.parametrize("role", KeyRole)
def test_profile_common_to_both(certificates, role):
    certificate = certificates[role]
    assert 2000 <= len(certificate.public_bytes(serialization.Encoding.DER)) <= 2250
    assert certificate.public_key().key_size == 2048
    rdns = certificate.subject.rdns
    assert [[a.oid for a in rdn] for rdn in rdns[:2]] == [[NameOID.COUNTRY_NAME], [NameOID.TITLE]]
    person = {attribute.oid: attribute.value for attribute in rdns[2]}
    assert person == {NameOID.COMMON_NAME: "899700002712", NameOID.SURNAME: "VIRTUEL", NameOID.GIVEN_NAME: "CAMILLE"}
    assert certificate.subject.get_attributes_for_oid(NameOID.TITLE)[0].value == "Médecin"
    assert "CPS-AGENT TEST" in certificate.issuer.rfc4514_string()
    years = (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / dt.timedelta(days=365)
    assert years == pytest.approx(3, abs=0.01)
    assert private_extension(certificate, "1.2.250.1.71.1.2.2").native == 0
    number = private_extension(certificate, "1.2.250.1.71.1.2.3")
    assert isinstance(number, core.PrintableString)
    assert number.native == "8025000001/2900000017"
    assert private_extension(certificate, "1.2.250.1.71.1.2.5").native == b"\x80"
    assert private_extension(certificate, "1.2.250.1.71.1.2.7").native == 10
    speciality = private_extension(certificate, "1.2.250.1.71.4.2.5")
    assert isinstance(speciality, core.Sequence)
    assert core.load(speciality.contents).native == "SM26"


def test_authentication_profile(certificates):
    extensions = certificates[KeyRole.AUTHENTICATION].extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.content_commitment
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [p.dotted_string for p in purposes] == [
        ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string, "1.3.6.1.4.1.311.20.2.2",
    ]  # fmt: skip
    (name,) = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name.type_id.dotted_string == UPN
    assert core.load(name.value).native == "8.99700002712@carte-cps.fr"


def test_signature_profile(certificates):
    extensions = certificates[KeyRole.SIGNATURE].extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.content_commitment
    assert not usage.value.digital_signature
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.EMAIL_PROTECTION
    ]
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.SubjectAlternativeName)


@pytest.mark.parametrize("role", KeyRole)
def test_publication_points_lead_nowhere(certificates, role):
    extensions = certificates[role].extensions
    (policy,) = extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert policy.policy_identifier.dotted_string == "1.2.250.1.213.1.7.2.1.1.1.1"
    points = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    urls = [point.full_name[0].value for point in points]
    assert [url.split(":")[0] for url in urls] == ["http", "ldap"]
    access = extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    urls += [description.access_location.value for description in access] + policy.policy_qualifiers
    assert len(urls) == 5
    assert all(".cps-agent.invalid" in url for url in urls)


def test_serial_numbers_differ(certificates, pki):
    numbers = {c.serial_number for c in (*certificates.values(), pki.root_certificate, pki.issuing_certificate)}
    assert len(numbers) == 4


def test_vouches_for_its_own_certificates_only(certificates, pki, tmp_path, small_keys):
    der = certificates[KeyRole.SIGNATURE].public_bytes(serialization.Encoding.DER)
    assert pki.vouches_for(der)
    broken = bytearray(der)
    broken[-1] ^= 1
    other = TestPki.open(tmp_path / "other")
    assert other.issuing_certificate.subject == pki.issuing_certificate.subject  # only the keys tell them apart
    assert not other.vouches_for(der)
    for refused in (bytes(broken), b"", b"nonsense", *pki.chain_der()[1:]):
        assert not pki.vouches_for(refused)
    key = certificates[KeyRole.SIGNATURE].public_key()
    assert not pki.vouches_for(other.issue(Subject(DEFAULT.holder, "1", KeyRole.SIGNATURE), key))


def test_a_self_made_certificate_in_our_name_is_refused(pki):
    key = rsa.generate_private_key(65537, 2048)
    name = pki.issuing_certificate.subject
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    assert not pki.vouches_for(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def test_vouches_for_nothing_without_the_key_of_the_root(certificates, data_dir):
    """Certificates are public: a folder that holds them, but another key, proves nothing."""
    der = certificates[KeyRole.SIGNATURE].public_bytes(serialization.Encoding.DER)
    folder = pki_folder(data_dir)
    shutil.copy(folder / "issuing.key.pem", folder / "root.key.pem")
    assert not TestPki.load(folder).vouches_for(der)


@pytest.fixture
def employee():
    holder = Employee(family_name="SOIGNANT", given_name="DOMINIQUE")
    key = rsa.generate_private_key(65537, 2048).public_key()
    return Subject(holder, "2900000129", KeyRole.AUTHENTICATION), key


def test_what_issues_to_employees_is_made_for_the_first_of_them(data_dir, employee, small_keys):
    folder = pki_folder(data_dir)
    before = TestPki.load(folder)
    assert len(before.chain_der()) == 2
    first, second = (TestPki.load(folder).issue(*employee) for _ in range(2))
    after = TestPki.load(folder)
    assert len(after.chain_der()) == 3
    assert after.chain_der()[0] == before.chain_der()[0]
    assert after.vouches_for(first)
    assert after.vouches_for(second)
    assert "STANDARD PERSONNES" in x509.load_der_x509_certificate(first).issuer.rfc4514_string()
    other = TestPki.open(data_dir / "other" / "pki")
    assert not other.vouches_for(first)
    assert not after.vouches_for(other.issue(*employee))


def test_a_damaged_authority_for_employees_is_told(data_dir, employee, small_keys):
    folder = pki_folder(data_dir)
    pki = TestPki.load(folder)
    pki.issue(*employee)
    (folder / "standard" / "issuing.pem").write_text("nonsense")
    with pytest.raises(PkiDamagedError):
        TestPki.open(folder)
    (folder / "standard" / "issuing.pem").unlink()
    fresh = TestPki(folder, pki.root, pki.issuing, {})
    with pytest.raises(PkiDamagedError):
        fresh.issue(*employee)


def test_several_first_employees_at_once_agree(data_dir, employee, small_keys):
    folder = pki_folder(data_dir)
    pkis = [TestPki.load(folder) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        issued = list(pool.map(lambda pki: pki.issue(*employee), pkis))
    assert all(TestPki.load(folder).vouches_for(certificate) for certificate in issued)
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["standard"]


def test_load_creates_nothing(tmp_path):
    assert TestPki.load(tmp_path / "pki") is None
    assert list(tmp_path.iterdir()) == []


def test_files_are_the_owners_alone(data_dir):
    if sys.platform == "win32":
        pytest.skip("file modes are POSIX")
    folder = pki_folder(data_dir)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_an_interrupted_creation_leaves_no_pki(tmp_path, monkeypatch, small_keys):
    folder = tmp_path / "virtual" / "pki"
    with monkeypatch.context() as patch:
        patch.setattr(pki_module, "_write_authority", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            TestPki.open(folder)
    assert TestPki.load(folder) is None
    assert list(folder.parent.iterdir()) == []
    assert TestPki.open(folder).root_certificate == TestPki.load(folder).root_certificate


def test_a_damaged_folder_is_not_repaired_silently(data_dir):
    folder = pki_folder(data_dir)
    (folder / "root.key.pem").write_text("nonsense")
    with pytest.raises(PkiDamagedError):
        TestPki.open(folder)
    assert (folder / "root.key.pem").read_text() == "nonsense"


def test_several_starts_at_once_agree(tmp_path, small_keys):
    folder = tmp_path / "virtual" / "pki"
    with ThreadPoolExecutor(4) as pool:
        roots = {pki.root.certificate_der for pki in pool.map(lambda _: TestPki.open(folder), range(4))}
    assert len(roots) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["pki"]


def test_openssl_verifies_the_chain(certificates, pki, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command")
    pem = serialization.Encoding.PEM
    (tmp_path / "root.pem").write_bytes(pki.root_certificate.public_bytes(pem))
    (tmp_path / "issuing.pem").write_bytes(pki.issuing_certificate.public_bytes(pem))
    for role, certificate in certificates.items():
        (tmp_path / f"{role}.pem").write_bytes(certificate.public_bytes(pem))
        command = [
            "openssl",
            "verify",
            "-x509_strict",
            "-CAfile",
            "root.pem",
            "-untrusted",
            "issuing.pem",
            f"{role}.pem",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == f"{role}.pem: OK", done.stderr


def test_organisations_have_an_authority_of_their_own(data_dir, small_keys):
    pki = TestPki.open(pki_folder(data_dir))
    key = rsa.generate_private_key(65537, 2048)
    der = pki.issue_to_organisation(Offer("SIGN"), key.public_key())
    again = TestPki.load(pki_folder(data_dir))
    assert again.vouches_for(der)
    certificate = x509.load_der_x509_certificate(der)
    assert "ELEMENTAIRE ORGANISATIONS" in certificate.issuer.rfc4514_string()
    category = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.2.250.1.71.1.2.5")).value
    assert category.value == b"\x04\x01\x83"
    assert [attribute.rfc4514_attribute_name for attribute in certificate.subject] == ["C", "ST", "O", "OU", "CN"]
