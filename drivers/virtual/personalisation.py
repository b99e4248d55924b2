"""What makes one card differ from another: its holder, numbers, labels, file ids, and key and algorithm references.

The defaults are those of a CPS3 as seen in public traces; values of no public source are marked "ours".
"""

from __future__ import annotations

from dataclasses import dataclass, field

CARD_ISSUER = "8025000001"
"""Issuer identification number of the CPS (EF.SN, and the certificates' card number)."""

CKM_RSA_PKCS = 0x0001
CKM_SHA1_RSA_PKCS = 0x0006
CKM_SHA256_RSA_PKCS = 0x0040
CKM_SHA1_RSA_PKCS_PSS = 0x000E
CKM_SHA256_RSA_PKCS_PSS = 0x0043
CKM_SHA_1 = 0x0220
CKM_SHA256 = 0x0250

OID_RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
OID_SHA1_RSA = "1.2.840.113549.1.1.5"
OID_SHA256_RSA = "1.2.840.113549.1.1.11"
OID_PSS = "1.2.840.113549.1.1.10"
OID_SHA1 = "1.3.14.3.2.26"
OID_SHA256 = "2.16.840.1.101.3.4.2.1"

# Operations (PKCS #15 v1.1 §6.9), as bit numbers.
COMPUTE_SIGNATURE = 1
DECIPHER = 5
HASH = 6


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One entry of TokenInfo.supportedAlgorithms: `card_reference` is what MANAGE SECURITY ENVIRONMENT takes."""

    reference: int
    mechanism: int
    operation: int
    oid: str
    card_reference: int


@dataclass(frozen=True, slots=True)
class AlgorithmReferences:
    """Algorithm bytes of MANAGE SECURITY ENVIRONMENT (tag 80), by what they do."""

    sha1: int = 0x10
    sha256: int = 0x40
    sha1_rsa: int = 0x12
    sha256_rsa: int = 0x42
    rsa_sign: int = 0x02
    rsa_decipher: int = 0x1A

    def supported(self) -> tuple[Algorithm, ...]:
        """The six entries of TokenInfo.supportedAlgorithms, in the card's order."""
        return (
            Algorithm(1, CKM_SHA_1, HASH, OID_SHA1, self.sha1),
            Algorithm(2, CKM_SHA256, HASH, OID_SHA256, self.sha256),
            Algorithm(3, CKM_SHA1_RSA_PKCS, COMPUTE_SIGNATURE, OID_SHA1_RSA, self.sha1_rsa),
            Algorithm(4, CKM_SHA256_RSA_PKCS, COMPUTE_SIGNATURE, OID_SHA256_RSA, self.sha256_rsa),
            Algorithm(5, CKM_RSA_PKCS, COMPUTE_SIGNATURE, OID_RSA_ENCRYPTION, self.rsa_sign),
            Algorithm(6, CKM_RSA_PKCS, DECIPHER, OID_RSA_ENCRYPTION, self.rsa_decipher),
        )


@dataclass(frozen=True, slots=True)
class ChipDocAlgorithms(AlgorithmReferences):
    """Algorithm bytes of a CPS4 (tag 91)."""

    sha1_rsa: int = 0x0A
    sha256_rsa: int = 0x28
    sha1_pss: int = 0x15
    sha256_pss: int = 0x2C

    def supported(self) -> tuple[Algorithm, ...]:
        """Our guess at TokenInfo.supportedAlgorithms: what the card signs by reference, and the bare RSA operation."""
        return (
            Algorithm(1, CKM_SHA1_RSA_PKCS, COMPUTE_SIGNATURE, OID_SHA1_RSA, self.sha1_rsa),
            Algorithm(2, CKM_SHA256_RSA_PKCS, COMPUTE_SIGNATURE, OID_SHA256_RSA, self.sha256_rsa),
            Algorithm(3, CKM_SHA1_RSA_PKCS_PSS, COMPUTE_SIGNATURE, OID_PSS, self.sha1_pss),
            Algorithm(4, CKM_SHA256_RSA_PKCS_PSS, COMPUTE_SIGNATURE, OID_PSS, self.sha256_pss),
            Algorithm(5, CKM_RSA_PKCS, DECIPHER, OID_RSA_ENCRYPTION, self.rsa_decipher),
        )

    def schemes(self) -> dict[int, tuple[str, bool]]:
        """Hash and whether the padding is PSS, by reference."""
        return {
            self.sha1_rsa: ("sha1", False),
            self.sha256_rsa: ("sha256", False),
            self.sha1_pss: ("sha1", True),
            self.sha256_pss: ("sha256", True),
        }


@dataclass(frozen=True, slots=True)
class Situation:
    """One place of exercise (CPS_ACTIVITY_nn_PS): `number` is nn, 1 to 16; numbers may be skipped."""

    number: int
    organisation: str
    structure_id: str
    sector: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A health professional who does not exist; the default RPPS passes its check and lies in the test range 997."""

    family_name: str = "VIRTUEL"
    given_name: str = "CAMILLE"
    rpps: str = "99700002712"
    title: str = "Médecin"
    profession: int | None = 10
    speciality: str = "SM26"
    situations: tuple[Situation, ...] = (
        Situation(1, "CABINET DU DR VIRTUEL", "499700002712005", "SA07"),
        Situation(3, "CENTRE DE SANTE D'ESSAI", "1990000010", "SA05"),
    )

    @property
    def national_id(self) -> str:
        """IdNat_PS: the digit 8 announces an RPPS number."""
        return f"8{self.rpps}"

    @property
    def principal_name(self) -> str:
        """What the user principal name of the certificate begins with."""
        return f"8.{self.rpps}"

    @property
    def card_type(self) -> int:
        """Nomenclature G02: 0 CPS, 1 CPF, 2 CDE and CPE, 3 CDA and CPA."""
        return 0

    @property
    def future_profession(self) -> int | None:
        """Nomenclature G16, on cards of people in training."""
        return None


@dataclass(frozen=True, slots=True)
class Trainee(Holder):
    """Somebody in training, with a student's number instead of an RPPS; what a genuine title says is not known."""

    title: str = "Médecin en formation"
    profession: int | None = None
    speciality: str = ""
    student_number: str = "99700002720"
    future_profession: int | None = 10

    @property
    def national_id(self) -> str:
        """IdNat_PS: the digit 9 announces a student's number."""
        return f"9{self.student_number}"

    @property
    def principal_name(self) -> str:
        """Ours: as a professional's."""
        return f"9.{self.student_number}"

    @property
    def card_type(self) -> int:
        """CPF."""
        return 1


@dataclass(frozen=True, slots=True)
class Employee(Holder):
    """Somebody who works for a structure. Without names the card is the structure's, lent to whom it employs.

    `structure_id`: IdNat_Struct, whose first digit tells what follows (G07); `number`: of the structure's register.
    `legacy`: subject as before IGC-Santé, with the test domain for an organisation and a place for a department.
    """

    title: str = ""
    profession: int | None = None
    speciality: str = ""
    card_type: int = 2
    structure: str = "HOPITAL D'ESSAI"
    structure_id: str = "1990000010"
    number: str = "CPET0001"
    place: str = "Paris (75)"
    legacy: bool = False

    @property
    def national_id(self) -> str:
        """IdNat_PS of a register (G08): its digit is that of the structure plus 2, but for ADELI (1) and RPPS (6)."""
        kind = {"0": "1", "1": "3", "2": "4", "3": "5", "4": "6"}[self.structure_id[0]]
        return f"{kind}{self.structure_id[1:]}/{self.number}"

    @property
    def principal_name(self) -> str:
        """The national identifier as it is."""
        return self.national_id


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """One key of the card with its certificate: key reference, CKA_ID suffix, labels and the certificate's file id."""

    reference: int
    id_suffix: int
    label: str
    certificate_label: str
    certificate_fid: int


@dataclass(frozen=True, slots=True)
class FileIds:
    """File identifiers within the application DF; certificates have theirs in KeyLayout."""

    application: int = 0x0001
    odf: int = 0x5031
    token_info: int = 0x5032
    authentication_objects: int = 0x7001
    private_keys: int = 0x7002
    certificates: int = 0x7005
    data_objects: int = 0x7006
    cps_data: int = 0xD107
    first_activity: int = 0xD120
    # ours: no public source tells the file ids of these public objects
    id_card: int = 0xD101
    name_ps: int = 0xD102
    lang_ps: int = 0xD103
    info_ps: int = 0xD104


@dataclass(frozen=True, slots=True)
class Personalisation:
    """Everything that decides the bytes of a virtual card, but for its keys.

    `certificate_extras`: whether certificates carry CRL, AIA and policy extensions, as genuine ones do (about 2.1 KB).
    `update_record`: content of EF_ACTUA when not None; an empty one means an unfinished update.
    """

    serial: str = "99900001"
    card_number: str = "2900000017"
    label: str = ""
    manufacturer: str = "ASIP SANTE"
    holder: Holder = field(default_factory=Holder)
    atr: bytes = bytes.fromhex("3BAC00402A001225006480000310009000")
    root_aid: bytes = bytes.fromhex("8025000001FF0100")
    application_aid: bytes = bytes.fromhex("E828BD080F8025000001FF0010")
    contactless_aid: bytes = bytes.fromhex("E828BD080F8025000001FF0020")
    files: FileIds = field(default_factory=FileIds)
    signature: KeyLayout = KeyLayout(0x81, 0x01, "CPS_PRIV_SIG", "Certificat de Signature CPS", 0xB001)
    authentication: KeyLayout = KeyLayout(0x82, 0x02, "CPS_PRIV_AUT", "Certificat d'Authentification CPS", 0xB002)
    algorithms: AlgorithmReferences = field(default_factory=AlgorithmReferences)
    pin_label: str = "Code Porteur"
    puk_label: str = "Code de déblocage"
    pin: str = "1234"
    puk: str = "12345678"
    pin_tries: int = 3
    puk_tries: int = 3
    certificate_extras: bool = True
    update_record: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.serial) != 8 or not self.serial.isascii() or not self.serial.isdigit():
            raise ValueError("the serial number of a card is 8 digits")

    @property
    def token_label(self) -> str:
        """Label of EF.TokenInfo."""
        return self.label or f"CPS3v3-{self.card_number}"

    @property
    def icc_number(self) -> bytes:
        """The 10 bytes of EF.SN's tag 5A: issuer, serial number, Luhn key and one F of padding."""
        digits = CARD_ISSUER + self.serial
        return bytes.fromhex(f"{digits}{luhn_key(digits)}F")

    def key_id(self, key: KeyLayout) -> bytes:
        """CKA_ID of a key and its certificate: the AID of the application and one byte."""
        return self.application_aid + bytes([key.id_suffix])


def luhn_key(digits: str) -> int:
    """The digit that makes the whole number pass Luhn's check (ISO/IEC 7812-1 annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return -(sum(doubled) + sum(map(int, digits[-2::-2]))) % 10


DEFAULT = Personalisation()
