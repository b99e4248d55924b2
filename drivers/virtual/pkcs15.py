"""The PKCS#15 directory files of a virtual card (PKCS #15 v1.1 §6), in DER."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.card.encoding import bits, context, enumerated, integer, null, octets, oid, sequence, utf8
from drivers.virtual.personalisation import Algorithm, KeyLayout, Personalisation

MF = 0x3F00
REF_PIN, REF_PUK = 1, 2

# CommonObjectFlags (§6.1.8)
PRIVATE, MODIFIABLE = 0, 1
# PinFlags (§6.6.2)
INITIALIZED, UNBLOCKING_PIN, SO_PIN = 4, 6, 7
ASCII_NUMERIC = 1
# KeyUsageFlags and KeyAccessFlags (§6.3.1)
USAGE_DECRYPT, USAGE_SIGN, USAGE_NON_REPUDIATION = 1, 2, 9
SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL = 0, 2, 3, 4
# AccessMode (§6.1.8)
PSO_CDS, PSO_DECIPHER, INT_AUTH = 5, 7, 9
# TokenFlags (§6.9)
LOGIN_REQUIRED, PRN_GENERATION = 1, 2

PIN_MIN_LENGTH, PIN_MAX_LENGTH = 4, 8
MODULUS_BITS = 2048


@dataclass(frozen=True, slots=True)
class DataObject:
    """One entry of the data objects' directory."""

    label: str
    fid: int
    private: bool = False
    modifiable: bool = False


def encode_path(*fids: int) -> bytes:
    """Path (§6.1.5)."""
    return sequence(octets(b"".join(fid.to_bytes(2) for fid in fids)))


def encode_odf(card: Personalisation) -> bytes:
    """EF.ODF (§6.2): authentication objects first, as the card has them."""
    files = card.files
    entries = (
        (8, files.authentication_objects),
        (0, files.private_keys),
        (4, files.certificates),
        (7, files.data_objects),
    )
    return b"".join(context(tag, encode_path(MF, files.application, fid)) for tag, fid in entries)


def encode_token_info(card: Personalisation) -> bytes:
    """EF.TokenInfo (§6.9), with the algorithm references that the keys do not name."""
    return sequence(
        integer(0),
        octets(card.icc_number),
        utf8(card.manufacturer),
        _implicit_utf8(0, card.token_label),
        bits(LOGIN_REQUIRED, PRN_GENERATION),
        context(2, *map(_encode_algorithm, card.algorithms.supported())),
    )


def _encode_algorithm(algorithm: Algorithm) -> bytes:
    return sequence(
        integer(algorithm.reference),
        integer(algorithm.mechanism),
        null(),
        bits(algorithm.operation),
        oid(algorithm.oid),
        integer(algorithm.card_reference),
    )


def encode_aodf(card: Personalisation) -> bytes:
    """The two codes (§6.6); each names the other's identifier only where it is unblocked by it."""
    pin = _encode_pin(card.pin_label, REF_PIN, PIN_MIN_LENGTH, (INITIALIZED,), unblocked_by=REF_PUK)
    return pin + _encode_pin(card.puk_label, REF_PUK, PIN_MAX_LENGTH, (INITIALIZED, UNBLOCKING_PIN, SO_PIN))


def _encode_pin(
    label: str, reference: int, min_length: int, flags: tuple[int, ...], unblocked_by: int | None = None
) -> bytes:
    auth_id = b"" if unblocked_by is None else octets(bytes([unblocked_by]))
    attributes = sequence(
        bits(*flags),
        enumerated(ASCII_NUMERIC),
        integer(min_length),
        integer(PIN_MAX_LENGTH),
        integer(PIN_MAX_LENGTH),
        bytes([0x80, 1, reference]),
        encode_path(MF),  # where VERIFY sees it
    )
    common = sequence(utf8(label), bits(PRIVATE, MODIFIABLE), auth_id)
    return sequence(common, sequence(octets(bytes([reference]))), context(1, attributes))


def encode_prkdf(card: Personalisation) -> bytes:
    """The private keys (§6.3); their paths are empty because a key is no file but a security data object."""
    signature = encode_private_key(card, card.signature, (USAGE_NON_REPUDIATION,), (PSO_CDS,))
    usage = USAGE_DECRYPT, USAGE_SIGN
    return signature + encode_private_key(card, card.authentication, usage, (PSO_DECIPHER, INT_AUTH))


def encode_private_key(
    card: Personalisation, key: KeyLayout, usage: tuple[int, ...], modes: tuple[int, ...], *, needs_code: bool = True
) -> bytes:
    """One entry of the directory; a key that needs no code names none."""
    auth_id = octets(bytes([REF_PIN])) if needs_code else b""
    rules = sequence(*(sequence(bits(mode), auth_id) for mode in modes)) if needs_code else b""
    attributes = sequence(
        octets(card.key_id(key)),
        bits(*usage),
        bits(SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL),
        integer(key.reference),
    )
    common = sequence(utf8(key.label), bits(PRIVATE), auth_id, rules)
    return sequence(common, attributes, context(1, sequence(sequence(octets(b"")), integer(MODULUS_BITS))))


def encode_cdf(card: Personalisation) -> bytes:
    """The certificates (§6.5)."""
    return encode_certificate(card, card.signature) + encode_certificate(card, card.authentication)


def encode_certificate(card: Personalisation, key: KeyLayout) -> bytes:
    """One entry of the directory."""
    return sequence(
        sequence(utf8(key.certificate_label), bits()),
        sequence(octets(card.key_id(key))),
        context(1, sequence(encode_path(MF, card.files.application, key.certificate_fid))),
    )


def encode_dodf(card: Personalisation, objects: tuple[DataObject, ...]) -> bytes:
    """The data objects (§6.7), all of the application "CPS"."""
    return b"".join(_encode_data_object(card, item) for item in objects)


def _encode_data_object(card: Personalisation, item: DataObject) -> bytes:
    flags = [flag for flag, wanted in ((PRIVATE, item.private), (MODIFIABLE, item.modifiable)) if wanted]
    auth_id = octets(bytes([REF_PIN])) if item.private else b""
    return sequence(
        sequence(utf8(item.label), bits(*flags), auth_id),
        sequence(utf8("CPS")),
        context(1, encode_path(MF, card.files.application, item.fid)),
    )


def _implicit_utf8(number: int, text: str) -> bytes:
    return bytes([0x80 | number]) + utf8(text)[1:]
