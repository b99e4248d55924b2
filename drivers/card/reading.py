"""Get to know a card: a known one in four exchanges, an unknown one from its own PKCS#15 files."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.base import CardSlot, Deadline, KeyRole
from drivers.card import pkcs15
from drivers.card.dialect import Dialect
from drivers.card.files import MASTER_FILE, CardReading, Sight, application_path
from drivers.card.profile import PREFIX_LENGTH, CardKey, CardProfile, PinFile, ProfileStore
from drivers.card.signatures import certificate_role
from drivers.card.tlv import find_tlv
from drivers.errors import CardError, CardUnknownError

EF_DIR = bytes.fromhex("3F002F00")
EF_SN = bytes.fromhex("3F00D003")
SFI_EF_SN = 0x1C
EF_ODF, EF_TOKEN_INFO = bytes.fromhex("5031"), bytes.fromhex("5032")  # PKCS #15 §5.5.1
EF_SN_LENGTH = 12


def read_profile(
    slot: CardSlot, store: ProfileStore, dialect: Dialect, deadline: Deadline
) -> tuple[CardProfile, Sight]:
    """Recognise the card in the slot, or read it whole. Gives its profile and where it was seen.

    Raises CardUnknownError, CardUpdateUnfinishedError, CardRemovedError and the errors of CardSlot.transaction.
    """
    with CardReading(slot, dialect, deadline) as reading:
        number = read_number(reading)
        profile = store.load(number)
        if profile is None or not _is_same(reading, profile):
            profile = read_whole(reading, number)
            store.save(profile)
        return profile, reading.sight


def read_number(reading: CardReading) -> str:
    """Read the 8 digits of EF.SN: `5A`, then IIN, number and Luhn digit as BCD, filled with F."""
    content = find_tlv(reading.dialect.read_serial_file(reading), 0x5A)
    digits = content.value.hex().upper().rstrip("F") if content else ""
    if len(digits) < 9 or not digits.isdigit():
        raise CardUnknownError("EF.SN holds no card number")
    return digits[-9:-1]


def _is_same(reading: CardReading, profile: CardProfile) -> bool:
    """Whether it is the card that was read; one number is seen both in contact and over NFC, with different keys."""
    if profile.generation != reading.dialect.family:
        return False
    key = profile.key(KeyRole.AUTHENTICATION) or profile.keys[0]
    try:
        return reading.read_start(key.certificate_path, PREFIX_LENGTH) == key.certificate_der[:PREFIX_LENGTH]
    except CardError:
        return False


def read_whole(reading: CardReading, number: str) -> CardProfile:
    """Read directory files and certificates; data objects are left for whoever asks for them."""
    dialect = reading.dialect
    dialect.require_no_update(reading)
    application = _open_application(reading)
    info = pkcs15.parse_token_info(reading.read_file(application.token_info_path))
    pins = _read_pins(reading, application) if dialect.has_codes else ()
    private_keys = pkcs15.parse_private_keys(application.read_directory(reading, pkcs15.ODF_PRIVATE_KEYS))
    certificates = pkcs15.parse_certificates(application.read_directory(reading, pkcs15.ODF_CERTIFICATES))
    pairs = _pair(dialect, private_keys, certificates)
    return CardProfile(
        number=number,
        generation=str(dialect.family),
        label=info.label,
        application_path=application.path,
        pin=_holder_pin(pins, pairs[0][0].auth_id) if dialect.has_codes else None,
        puk=next((_pin_file(pin) for pin in pins if pin.unblocks), None),
        keys=tuple(_read_key(reading, key, application.absolute(file.path), info) for key, file in pairs),
        object_directories=tuple(map(application.absolute, application.odf.get(pkcs15.ODF_DATA_OBJECTS, ()))),
    )


@dataclass(frozen=True, slots=True)
class _Application:
    """The DF that holds the PKCS#15 files, its EF.ODF, and where its EF.TokenInfo is."""

    path: bytes
    odf: dict[int, list[bytes]]
    token_info_path: bytes

    def absolute(self, path: bytes) -> bytes:
        """A path from the MF, as most cards write it, or else from this DF (PKCS #15 §6.1.5)."""
        return absolute_path(self.path, path)

    def read_directory(self, reading: CardReading, tag: int) -> bytes:
        """Read the files that EF.ODF names for one kind of objects."""
        return b"".join(reading.read_file(self.absolute(path)) for path in self.odf.get(tag, ()))


def absolute_path(application: bytes, path: bytes) -> bytes:
    """A path as the card writes it, from the MF or from the application's DF, as one from the MF."""
    return path if path.startswith(MASTER_FILE) else application + path


def _open_application(reading: CardReading) -> _Application:
    """Open the first application that can be."""
    errors = []
    for record in reading.dialect.list_applications(reading):
        try:
            path = _path_of(reading, record)
            odf = pkcs15.parse_odf(reading.read_file(absolute_path(path, record.odf_path or EF_ODF)))
            return _Application(path, odf, absolute_path(path, record.token_info_path or EF_TOKEN_INFO))
        except CardError as error:
            errors.append(error)
    raise CardUnknownError("no PKCS#15 application of EF.DIR can be opened") from errors[-1]


def _path_of(reading: CardReading, record: pkcs15.Application) -> bytes:
    if record.odf_path and record.odf_path.startswith(MASTER_FILE):
        return record.odf_path[:-2]
    if record.path and record.path.startswith(MASTER_FILE):
        return record.path
    return application_path(reading.channel(), record.aid)


def _holder_pin(pins: tuple[pkcs15.PinObject, ...], auth_id: bytes) -> PinFile:
    """The code that the keys name, or else the first that is no unblocking code."""
    candidates = sorted((pin for pin in pins if not pin.unblocks), key=lambda pin: pin.auth_id != auth_id)
    if not candidates:
        raise CardUnknownError("the card names no code of its holder")
    return _pin_file(candidates[0])


def _pin_file(pin: pkcs15.PinObject) -> PinFile:
    return PinFile(pin.reference, pin.min_length, pin.max_length, pin.stored_length, pin.padding)


def _read_pins(reading: CardReading, application: _Application) -> tuple[pkcs15.PinObject, ...]:
    return pkcs15.parse_pins(application.read_directory(reading, pkcs15.ODF_AUTH_OBJECTS))


def _pair(
    dialect: Dialect, keys: tuple[pkcs15.PrivateKey, ...], certificates: tuple[pkcs15.CertificateFile, ...]
) -> list[tuple[pkcs15.PrivateKey, pkcs15.CertificateFile]]:
    """Signing keys with the certificate of the same id. Raises CardUnknownError when there is none."""
    files = {certificate.key_id: certificate for certificate in certificates}
    able = [key for key in keys if dialect.reference_of(key) is not None]
    pairs = [(key, files[key.key_id]) for key in able if key.key_id in files]
    if not pairs:
        raise CardUnknownError("no key of the card has a certificate")
    return pairs


def _read_key(reading: CardReading, key: pkcs15.PrivateKey, path: bytes, info: pkcs15.TokenInfo) -> CardKey:
    dialect = reading.dialect
    reference = dialect.reference_of(key)
    assert reference is not None
    certificate_der = reading.read_object(path)
    algorithms, pss = dialect.algorithms_of(key, info)
    return CardKey(
        key_id=key.key_id,
        label=key.label,
        role=certificate_role(certificate_der),
        reference=reference,
        takes_hash=key.non_repudiation,
        algorithms=algorithms,
        certificate_path=path,
        certificate_der=certificate_der,
        pss=pss,
        needs_code=dialect.has_codes,
    )
