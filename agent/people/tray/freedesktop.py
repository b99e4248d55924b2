"""Linux desktops over D-Bus: notifications (Desktop Notifications Specification 1.2), and whether they have a tray."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterator
from typing import Any, Final

from jeepney import DBusAddress, MessageType, new_method_call  # type: ignore[import-untyped]
from jeepney.io.blocking import DBusConnection, open_dbus_connection  # type: ignore[import-untyped]

from agent.people.tray.messages import Message

REPLY_S: Final = 3.0
NORMAL, CRITICAL = 1, 2  # hint `urgency`
DEFAULT_EXPIRY: Final = -1
NOTIFICATIONS: Final = DBusAddress(
    "/org/freedesktop/Notifications", "org.freedesktop.Notifications", "org.freedesktop.Notifications"
)
BUS: Final = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
WATCHER: Final = "org.kde.StatusNotifierWatcher"


class BusError(Exception):
    """There is no session bus, or nobody there who answers well."""


class Notifier:
    """Show messages, one at a time, over one kept line: GNOME takes them away when their sender leaves the bus."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown: dict[str, int] = {}
        self._bus: DBusConnection | None = None

    def show(self, message: Message) -> None:
        """Show it, in place of one with the same key. Raises BusError."""
        try:
            with _translated():
                self._bus = self._bus or open_dbus_connection("SESSION", auth_timeout=REPLY_S)
                self._shown[message.key] = self._notify(self._bus, message)
        except BusError:
            self.close()  # the next message gets a new line
            raise

    def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.close()
        self._bus = None

    def _notify(self, bus: DBusConnection, message: Message) -> int:
        hints = {"urgency": ("y", CRITICAL if message.urgent else NORMAL), "desktop-entry": ("s", "cps-agent")}
        replaced = self._shown.get(message.key, 0)
        given: tuple[Any, ...] = (
            self._name,
            replaced,
            "",
            message.title,
            _escape(bus, message.body),
            [],
            hints,
            DEFAULT_EXPIRY,
        )
        (number,) = _call(bus, NOTIFICATIONS, "Notify", "susssasa{sv}i", given)
        return int(number)


def has_status_notifier_host() -> bool:
    """Whether the desktop has a tray of the D-Bus kind (KDE Plasma, and GNOME with its extension)."""
    try:
        with _translated(), open_dbus_connection("SESSION", auth_timeout=REPLY_S) as bus:
            (owned,) = _call(bus, BUS, "NameHasOwner", "s", (WATCHER,))
    except BusError:
        return False
    return bool(owned)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Whatever goes wrong on the bus. KeyError: the environment names none; the others: an answer of another shape."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, EOFError) as error:
        raise BusError(str(error)) from error


def _call(bus: DBusConnection, to: DBusAddress, method: str, signature: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
    reply = bus.send_and_get_reply(new_method_call(to, method, signature or None, given), timeout=REPLY_S)
    if reply.header.message_type is not MessageType.method_return:
        raise BusError(f"{method}: {reply.body}")
    return tuple(reply.body)


def _escape(bus: DBusConnection, text: str) -> str:
    """A server with this ability reads a body as markup; one without shows it as it is."""
    (abilities,) = _call(bus, NOTIFICATIONS, "GetCapabilities", "", ())
    return html.escape(text, quote=False) if "body-markup" in abilities else text
