"""A connection to a D-Bus bus: calls with a deadline, and signals as values. The daemon imports jeepney here alone.

Cites the D-Bus Specification 0.43. It waits on its socket alone: while nothing is signalled, nothing runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    HeaderFields,
    Message,
    MessageFlag,
    MessageType,
    new_method_call,
)
from jeepney.auth import BEGIN, Authenticator  # type: ignore[import-untyped]
from jeepney.bus import get_bus  # type: ignore[import-untyped]
from jeepney.bus_messages import MatchRule  # type: ignore[import-untyped]
from jeepney.io.asyncio import DBusConnection  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 5.0
OPEN_TIMEOUT_S = 5.0
AUTH_LINE = 1024

BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"


class BusError(Exception):
    """The bus is not there, refuses, or does not answer."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal; `sender` is the unique name of the connection that sent it, which the bus vouches for."""

    sender: str
    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """An object to call."""

    name: str
    path: str
    interface: str


DRIVER = Target(BUS, BUS_PATH, BUS)


class Bus:
    """One connection. `on_signal` gets what was subscribed to and whatever else is sent here: check the sender.

    `on_lost` is called once, when the connection breaks by itself.
    """

    def __init__(
        self, connection: DBusConnection, on_signal: Callable[[Signal], None], on_lost: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._on_signal = on_signal
        self._on_lost = on_lost
        self._replies: dict[int, asyncio.Future[Message]] = {}
        self._lost = False
        self._task = asyncio.get_running_loop().create_task(self._receive())

    @classmethod
    async def connect(cls, address: str, on_signal: Callable[[Signal], None], on_lost: Callable[[], None]) -> Bus:
        """Connect to the bus at that address (§"Server Addresses"). Raises BusError."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                connection = await _open(get_bus(address))
        except (OSError, EOFError, TimeoutError, ValueError, RuntimeError, KeyError, StopIteration) as error:
            raise BusError(f"no bus at {address!r}: {error}") from error
        bus = cls(connection, on_signal, on_lost)
        try:
            await bus.call(DRIVER, "Hello")
        except BaseException:
            await bus.close()
            raise
        return bus

    @property
    def lost(self) -> bool:
        """Whether the connection has broken by itself."""
        return self._lost

    async def close(self) -> None:
        """Leave the bus."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await _close(self._connection.writer)

    async def call(self, target: Target, member: str, signature: str = "", *arguments: object) -> tuple[Any, ...]:
        """Call a method without starting its service. Raises BusError: an error, no answer, a bus that is gone."""
        address = DBusAddress(target.path, bus_name=target.name, interface=target.interface)
        message = new_method_call(address, member, signature or None, arguments)
        message.header.flags |= MessageFlag.no_auto_start
        reply = await self._exchange(message)
        if reply.header.message_type is MessageType.error:
            raise BusError(f"{member}: {reply.header.fields.get(HeaderFields.error_name)}")
        return tuple(reply.body)

    async def subscribe(
        self, sender: str, interface: str, path: str | None = None, argument: str | None = None
    ) -> None:
        """Have the signals of an interface delivered, all or those of an object, or with that first argument."""
        await self.call(DRIVER, "AddMatch", "s", _rule(sender, interface, path, argument))

    async def find_owner(self, name: str) -> str | None:
        """The unique name of the connection that owns a well-known name, None when nobody does."""
        try:
            (owner,) = await self.call(DRIVER, "GetNameOwner", "s", name)
        except BusError:
            return None
        return str(owner)

    async def _exchange(self, message: Message) -> Message:
        if self._lost:
            raise BusError("the bus is gone")
        serial = next(self._connection.outgoing_serial)
        reply = self._replies[serial] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await self._connection.send(message, serial=serial)
                return await reply
        except (OSError, TimeoutError, ValueError, TypeError) as error:  # the last two: a name that is none
            raise BusError(f"no answer: {error}") from error
        finally:
            del self._replies[serial]

    async def _receive(self) -> None:
        try:
            while True:
                self._take(await self._connection.receive())
        except (OSError, EOFError) as error:
            log.info("a D-Bus bus is gone: %s", error or type(error).__name__)
        except Exception:  # the edge of a task that nobody waits for: what cannot be read is as good as gone
            log.exception("a D-Bus bus cannot be understood")
        self._lost = True
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(BusError("the bus is gone"))
        self._on_lost()

    def _take(self, message: Message) -> None:
        fields = message.header.fields
        if message.header.message_type is MessageType.signal:
            self._on_signal(
                Signal(
                    sender=fields.get(HeaderFields.sender, ""),
                    path=fields.get(HeaderFields.path, ""),
                    interface=fields.get(HeaderFields.interface, ""),
                    member=fields.get(HeaderFields.member, ""),
                    body=tuple(message.body),
                )
            )
            return
        reply = self._replies.get(fields.get(HeaderFields.reply_serial, 0))
        if reply is not None and not reply.done():
            reply.set_result(message)


async def _open(socket_path: str) -> DBusConnection:
    """Connect and authenticate as this user (§"Authentication Protocol", EXTERNAL)."""
    reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        authenticator = Authenticator()
        for line in authenticator:
            writer.write(line)
            authenticator.feed(await _read_line(reader))
        writer.write(BEGIN)
        await writer.drain()
    except BaseException:
        await _close(writer)
        raise
    return DBusConnection(reader, writer)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(AUTH_LINE)
    if not data:
        raise EOFError("the bus hung up")
    return data


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def _rule(sender: str, interface: str, path: str | None, argument: str | None) -> str:
    rule = MatchRule(type="signal", sender=sender, interface=interface, path=path)
    if argument is not None:
        rule.add_arg_condition(0, argument)
    return str(rule.serialise())
