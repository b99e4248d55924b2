"""GET DATA on security data objects (IAS-ECC): what the codes and keys of the card allow, and the tries left."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.card.tlv import encode_tlv
from drivers.virtual.apdu import Command
from drivers.virtual.memory import Code
from drivers.virtual.pkcs15 import MODULUS_BITS, PIN_MAX_LENGTH, PIN_MIN_LENGTH, REF_PIN
from drivers.virtual.status import SW_REFERENCE_NOT_FOUND, SW_WRONG_DATA, SW_WRONG_P1P2, StatusError

P1P2_CURRENT_DF = 0x3FFF
CLASS_PIN, CLASS_KEY = 0x81, 0x90

# What is asked: the DOCP (control parameters), the size limits of a code, the public part of a key.
ASK_DOCP = bytes.fromhex("A080")
ASK_SIZES = bytes.fromhex("7F4180")

# Access rules of DOCPs: AMB, then change, verify, reset, put, get for codes.
PIN_RULES = bytes.fromhex("F3000013FF00")
PUK_RULES = bytes.fromhex("F30000FFFF00")


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """A parsed extended header list: one object `BF cc rr` and what is asked of it."""

    kind: int
    reference: int
    asked: bytes


def parse_request(command: Command) -> ObjectRequest:
    """Read `4D L 70 L BF cc rr L asked`. Raises StatusError for any other form."""
    data = command.data
    if command.p1p2 != P1P2_CURRENT_DF:
        raise StatusError(SW_WRONG_P1P2)
    frame = bytes([0x4D, len(data) - 2 & 0xFF, 0x70, len(data) - 4 & 0xFF, 0xBF])
    if len(data) < 9 or data[:5] != frame or data[7] != len(data) - 8:
        raise StatusError(SW_WRONG_DATA)
    return ObjectRequest(data[5], data[6], data[8:])


def answer_about_code(request: ObjectRequest, code: Code) -> bytes:
    """DOCP with the tries allowed (9A) and left (9B), or the lengths (7F41) of a code."""
    if request.asked == ASK_SIZES:
        lengths = encode_tlv(0x80, bytes([PIN_MAX_LENGTH])) + encode_tlv(0x81, bytes([PIN_MIN_LENGTH]))
        return _wrap(request, encode_tlv(0x7F41, lengths))
    if request.asked != ASK_DOCP:
        raise StatusError(SW_WRONG_DATA)
    tries = encode_tlv(0x9A, bytes([code.tries_allowed])) + encode_tlv(0x9B, bytes([code.tries_left]))
    rules = encode_tlv(0xA1, encode_tlv(0x8C, PIN_RULES if request.reference == REF_PIN else PUK_RULES))
    return _wrap(request, encode_tlv(0xA0, tries, rules))


def answer_about_key(request: ObjectRequest, rules: bytes, *, non_repudiation: bool) -> bytes:
    """DOCP of a key: access rules, size in bytes, 9E. The public part is refused, as the card does."""
    if request.asked != ASK_DOCP:
        raise StatusError(SW_WRONG_DATA)
    size = encode_tlv(0x80, (MODULUS_BITS // 8).to_bytes(2))
    flag = encode_tlv(0x9E, bytes([non_repudiation]))
    return _wrap(request, encode_tlv(0xA0, encode_tlv(0xA1, encode_tlv(0x8C, rules)), size, flag))


def require_kind(request: ObjectRequest, kind: int) -> None:
    """Raise StatusError(6A88) when another class of object is meant."""
    if request.kind != kind:
        raise StatusError(SW_REFERENCE_NOT_FOUND)


def _wrap(request: ObjectRequest, content: bytes) -> bytes:
    """The three-byte tag is written by hand: no other object of the card has one."""
    tagged = bytes([0xBF, request.kind, request.reference, len(content)]) + content
    return encode_tlv(0x70, tagged)
