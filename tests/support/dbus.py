"""A dbus-daemon of the test's own, and what stands behind it on a workstation: logind and a screen locker.

These two are fakes at the seam of the operating system: they speak D-Bus as org.freedesktop.login1(5) and the desktops'
ScreenSaver interfaces do, and nothing of the agent is replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_call, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.asyncio import DBusConnection, open_dbus_connection

DEADLINE_S = 10.0
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
  </policy>
</busconfig>
"""

Reply = tuple[str, tuple[Any, ...]] | None
"""Signature and body, or None for an error."""


class PrivateBus:
    """A dbus-daemon on a socket in a folder; it can be ended and started again at the same address."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "bus"
        self._config = folder / "bus.conf"
        self._config.write_text(CONFIG.format(socket=self._socket))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"unix:path={self._socket}"

    def start(self) -> None:
        program = shutil.which("dbus-daemon")
        assert program, "Debian's dbus-daemon is missing"
        self._socket.unlink(missing_ok=True)
        command = (program, f"--config-file={self._config}", "--nofork", "--nopidfile", "--print-address")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout
        assert self._process.stdout.readline().startswith(b"unix:"), "dbus-daemon did not start"

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(DEADLINE_S)
            assert process.stdout
            process.stdout.close()


def why_no_bus() -> str | None:
    return None if shutil.which("dbus-daemon") else "needs dbus-daemon"


@contextlib.contextmanager
def session_bus(folder: Path) -> Iterator[str]:
    """A bus that starts no service by itself, until the block ends; gives its address."""
    bus = PrivateBus(folder)
    bus.start()
    try:
        yield bus.address
    finally:
        bus.stop()


class Service:
    """A connection that owns a name, answers calls and sends signals."""

    name = ""

    def __init__(self) -> None:
        self._connection: DBusConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self.called: list[str] = []

    async def appear(self, address: str) -> None:
        self._connection = await open_dbus_connection(address)
        self._task = asyncio.create_task(self._serve())
        if self.name:
            await self._connection.send(message_bus.RequestName(self.name))
            await self._connection.send(message_bus.GetNameOwner(self.name))

    async def leave(self) -> None:
        connection, task, self._connection = self._connection, self._task, None
        if connection is not None and task is not None:
            task.cancel()
            await asyncio.wait([task])
            with contextlib.suppress(OSError):
                await connection.close()

    async def emit(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any, to: str | None = None
    ) -> None:
        message = new_signal(DBusAddress(path, interface=interface), member, signature or None, body)
        if to is not None:
            message.header.fields[HeaderFields.destination] = to
        assert self._connection
        await self._connection.send(message)

    def answer(self, path: str, interface: str, member: str, body: tuple[Any, ...]) -> Reply:
        return None

    async def _serve(self) -> None:
        assert self._connection
        with contextlib.suppress(EOFError, OSError):
            while True:
                message = await self._connection.receive()
                if message.header.message_type is not MessageType.method_call:
                    continue
                fields = message.header.fields
                member = fields[HeaderFields.member]
                self.called.append(member)
                path, interface = fields[HeaderFields.path], fields[HeaderFields.interface]
                reply = self.answer(path, interface, member, message.body)
                if reply is None:
                    await self._connection.send(new_error(message, "org.example.Error"))
                else:
                    await self._connection.send(new_method_return(message, reply[0] or None, reply[1]))


SESSION = "org.freedesktop.login1.Session"
MANAGER = "org.freedesktop.login1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER_PATH = "/org/freedesktop/login1"
USER_PATH = "/org/freedesktop/login1/user/_1000"


def session_path(number: int) -> str:
    return f"/org/freedesktop/login1/session/_3{number}"


@dataclass
class FakeSession:
    """What logind says of a session."""

    uid: int = field(default_factory=os.getuid)
    type: str = "wayland"
    seat: str = "seat0"
    kind: str = "user"

    def properties(self) -> dict[str, tuple[str, Any]]:
        return {
            "User": ("(uo)", (self.uid, USER_PATH)),
            "Type": ("s", self.type),
            "Seat": ("(so)", (self.seat, "/org/freedesktop/login1/seat/x")),
            "Class": ("s", self.kind),
            "Active": ("b", True),
            "LockedHint": ("b", False),
        }


class FakeLogind(Service):
    """org.freedesktop.login1 with sessions by number; `of_process` and `on_display` name the one it would answer."""

    name = "org.freedesktop.login1"

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[int, FakeSession] = {1: FakeSession()}
        self.of_process: int | None = 1
        self.on_display: int | None = None

    def answer(self, path: str, interface: str, member: str, body: tuple[Any, ...]) -> Reply:
        if member == "GetSessionByPID" and self.of_process is not None:
            return "o", (session_path(self.of_process),)
        if member == "GetSession" and body[0].isdigit() and int(body[0]) in self.sessions:
            return "o", (session_path(int(body[0])),)
        if member == "GetUser":
            return "o", (USER_PATH,)
        if (path, member) == (USER_PATH, "Get"):
            display = (str(self.on_display), session_path(self.on_display)) if self.on_display else ("", "/")
            return "v", (("(so)", display),)
        if member == "GetAll":
            found = next((each for number, each in self.sessions.items() if session_path(number) == path), None)
            return ("a{sv}", (found.properties(),)) if found else None
        return None

    async def manager(self, member: str, signature: str, *body: Any) -> None:
        await self.emit(MANAGER_PATH, MANAGER, member, signature, *body)

    async def change(
        self, changed: dict[str, tuple[str, Any]], unsaid: list[str] | None = None, number: int = 1
    ) -> None:
        body = (SESSION, changed, unsaid or [])
        await self.emit(session_path(number), PROPERTIES, "PropertiesChanged", "sa{sv}as", *body)


class FakeLocker(Service):
    """A desktop's screen locker; `answers` False: it owns the name for something else."""

    def __init__(self, name: str = "org.gnome.ScreenSaver", *, answers: bool = True) -> None:
        super().__init__()
        self.name = name
        self.path = "/" + name.replace(".", "/")
        self.answers = answers

    def answer(self, path: str, interface: str, member: str, body: tuple[Any, ...]) -> Reply:
        return ("b", (False,)) if self.answers and (path, member) == (self.path, "GetActive") else None

    async def tell(self, *, active: bool) -> None:
        await self.emit(self.path, self.name, "ActiveChanged", "b", active)


async def unique_names(address: str) -> list[str]:
    """Every connection to a bus but this one."""
    connection = await open_dbus_connection(address)
    try:
        listing = new_method_call(message_bus, "ListNames")
        await connection.send(listing, serial=77)
        while (reply := await connection.receive()).header.fields.get(HeaderFields.reply_serial) != 77:
            pass
        return [name for name in reply.body[0] if name.startswith(":") and name != connection.unique_name]
    finally:
        await connection.close()
