"""A client of p11-kit's remote protocol over a socket: old or new, well-behaved or hostile. Blocking.

    with P11Client(path, version=2) as client:         # the encodings of 0.25.6 and later; 0: those of 0.24.1
        client.initialize()
        (slots,) = client.call("GetSlotList", 1, 16)
        (session,) = client.call("OpenSession", slots[0], 4)
        client.call("CloseSession", 99)                # RefusedError, with its rv

`send` and `receive` let several calls be under way; `raw` sends any bytes.
"""

from __future__ import annotations

import socket
from pathlib import Path
from struct import pack, unpack
from types import TracebackType
from typing import NamedTuple, Self

from support.p11_letters import BY_NAME, RefusedError, read_response, write_head, write_request

from agent.door.values import Attribute, AttributeRoom, AttributesAnswer, Call, Mechanism, Size

MAGIC = b"PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1"
FIRST_CODE = 0x10
CKF_SERIAL_SESSION = 4
MANY = 64

__all__ = ["P11Client", "RefusedError", "Reply"]


class Reply(NamedTuple):
    """A frame of the server."""

    code: int
    body: bytes


class P11Client:
    """`version` is offered; `agreed` is what the server answers. `modern` (version ≥ 2) chooses the encodings."""

    def __init__(
        self, path: Path | str, version: int = 0, *, modern: bool | None = None, timeout_s: float = 20
    ) -> None:
        self.modern = version >= 2 if modern is None else modern
        self._calls: dict[int, Call] = {}
        self._code = FIRST_CODE
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(str(path))
            self.raw(bytes([version]))
            self.agreed = self._receive_exactly(1)[0]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away without a word."""
        self.socket.close()

    def raw(self, data: bytes) -> None:
        """Send these bytes as they are."""
        self.socket.sendall(data)

    def frame(self, body: bytes, code: int | None = None, options: bytes = b"client") -> int:
        """Send a body in a frame; its code."""
        if code is None:
            code, self._code = self._code, self._code + 1
        self.raw(pack(">III", code, len(options), len(body)) + options + body)
        return code

    def send(self, name: str, *arguments: object) -> int:
        """Send a call without waiting; its code, by which `finish` finds the answer."""
        call = BY_NAME[name]
        code = self.frame(write_request(call, arguments, modern=self.modern))
        self._calls[code] = call
        return code

    def receive(self) -> Reply:
        """The next frame. Raises EOFError when the server has closed the connection."""
        code, options, length = unpack(">III", self._receive_exactly(12))
        self._receive_exactly(options)
        return Reply(code, self._receive_exactly(length))

    def finish(self, reply: Reply) -> tuple:
        """The values of the answer to a call of `send`. Raises RefusedError."""
        return read_response(self._calls.pop(reply.code), reply.body)

    def call(self, name: str, *arguments: object) -> tuple:
        """Send a call and wait for its answer, as the only one under way. Raises RefusedError."""
        code = self.send(name, *arguments)
        reply = self.receive()
        assert reply.code == code
        return self.finish(reply)

    def refusal(self, name: str, *arguments: object) -> int:
        """The CKR_… with which a call ends; 0 when it succeeds."""
        try:
            self.call(name, *arguments)
        except RefusedError as error:
            return error.rv
        return 0

    def call_unknown(self, number: int, signature: str, arguments: bytes = b"") -> Reply:
        """Send a call that may not exist."""
        self.frame(write_head(number, signature) + arguments)
        return self.receive()

    def _receive_exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise EOFError("the server has closed the connection")
            parts += part
        return bytes(parts)

    # What most programs do

    def initialize(self) -> None:
        """C_Initialize."""
        self.call("Initialize", MAGIC, 0, b"\0")

    def list_slots(self, *, present: bool = False) -> tuple[int, ...]:
        """C_GetSlotList."""
        (slots,) = self.call("GetSlotList", int(present), MANY)
        return slots

    def open_session(self, slot: int, flags: int = CKF_SERIAL_SESSION) -> int:
        """C_OpenSession."""
        (session,) = self.call("OpenSession", slot, flags)
        return session

    def find(self, session: int, *template: Attribute) -> tuple[int, ...]:
        """C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal."""
        self.call("FindObjectsInit", session, template)
        (found,) = self.call("FindObjects", session, MANY)
        self.call("FindObjectsFinal", session)
        return found

    def attributes(self, session: int, found: int, *types: int, room: int = 65536) -> AttributesAnswer:
        """C_GetAttributeValue with room for all."""
        (answer,) = self.call("GetAttributeValue", session, found, tuple(AttributeRoom(kind, room) for kind in types))
        return answer

    def value(self, session: int, found: int, kind: int) -> object:
        """The value of one attribute, None when it is not to be had."""
        return self.attributes(session, found, kind).attributes[0].value

    def sign(self, session: int, mechanism: Mechanism, key: int, data: bytes, room: int | None = 512) -> bytes | Size:
        """C_SignInit, C_Sign."""
        self.call("SignInit", session, mechanism, key)
        (signature,) = self.call("Sign", session, data, room)
        return signature
