"""A desktop's notification service on a bus of the test's own: it remembers what it was given."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jeepney import MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

NOTIFICATIONS = "org.freedesktop.Notifications"


@dataclass
class Shown:
    """One notification as it came."""

    replaces: int
    title: str
    body: str
    urgency: int
    id: int


@dataclass
class NotificationService:
    """Answers Notify and GetCapabilities; `silent` answers nothing at all."""

    abilities: list[str]
    silent: bool = False
    shown: list[Shown] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, title: str, deadline_s: float = 15) -> Shown:
        def found() -> list[Shown]:
            return [one for one in self.shown if title in one.title]

        with self.changed:
            assert self.changed.wait_for(found, deadline_s), f"no notification {title!r}: {self.shown}"
            return found()[0]

    def serve(self, bus: Any) -> None:
        """Until the line is closed."""
        with contextlib.suppress(OSError, EOFError, ValueError):
            while True:
                self._answer(bus, bus.receive())

    def _answer(self, bus: Any, message: Any) -> None:
        if message.header.message_type is not MessageType.method_call or self.silent:
            return
        member = message.header.fields[3]
        if member == "GetCapabilities":
            bus.send(new_method_return(message, "as", (self.abilities,)))
        elif member == "Notify":
            number = self._note(message.body)
            bus.send(new_method_return(message, "u", (number,)))
        else:
            bus.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))

    def _note(self, body: tuple[Any, ...]) -> int:
        _, replaces, _, title, text, _, hints, _ = body
        with self.changed:
            number = replaces or len(self.shown) + 1
            self.shown.append(Shown(replaces, title, text, hints["urgency"][1], number))
            self.changed.notify_all()
        return int(number)


@contextlib.contextmanager
def notification_service(address: str, *abilities: str, silent: bool = False) -> Iterator[NotificationService]:
    """The desktop's, until the block ends."""
    service = NotificationService(list(abilities), silent)
    bus = open_dbus_connection(address)
    bus.send_and_get_reply(message_bus.RequestName(NOTIFICATIONS), timeout=10)
    thread = threading.Thread(target=service.serve, args=(bus,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        bus.sock.shutdown(2)
        thread.join(10)
        bus.close()
