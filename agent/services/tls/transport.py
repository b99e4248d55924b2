"""A line whose handshake is done, as a transport of asyncio: TLS on one side, an asyncio.Protocol on the other.

asyncio's own transport for TLS does its handshakes itself, in the event loop, where a card would hold up everything.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from agent.services.tls.errors import ServerUnreachableError
from agent.services.tls.faults import explain
from agent.services.tls.line import Line

PIECE: Final = 128 * 1024
RECORD: Final = 16 * 1024
"""The most that one record holds (RFC 8446 §5.1): more room than that is allocated for nothing."""

MAX_ANSWERS: Final = 4 * 1024 * 1024

P = TypeVar("P", bound=asyncio.Protocol)


async def attach(line: Line, protocol_factory: Callable[[], P]) -> tuple[TlsTransport, P]:
    """Give the line to the event loop. What ends it, the protocol's `connection_lost` is told: None, or TlsError."""
    protocol = protocol_factory()
    wire = _Wire(line, protocol)
    try:
        await asyncio.get_running_loop().create_connection(lambda: wire, sock=line.sock)
    except BaseException:
        line.close()
        raise
    assert wire.transport is not None
    return wire.transport, protocol


class TlsTransport(asyncio.Transport):
    """What the protocol writes to. It is encrypted at once, and waits where the plain transport keeps it."""

    def __init__(self, wire: _Wire, raw: asyncio.Transport) -> None:
        super().__init__()
        self._wire = wire
        self._raw = raw

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the plain transport tells, and `ssl_object`."""
        return self._wire.line.tls if name == "ssl_object" else self._raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send, sometime."""
        self._wire.send(data)

    def can_write_eof(self) -> bool:
        """A line is closed as a whole."""
        return False

    def pause_reading(self) -> None:
        """Give the protocol nothing more for now."""
        self._wire.pause()

    def resume_reading(self) -> None:
        """Go on."""
        self._wire.resume()

    def is_reading(self) -> bool:
        """Whether it goes on."""
        return not self._wire.paused

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When the protocol is told to wait."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes that wait, encrypted."""
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low, high."""
        return self._raw.get_write_buffer_limits()

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who is told."""
        return self._wire.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Tell somebody else from now on."""
        assert isinstance(protocol, asyncio.Protocol)
        self._wire.protocol = protocol

    def is_closing(self) -> bool:
        """Whether it ends."""
        return self._raw.is_closing()

    def close(self) -> None:
        """Say goodbye (close_notify) once everything is sent, and end."""
        self._wire.close()

    def abort(self) -> None:
        """End at once."""
        self._raw.abort()


class _Wire(asyncio.BufferedProtocol):
    """The side of the encrypted bytes."""

    def __init__(self, line: Line, protocol: asyncio.Protocol) -> None:
        self.line = line
        self.protocol = protocol
        self.transport: TlsTransport | None = None
        self.paused = False
        self._raw: asyncio.Transport | None = None
        self._failure: Exception | None = None
        self._ended = False
        self._room = memoryview(bytearray(PIECE))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        self.transport = TlsTransport(self, transport)
        self.protocol.connection_made(self.transport)
        asyncio.get_running_loop().call_soon(self._deliver_soon)  # what came along with the end of the handshake

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as asyncio has it
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self.line.incoming.write(self._room[:nbytes])
        self._deliver()

    def eof_received(self) -> None:
        """The server is gone without a word of TLS: what it said last may be cut off (RFC 8446 §6.1)."""
        if not self._ended:
            self._fail(ServerUnreachableError("the server hung up without saying so"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._failure is None and isinstance(exc, OSError):
            self._failure = ServerUnreachableError(str(exc) or type(exc).__name__)
        self.protocol.connection_lost(self._failure or exc)

    def pause_writing(self) -> None:
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        self.protocol.resume_writing()

    def send(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._closing:
            return
        rest = memoryview(data).cast("B")
        try:
            while rest:
                written = self.line.tls.write(rest[:PIECE])  # into memory: it never waits
                rest = rest[written:]
                self._flush()
        except ssl.SSLError as error:
            self._fail(explain(error, self.line.watch))

    def pause(self) -> None:
        assert self._raw is not None
        self.paused = True
        self._raw.pause_reading()

    def resume(self) -> None:
        assert self._raw is not None
        if not self.paused:
            return  # nothing is kept back: aiohttp says so twice per answer
        self.paused = False
        self._raw.resume_reading()
        asyncio.get_running_loop().call_soon(self._deliver_soon)

    def close(self) -> None:
        if self._closing:
            return
        assert self._raw is not None
        with suppress(ssl.SSLError):  # that of the server is not waited for
            self.line.tls.unwrap()
        self._flush()
        self._raw.close()

    @property
    def _closing(self) -> bool:
        assert self._raw is not None
        return self._raw.is_closing()

    def _deliver_soon(self) -> None:
        """As if it had just come: a protocol that fails ends its transport (asyncio does so by itself elsewhere)."""
        try:
            self._deliver()
        except BaseException:
            self._abort()
            raise

    def _deliver(self) -> None:
        """Decrypt what has come, as long as the protocol wants it."""
        while not (self.paused or self._ended or self._closing):
            data, stop = self._read()
            if data:
                self.protocol.data_received(data)
            if stop is not None:
                self._stop(stop)
                return

    def _read(self) -> tuple[bytes, ssl.SSLError | None]:
        """A good piece at most, and what stands behind it: records are short, and calls cost."""
        pieces: list[bytes] = []
        size, stop = 0, None
        try:
            while size < PIECE:
                pieces.append(self.line.tls.read(RECORD))
                size += len(pieces[-1]) or PIECE
        except ssl.SSLError as error:
            stop = error
        if pieces and not pieces[-1]:
            stop = ssl.SSLZeroReturnError()
        return b"".join(pieces), stop

    def _stop(self, stop: ssl.SSLError) -> None:
        self._answer()
        if isinstance(stop, ssl.SSLZeroReturnError):
            self._ended = True
            self.protocol.eof_received()
            self.close()
        elif not isinstance(stop, ssl.SSLWantReadError):
            self._fail(explain(stop, self.line.watch))

    def _answer(self) -> None:
        """Send what TLS itself had to say to the server, unless the server has us talk without ever listening."""
        assert self._raw is not None
        if self.line.outgoing.pending and self._raw.get_write_buffer_size() > MAX_ANSWERS:
            self._fail(ServerUnreachableError("the server asks without end"))
        self._flush()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._abort()

    def _abort(self) -> None:
        assert self._raw is not None
        self._raw.abort()

    def _flush(self) -> None:
        assert self._raw is not None
        if self.line.outgoing.pending and not self._raw.is_closing():
            self._raw.write(self.line.outgoing.read())
