"""Get to know a CPS3 card: a known one in four exchanges, an unknown one from its own PKCS#15 files."""

from __future__ import annotations

from cryptography import x509

from drivers.base import HASH_LENGTHS, Deadline, KeyRole, Slot
from drivers.card import pkcs15
from drivers.card.apdu import SW_FILE_NOT_FOUND
from drivers.card.files import MASTER_FILE, CardReading, application_path, read_binary, select_master_file
from drivers.card.profile import PREFIX_LENGTH, CardKey, CardProfile, PinFile, ProfileStore
from drivers.card.tlv import find_tlv
from drivers.errors import CardError, CardUnknownError, CardUpdateUnfinishedError

EF_DIR = bytes.fromhex("3F002F00")
EF_SN = bytes.fromhex("3F00D003")
EF_ACTUA = bytes.fromhex("3F00D010")
SFI_EF_SN = 0x1C
EF_ODF, EF_TOKEN_INFO = bytes.fromhex("5031"), bytes.fromhex("5032")  # PKCS #15 §5.5.1
EF_SN_LENGTH = 12
CONTACTLESS_AID_SUFFIX = bytes.fromhex("FF0020")


def read_profile(slot: Slot, store: ProfileStore, deadline: Deadline) -> tuple[CardProfile, int]:
    """Recognise the card in the slot, or read it whole. Gives its profile and the reader's event counter.

    Raises CardUnknownError, CardUpdateUnfinishedError, CardRemovedError and the errors of Slot.transaction.
    """
    with CardReading(slot, deadline) as reading:
        number = read_number(reading)
        profile = store.load(number)
        if profile is None or not _is_same(reading, profile):
            profile = read_whole(reading, number)
            store.save(profile)
        assert reading.events is not None
        return profile, reading.events


def read_number(reading: CardReading) -> str:
    """Read the 8 digits of EF.SN: `5A`, then IIN, number and Luhn digit as BCD, filled with F."""
    content = find_tlv(_read_serial_file(reading), 0x5A)
    digits = content.value.hex().upper().rstrip("F") if content else ""
    if len(digits) < 9 or not digits.isdigit():
        raise CardUnknownError("EF.SN holds no card number")
    return digits[-9:-1]


def _read_serial_file(reading: CardReading) -> bytes:
    try:
        return reading.read_start(EF_SN, EF_SN_LENGTH)
    except CardError as error:
        if error.sw != SW_FILE_NOT_FOUND:
            raise
    channel = reading.channel()
    select_master_file(channel)
    return read_binary(channel, 0x8000 | SFI_EF_SN << 8, EF_SN_LENGTH).require("READ BINARY of EF.SN")


def _is_same(reading: CardReading, profile: CardProfile) -> bool:
    key = profile.key(KeyRole.AUTHENTICATION) or profile.keys[0]
    try:
        return reading.read_start(key.certificate_path, PREFIX_LENGTH) == key.certificate_der[:PREFIX_LENGTH]
    except CardError:
        return False


def read_whole(reading: CardReading, number: str) -> CardProfile:
    """Read directory files and certificates; data objects are left for whoever asks for them."""
    _require_no_update(reading)
    application, odf = _open_application(reading)
    info = pkcs15.parse_token_info(reading.read_file(application + EF_TOKEN_INFO))
    pins = [pin for path in odf.get(pkcs15.ODF_AUTH_OBJECTS, ()) for pin in _pins(reading, application, path)]
    keys = _read_keys(reading, application, odf, info)
    return CardProfile(
        number=number,
        generation="CPS3",
        label=info.label,
        application_path=application,
        pin=_pin_file(pins, unblocks=False),
        puk=_pin_file(pins, unblocks=True) if any(pin.unblocks for pin in pins) else None,
        keys=keys,
    )


def _require_no_update(reading: CardReading) -> None:
    """EF_ACTUA (template EC; 81 start, 82 end) stands on a card only while an update of it runs."""
    content = reading.read_file_if_present(EF_ACTUA)
    if content is None:
        return
    template = find_tlv(content, 0xEC)
    if template is None or (template.find(0x81) and not template.find(0x82)):
        raise CardUpdateUnfinishedError


def _open_application(reading: CardReading) -> tuple[bytes, dict[int, list[bytes]]]:
    """Path of the DF that holds the PKCS#15 files, and its EF.ODF. EF.DIR may also list one that only NFC can see."""
    records = pkcs15.parse_dir(reading.read_file(EF_DIR))
    errors = []
    for record in sorted(records, key=lambda record: record.aid.endswith(CONTACTLESS_AID_SUFFIX)):
        try:
            path = _path_of(reading, record)
            return path, pkcs15.parse_odf(reading.read_file(path + EF_ODF))
        except CardError as error:
            errors.append(error)
    raise CardUnknownError("no PKCS#15 application of EF.DIR can be opened") from errors[-1]


def _path_of(reading: CardReading, record: pkcs15.Application) -> bytes:
    if record.odf_path and record.odf_path.startswith(MASTER_FILE) and record.odf_path.endswith(EF_ODF):
        return record.odf_path[: -len(EF_ODF)]
    if record.path and record.path.startswith(MASTER_FILE):
        return record.path
    return application_path(reading.channel(), record.aid)


def _absolute(application: bytes, path: bytes) -> bytes:
    return path if path.startswith(MASTER_FILE) else application + path


def _pins(reading: CardReading, application: bytes, path: bytes) -> tuple[pkcs15.PinObject, ...]:
    return pkcs15.parse_pins(reading.read_file(_absolute(application, path)))


def _pin_file(pins: list[pkcs15.PinObject], *, unblocks: bool) -> PinFile:
    found = next((pin for pin in pins if pin.unblocks is unblocks), None)
    if found is None:
        raise CardUnknownError("the card names no code of its holder")
    return PinFile(found.reference, found.min_length, found.max_length, found.stored_length, found.padding)


def _read_keys(
    reading: CardReading, application: bytes, odf: dict[int, list[bytes]], info: pkcs15.TokenInfo
) -> tuple[CardKey, ...]:
    def directory(tag: int) -> bytes:
        return b"".join(reading.read_file(_absolute(application, path)) for path in odf.get(tag, ()))

    private_keys = pkcs15.parse_private_keys(directory(pkcs15.ODF_PRIVATE_KEYS))
    certificates = {c.key_id: c for c in pkcs15.parse_certificates(directory(pkcs15.ODF_CERTIFICATES))}
    keys = []
    for key in private_keys:
        certificate = certificates.get(key.key_id)
        if certificate is not None and (key.signs or key.non_repudiation):
            path = _absolute(application, certificate.path)
            keys.append(_card_key(key, path, reading.read_object(path), info))
    if not keys:
        raise CardUnknownError("no key of the card has a certificate")
    return tuple(keys)


def _card_key(key: pkcs15.PrivateKey, path: bytes, certificate_der: bytes, info: pkcs15.TokenInfo) -> CardKey:
    return CardKey(
        key_id=key.key_id,
        label=key.label,
        role=certificate_role(certificate_der),
        reference=key.reference,
        takes_hash=key.non_repudiation,
        algorithms=_algorithms(key, info),
        certificate_path=path,
        certificate_der=certificate_der,
    )


def certificate_role(certificate_der: bytes) -> KeyRole:
    """Role of a key by its certificate's KeyUsage (RFC 5280 §4.2.1.3): nonRepudiation signs, anything else proves."""
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return KeyRole.AUTHENTICATION
    except ValueError as error:
        raise CardUnknownError("a certificate of the card cannot be read") from error
    return KeyRole.SIGNATURE if usage.content_commitment else KeyRole.AUTHENTICATION


def _algorithms(key: pkcs15.PrivateKey, info: pkcs15.TokenInfo) -> dict[str, int]:
    """Reference that the card wants for each hash: one for all over a DigestInfo, or one per hash over a hash value."""
    usable = [a for a in info.algorithms if a.signs and (not key.algorithms or a.reference in key.algorithms)]
    references = {a.mechanism: a.card_reference for a in reversed(usable)}
    if key.non_repudiation:
        by_hash = {"sha256": pkcs15.CKM_SHA256_RSA_PKCS, "sha1": pkcs15.CKM_SHA1_RSA_PKCS}
        return {name: references[mechanism] for name, mechanism in by_hash.items() if mechanism in references}
    if pkcs15.CKM_RSA_PKCS in references:
        return dict.fromkeys(HASH_LENGTHS, references[pkcs15.CKM_RSA_PKCS])
    return {}
