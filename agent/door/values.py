"""The values that travel between the wire and the calls of PKCS#11 (OASIS PKCS #11 v2.40, v3.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

AttributeValue = bool | int | bytes | tuple[int, ...]
"""CK_BBOOL, CK_ULONG, bytes (texts and dates too), or a list of mechanisms (CKA_ALLOWED_MECHANISMS)."""

Handler = Callable[..., Awaitable[tuple[object, ...]]]
"""What does a call: it takes the arguments of the request, and gives the values of the response."""


class CryptokiError(Exception):
    """A call ends with this return value (CKR_…), which is never CKR_OK."""

    def __init__(self, rv: int, message: str = "") -> None:
        super().__init__(message or f"0x{rv:X}")
        self.rv = rv


@dataclass(frozen=True, slots=True)
class Call:
    """A function of PKCS#11 as the protocol names it: `name` without C_, the letters of its request and response."""

    id: int
    name: str
    request: str
    response: str


@dataclass(frozen=True, slots=True)
class Request:
    """A call with its arguments, one for each letter of `call.request`.

    y, u: int. v: (major, minor). s, z: bytes. ay: bytes, None for NULL. au: tuple of int. fy, fu: the room in the
    caller's buffer as int, None for a size query. aA: tuple of Attribute. fA: tuple of AttributeRoom. M: Mechanism.
    Where a program gives a PIN (calls.PIN_CALLS), ay is never copied: b"" when there was one, None when not.
    """

    call: Call
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """In place of bytes or numbers in a response: only how many there are (the buffer is absent or too small)."""

    count: int


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a template, or of an answer; `value` None: not given, or not to be had."""

    type: int
    value: AttributeValue | None


@dataclass(frozen=True, slots=True)
class AttributeRoom:
    """An attribute that is asked for; `room` in bytes, 0 to learn its size."""

    type: int
    room: int


@dataclass(frozen=True, slots=True)
class AttributesAnswer:
    """The response of C_GetAttributeValue: as many attributes as were asked for, in that order, and CKR_.

    Who asks for a size gets the value, which every client measures.
    """

    attributes: tuple[Attribute, ...]
    rv: int


@dataclass(frozen=True, slots=True)
class PssParameters:
    """CK_RSA_PKCS_PSS_PARAMS; the salt's length in bytes."""

    hash_mechanism: int
    mgf: int
    salt_length: int


@dataclass(frozen=True, slots=True)
class Mechanism:
    """A mechanism with its parameter; `type` None: the NULL mechanism that cancels an operation (PKCS #11 v3.0)."""

    type: int | None
    parameter: PssParameters | bytes | None = None
