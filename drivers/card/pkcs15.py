"""Parse the PKCS#15 directory files of a card (PKCS #15 v1.1 §6; ISO 7816-15): where its keys and certificates are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.card.tlv import Tlv, find_tlv, read_tlvs
from drivers.errors import CardUnknownError

TAG_INTEGER, TAG_BIT_STRING, TAG_OCTET_STRING = 0x02, 0x03, 0x04
TAG_OID, TAG_UTF8_STRING, TAG_ENUMERATED, TAG_SEQUENCE = 0x06, 0x0C, 0x0A, 0x30

# EF.ODF entries (PKCS #15 §6.2)
ODF_PRIVATE_KEYS, ODF_CERTIFICATES, ODF_DATA_OBJECTS, ODF_AUTH_OBJECTS = 0xA0, 0xA4, 0xA7, 0xA8

# EF.DIR (ISO 7816-4 §12.2.3)
TAG_APPLICATION, TAG_AID, TAG_PATH, TAG_DISCRETIONARY = 0x61, 0x4F, 0x51, 0x73

# CommonObjectFlags (PKCS #15 §6.1.8), bit numbers
OBJECT_PRIVATE, OBJECT_MODIFIABLE = 0, 1
# KeyUsageFlags (PKCS #15 §6.3.1), bit numbers
USAGE_DECRYPT, USAGE_SIGN, USAGE_NON_REPUDIATION = 1, 2, 9
# Operations of supported algorithms (PKCS #15 §6.9), bit number
OPERATION_COMPUTE_SIGNATURE = 1
# PinFlags (PKCS #15 §6.6.2), bit numbers
PIN_NEEDS_PADDING, PIN_UNBLOCKING, PIN_SECURITY_OFFICER = 5, 6, 7

# Mechanisms of PKCS #11 that EF.TokenInfo names
CKM_RSA_PKCS, CKM_SHA1_RSA_PKCS, CKM_SHA256_RSA_PKCS = 0x01, 0x06, 0x40
CKM_SHA1_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS = 0x0E, 0x43

MAX_PATH = 16
MAX_CODE = 64


@dataclass(frozen=True, slots=True)
class Application:
    """One record of EF.DIR: the AID, and the paths of its DF, EF.ODF and EF.TokenInfo where the record tells them."""

    aid: bytes
    path: bytes | None
    odf_path: bytes | None
    token_info_path: bytes | None


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One supported algorithm of EF.TokenInfo: `reference` is what keys name, `card_reference` what MSE takes."""

    reference: int
    mechanism: int
    signs: bool
    card_reference: int | None


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """Label and algorithms of the token."""

    label: str
    algorithms: tuple[Algorithm, ...]


@dataclass(frozen=True, slots=True)
class PinObject:
    """A code: its reference in VERIFY and the digits it takes. `padding` fills it up to `stored_length`."""

    reference: int
    auth_id: bytes
    min_length: int
    max_length: int
    stored_length: int
    padding: int | None
    unblocks: bool


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An RSA private key: its id pairs it with a certificate, `algorithms` restricts it when not empty.

    `reference` is None when the card names none.
    """

    key_id: bytes
    label: str
    auth_id: bytes
    reference: int | None
    decrypts: bool
    signs: bool
    non_repudiation: bool
    algorithms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """A certificate and where its file is, the path relative or from the MF as the card writes it."""

    key_id: bytes
    label: str
    path: bytes


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data object and where its file is, the path relative or from the MF as the card writes it.

    `private`: it is read after the holder's code. `modifiable`: whoever has the code may write it.
    """

    label: str
    application: str
    path: bytes
    private: bool
    modifiable: bool


def parse_dir(content: bytes) -> tuple[Application, ...]:
    """Parse EF.DIR. Raises CardUnknownError when it names no application."""
    found = tuple(_application(record) for record in read_tlvs(content) if record.tag == TAG_APPLICATION)
    if not found:
        raise CardUnknownError("EF.DIR names no application")
    return found


def _application(record: Tlv) -> Application:
    """Paths stand in the DDO (PKCS #15 §5.4.1), bare as on a CPS3 or within a SEQUENCE."""
    ddo = record.find(TAG_DISCRETIONARY) or Tlv(TAG_DISCRETIONARY, b"")
    if ddo.find(TAG_SEQUENCE, TAG_SEQUENCE):
        ddo = ddo.find(TAG_SEQUENCE) or ddo
    return Application(
        aid=_require(record, TAG_AID, "AID").value,
        path=_path(record.find(TAG_PATH)),
        odf_path=_path(ddo.find(TAG_SEQUENCE, TAG_OCTET_STRING)),
        token_info_path=_path(ddo.find(0xA0, TAG_OCTET_STRING)),
    )


def parse_odf(content: bytes) -> dict[int, list[bytes]]:
    """Parse EF.ODF into the paths of the directory files, by the tag of what they list."""
    paths: dict[int, list[bytes]] = {}
    for entry in read_tlvs(content):
        path = _path(entry.find(TAG_SEQUENCE, TAG_OCTET_STRING))
        if path is not None:
            paths.setdefault(entry.tag, []).append(path)
    return paths


def parse_token_info(content: bytes) -> TokenInfo:
    """Parse EF.TokenInfo: label [0] and supportedAlgorithms [2]."""
    info = find_tlv(content, TAG_SEQUENCE)
    if info is None:
        raise CardUnknownError("EF.TokenInfo is empty")
    label, algorithms = info.find(0x80), info.find(0xA2)
    return TokenInfo(
        label=_text(label.value) if label else "",
        algorithms=tuple(_algorithm(entry) for entry in algorithms.children()) if algorithms else (),
    )


def _algorithm(entry: Tlv) -> Algorithm:
    """AlgorithmInfo: reference, mechanism, parameters, operations, OID, and perhaps the card's own reference."""
    children = list(entry.children())
    integers = [_integer(child) for child in children if child.tag == TAG_INTEGER]
    if len(integers) < 2:
        raise CardUnknownError("an algorithm of EF.TokenInfo is cut short")
    return Algorithm(
        reference=integers[0],
        mechanism=integers[1],
        signs=OPERATION_COMPUTE_SIGNATURE in _bits(entry.find(TAG_BIT_STRING)),
        card_reference=integers[-1] & 0xFF if len(integers) > 2 and children[-1].tag == TAG_INTEGER else None,
    )


def parse_pins(content: bytes) -> tuple[PinObject, ...]:
    """Parse an authentication object directory (AODF)."""
    return tuple(_pin(entry) for entry in _entries(content))


def _pin(entry: Tlv) -> PinObject:
    attributes = _type_attributes(entry)
    flags = _bits(attributes.find(TAG_BIT_STRING))
    lengths = [_integer(child) for child in attributes.children() if child.tag == TAG_INTEGER]
    if len(lengths) < 2 or max(lengths) > MAX_CODE:
        raise CardUnknownError("a code without lengths, or longer than any")
    reference, padding = attributes.find(0x80), attributes.find(TAG_OCTET_STRING)
    return PinObject(
        reference=_integer(reference) & 0xFF if reference else 0,
        auth_id=_octets(_class_attributes(entry)),
        min_length=lengths[0],
        max_length=lengths[2] if len(lengths) > 2 else lengths[1],
        stored_length=lengths[1],
        padding=padding.value[0] if padding and padding.value and PIN_NEEDS_PADDING in flags else None,
        unblocks=bool(flags & {PIN_UNBLOCKING, PIN_SECURITY_OFFICER}),
    )


def parse_private_keys(content: bytes) -> tuple[PrivateKey, ...]:
    """Parse a private key directory (PrKDF); RSA entries, which are the untagged ones, count."""
    return tuple(map(_private_key, _entries(content)))


def _private_key(entry: Tlv) -> PrivateKey:
    common, key = _common_attributes(entry), _class_attributes(entry)
    usage = _bits(key.find(TAG_BIT_STRING))
    reference, algorithms = key.find(TAG_INTEGER), key.find(0xA1)
    return PrivateKey(
        key_id=_require(key, TAG_OCTET_STRING, "key id").value,
        label=_label(common),
        auth_id=_octets(common),
        reference=_integer(reference) & 0xFF if reference else None,
        decrypts=USAGE_DECRYPT in usage,
        signs=USAGE_SIGN in usage,
        non_repudiation=USAGE_NON_REPUDIATION in usage,
        algorithms=tuple(_integer(child) for child in algorithms.children()) if algorithms else (),
    )


def parse_certificates(content: bytes) -> tuple[CertificateFile, ...]:
    """Parse a certificate directory (CDF); X.509 entries with a path count."""
    return tuple(found for found in map(_certificate, _entries(content)) if found)


def _certificate(entry: Tlv) -> CertificateFile | None:
    path = _path(_type_attributes(entry).find(TAG_SEQUENCE, TAG_OCTET_STRING))
    if path is None:
        return None
    key_id = _require(_class_attributes(entry), TAG_OCTET_STRING, "certificate id").value
    return CertificateFile(key_id, _label(_common_attributes(entry)), path)


def parse_data_objects(content: bytes) -> tuple[DataFile, ...]:
    """Parse a data object directory (DODF, PKCS #15 §6.7); opaque objects with a path count.

    One that cannot be understood is left out: the card can be used without it.
    """
    found = []
    for entry in _entries(content):
        with contextlib.suppress(CardUnknownError):
            found.append(_data_file(entry))
    return tuple(found)


def _data_file(entry: Tlv) -> DataFile:
    """The path is the type attributes themselves (ReferencedValue), or stands in a SEQUENCE as certificates have it."""
    common, flags = _common_attributes(entry), _bits(_common_attributes(entry).find(TAG_BIT_STRING))
    attributes = _type_attributes(entry)
    path = _path(attributes.find(TAG_OCTET_STRING) or attributes.find(TAG_SEQUENCE, TAG_OCTET_STRING))
    if path is None:
        raise CardUnknownError("a data object without its path")
    return DataFile(
        label=_label(common),
        application=_label(_class_attributes(entry)),
        path=path,
        private=OBJECT_PRIVATE in flags or bool(_octets(common)),
        modifiable=OBJECT_MODIFIABLE in flags,
    )


def _entries(content: bytes) -> Iterator[Tlv]:
    return (entry for entry in read_tlvs(content) if entry.tag == TAG_SEQUENCE)


def _sequences(entry: Tlv) -> list[Tlv]:
    found = [child for child in entry.children() if child.tag == TAG_SEQUENCE]
    if len(found) < 2:
        raise CardUnknownError("a PKCS#15 object without its attributes")
    return found


def _common_attributes(entry: Tlv) -> Tlv:
    return _sequences(entry)[0]


def _class_attributes(entry: Tlv) -> Tlv:
    return _sequences(entry)[1]


def _type_attributes(entry: Tlv) -> Tlv:
    found = entry.find(0xA1, TAG_SEQUENCE)
    if found is None:
        raise CardUnknownError("a PKCS#15 object without type attributes")
    return found


def _require(parent: Tlv, tag: int, name: str) -> Tlv:
    found = parent.find(tag)
    if found is None:
        raise CardUnknownError(f"a PKCS#15 object without its {name}")
    return found


def _octets(attributes: Tlv) -> bytes:
    found = attributes.find(TAG_OCTET_STRING)
    return found.value if found else b""


def _path(value: Tlv | None) -> bytes | None:
    """A path of two-byte file identifiers; an empty one names no file."""
    if value is None or not value.value:
        return None
    if len(value.value) % 2 or len(value.value) > MAX_PATH:
        raise CardUnknownError("a path that no card file has")
    return value.value


def _label(attributes: Tlv) -> str:
    label = attributes.find(TAG_UTF8_STRING)
    return _text(label.value) if label else ""


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")[:255]


def _integer(value: Tlv) -> int:
    return int.from_bytes(value.value[:8])


def _bits(value: Tlv | None) -> frozenset[int]:
    """Numbers of the bits that are set, from the most significant one on (X.690 §8.6)."""
    if value is None or len(value.value) < 2:
        return frozenset()
    content = value.value[1:5]
    return frozenset(n for n in range(8 * len(content)) if content[n // 8] >> (7 - n % 8) & 1)
