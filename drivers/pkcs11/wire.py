"""What the agent and a worker say to each other: length-capped frames of JSON, with codes beside it as raw bytes.

Frame: four bytes length of the JSON, one byte length of the codes (both big-endian), the JSON, the codes. Each code is
one byte length and its digits, so that it never becomes a `str` or `bytes`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Annotated

import msgspec

from drivers.errors import DriverError
from drivers.pin import Pin

HEADER_LENGTH = 5
MAX_JSON = 4 * 1024 * 1024
MAX_CODES = 2 * (1 + 8)
CODE_LENGTHS = range(4, 9)
MAX_SLOTS = 64
MAX_REASON = 300
MAX_OBJECTS = 200
MAX_VALUE = 16 * 1024
MAX_KEY_ID = 1024
MAX_SIGNATURES = 8
"""With these a request is shorter than the smallest pipe holds (4 KB), so that writing one never waits."""

Text = Annotated[str, msgspec.Meta(max_length=64)]
"""As long as the longest of PKCS#11's fixed texts (CK_SLOT_INFO.slotDescription)."""

Mark = Annotated[str, msgspec.Meta(max_length=200)]
"""What a token is known by again: its slot's description, its label and its serial number."""


class WireError(DriverError):
    """The other side does not speak this protocol."""


class _Message(msgspec.Struct, forbid_unknown_fields=True, tag_field="message"):
    """Base of every message: strict, and known by its name.

    A `mark` is the token that is meant: a module that was loaded anew may give a slot's number to another.
    """


class ListSlots(_Message, tag="list-slots"):
    """Ask for Slots."""


class OpenToken(_Message, tag="open-token"):
    """Ask for Opened: what can be seen of a token without a code."""

    slot: int
    mark: Mark = ""


class ReadStatus(_Message, tag="read-status"):
    """Ask for TokenStatus."""

    slot: int
    mark: Mark = ""


class CheckPin(_Message, tag="check-pin"):
    """C_Login and C_Logout, with one code. Answer: Done."""

    slot: int
    mark: Mark = ""


class ChangePin(_Message, tag="change-pin"):
    """C_SetPIN, with the old and the new code. Answer: Done."""

    slot: int
    mark: Mark = ""


class UnblockPin(_Message, tag="unblock-pin"):
    """C_Login of the security officer and C_InitPIN, with the PUK and the new code. Answer: Done."""

    slot: int
    mark: Mark = ""


class Sign(_Message, tag="sign"):
    """CKM_RSA_PKCS over each of `data` with the private key of that CKA_ID, with one code. Answer: Signatures."""

    slot: int
    key_id: bytes
    data: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=MAX_SIGNATURES)]
    mark: Mark = ""


class ReadData(_Message, tag="read-data"):
    """Ask for Data; with one code the private objects are among them."""

    slot: int
    mark: Mark = ""


TokenRequest = OpenToken | ReadStatus | CheckPin | ChangePin | UnblockPin | Sign | ReadData
Request = ListSlots | TokenRequest


class TokenStatus(_Message, tag="token-status"):
    """Flags of CK_TOKEN_INFO about the user's code."""

    count_low: bool
    final_try: bool
    locked: bool
    initialized: bool


class SlotState(msgspec.Struct, forbid_unknown_fields=True):
    """CK_SLOT_INFO and CK_TOKEN_INFO in brief; `serial` is None where no token is."""

    slot: int
    description: Text
    removable: bool
    label: Text = ""
    serial: Text | None = None


class Slots(_Message, tag="slots"):
    """The module's first slots, and who made it (CK_INFO)."""

    manufacturer: Text
    slots: Annotated[list[SlotState], msgspec.Meta(max_length=MAX_SLOTS)]


class CertificateObject(msgspec.Struct, forbid_unknown_fields=True):
    """A CKO_CERTIFICATE."""

    key_id: Annotated[bytes, msgspec.Meta(max_length=MAX_KEY_ID)]
    label: Annotated[str, msgspec.Meta(max_length=MAX_VALUE)]
    value: Annotated[bytes, msgspec.Meta(max_length=MAX_VALUE)]


class Opened(_Message, tag="opened"):
    """A token: CK_TOKEN_INFO, its certificates, and whether it has CKM_RSA_PKCS."""

    label: Text
    serial: Text
    model: Text
    signs: bool
    certificates: Annotated[list[CertificateObject], msgspec.Meta(max_length=MAX_OBJECTS)]
    mark: Mark = ""


class Signatures(_Message, tag="signatures"):
    """Finished signatures, of the first data or of all."""

    values: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=MAX_SIGNATURES)]


class DataItem(msgspec.Struct, forbid_unknown_fields=True):
    """A CKO_DATA."""

    label: str
    application: str
    value: bytes
    private: bool


class Data(_Message, tag="data"):
    """The data objects that could be read."""

    items: list[DataItem]


class Done(_Message, tag="done"):
    """It is done."""


class Failed(_Message, tag="failed"):
    """The module refused: name of the CKR_ code as python-pkcs11 spells it, and the call's step.

    `status`: what the token says of its code then, for refused codes.
    """

    error: Text
    step: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] = ""
    status: TokenStatus | None = None


Answer = TokenStatus | Slots | Opened | Signatures | Data | Done | Failed

_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


def write_frame(message: Request | Answer, codes: Sequence[Pin] = ()) -> bytearray:
    """Build a frame; the caller wipes it if it carries codes. Raises WireError when it is too long."""
    text = msgspec.json.encode(message)
    if len(text) > MAX_JSON:
        raise WireError("a message is too long")
    frame = bytearray(len(text).to_bytes(4) + bytes([sum(1 + len(code) for code in codes)]) + text)
    for code in codes:
        frame.append(len(code))
        code.append_to(frame)
    return frame


def read_header(header: bytes | bytearray) -> tuple[int, int]:
    """Lengths of the JSON and of the codes that follow. Raises WireError."""
    json_length, codes_length = int.from_bytes(header[:4]), header[4]
    if json_length > MAX_JSON or codes_length > MAX_CODES:
        raise WireError("a message is too long")
    return json_length, codes_length


def read_answer(text: bytes | bytearray) -> Answer:
    """Parse the JSON of an answer. Raises WireError."""
    try:
        return _answers.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("an answer that cannot be understood") from error


def read_request(stream: io.FileIO) -> tuple[Request, list[bytearray]] | None:
    """Read one request with its codes from a blocking stream; None at its end. Raises WireError."""
    header = _read_exactly(stream, HEADER_LENGTH)
    if header is None:
        return None
    json_length, codes_length = read_header(header)
    text, codes = _read_exactly(stream, json_length), _read_exactly(stream, codes_length)
    if text is None or codes is None:
        return None
    try:
        return _requests.decode(text), _split_codes(codes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("a request that cannot be understood") from error
    finally:
        codes[:] = bytes(len(codes))


def _split_codes(buffer: bytearray) -> list[bytearray]:
    codes: list[bytearray] = []
    at = 0
    while at < len(buffer):
        length = buffer[at]
        if length not in CODE_LENGTHS or at + 1 + length > len(buffer):
            raise WireError("codes that do not add up")
        codes.append(bytearray(memoryview(buffer)[at + 1 : at + 1 + length]))
        at += 1 + length
    return codes


def _read_exactly(stream: io.FileIO, count: int) -> bytearray | None:
    buffer = bytearray(count)
    filled = 0
    while filled < count:
        part = stream.readinto(memoryview(buffer)[filled:])
        if not part:
            return None
        filled += part
    return buffer
