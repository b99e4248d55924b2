"""Messages of p11-kit's remote protocol (versions 0 to 2): requests to values, values to responses."""

from __future__ import annotations

from functools import cache
from struct import pack

from agent.door.calls import CALLS, PIN_CALLS
from agent.door.cryptoki import CKR_FUNCTION_NOT_SUPPORTED, CKR_GENERAL_ERROR
from agent.door.cursor import Cursor, Octets, WireError
from agent.door.frames import wipe
from agent.door.letters import Reader, find_readers, find_writers
from agent.door.values import Call, CryptokiError, Request

MAX_SIGNATURE = 64
"""Letters: the longest of a request that any client sends has 8."""
ERROR_ID = 0


class UnknownCallError(CryptokiError):
    """A call that is not taken, or not with these letters: it is answered with an error, and the connection stands."""

    def __init__(self, message: str) -> None:
        super().__init__(CKR_FUNCTION_NOT_SUPPORTED, message)


@cache
def _readers(call: Call, modern: bool) -> tuple[Reader, ...]:  # noqa: FBT001 - a key of the cache
    return find_readers(call.request, modern=modern, secret=call.name in PIN_CALLS)


class Codec:
    """The messages of one connection. `modern`: its client offered version 2, which is 0.25.6 or later."""

    def __init__(self, modern: bool) -> None:  # noqa: FBT001 - the one thing that there is to say
        self._modern = modern

    def read_request(self, body: Octets) -> Request:
        """The call and its arguments. A PIN is not read; a bytearray is wiped, whatever comes of it.

        Raises WireError for bytes that are no request, UnknownCallError for a call that is not taken.
        """
        try:
            return self._read(Cursor(body))
        finally:
            if isinstance(body, bytearray):
                wipe(body)

    def _read(self, cursor: Cursor) -> Request:
        call = _read_call(cursor)
        arguments = tuple([read(cursor) for read in _readers(call, self._modern)])
        if cursor.left:
            raise WireError("bytes after the last argument")
        return Request(call, arguments)

    def write_response(self, call: Call, values: tuple[object, ...]) -> bytes:
        """The answer of a call: one value for each letter.

        Raises TypeError, ValueError or struct.error for values of another kind or number.
        """
        writers = find_writers(call.response)
        parts = (write(value) for write, value in zip(writers, values, strict=True))
        return _head(call.id, call.response) + b"".join(parts)

    def write_error(self, rv: int) -> bytes:
        """The answer of a call that ends with this CKR_; CKR_OK, which a client takes for no error, is changed."""
        return _head(ERROR_ID, "u") + pack(">Q", rv or CKR_GENERAL_ERROR)


def _read_call(cursor: Cursor) -> Call:
    number, length = cursor.u32(), cursor.u32()
    if length > MAX_SIGNATURE:
        raise WireError("a signature that is too long")
    signature = cursor.octets(length)
    call = CALLS.get(number)
    if call is None or call.request.encode() != signature:
        raise UnknownCallError(f"call {number} with {length} letters")
    return call


@cache
def _head(number: int, signature: str) -> bytes:
    return pack(f">II{len(signature)}s", number, len(signature), signature.encode())
